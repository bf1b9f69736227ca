from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from gatescope.cli import main


class Answer(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def gatescope(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """The command in this process, so that what it calls can be replaced."""

    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["gatescope", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code
        assert code is None or isinstance(code, int)
        return Answer(code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[..., Answer]:
    """The command in a process of its own, where loading TensorFlow fails as if it were absent."""
    engineless = tmp_path / "engineless" / "tensorflow"
    engineless.mkdir(parents=True)
    (engineless / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'tensorflow'\", name='tensorflow')"
    )
    environment = {**os.environ, "PYTHONPATH": str(engineless.parent)}

    def run(*arguments: object) -> Answer:
        code = "from gatescope.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment,
            cwd=tmp_path,
            timeout=60,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def demo_does(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., None]], None]:
    """Puts a function in the place of the demo, as a command that can go wrong at will."""

    def replace(run: Callable[..., None]) -> None:
        module = ModuleType("gatescope.recipes.running.demo")
        monkeypatch.setattr(module, "run", run, raising=False)
        monkeypatch.setitem(sys.modules, "gatescope.recipes.running.demo", module)

    return replace


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the command fail with exit code 1 when it starts TensorFlow."""
    monkeypatch.setenv("KERAS_BACKEND", "none")
