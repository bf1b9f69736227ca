from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from written_runs import FINDING, fill, record

from gatescope.runs.findings import keep_findings
from gatescope.runs.open import Run, open_run


@pytest.fixture
def finished(tmp_path: Path) -> Run:
    with record(tmp_path / "runs") as writer:
        fill(writer)
    keep_findings(writer.folder, [FINDING])
    return open_run(writer.folder)


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """A script in a process of its own, with arguments and with `record` and `fill` at hand."""

    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])

    def run(code: str, *arguments: object, **more: object) -> subprocess.CompletedProcess[str]:
        code = f"from written_runs import fill, record\n{code}"
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": path},
            **more,
        )

    return run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte, for those who may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mounting, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)
