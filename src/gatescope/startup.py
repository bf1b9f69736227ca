"""TensorFlow's start: its notices stay off the terminal, and no time goes into garbage."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

_NOTICES = ("before absl::InitializeLog() is called", "oneDNN custom operations are on")


@contextmanager
def uncollected() -> Iterator[None]:
    """Lets the garbage collector wait while TensorFlow and Keras are imported.

    The half million objects that they make stay; looking at them time and again took 0.65 of the
    3.6 seconds of an import.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextmanager
def quiet_startup() -> Iterator[TextIO]:
    """Keeps two lines off standard error that TensorFlow 2.21 writes whatever its settings are.

    All else that it writes while it loads must come through, above all if it then aborts, so a
    process of its own does the filtering. Meanwhile, no garbage is collected.

    Yields:
        The real standard error, for what may be written meanwhile.
    """
    grep = shutil.which("grep")
    if grep is None or not Path("/dev/fd/2").exists():
        with uncollected():
            yield sys.stderr
        return
    with os.fdopen(os.dup(2), "w") as stderr:
        patterns = [f"--regexp={notice}" for notice in _NOTICES]
        command = [grep, "--line-buffered", "--invert-match", *patterns]
        noise, through = os.pipe()
        filtering = subprocess.Popen(command, stdin=noise, stdout=stderr)  # noqa: S603
        os.dup2(through, 2)
        os.close(noise)
        os.close(through)
        try:
            with uncollected():
                yield stderr
        finally:
            os.dup2(stderr.fileno(), 2)
            # It ends when nobody can write to it any more: at once, unless a child still can.
            with suppress(subprocess.TimeoutExpired):
                filtering.wait(1)
