"""`gatescope rate`: which learning rate suits a recipe, by a test of under a minute."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatescope.cli.recipe_group import (
    FOLDER,
    SETTINGS,
    VARIANT,
    Option,
    Work,
    check_folder,
    given_to,
    group_of,
    train_command,
)
from gatescope.cli.terminal import engine_starting, output, printable, spinner
from gatescope.recipes.kinds.lessons import Lesson

if TYPE_CHECKING:
    from rich.text import Text

    from gatescope.training.rate import RangeTest

_RATE = "training.optimizer.learning_rate"


def find_rate(
    found: Lesson,
    *,
    folder: Path | None,
    settings: list[str] | None,
    variant: str | None,
    low: float,
    high: float,
    steps: int,
    **given: Any,
) -> None:
    """Runs the range test of a recipe and shows what it suggests.

    Args:
        found: The recipe.
        folder: Where the page goes.
        settings: Changes of the recipe, each `name=value`.
        variant: Which, of several; the first where none is named.
        low: The first rate.
        high: The last rate.
        steps: From the first to the last.
        **given: What the recipe's function `recipe` is to be given.
    """
    chosen = given_to(found, "rate", **given)
    check_folder(folder)
    with engine_starting():
        from gatescope.recipes.kinds.network import network_recipe
        from gatescope.recipes.running.loading import load_recipe
        from gatescope.recipes.running.rate import recipe_range, write_range
    began = time.monotonic()
    recipe = network_recipe(found.name, load_recipe(found, chosen, settings or ()).recipe)
    variant = variant or next(iter(recipe.variants), None)
    alone = recipe.only(variant) if variant else recipe
    with spinner("Raising the learning rate …"):
        test = recipe_range(alone.first(settings or ()), low=low, high=high, steps=steps)
    use = _use(test, found, chosen, settings or [], variant)
    where = folder or Path("runs") / time.strftime(f"rate-{found.name}-%Y%m%d-%H%M%S")
    page = write_range(test, found.name, use, where)
    _show(test, found, use, page, time.monotonic() - began)


def _use(
    test: RangeTest,
    found: Lesson,
    given: dict[str, object],
    settings: list[str],
    variant: str | None,
) -> list[str]:
    if test.suggestion is None:
        return []
    changes = [*settings, f"{_RATE}={test.suggestion:.1e}"]
    return [train_command(found, given, changes, variant)]


def _show(test: RangeTest, found: Lesson, use: list[str], page: Path, seconds: float) -> None:
    from gatescope.report.terminal import summary

    suggestion = "none" if test.suggestion is None else f"{test.suggestion:.1e}"
    facts = [
        ("suggested", suggestion),
        ("reason", test.reason),
        ("page", printable(str(page))),
        ("time", f"{seconds:.0f} s for {len(test.rates)} steps"),
    ]
    output().print(summary(f"learning rate of {found.name}", facts, _drawn(test)))
    for line in use:
        typer.echo(printable(line))


def _drawn(test: RangeTest) -> Text:
    """The smoothed loss; where it has soared, it leaves the picture, which is about the rest."""
    from rich.text import Text

    from gatescope.report.curves import text_plot
    from gatescope.report.series import Series

    low, first = min(test.smoothed), test.smoothed[0]
    most = first + 0.5 * (first - low)
    seen = [loss if loss <= most else math.nan for loss in test.smoothed]
    line = Series("loss over learning rate", test.rates, seen)
    return Text("\n".join(text_plot(line, width=64, height=10, log_x=True)))


_OPTIONS = {
    "folder": FOLDER,
    "settings": SETTINGS,
    "variant": VARIANT,
    "low": Option(Annotated[float, typer.Option(help="The first rate.")], 1e-6),
    "high": Option(Annotated[float, typer.Option(help="The last rate.")], 10.0),
    "steps": Option(Annotated[int, typer.Option(min=3, help="From the first to the last.")], 100),
}

rate = typer.Typer(
    name="rate",
    cls=group_of(Work("rate", find_rate, _OPTIONS)),
    no_args_is_help=True,
    help="Find a learning rate for a recipe: train some steps at one that rises, see the loss.",
)
