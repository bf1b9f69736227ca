"""The learning-rate range test of a recipe: on its network, its data and its optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gatescope.recipes.kinds.network import NetworkRecipe, prepared
from gatescope.report.html import page, paragraph, section, table
from gatescope.runs.files import atomic_write
from gatescope.training.rate import RangeTest, range_test

PAGE = "rate.html"


def recipe_range(recipe: NetworkRecipe, *, low: float, high: float, steps: int) -> RangeTest:
    """Trains the network of a recipe for some steps at a rate that rises.

    Args:
        recipe: Of one network.
        low: The first rate.
        high: The last rate.
        steps: From the first to the last.

    Example:
        >>> recipe_range(recipe(), low=1e-6, high=10, steps=100).suggestion  # doctest: +SKIP
        0.012
    """
    model, taught, _ = prepared(recipe).job(recipe.training)
    return range_test(model, taught, recipe.training, low=low, high=high, steps=steps)


def write_range(found: RangeTest, name: str, use: Sequence[str], folder: Path) -> Path:
    """Writes a range test as a page.

    Args:
        found: What it came to.
        name: Of the recipe.
        use: How to use the suggestion; empty where there is none.
        folder: Where to.

    Returns:
        The page.
    """
    rows = list(zip(found.rates, found.losses, found.smoothed, strict=True))
    told = found.reason[:1].upper() + found.reason[1:]
    content = page(
        f"Learning rate of {name}",
        section("Loss against rate", paragraph(f"{told}."), found.chart(), *map(paragraph, use)),
        section("Steps", table(rows, ["rate", "loss", "smoothed"], caption="Each step's batch")),
    )
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / PAGE, content.encode())
    return folder / PAGE
