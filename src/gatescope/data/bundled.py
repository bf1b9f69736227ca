"""Data that scikit-learn ships, and data that is made here: nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from sklearn import datasets as sklearn_data

from gatescope.data.datasets import Array, Dataset, Field, Part, Source, split, standardized
from gatescope.data.splits import SplitConfig

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
        seed: Of the split, and of what is made.
    """

    kind: Literal["bundled"] = "bundled"
    name: Table | Shape | Literal["digits"]
    samples: int = 1_000
    noise: float = 0.1
    outliers: float = 0.0
    flat: bool = False
    scaled: bool = True
    seed: int = 0

    def _read(self) -> Dataset:
        """Loads or makes it, and splits it: 65 % to learn from, 15 % to choose by, 20 % to test."""
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
_FAR = 8  # deviations by which an outlier is moved


def _digits(asked: Bundled) -> Dataset:
    found = sklearn_data.load_digits()
    pixels = (found.images / 16).astype(np.float32)
    images = pixels.reshape(len(pixels), -1) if asked.flat else pixels[..., None]
    names = tuple(map(str, found.target_names))
    return _classified(asked, images, found.target, names, "image", "digit", ())


def _table(asked: Bundled) -> Dataset:
    found = getattr(sklearn_data, f"load_{asked.name}")()
    columns = tuple(map(str, found.feature_names))
    numbers = found.data.astype(np.float32)
    if asked.name == "diabetes":
        return _measured(asked, numbers, found.target.astype(np.float32), columns)
    names = tuple(map(str, found.target_names))
    return _classified(asked, numbers, found.target, names, "numbers", "class", columns)


def _points(asked: Bundled) -> Dataset:
    points, side = _SHAPES[str(asked.name)](asked.samples, asked.noise, asked.seed)
    names, columns = ("first", "second"), ("x", "y")
    return _classified(asked, points.astype(np.float32), side, names, "numbers", "side", columns)


def _shares(asked: Bundled) -> SplitConfig:
    return SplitConfig(dev=0.15, test=0.2, seed=asked.seed)


def _classified(
    asked: Bundled, x: Array, y: Array, names: tuple[str, ...], kind: Any, target: str,
    columns: tuple[str, ...],
) -> Dataset:  # fmt: skip
    kind = "numbers" if x.ndim == 2 else kind
    labels = y.astype(np.int32)
    parts = split(Part({kind: x}, {target: labels}), _shares(asked), labels)
    fields = Field(kind, kind, x.shape[1:], columns=columns)
    wanted = Field(target, "binary" if len(names) == 2 else "classes", (), names)
    data = Dataset((fields,), (wanted,), *parts, _ABOUT.get(str(asked.name), _MADE))
    return standardized(data, kind) if asked.scaled and columns else data


def _measured(asked: Bundled, x: Array, y: Array, columns: tuple[str, ...]) -> Dataset:
    whole = Part({"numbers": x}, {"progression": y})
    train, dev, test = split(whole, _shares(asked), np.zeros(len(y), np.int64))
    fields = Field("numbers", "numbers", x.shape[1:], columns=columns)
    wanted = Field("progression", "number")
    source = _ABOUT[str(asked.name)]
    data = Dataset((fields,), (wanted,), train, dev, test, source)
    data = standardized(data, "numbers", "progression") if asked.scaled else data
    return _with_outliers(data, asked) if asked.outliers else data


def _with_outliers(data: Dataset, asked: Bundled) -> Dataset:
    """Some targets of the training part far above all others."""
    (target,) = data.targets
    y = data.train.y[target.name].copy()
    chosen = np.random.default_rng(asked.seed).random(len(y)) < asked.outliers
    y[chosen] += _FAR * y.std()
    train = Part(data.train.x, {target.name: y})
    return Dataset(data.inputs, data.targets, train, data.dev, data.test, data.source)


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
