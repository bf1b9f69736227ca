"""What two runs differ in, and where their curves part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from written_runs import fill, record

from gatescope.runs.compare import ABSENT, Difference, compare, differences, parting
from gatescope.runs.open import open_run
from gatescope.runs.view import relation


def curve(values, first: int = 0, every: int = 1) -> dict[str, np.ndarray]:
    values = np.asarray(values, float)
    return {"step": first + every * np.arange(len(values)), "value": values}


def falling(steps: int, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """A loss from 2.3 down to 0.3."""
    drawn = np.random.default_rng(seed).normal(size=steps)
    return 0.3 + 2 * np.exp(-np.arange(steps) / (steps / 5)) + noise * drawn


@pytest.mark.parametrize("steps", [1, 3, 10, 1000])
def test_equal_curves_are_equal(steps: int) -> None:
    found = parting("loss", curve(falling(steps)), curve(falling(steps)))
    assert (found.shared, found.unequal_from, found.parts_from) == (steps, None, None)
    assert relation(found) == "equal"


def test_nan_in_both_is_equal() -> None:
    values = [1.0, np.nan, np.inf]
    assert parting("loss", curve(values), curve(values)).unequal_from is None


@pytest.mark.parametrize("steps", [10, 100, 3000])
@pytest.mark.parametrize("noise", [1e-6, 1e-3, 0.05, 0.3])
def test_curves_that_differ_by_noise_alone_do_not_part(steps: int, noise: float) -> None:
    wrong = 0
    for seed in range(20):
        first, second = falling(steps, noise, seed), falling(steps, noise, seed + 1000)
        found = parting("loss", curve(first), curve(second))
        assert found.unequal_from == 0
        wrong += found.parts_from is not None
    assert wrong <= (1 if steps == 10 else 0)  # ten values say little of their noise
    assert "within noise of each other" in relation(parting("x", curve(first), curve(first + 1e-9)))


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("at", [200, 500, 800])
def test_curves_that_diverge_part_where_they_do(noise: float, at: int) -> None:
    first, second = falling(1000, noise, 1), falling(1000, noise, 2)
    second[at:] += 0.5
    found = parting("loss", curve(first), curve(second))
    assert abs(found.parts_from - at) <= 1000 // 50
    assert not found.meets_again
    assert relation(found) == f"part from step {found.parts_from:,}"


def test_steps_are_the_run_s_own() -> None:
    values = falling(100)
    found = parting(
        "loss", curve(values, 5, 10), curve(np.where(np.arange(100) > 49, 9, values), 5, 10)
    )
    assert found.unequal_from == 505
    assert abs(found.parts_from - 505) <= 10


def test_curves_that_meet_again_are_said_to() -> None:
    first, second = falling(1000), falling(1000)
    second[200:400] += 1
    found = parting("loss", curve(first), curve(second))
    assert abs(found.parts_from - 200) <= 20 and found.meets_again
    assert relation(found).endswith("; together again at the end")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_no_number_parts_at_once(bad: float) -> None:
    first, second = falling(100), falling(100)
    second[30:] = bad
    assert parting("loss", curve(first), curve(second)).parts_from == 30


def test_few_values_part_too() -> None:
    found = parting("loss", curve([1.0, 0.5, 0.2]), curve([1.0, 0.5, 0.4]))
    assert (found.parts_from, found.last) == (2, (0.2, 0.4))


def test_only_shared_steps_are_compared() -> None:
    long, short = curve(falling(100)), curve(falling(100)[20:50], 20)
    found = parting("loss", long, short)
    assert (found.shared, found.unequal_from) == (30, None)
    nothing = parting("loss", curve([1.0]), curve([1.0], 7))
    assert (nothing.shared, relation(nothing)) == (0, "no step in common")


def test_differences_are_named_by_their_place() -> None:
    first = {"a": {"b": 1, "c": [1, 2]}, "same": float("nan"), "gone": {}}
    second = {"a": {"b": 1.0, "c": [1, 2]}, "same": float("nan"), "new": None}
    assert differences(first, second) == [
        Difference("a.b", 1, 1.0),
        Difference("gone", {}, ABSENT),
        Difference("new", ABSENT, None),
    ]


def test_two_runs(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("rate = 1\nepochs = 2\n")
    with record(tmp_path, script=script) as first:
        fill(first)
    script.write_text("rate = 3\nepochs = 2\n")
    changed = {
        "configuration": {"optimizer": {"name": "adam", "learning_rate": 0.1}, "batch": 32},
        "structure": [{"name": "output", "units": 1}, {"name": "dense", "units": 8}],
    }
    with record(tmp_path, script=script, **changed) as second:
        fill(second, scale=3.0)
        second.metrics(0, 0, {"extra": 1.0})
    found = compare(open_run(first.folder), open_run(second.folder))
    assert found.configuration == [Difference("optimizer.learning_rate", 0.01, 0.1)]
    assert found.environment == []
    assert found.structure == [
        Difference("dense.units", 4, 8),
        Difference("(order)", "dense → output", "output → dense"),
    ]
    assert found.script[-2:] == ["-rate = 1", "+rate = 3"]
    curves = {one.metric: one for one in found.curves}
    assert set(curves) == {"loss", "accuracy", "val_loss"}
    assert curves["loss"].parts_from == 0 and curves["accuracy"].unequal_from is None
    assert found.alone == {"extra": second.folder.name}
