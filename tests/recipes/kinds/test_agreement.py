"""One score for any kind of target, added up batch by batch, and what columns are worth."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score

from gatescope.data.datasets import Dataset, Field, Part
from gatescope.recipes.kinds.agreement import Agreement, scores_of
from gatescope.recipes.pictures.importance import permutation_importance


def in_batches(field: Field, true: np.ndarray, said: np.ndarray) -> float:
    agreement = Agreement(field)
    for start in range(0, len(true), 7):
        agreement.add(true[start : start + 7], said[start : start + 7])
    return agreement.score


@pytest.mark.parametrize("width", [1, 3])
def test_numbers_have_the_r2_of_scikit_learn(width: int) -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(50, 3, (40, width))
    said = true + rng.normal(0, 1, true.shape)
    field = Field("y", "number" if width == 1 else "numbers", (width,) if width > 1 else ())
    assert in_batches(field, true, said) == pytest.approx(r2_score(true, said))


def test_classes_have_the_accuracy_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    true, said = rng.integers(0, 3, 40), rng.random((40, 3))
    expected = accuracy_score(true, said.argmax(-1))
    assert in_batches(Field("y", "classes"), true, said) == pytest.approx(expected)
    yes, sure = rng.integers(0, 2, 40), rng.random((40, 1))
    expected = accuracy_score(yes, sure[:, 0] > 0.5)
    assert in_batches(Field("y", "binary"), yes, sure) == pytest.approx(expected)


def summing() -> tuple[keras.Model, Dataset]:
    """A network that adds twice the first number and the value of a category; `c` is not used."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(300, 3)).astype(np.float32)
    kinds = rng.integers(0, 2, 300).astype(np.int32)
    y = 2 * numbers[:, :1] + kinds[:, None]
    part = Part({"numbers": numbers, "kind": kinds}, {"y": y.astype(np.float32)})
    given = [keras.Input((3,), name="numbers"), keras.Input((), dtype="int32", name="kind")]
    first = given[0][:, :1]
    added = 2 * first + keras.ops.expand_dims(keras.ops.cast(given[1], "float32"), -1)
    fields = (
        Field("numbers", "numbers", (3,), columns=("a", "c", "a missing")),
        Field("kind", "category", (), ("x", "z")),
    )
    data = Dataset(fields, (Field("y", "number"),), part, part, part, "made")
    return keras.Model(dict(zip(("numbers", "kind"), given, strict=True)), added), data


def test_a_column_is_worth_what_the_score_loses_without_it() -> None:
    model, data = summing()
    found = permutation_importance(model, data, ["y"], repeats=3)
    # A number goes with the flag that says where it is missing.
    assert [each.column for each in found] == ["a", "kind", "c"]
    assert found[0].drop > 1 > found[1].drop > 0.05
    assert found[2].drop == found[2].deviation == 0
    assert found == permutation_importance(model, data, ["y"], repeats=3)


def test_scores_are_of_the_outputs_that_a_network_has() -> None:
    model, data = summing()
    more = replace(data, targets=(Field("other", "binary"), *data.targets))
    assert scores_of(model, more, "test", ["y"]) == {"y": pytest.approx(1)}
