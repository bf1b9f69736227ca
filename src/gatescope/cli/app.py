"""Puts the commands together and turns errors into messages and exit codes."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

import gatescope
from gatescope.cli.caption import caption
from gatescope.cli.data import data
from gatescope.cli.demo import demo
from gatescope.cli.evaluate import evaluate
from gatescope.cli.failures import EXPECTED, report_failure
from gatescope.cli.train import train

app = typer.Typer(
    name="gatescope",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo)
app.command()(caption)
app.add_typer(train)
app.command()(evaluate)
app.add_typer(data)


def main() -> None:
    """Runs the command line; the entry point of the `gatescope` script.

    Errors that are the user's to solve end as text on standard error: exit code 2 for what
    cannot mean anything, 1 for what failed, 130 for an interruption from the keyboard. An error
    of Gatescope's own keeps its traceback, which a bug report needs.
    """
    _let_any_text_out()
    try:
        app(prog_name="gatescope")
    except EXPECTED as error:
        sys.exit(report_failure(error))


def _let_any_text_out() -> None:
    """A file name that the terminal cannot encode is shown escaped instead of ending the run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gatescope {gatescope.__version__}")
        raise typer.Exit


@app.callback()
def gatescope_command(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Builds, trains and looks inside neural networks, from one gate to a word of a caption."""
