"""What the house promises as a whole: what loads without an engine, and what `make` does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

import gatescope
from gatescope import errors

ROOT = Path(__file__).parent.parent
LIGHT = ["circuits", "catalog", "errors", "runs", "report", "cli"]


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after running some code."""
    show = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def modules_of(package: str) -> list[str]:
    folder = ROOT / "src" / "gatescope" / package
    names = sorted(path.stem for path in folder.glob("*.py"))
    return [f"gatescope.{package}"] + [
        f"gatescope.{package}.{name}" for name in names if name != "__init__"
    ]


@pytest.mark.parametrize("package", LIGHT)
def test_light_packages_load_no_engine(package: str) -> None:
    if find_spec(f"gatescope.{package}") is None:
        pytest.skip(f"gatescope.{package} is still to come")
    code = "\n".join(f"import {name}" for name in modules_of(package))
    assert loaded_by(code).isdisjoint({"tensorflow", "keras", "torch"})


def test_the_package_itself_loads_next_to_nothing() -> None:
    heavy = {"tensorflow", "keras", "numpy", "pydantic", "rich", "typer", "PIL"}
    assert loaded_by("import gatescope").isdisjoint(heavy)


def test_loading_the_package_is_enough_to_see_its_names() -> None:
    assert set(dir(gatescope)) == set(gatescope.__all__)
    for name in gatescope.__all__:
        assert getattr(gatescope, name) is not None


def test_a_public_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'captionr'"):
        gatescope.captionr  # noqa: B018


def test_a_public_name_without_tensorflow_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'tensorflow'\", name='tensorflow')"
    )
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import gatescope
try:
    gatescope.load_captioner
except gatescope.errors.EngineError as error:
    print(error.fix)
"""
    done = subprocess.run(
        [sys.executable, "-c", "import gatescope.errors\n" + code], capture_output=True, text=True
    )
    assert "pip install 'gatescope[cpu]'" in done.stdout


@pytest.mark.parametrize("before", ["pass", "os.close(2)"])
def test_a_public_name_loads_without_chatter_and_without_standard_error(before: str) -> None:
    code = f"import os; {before}; import gatescope; print(gatescope.load_captioner.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("load_captioner\n", "")


def test_every_error_has_three_parts_and_an_exit_code() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.GatescopeError)
    ]
    assert len(kinds) > 5
    for kind in kinds:
        text = str(kind("this happened", "that", "do so"))
        assert text.splitlines() == ["this happened", "  expected: that", "  fix: do so"]
        usage = kind in (errors.UsageError, errors.ConfigurationError)
        assert kind.exit_code == (2 if usage else 1)


def test_the_version_stands_in_one_value() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == gatescope.__version__


def make(*arguments: str, path: Path) -> subprocess.CompletedProcess[str]:
    # Variables of a make that may have started this test, VENV above all, must not reach it.
    environment = {"PATH": os.environ["PATH"]}
    command = ["make", "-C", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the Makefile needs of this folder."""
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    return tmp_path


def interpreter(folder: Path, name: str, version: str) -> Path:
    """A stand-in for Python: knows its version and makes environments whose pip does nothing."""
    file = folder / name
    file.write_text(f"""#!/bin/sh
echo "$0" "$@" >> {folder}/calls
case "$1" in
  -V) echo Python {version} ;;
  -c) test {version} != 3.10 ;;
  -m) if [ "$2" = venv ]; then
        mkdir -p "$3/bin"
        for tool in python gatescope lint-imports; do cp "$0" "$3/bin/$tool"; done
      fi ;;
esac
""")
    file.chmod(0o755)
    return file


def calls(folder: Path) -> str:
    return (folder / "calls").read_text()


def test_make_installs_once(checkout: Path) -> None:
    python = interpreter(checkout, "python3.12", "3.12")
    assert make("run", f"PYTHON={python}", path=checkout).returncode == 0
    assert make("run", f"PYTHON={python}", path=checkout).returncode == 0
    assert calls(checkout).count("--editable .[cpu]") == 1
    assert calls(checkout).count("gatescope demo") == 2


def test_make_test_adds_what_tests_need_once(checkout: Path) -> None:
    python = interpreter(checkout, "python3.12", "3.12")
    for target in ("run", "test", "test", "lint", "run"):
        assert make(target, f"PYTHON={python}", path=checkout).returncode == 0
    assert calls(checkout).count("--editable .[cpu]\n") == 1
    assert calls(checkout).count("--editable .[cpu,dev]\n") == 1
    assert calls(checkout).count("-m pytest") == 2


def test_make_starts_anew_with_another_interpreter(checkout: Path) -> None:
    for name, version in (("python3.12", "3.12"), ("python3.13", "3.13")):
        python = interpreter(checkout, name, version)
        assert make("run", f"PYTHON={python}", path=checkout).returncode == 0
    assert calls(checkout).count("-m venv") == 2


def test_make_refuses_an_interpreter_that_is_too_old(checkout: Path) -> None:
    python = interpreter(checkout, "python3.10", "3.10")
    done = make("run", f"PYTHON={python}", path=checkout)
    assert done.returncode != 0
    assert f"Error: {python} is not Python 3.11, 3.12 or 3.13" in done.stderr
    assert "fix: PYTHON=python3.12 make run" in done.stderr
    assert not (checkout / ".venv").exists()


def test_make_leaves_an_environment_alone_that_it_did_not_make(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "precious").touch()
    python = interpreter(checkout, "python3.12", "3.12")
    done = make("run", f"PYTHON={python}", path=checkout)
    assert done.returncode != 0
    assert "Error: .venv was not made by this Makefile" in done.stderr
    assert (checkout / ".venv" / "precious").exists()


def test_the_readme_shows_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert re.search(r"^make run$", readme, re.MULTILINE)
    assert re.search(r"^make test$", readme, re.MULTILINE)
