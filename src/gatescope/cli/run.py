"""`gatescope run`: parses without typer, for what is loaded may be in the script's way."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import gatescope
from gatescope.cli import summaries
from gatescope.cli.failures import EXPECTED, report_failure
from gatescope.cli.files import existing
from gatescope.cli.quick import Parser
from gatescope.cli.terminal import printable
from gatescope.errors import UsageError
from gatescope.scope.script import find_program, run_script
from gatescope.scope.sitting import Settings


def run(arguments: Sequence[str]) -> None:
    """Runs the command; errors of the script are raised as the script raised them.

    Args:
        arguments: What was typed behind `gatescope run`.
    """
    try:
        asked = parser().parse_args(arguments)
        existing(asked.script, "a script")
        find_program(asked.script)
        settings = _settings(asked)
    except EXPECTED as error:
        sys.exit(report_failure(error))
    if asked.doctor:
        sys.exit(_run_and_diagnose(asked, arguments))
    gatescope.leave_environment()
    run_script(asked.script, asked.arguments, settings, _say)


def parser() -> argparse.ArgumentParser:
    """What the command understands."""
    made = Parser("gatescope run [OPTIONS] SCRIPT [ARGUMENT]...", description=summaries.RUN)
    add = made.add_argument
    program = "a Keras script, as it is; a folder or archive with a __main__.py, too"
    add("script", metavar="SCRIPT", type=Path, help=program)
    rest = add("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER, help="for the script")
    rest.required = False  # as argparse says of it, though none is fine
    add("--runs", metavar="DIR", type=Path, default=Path("runs"), help="default ./runs")
    add("--name", metavar="NAME", help="what the runs are called (default: script and model)")
    add(
        "--overhead",
        metavar="SHARE",
        type=float,
        default=0.05,
        help="what looking may cost, as a share of the time of a step (default 0.05)",
    )
    add("--seconds", metavar="N", type=float, help="end trainings after so many seconds")
    add("--max-epochs", metavar="N", type=int, help="train at most so many epochs in each fit")
    add("--no-data", action="store_true", help="keep neither the model nor a sample of the data")
    add("--doctor", action="store_true", help="then say what is wrong with each training, and why")
    return made


def _run_and_diagnose(asked: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Runs the script in a process of its own, then tells of its runs on standard error.

    What a diagnosis starts, threads and processes, cannot start any more when a script has ended.

    Returns:
        The exit code of the script.
    """
    without = list(arguments)
    without.remove("--doctor")  # the first is ours: the script's own arguments stand behind it
    began = time.time()
    with _ignored(signal.SIGINT):  # the script's to answer
        command = [sys.executable, "-m", "gatescope", "run", *without]
        environment = gatescope.users_environment()
        code = subprocess.call(command, env=environment)  # noqa: S603 - what it is for
    from gatescope.cli.doctor import report_runs

    try:
        report_runs(asked.runs, began)
    except EXPECTED as error:
        report_failure(error)
    return code if code >= 0 else 128 - code  # as a shell tells of a signal


@contextmanager
def _ignored(number: signal.Signals) -> Iterator[None]:
    before = signal.signal(number, lambda *_: None)  # SIG_IGN would be handed on to the script
    try:
        yield
    finally:
        signal.signal(number, before)


def _settings(asked: argparse.Namespace) -> Settings:
    if not 0 < asked.overhead <= 10:
        raise UsageError(
            f"--overhead is {asked.overhead}",
            "a share of the time of a step, above 0",
            "--overhead 0.05 allows five percent",
        )
    for option, value in (("--seconds", asked.seconds), ("--max-epochs", asked.max_epochs)):
        if value is not None and not value > 0:
            raise UsageError(f"{option} is {value}", "more than 0", f"leave {option} out")
    if asked.runs.exists() and not asked.runs.is_dir():
        raise UsageError(f"{str(asked.runs)!r} is a file", "a folder of runs", "--runs runs")
    return Settings(
        runs=asked.runs,
        name=asked.name,
        overhead=asked.overhead,
        seconds=asked.seconds,
        max_epochs=asked.max_epochs,
        keep_data=not asked.no_data,
    )


def _say(line: str) -> None:
    """On standard error, where that is still open: the script's own output stays what it is."""
    if sys.stderr is not None and not sys.stderr.closed:
        print(f"Gatescope: {printable(line)}".replace("\n", " "), file=sys.stderr)
