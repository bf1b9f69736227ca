"""Simple models beside networks: columns are what they are, not numbers by chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gatescope.data.datasets import Dataset, Field, Part
from gatescope.errors import UsageError
from gatescope.recipes.kinds import baselines
from gatescope.recipes.kinds.baselines import baseline_scores

ROWS = 240


def dataset(inputs: tuple[Field, ...], x: dict, targets: tuple[Field, ...], y: dict) -> Dataset:
    whole = Part(x, y)
    parts = [whole.rows(np.arange(ROWS) % 3 == place) for place in range(3)]
    return Dataset(inputs, targets, *parts, "made")


def of_categories(kind: str = "number") -> Dataset:
    """What a category is worth has nothing to do with its number."""
    worth = np.array([3.0, -2.0, 5.0, 0.0, -4.0, 1.0])
    city = np.random.default_rng(0).integers(0, 6, ROWS).astype(np.int32)
    y = worth[city][:, None] if kind == "number" else (worth[city] > 0.5).astype(np.int32)
    inputs = (Field("city", "category", (), tuple("uvwxyz")),)
    return dataset(inputs, {"city": city}, (Field("worth", kind),), {"worth": y})


def of_texts() -> Dataset:
    """A word tells the class, whatever its place and number."""
    rng = np.random.default_rng(0)
    ids, label = rng.integers(4, 30, (ROWS, 8)), rng.integers(0, 2, ROWS)
    ids[np.arange(ROWS), rng.integers(0, 8, ROWS)] = np.where(label, 2, 3)
    ids[:, 5:] *= rng.integers(0, 2, (ROWS, 1))  # padding
    ids[np.arange(ROWS), 0] = np.where(label, 2, 3)
    words = ("", "[UNK]", *(f"w{place}" for place in range(28)))
    inputs = (Field("text", "text", (8,), words),)
    return dataset(
        inputs, {"text": ids.astype(np.int32)}, (Field("good", "binary", (), ("no", "yes")),),
        {"good": label.astype(np.int32)},
    )  # fmt: skip


@pytest.mark.parametrize("name", ["linear", "boosting", "nearest"])
@pytest.mark.parametrize("kind", ["number", "binary"])
def test_categories_are_told_apart_and_not_weighed_by_their_number(name: str, kind: str) -> None:
    (score,) = baseline_scores(name, of_categories(kind), 0).values()
    assert score > 0.95


@pytest.mark.parametrize("name", ["linear", "words", "boosting"])
def test_texts_are_bags_of_words(name: str) -> None:
    (score,) = baseline_scores(name, of_texts(), 0).values()
    assert score > 0.9


def test_guessing_is_the_mean_or_the_commonest_class() -> None:
    (of_mean,) = baseline_scores("guess", of_categories(), 0).values()
    (of_class,) = baseline_scores("guess", of_categories("binary"), 0).values()
    assert -0.1 < of_mean <= 0
    truth = of_categories("binary").test.y["worth"]
    assert of_class == pytest.approx(max(truth.mean(), 1 - truth.mean()))


def test_several_targets_are_scored_by_name() -> None:
    one = of_categories()
    two = Dataset(
        one.inputs,
        (*one.targets, Field("twice", "number")),
        *(Part(part.x, {**part.y, "twice": 2 * part.y["worth"]}) for part in
          (one.train, one.dev, one.test)),
        "made",
    )  # fmt: skip
    scores = baseline_scores("linear", two, 0)
    assert [name.rpartition(": ")[2] for name in scores] == ["worth", "twice"]
    assert np.allclose(*scores.values(), atol=1e-3)


def test_a_baseline_of_classes_has_nothing_to_say_of_numbers() -> None:
    with pytest.raises(UsageError, match="there is no baseline 'words' for a target of number"):
        baseline_scores("words", of_categories(), 0)


def test_of_many_samples_a_baseline_learns_from_some(monkeypatch) -> None:
    data = of_categories()
    monkeypatch.setattr(baselines, "MOST_TAUGHT", 7)
    chosen = np.sort(np.random.default_rng(3).choice(len(data.train), 7, replace=False))
    some = replace(data, train=data.train.rows(chosen))
    assert baseline_scores("guess", data, 3) == baseline_scores("guess", some, 3)
    monkeypatch.undo()
    assert baseline_scores("guess", data, 3) != baseline_scores("guess", some, 3)
