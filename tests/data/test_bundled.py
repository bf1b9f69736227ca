"""Data that needs no file: split once, scaled by what the training part tells."""

from __future__ import annotations

import numpy as np
import pytest

from gatescope.data.bundled import Bundled

NAMES = (
    "iris",
    "wine",
    "breast_cancer",
    "diabetes",
    "digits",
    "circles",
    "moons",
    "spirals",
    "xor",
)


@pytest.mark.parametrize("name", NAMES)
def test_parts_share_no_sample_and_are_the_same_for_a_seed(name: str) -> None:
    data = Bundled(name=name).load()  # type: ignore[arg-type]
    again = Bundled(name=name).load()  # type: ignore[arg-type]
    (field,), (target,) = data.inputs, data.targets
    parts = [data.train, data.dev, data.test]
    rows = [{row.tobytes() for row in part.x[field.name]} for part in parts]
    sizes = [len(part) for part in parts]
    assert sizes[0] > 2 * sizes[2] > sizes[1]
    # Tables hold a few rows twice.
    assert len(rows[0] & rows[2]) <= 2 and len(rows[0] & rows[1]) <= 2
    assert all(part.x[field.name].shape[1:] == field.shape for part in parts)
    assert (again.test.x[field.name] == data.test.x[field.name]).all()
    if target.classes:
        shares = [np.bincount(part.y[target.name]) / len(part) for part in parts]
        assert np.abs(shares[0] - shares[2]).max() < 0.05


def test_scales_are_those_of_the_training_part() -> None:
    data = Bundled(name="wine").load()
    train, test = data.train.x["numbers"], data.test.x["numbers"]
    assert np.abs(train.mean(0)).max() < 1e-5 and np.abs(train.std(0) - 1).max() < 1e-5
    assert np.abs(test.mean(0)).max() > 1e-3
    raw = Bundled(name="wine", scaled=False).load()
    assert raw.train.x["numbers"].max() > 1_000


def test_outliers_are_in_the_training_part_alone() -> None:
    plain, moved = (Bundled(name="diabetes", outliers=share).load() for share in (0.0, 0.1))
    changed = plain.train.y["progression"] != moved.train.y["progression"]
    assert 0.02 < changed.mean() < 0.2
    assert (plain.test.y["progression"] == moved.test.y["progression"]).all()


def test_digits_are_images_or_rows() -> None:
    assert Bundled(name="digits").load().inputs[0].shape == (8, 8, 1)
    assert Bundled(name="digits", flat=True).load().inputs[0].shape == (64,)
