"""Data that scikit-learn ships, and data that is made here: nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from sklearn import datasets as sklearn_data

from gatescope.data.datasets import (
    Array,
    Dataset,
    Field,
    Part,
    Source,
    numbers_reader,
    split,
    standardized,
)
from gatescope.data.images import ImagesReader
from gatescope.data.reader import Reader
from gatescope.data.splits import Share, SplitConfig

Table = Literal["iris", "wine", "breast_cancer", "diabetes"]
Shape = Literal["circles", "moons", "spirals", "xor"]


class Bundled(Source):
    """A data set that needs no file.

    Args:
        name: A table or the digits of scikit-learn, or points in the plane that are made here.
        samples: Points in the plane; tables have their own.
        noise: Deviation of the points, whose shapes are about 2 wide.
        outliers: Share of a regression's training targets that are moved far off.
        flat: Whether digits are rows of 64 numbers in place of images.
        scaled: Whether numbers have mean 0 and deviation 1 over the training part.
        dev: Share to choose by; see `SplitConfig`, as for the next.
        test: Share to test on.
        seed: Of the split, and of what is made.
    """

    kind: Literal["bundled"] = "bundled"
    name: Table | Shape | Literal["digits"]
    samples: int = 1_000
    noise: float = 0.1
    outliers: float = 0.0
    flat: bool = False
    scaled: bool = True
    dev: Share = 0.15
    test: Share = 0.2
    seed: int = 0

    def _read(self) -> Dataset:
        """Loads or makes it, and splits it."""
        if self.name == "digits":
            return _digits(self)
        return _points(self) if self.name in _SHAPES else _table(self)


_ABOUT = {
    "iris": "Fisher's iris (1936), as scikit-learn ships it",
    "wine": "UCI wine recognition, as scikit-learn ships it (CC BY 4.0)",
    "breast_cancer": "UCI breast cancer Wisconsin, as scikit-learn ships it (CC BY 4.0)",
    "diabetes": "Efron et al. 2004, diabetes, as scikit-learn ships it",
    "digits": "UCI optical digits, test set, as scikit-learn ships it (CC BY 4.0)",
}
_MADE = "made here"
_AS_IT_IS = (np.zeros(1), np.ones(1))
_INK = 16  # of a pixel that is all of a digit
_FAR = 8  # deviations by which an outlier is moved


def _digits(asked: Bundled) -> Dataset:
    found = sklearn_data.load_digits()
    names = tuple(map(str, found.target_names))
    if asked.flat:
        columns = tuple(map(str, found.feature_names))
        scale = np.zeros(1), np.full(1, float(_INK))
        return _classified(asked, found.data, found.target, names, "digit", columns, scale)
    reader = ImagesReader(height=8, width=8, channels=1, white=_INK)
    images = reader.finish(found.images[..., None])
    field = Field("image", "image", images.shape[1:])
    return _labelled(asked, images, found.target, names, "digit", field, reader)


def _table(asked: Bundled) -> Dataset:
    found = getattr(sklearn_data, f"load_{asked.name}")()
    columns = tuple(map(str, found.feature_names))
    if asked.name == "diabetes":
        return _measured(asked, found.data, found.target.astype(np.float32), columns)
    names = tuple(map(str, found.target_names))
    data = _classified(asked, found.data, found.target, names, "class", columns, _AS_IT_IS)
    return standardized(data, "numbers") if asked.scaled else data


def _points(asked: Bundled) -> Dataset:
    points, side = _SHAPES[str(asked.name)](asked.samples, asked.noise, asked.seed)
    names, columns = ("first", "second"), ("x", "y")
    data = _classified(asked, points, side, names, "side", columns, _AS_IT_IS)
    return standardized(data, "numbers") if asked.scaled else data


def _shares(asked: Bundled) -> SplitConfig:
    return SplitConfig(dev=asked.dev, test=asked.test, seed=asked.seed)


def _classified(
    asked: Bundled, x: Array, y: Array, names: tuple[str, ...], target: str,
    columns: tuple[str, ...], scale: tuple[Array, Array],
) -> Dataset:  # fmt: skip
    reader = numbers_reader("numbers", columns, *scale)
    numbers = reader.scaled(x.astype(np.float32))
    field = Field("numbers", "numbers", numbers.shape[1:], columns=columns)
    return _labelled(asked, numbers, y, names, target, field, reader)


def _labelled(
    asked: Bundled, x: Array, y: Array, names: tuple[str, ...], target: str, field: Field,
    reader: Reader,
) -> Dataset:  # fmt: skip
    labels = y.astype(np.int32)
    parts = split(Part({field.name: x}, {target: labels}), _shares(asked), labels)
    wanted = Field(target, "binary" if len(names) == 2 else "classes", (), names)
    source = _ABOUT.get(str(asked.name), _MADE)
    return Dataset((field,), (wanted,), *parts, source, reader=reader)


def _measured(asked: Bundled, x: Array, y: Array, columns: tuple[str, ...]) -> Dataset:
    reader = numbers_reader("numbers", columns, *_AS_IT_IS)
    whole = Part({"numbers": reader.scaled(x.astype(np.float32))}, {"progression": y})
    parts = split(whole, _shares(asked), np.zeros(len(y), np.int64))
    fields = Field("numbers", "numbers", x.shape[1:], columns=columns)
    wanted = Field("progression", "number")
    data = Dataset((fields,), (wanted,), *parts, _ABOUT[str(asked.name)], reader=reader)
    data = standardized(data, "numbers", "progression") if asked.scaled else data
    return _with_outliers(data, asked) if asked.outliers else data


def _with_outliers(data: Dataset, asked: Bundled) -> Dataset:
    """Some targets of the training part far above all others."""
    (target,) = data.targets
    y = data.train.y[target.name].copy()
    chosen = np.random.default_rng(asked.seed).random(len(y)) < asked.outliers
    y[chosen] += _FAR * y.std()
    train = Part(data.train.x, {target.name: y})
    return replace(data, train=train)


def _circles(samples: int, noise: float, seed: int) -> tuple[Array, Array]:
    return sklearn_data.make_circles(samples, noise=noise, factor=0.5, random_state=seed)


def _moons(samples: int, noise: float, seed: int) -> tuple[Array, Array]:
    return sklearn_data.make_moons(samples, noise=noise, random_state=seed)


def _spirals(samples: int, noise: float, seed: int) -> tuple[Array, Array]:
    """Two arms that wind around each other one and a half times."""
    rng = np.random.default_rng(seed)
    side = np.arange(samples) % 2
    turn = np.sqrt(rng.random(samples)) * 3 * np.pi
    angle, radius = turn + np.pi * side, turn / (3 * np.pi)
    points = np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]
    return points + rng.normal(0, noise / 4, points.shape), side


def _xor(samples: int, noise: float, seed: int) -> tuple[Array, Array]:
    """Four clouds at the corners of a square; opposite ones belong together."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 2, (samples, 2))
    points = 2 * corner - 1 + rng.normal(0, noise + 0.1, (samples, 2))
    return points, corner[:, 0] ^ corner[:, 1]


_SHAPES: Mapping[str, Callable[[int, float, int], tuple[Array, Array]]] = {
    "circles": _circles,
    "moons": _moons,
    "spirals": _spirals,
    "xor": _xor,
}
