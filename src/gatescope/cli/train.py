"""`gatescope train`: one command a kind of network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gatescope.cli.files import existing
from gatescope.cli.recipes import own_recipe, recipe_command, recipe_names
from gatescope.cli.terminal import engine_starting, output, printable, progress_bars
from gatescope.errors import UsageError, nearest
from gatescope.recipes.lessons import lesson


class RecipeOrFile(TyperGroup):
    """Commands of their own, recipes by name, and what ends in `.py`: recipes of the user's.

    Recipes are read when they are asked for, not when the command line is put together.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Recipes in their order, then commands of their own."""
        return [*recipe_names(), *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a recipe or a file; None where there is none."""
        if cmd_name.endswith(".py"):
            return recipe_command(own_recipe(Path(cmd_name)))
        if cmd_name in recipe_names():
            return recipe_command(lesson(cmd_name))
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that was typed.

        Raises:
            UsageError: There is none, neither a recipe nor one of its own.
        """
        known = self.list_commands(ctx)
        if args[0] in known or args[0].endswith(".py"):
            return super().resolve_command(ctx, args)
        raise UsageError(
            f"there is nothing to train called {args[0]!r}",
            f"one of {', '.join(known)}, or a recipe's file",
            nearest(args[0], known) or "gatescope recipes lists the recipes",
        )


train = typer.Typer(
    name="train",
    cls=RecipeOrFile,
    no_args_is_help=True,
    help="Train a recipe by its name, a copy of one by its file, or a captioner of your own.",
)

RunOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Where the run is kept; made if it is not there.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change a setting of the recipe, such as training.batch_size=32. May be repeated.",
    ),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on where the run was stopped.")]


@train.command("caption")
def train_caption(
    data: Annotated[
        Path,
        typer.Option(metavar="PATH", help="Photos with captions, in any of the usual formats."),
    ],
    run: RunOption,
    settings: SetOption = None,
    resume: ResumeOption = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="BUNDLE",
            help="Start from a trained captioner: 'shipped', or a bundle's folder.",
        ),
    ] = None,
) -> None:
    """Train a captioner on photos with captions; each stage leaves its best in DIR/bundle."""
    existing(data, "a folder of photos with captions, or its caption file")
    _check_run(run)
    _check_start(start)
    with engine_starting():
        from gatescope.caption.bundle import SHIPPED
        from gatescope.caption.fitting import fit
        from gatescope.recipes.caption import recipe
        from gatescope.recipes.settings import override
    begin = SHIPPED if start == "shipped" else Path(start) if start else None
    chosen = override(recipe(begin), settings or ())
    fit(chosen, data, run, resume=resume, start=begin, console=output())
    typer.echo(f"captioner in {printable(str(run / 'bundle'))}")


@train.command("scenes")
def train_scenes(run: RunOption, settings: SetOption = None, resume: ResumeOption = False) -> None:
    """Train a captioner on generated scenes, where what is right is known exactly."""
    _check_run(run)
    with engine_starting():
        from gatescope.recipes import scenes
        from gatescope.recipes.settings import override
    chosen = override(scenes.recipe(), settings or ())
    scenes.run(chosen, run, resume=resume, console=output())


@train.command("regions")
def train_regions(
    data: Annotated[
        Path, typer.Option(metavar="PATH", help="A COCO instances file, or the folder it is in.")
    ],
    run: RunOption,
    settings: SetOption = None,
) -> None:
    """Train a region proposal network, to be named in --set proposals=DIR for a captioner."""
    existing(data, "a COCO instances file, or the folder it is in")
    _check_run(run)
    with engine_starting():
        from gatescope.recipes.settings import override
        from gatescope.training import regions
    chosen = override(regions.RegionRecipe(), settings or ())
    with progress_bars() as report:
        regions.train_regions(data, run, chosen, progress=report)
    typer.echo(f"proposal network in {printable(str(run))}")


def _check_run(run: Path) -> None:
    if run.exists() and not run.is_dir():
        raise UsageError(f"{str(run)!r} is a file", "a folder for the run", "name another --run")


def _check_start(start: str | None) -> None:
    if start not in (None, "shipped"):
        existing(Path(start), "'shipped', or the folder of a bundle such as runs/mine/bundle")
