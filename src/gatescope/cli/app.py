"""Puts the commands together."""

from __future__ import annotations

from typing import Annotated

import typer

import gatescope
from gatescope.cli import summaries
from gatescope.cli.caption import caption
from gatescope.cli.catalog import catalog
from gatescope.cli.data import data
from gatescope.cli.demo import demo
from gatescope.cli.doctor import doctor
from gatescope.cli.evaluate import evaluate
from gatescope.cli.replay import replay
from gatescope.cli.runs import runs
from gatescope.cli.trace import trace
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
app.command()(catalog)
app.command()(trace)
app.command()(replay)
app.add_typer(runs)
app.command()(doctor)


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


@app.command(
    help=summaries.GATES,
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def gates(context: typer.Context) -> None:
    """Hands on to the command that reads its own arguments (see `cli.start`)."""
    from gatescope.cli.gates import gates as run_gates

    raise typer.Exit(run_gates(context.args))


@app.command(
    help=summaries.RUN,
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def run(context: typer.Context) -> None:
    """Hands on to the command that reads its own arguments (see `cli.start`)."""
    from gatescope.cli.run import run as run_script

    run_script(context.args)
