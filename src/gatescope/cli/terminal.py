"""Consoles, and what is shown while something takes its time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TextIO

from gatescope.errors import EngineError, GatescopeError
from gatescope.report.cells import without_colours
from gatescope.startup import quiet_startup

if TYPE_CHECKING:
    from rich.console import Console


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
    """Replaces control characters, so that no name can steer the terminal.

    Line feeds and tabs stay, for diffs are copied, and colours are left out.
    """
    plain = without_colours(text)
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in plain)


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
    with quiet_startup() as stderr, _console(stderr).status("Starting TensorFlow …"):
        yield


def spinner(work: str) -> AbstractContextManager[object]:
    """Shows, on a terminal only, that something is going on inside the `with` block."""
    return notes().status(work)


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
