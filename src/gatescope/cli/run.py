"""`gatescope run`: parses without typer, for what is loaded may be in the script's way."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import gatescope
from gatescope.cli import summaries
from gatescope.cli.failures import EXPECTED, report_failure
from gatescope.cli.files import existing
from gatescope.cli.quick import Parser
from gatescope.cli.terminal import printable
from gatescope.errors import UsageError
from gatescope.scope.script import read_script, run_script
from gatescope.scope.session import Settings


def run(arguments: Sequence[str]) -> None:
    """Runs the command; errors of the script are raised as the script raised them.

    Args:
        arguments: What was typed behind `gatescope run`.
    """
    try:
        asked = parser().parse_args(arguments)
        existing(asked.script, "a script")
        read_script(asked.script)
        settings = _settings(asked)
    except EXPECTED as error:
        sys.exit(report_failure(error))
    gatescope.leave_environment()
    run_script(asked.script, asked.arguments, settings, _say)


def parser() -> argparse.ArgumentParser:
    """What the command understands."""
    made = Parser("gatescope run [OPTIONS] SCRIPT [ARGUMENT]...", description=summaries.RUN)
    add = made.add_argument
    add("script", metavar="SCRIPT", type=Path, help="a Keras script, as it is")
    add("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER, help="for the script")
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
    return made


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
