"""Consoles, and what is shown while something takes its time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from gatescope.errors import EngineError, GatescopeError

if TYPE_CHECKING:
    from rich.console import Console


_STARTUP_NOTICES = ("before absl::InitializeLog() is called", "oneDNN custom operations are on")


def output() -> Console:
    """A console on standard output, for results."""
    return _console(sys.stdout)


def notes() -> Console:
    """A console on standard error, for progress and complaints."""
    return _console(sys.stderr)


def _console(file: TextIO) -> Console:
    from rich.console import Console

    return Console(file=file, highlight=False)


def complain(error: GatescopeError) -> None:
    """Prints an error as text on standard error."""
    print(f"Error: {printable(str(error))}", file=sys.stderr)


def printable(text: str) -> str:
    """Replaces control characters but line feeds, so that no name can steer the terminal."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)


@contextmanager
def engine_starting() -> Iterator[None]:
    """Shows a spinner, on a terminal only, while TensorFlow loads inside the `with` block.

    Raises:
        EngineError: Keras is told to run on another engine.
    """
    # Set if it is not, because it outranks the engine that ~/.keras/keras.json may name.
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise EngineError(
            f"KERAS_BACKEND is {backend!r}",
            "tensorflow, the one engine that Gatescope runs on",
            "unset KERAS_BACKEND",
        )
    with _without_startup_notices() as stderr, _console(stderr).status("Starting TensorFlow …"):
        yield


def spinner(work: str) -> AbstractContextManager[object]:
    """Shows, on a terminal only, that something is going on inside the `with` block."""
    return notes().status(work)


@contextmanager
def _without_startup_notices() -> Iterator[TextIO]:
    """Keeps two lines off standard error that TensorFlow 2.21 writes whatever its settings are.

    All else that it writes while it loads must come through, above all if it then aborts, so a
    process of its own does the filtering.

    Yields:
        The real standard error, for what may be written meanwhile.
    """
    grep = shutil.which("grep")
    if grep is None:
        yield sys.stderr
        return
    with os.fdopen(os.dup(2), "w") as stderr:
        patterns = [f"--regexp={notice}" for notice in _STARTUP_NOTICES]
        command = [grep, "--line-buffered", "--invert-match", *patterns]
        noise, through = os.pipe()
        filtering = subprocess.Popen(command, stdin=noise, stdout=stderr)  # noqa: S603
        os.dup2(through, 2)
        os.close(noise)
        os.close(through)
        try:
            yield stderr
        finally:
            os.dup2(stderr.fileno(), 2)
            # It ends when nobody can write to it any more: at once, unless a child still can.
            with suppress(subprocess.TimeoutExpired):
                filtering.wait(1)


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Draws a bar for each piece of work that reports itself, on standard error.

    Yields:
        A function of the work's name, the number of steps done and of all steps.
    """
    from gatescope.report.terminal import progress

    with progress(notes()) as bars:
        tasks = {}

        def report(work: str, done: int, total: int) -> None:
            if work not in tasks:
                tasks[work] = bars.add_task(work, total=total, status="")
            bars.update(tasks[work], completed=done, total=total)

        yield report
