"""`gatescope train`: one command a kind of network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gatescope.cli.files import existing
from gatescope.cli.recipe_group import (
    FOLDER,
    SETTINGS,
    VARIANT,
    Option,
    Work,
    check_folder,
    group_of,
)
from gatescope.cli.recipes import run_lesson
from gatescope.cli.terminal import engine_starting, output, printable, progress_bars

ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on where the run was stopped.")]
_WORKERS = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        help="Train by so many processes, here or, where TF_CONFIG is set, on its machines.",
    ),
]
_OPTIONS = {
    "folder": FOLDER, "settings": SETTINGS, "variant": VARIANT,
    "resume": Option(ResumeOption, False), "workers": Option(_WORKERS, None),
}  # fmt: skip

train = typer.Typer(
    name="train",
    cls=group_of(Work("train", run_lesson, _OPTIONS)),
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
    check_folder(run)
    _check_start(start)
    with engine_starting():
        from gatescope.caption.bundle import SHIPPED
        from gatescope.caption.fitting import fit
        from gatescope.recipes.caption import recipe
        from gatescope.recipes.kinds.settings import override
    begin = SHIPPED if start == "shipped" else Path(start) if start else None
    chosen = override(recipe(begin), settings or ())
    fit(chosen, data, run, resume=resume, start=begin, console=output())
    typer.echo(f"captioner in {printable(str(run / 'bundle'))}")


@train.command("scenes")
def train_scenes(run: RunOption, settings: SetOption = None, resume: ResumeOption = False) -> None:
    """Train a captioner on generated scenes, where what is right is known exactly."""
    check_folder(run)
    with engine_starting():
        from gatescope.recipes import scenes
        from gatescope.recipes.kinds.settings import override
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
    check_folder(run)
    with engine_starting():
        from gatescope.recipes.kinds.settings import override
        from gatescope.training import regions
    chosen = override(regions.RegionRecipe(), settings or ())
    with progress_bars() as report:
        regions.train_regions(data, run, chosen, progress=report)
    typer.echo(f"proposal network in {printable(str(run))}")


def _check_start(start: str | None) -> None:
    if start not in (None, "shipped"):
        existing(Path(start), "'shipped', or the folder of a bundle such as runs/mine/bundle")
