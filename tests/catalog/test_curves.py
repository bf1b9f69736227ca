"""Curves: what they show, where they break, and what has none."""

from __future__ import annotations

import math

import pytest

from gatescope.catalog.curves import at_target, curve
from gatescope.catalog.lookup import CATALOG, find
from gatescope.catalog.rows import Entry
from gatescope.errors import UsageError

ENTRIES = [entry for rows in CATALOG.values() for entry in rows.values()]
WITHOUT = {"ctc", "zeros", "ones", "constant", "identity", "stft"}
WITHOUT |= {"muon", "loss_scale_optimizer", "multi_optimizer"}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_every_entry_has_a_curve_but_those_that_compute_nothing(entry: Entry) -> None:
    found = curve(entry)
    assert (found is None) == (entry.name in WITHOUT)
    if found:
        assert len(found.x) == len(found.y) > 50
        assert not found.slope or len(found.slope) == len(found.x)
        gaps = sum(map(math.isnan, (*found.y, *found.slope)))
        assert gaps <= 6
        assert list(found.x) == sorted(found.x)
        assert bool(found.slope) == (entry.kind in ("loss", "activation", "regularizer"))


def test_a_jump_is_a_gap_and_a_corner_is_not() -> None:
    relu = curve(find("activation", "relu"))
    assert not any(map(math.isnan, relu.y))
    assert sum(map(math.isnan, relu.slope)) == 1
    assert sum(map(math.isnan, curve(find("activation", "hard_shrink")).y)) == 2


@pytest.mark.parametrize("entry", CATALOG["initializers"].values(), ids=lambda entry: entry.name)
def test_a_density_has_the_area_1_and_the_stated_deviation(entry: Entry) -> None:
    found = curve(entry)
    if found is None:
        return
    width = found.x[1] - found.x[0]
    shares = [0.0 if math.isnan(y) else y * width for y in found.y]
    assert sum(shares) == pytest.approx(1, abs=0.02)
    variance = sum(share * x * x for share, x in zip(shares, found.x, strict=True))
    assert 4 * math.sqrt(variance) == pytest.approx(found.x[-1], rel=0.03)


def test_another_target_moves_the_drawing() -> None:
    found = curve(at_target(find("loss", "mse"), 10.0))
    assert found.x[found.y.index(min(found.y))] == pytest.approx(10, abs=0.01)
    assert "target = 10" in found.x_label
    counts = curve(at_target(find("loss", "poisson"), 20.0))
    assert counts.x[counts.y.index(min(counts.y))] == pytest.approx(20, abs=0.2)
    hinge = curve(at_target(find("loss", "hinge"), -1.0))
    assert hinge.flat == ()


@pytest.mark.parametrize(
    ("kind", "name", "target", "happened", "expected"),
    [
        ("activation", "relu", 1, "relu has no target to choose", "a loss that compares"),
        ("loss", "dice", 1, "dice has no target to choose", "a loss that compares"),
        ("loss", "bce", 2, "the target is 2", "for binary_crossentropy one from 0 to 1"),
        ("loss", "mse", 1e300, "the target is 1e+300", "for mean_squared_error one from −∞ to ∞"),
        ("loss", "bce", math.nan, "the target is nan", "for binary_crossentropy one from 0 to 1"),
    ],
)
def test_a_target_that_cannot_be_is_refused(
    kind: str, name: str, target: float, happened: str, expected: str
) -> None:
    with pytest.raises(UsageError) as caught:
        at_target(find(kind, name), target)
    assert caught.value.happened == happened
    assert caught.value.expected.startswith(expected)
    assert caught.value.fix
