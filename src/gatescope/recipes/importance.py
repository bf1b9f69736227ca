"""How much a network's score falls when a column is shuffled (Breiman 2001, "Random Forests")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np

from gatescope.data.datasets import Array, Dataset, Part
from gatescope.data.encoding import MISSING
from gatescope.data.splits import Split
from gatescope.recipes.network import score

_SAMPLES = 2_000  # that are enough to tell


class Importance(NamedTuple):
    """What a column is worth to a network.

    Args:
        column: Its name.
        drop: How far the score falls without what it says, on average.
        deviation: Of the drops of single shuffles.
    """

    column: str
    drop: float
    deviation: float


def permutation_importance(
    model: keras.Model,
    data: Dataset,
    outputs: Sequence[str],
    *,
    split: Split = "test",
    repeats: int = 5,
    seed: int = 0,
) -> list[Importance]:
    """Shuffles one column after the other and looks how far the score falls.

    Args:
        model: Predicts the outputs.
        data: Of which up to 2,000 samples of the split are looked at.
        outputs: The model's, in their order.
        split: Which part.
        repeats: Shuffles of each column.
        seed: Of the shuffles.

    Returns:
        The columns, the most important first.
    """
    rng = np.random.default_rng(seed)
    whole = data.part(split)
    part = whole.rows(np.sort(rng.permutation(len(whole))[:_SAMPLES]))
    fields = {field.name: field for field in data.targets}
    targets = [fields[name] for name in outputs]
    before = score(model, part, targets)
    found = []
    for column, (name, places) in _columns(data).items():
        orders = [rng.permutation(len(part)) for _ in range(repeats)]
        changed = (Part(_shuffled(part.x, name, places, order), part.y) for order in orders)
        drops = before - np.array([score(model, one, targets) for one in changed])
        found.append(Importance(column, float(drops.mean()), float(drops.std())))
    return sorted(found, key=lambda each: -each.drop)


def _columns(data: Dataset) -> dict[str, tuple[str, list[int]]]:
    """Each column's input and its places there, with the flag that says where it is missing."""
    found: dict[str, tuple[str, list[int]]] = {}
    for field in data.inputs:
        for place, column in enumerate(field.columns or (field.name,)):
            number = column.removesuffix(f" {MISSING}")
            known = number if number in field.columns else column
            found.setdefault(known, (field.name, []))[1].append(place)
    return found


def _shuffled(
    x: Mapping[str, Array], name: str, places: list[int], order: Array
) -> dict[str, Array]:
    moved = x[name].copy()
    if moved.ndim == 1:
        moved = moved[order]
    elif moved.shape[1:] == (1,) or len(places) > 1 or moved.ndim == 2:
        moved[:, places] = moved[order][:, places]
    return {**x, name: moved}
