"""Puts the commands together."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

import gatescope
from gatescope.cli import summaries
from gatescope.cli.caption import caption
from gatescope.cli.catalog import catalog
from gatescope.cli.data import data
from gatescope.cli.demo import demo
from gatescope.cli.doctor import doctor
from gatescope.cli.evaluate import evaluate
from gatescope.cli.export import export
from gatescope.cli.learn import learn
from gatescope.cli.predict import predict
from gatescope.cli.rate import rate
from gatescope.cli.recipes import recipes
from gatescope.cli.replay import replay
from gatescope.cli.report import report
from gatescope.cli.runs import runs
from gatescope.cli.studio import studio
from gatescope.cli.sweep import sweep
from gatescope.cli.trace import trace
from gatescope.cli.train import train
from gatescope.errors import UsageError

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
app.add_typer(rate)
app.add_typer(sweep)
app.add_typer(recipes)
app.command()(learn)
app.command()(evaluate)
app.command()(predict)
app.command()(export)
app.add_typer(data)
app.command()(catalog)
app.command()(trace)
app.command()(replay)
app.add_typer(runs)
app.command()(doctor)
app.command()(report)
app.command()(studio)


_NOTHING_TYPED = 2
_WORDING = (("Input should be", "it should be"), ("Value error, ", ""))  # of pydantic
_WRONG_USAGE: Any = typer.BadParameter.__mro__[1]  # of click, which typer may bring along or not


def run_app() -> int:
    """Runs the command that was typed.

    Returns:
        The exit code.

    Raises:
        UsageError: An argument is missing, or an option means nothing.
    """
    try:
        code = app(prog_name="gatescope", standalone_mode=False)
    except typer.Abort:
        print("Aborted.", file=sys.stderr)
        return 1
    except _WRONG_USAGE as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # the help has been shown
            return _NOTHING_TYPED
        raise explained(error) from None
    return code if isinstance(code, int) else 0


def explained(error: Any) -> UsageError:
    """What typer would say in a box of its own, in the three parts of other errors.

    Args:
        error: A usage error of click's.
    """
    happened, _, meant = error.format_message().partition(" Did you mean ")
    for said, better in _WORDING:
        happened = happened.replace(said, better)
    command = error.ctx.command_path if error.ctx else "gatescope"
    usage = error.ctx.get_usage() if error.ctx else f"{command} COMMAND [OPTIONS]"
    return UsageError(
        f"{happened[:1].lower()}{happened[1:]}".rstrip("."),
        " ".join(usage.removeprefix("Usage: ").translate({ord("{"): None, ord("}"): None}).split()),
        f"did you mean {meant}" if meant else f"{command} --help",
    )


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
