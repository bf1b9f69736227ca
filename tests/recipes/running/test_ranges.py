"""What a sweep tries: how it is typed, and the points that come of it."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from gatescope.errors import ConfigurationError
from gatescope.recipes.running.ranges import Choice, Range, parsed, points


class Optimizer(BaseModel):
    learning_rate: float = 0.1
    name: str = "adam"


class Training(BaseModel):
    optimizer: Optimizer = Optimizer()
    batch_size: int = 32
    patience: int | None = None


class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True)
    training: Training = Training()
    hidden: tuple[int, ...] = (16,)


def values(settings: list[tuple[str, ...]]) -> list[float]:
    return [float(one.partition("=")[2]) for (one,) in settings]


def test_a_wide_range_is_tried_by_equal_factors() -> None:
    rate = parsed(Recipe(), "training.learning_rate=1e-4..1")
    assert rate == Range("training.optimizer.learning_rate", 1e-4, 1)
    tried = values(points([rate], 5, seed=1))
    np.testing.assert_allclose(tried, [1e-4, 1e-3, 1e-2, 1e-1, 1], rtol=1e-3)


def test_a_narrow_one_by_equal_steps_and_whole_numbers_stay_whole() -> None:
    assert values(points([Range("rate", 1, 2)], 3, seed=1)) == [1, 1.5, 2]
    size = parsed(Recipe(), "training.batch_size=8..128")
    assert size == Range("training.batch_size", 8, 128, whole=True)
    assert points([size], 3, seed=1) == [
        ("training.batch_size=8",), ("training.batch_size=32",), ("training.batch_size=128",)
    ]  # fmt: skip
    assert parsed(Recipe(), "training.patience=1..5").whole
    assert not parsed(Recipe(), "training.learning_rate=1..5").whole


def test_lists_are_split_at_commas_that_stand_outside_of_brackets() -> None:
    assert parsed(Recipe(), "training.optimizer.name=sgd, adam").values == ("sgd", "adam")
    assert parsed(Recipe(), "hidden=[8],[16, 16]").values == ("[8]", "[16, 16]")
    assert parsed(Recipe(), "training.learning_rate=1e9,0.10").values == ("1e9", "0.10")


def test_lists_make_a_grid_of_which_some_are_drawn() -> None:
    swept = [Choice("a", ("1", "2", "3")), Choice("b", ("x", "y"))]
    grid = points(swept, None, seed=1)
    assert len(grid) == 6 and grid[0] == ("a=1", "b=x") and grid[-1] == ("a=3", "b=y")
    some = points(swept, 4, seed=1)
    assert len(some) == 4 and set(some) < set(grid)
    assert some == points(swept, 4, seed=1)
    assert any(points(swept, 4, seed=seed) != some for seed in range(2, 6))


def test_several_settings_with_a_range_cover_each_of_them_evenly() -> None:
    swept = [Range("rate", 1e-3, 1), Choice("cell", ("lstm", "gru"))]
    drawn = points(swept, 6, seed=3)
    assert drawn == points(swept, 6, seed=3) != points(swept, 6, seed=4)
    rates = sorted(np.log10(float(rate.partition("=")[2])) for rate, _ in drawn)
    for place, rate in enumerate(rates):  # one in each sixth
        assert -3 + place / 2 <= rate + 1e-3 and rate - 1e-3 <= -2.5 + place / 2
    assert sum(cell == "cell=gru" for _, cell in drawn) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("training.learning_rate", "sweeps nothing"),
        ("training.learning_rate=", "sweeps nothing"),
        ("training.rate=1,2", "there is no setting 'training.rate'"),
        ("training.learning_rate=1..1e-4", "is no range"),
        ("training.learning_rate=small..large", "is no range"),
        ("training.learning_rate=0..inf", "is no range"),
        ("hidden=[8],[16", "is no list of values"),
    ],
)
def test_what_cannot_be_tried_is_said(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        parsed(Recipe(), text)
    assert caught.value.fix
