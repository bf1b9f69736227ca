"""Patients with several findings each: three inputs, and three things to tell of them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import PositiveInt
from sklearn.datasets import load_diabetes

from gatescope.data.datasets import Array, Dataset, Field, Part, Source, split, standardized
from gatescope.data.splits import SplitConfig


class Patients(Source):
    """What is known of patients, and three things that are asked.

    Inputs are `body` (age, body mass index, blood pressure), `sex` and `blood` (four measurements);
    asked are `progression` (a number), `sugar` (above the median or not) and `cholesterol` (the
    lowest, middle or highest third).

    Args:
        name: `diabetes`, Efron et al. 2004, as scikit-learn ships it; or `made`, patients that are
            drawn here, of whom all three findings follow from one hidden number.
        samples: How many are made; of diabetes there are 442.
        seed: Of the split, and of what is made.
    """

    kind: Literal["patients"] = "patients"
    name: Literal["made", "diabetes"] = "made"
    samples: PositiveInt = 600
    seed: int = 0

    def _read(self) -> Dataset:
        whole = _diabetes() if self.name == "diabetes" else _made(self.samples, self.seed)
        shares = SplitConfig(dev=0.15, test=0.2, seed=self.seed)
        parts = split(whole, shares, whole.y["cholesterol"])
        about = "Efron et al. 2004, as scikit-learn ships it"
        source = about if self.name == "diabetes" else "made here"
        data = Dataset(_INPUTS, _TARGETS, *parts, source)
        return standardized(data, "body", "blood", "progression")


_INPUTS = (
    Field("body", "numbers", (3,), columns=("age", "bmi", "bp")),
    Field("sex", "category", (), ("first", "second")),
    Field("blood", "numbers", (4,), columns=("s2", "s3", "s4", "s5")),
)
_TARGETS = (
    Field("progression", "number"),
    Field("sugar", "binary", (), ("low", "high")),
    Field("cholesterol", "classes", (), ("low", "middle", "high")),
)


def _diabetes() -> Part:
    found = load_diabetes()
    column = dict(zip(found.feature_names, found.data.T, strict=True))
    return _part(column, found.target, sugar=column["s6"], cholesterol=column["s1"])


def _made(samples: int, seed: int) -> Part:
    """One hidden number bends with what is known, and all three findings are made of it."""
    rng = np.random.default_rng(seed)
    names = ("age", "bmi", "bp", "s2", "s3", "s4", "s5")
    column = dict(zip(names, rng.normal(size=(len(names), samples)), strict=True))
    column["sex"] = rng.integers(0, 2, samples).astype(float)
    hidden = (
        np.sin(1.5 * column["bmi"])
        + column["age"] * np.where(column["sex"] > 0, 1, -1)
        + np.abs(column["s5"])
        - column["s2"] * column["s3"]
    )
    noisy = [hidden + rng.normal(0, 0.7, samples) for _ in range(3)]
    return _part(column, noisy[0], sugar=noisy[1], cholesterol=noisy[2])


def _part(
    column: dict[str, Array], progression: Array, *, sugar: Array, cholesterol: Array
) -> Part:
    def numbers(*names: str) -> Array:
        return np.stack([column[name] for name in names], 1).astype(np.float32)

    thirds = np.quantile(cholesterol, (1 / 3, 2 / 3))
    return Part(
        {
            "body": numbers("age", "bmi", "bp"),
            "sex": (column["sex"] > 0).astype(np.int32),
            "blood": numbers("s2", "s3", "s4", "s5"),
        },
        {
            "progression": progression[:, None].astype(np.float32),
            "sugar": (sugar > np.median(sugar)).astype(np.int32),
            "cholesterol": np.searchsorted(thirds, cholesterol).astype(np.int32),
        },
    )  # fmt: skip
