"""How much a network's score falls when a column is shuffled (Breiman 2001, "Random Forests")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np

from gatescope.data.datasets import Array, Dataset, Field, Part
from gatescope.data.encoding import MISSING
from gatescope.data.splits import Split
from gatescope.recipes.kinds.agreement import Agreement, predicted

_SAMPLES = 2_000  # that are enough to tell


class Importance(NamedTuple):
    """What a column is worth to a network.

    Args:
        column: Its name; that of the input, where this is no array of a table's numbers.
        drop: How far the score falls without what it says, on average; about 0, or a little below,
            where the network does not need it.
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

    A number and the flag that says where it is missing are one column; so is an image, a text or a
    sequence. Of columns that say the same each seems to be worth little: the network has the other.

    Args:
        model: Predicts the outputs.
        data: Of which up to 2,000 samples of the split are looked at.
        outputs: The model's, in their order; the score is the mean of theirs.
        split: Which part.
        repeats: Shuffles of each column.
        seed: Of the shuffles.

    Returns:
        The columns, the most important first.

    Example:
        >>> permutation_importance(model, data, ["price"])[0].column  # doctest: +SKIP
        'size'
    """
    rng = np.random.default_rng(seed)
    whole = data.part(split)
    part = whole.rows(np.sort(rng.permutation(len(whole))[:_SAMPLES]))
    targets = {field.name: field for field in data.targets}
    asked = [targets[name] for name in outputs]
    (before,) = _scores(model, part, part.x, asked, 1)
    found = []
    for column, (name, places) in _columns(data).items():
        orders = [rng.permutation(len(part)) for _ in range(repeats)]
        after = _scores(model, part, _shuffled(part, name, places, orders), asked, repeats)
        drops = before - np.array(after)
        found.append(Importance(column, float(drops.mean()), float(drops.std())))
    return sorted(found, key=lambda each: -each.drop)


def _columns(data: Dataset) -> dict[str, tuple[str, list[int] | None]]:
    """Each column's input and, in an array of a table's numbers, its places there."""
    found: dict[str, tuple[str, list[int] | None]] = {}
    for field in data.inputs:
        if not field.columns:
            found[field.name] = (field.name, None)
        for place, column in enumerate(field.columns):
            number = column.removesuffix(f" {MISSING}")
            whole = number if number in field.columns else column
            _, places = found.setdefault(whole, (field.name, []))
            if places is not None:
                places.append(place)
    return found


def _shuffled(
    part: Part, name: str, places: list[int] | None, orders: Sequence[Array]
) -> Mapping[str, Array]:
    """The inputs once for each order, one column being in that order."""
    x = {other: np.concatenate([array] * len(orders)) for other, array in part.x.items()}
    moved = np.concatenate([part.x[name][order] for order in orders])
    if places is None:
        return {**x, name: moved}
    x[name][:, places] = moved[:, places]
    return x


def _scores(
    model: keras.Model, part: Part, x: Mapping[str, Array], asked: Sequence[Field], times: int
) -> list[float]:
    """The mean score of all targets, for each time that the samples stand in the inputs."""
    answers = [np.split(answer, times) for answer in predicted(model, x)]
    scores = []
    for place in range(times):
        each = []
        for field, answer in zip(asked, answers, strict=True):
            agreement = Agreement(field)
            agreement.add(part.y[field.name], answer[place])
            each.append(agreement.score)
        scores.append(float(np.mean(each)))
    return scores
