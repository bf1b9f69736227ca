"""The loss around real weights: a slice along two directions, and the paths of trainings on it.

Directions are random and scaled like the weights they are added to (Li et al. 2018,
arXiv:1712.09913), or the two in which paths vary most, by principal components.

Suffixes: P parameters, N points, A and B places along the two directions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from gatescope.errors import ConfigurationError, DataError, UsageError
from gatescope.report.figures import figure_of_surface
from gatescope.training.epochs import Arrays, as_arrays

Floats = NDArray[np.floating]


@final
@dataclass(frozen=True, eq=False)
class Plane:
    """A plane through the weights of a model.

    Args:
        center: The weights that it goes through. Shape: (P,).
        first: The first direction. Shape: (P,).
        second: The second direction. Shape: (P,).
        span: How far it reaches along each, as (least, most) in lengths of that direction.
        unseen: Share of the paths' spread that lies outside of it; 0 where it is not of paths.
    """

    center: Floats
    first: Floats
    second: Floats
    span: tuple[tuple[float, float], tuple[float, float]] = ((-1.0, 1.0), (-1.0, 1.0))
    unseen: float = 0.0

    def places(self, path_NP: Floats) -> Floats:
        """Where weights lie on it, by least squares. Shape: (N, 2)."""
        axes_P2 = np.stack([self.first, self.second], 1).astype(np.float64)
        return np.linalg.lstsq(axes_P2, (path_NP - self.center).T.astype(np.float64))[0].T


@final
@dataclass(frozen=True, eq=False)
class Surface:
    """The loss on a plane.

    Args:
        a: Places along the first direction.
        b: Places along the second direction.
        losses: The loss at each pair of them. Shape: (A, B).
        unseen: See `Plane`.
        paths: Places of each training, shape (N, 2), by name.
    """

    a: Floats
    b: Floats
    losses: Floats
    unseen: float
    paths: Mapping[str, Floats]

    def figure(self, kind: str = "png") -> bytes:
        """The content of a picture: lines of equal loss, and the paths.

        Args:
            kind: One of `gatescope.report.figures.FORMATS`.
        """
        note = "two random directions, each scaled like the weights of its filter"
        if self.paths:
            note = f"principal plane of the paths; {self.unseen:.1%} of their spread lies outside"
        grid = (self.a, self.b, self.losses)
        return figure_of_surface("Loss around the weights", note, grid, self.paths, kind)


@final
class WeightPath(keras.callbacks.Callback):
    """Keeps the weights at the start and after each epoch.

    Example:
        >>> path = WeightPath()
        >>> fit(model, data, config, callbacks=[path])  # doctest: +SKIP
        >>> plane = plane_of_paths({"sgd": path.points})  # doctest: +SKIP
    """

    def __init__(self) -> None:
        super().__init__()
        self._points: list[Floats] = []

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self._points = [flat_weights(self.model)]

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._points.append(flat_weights(self.model))

    @property
    def points(self) -> Floats:
        """The weights. Shape: (N, P)."""
        return np.stack(self._points)


def flat_weights(model: keras.Model) -> Floats:
    """All trainable weights in one row. Shape: (P,)."""
    return np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables])


def random_plane(model: keras.Model, *, seed: int, span: float = 1.0) -> Plane:
    """A plane of two random directions through a model's weights.

    Each filter, or each unit of a dense layer, of a direction is as long as that of the weights;
    biases and the weights of normalizations do not move, for what they do hides the rest.

    Args:
        model: Built.
        seed: Of the directions.
        span: How far it reaches, in lengths of the weights.
    """
    rng = np.random.default_rng(seed)
    variables = model.trainable_variables
    first, second = (
        np.concatenate([_like(variable.numpy(), rng).ravel() for variable in variables])
        for _ in range(2)
    )
    return Plane(flat_weights(model), first, second, ((-span, span), (-span, span)))


def plane_of_paths(paths: Mapping[str, Floats]) -> Plane:
    """The plane in which the paths of trainings vary most.

    Args:
        paths: Points of each training, shape (N, P), by name; of models of one kind.

    Raises:
        DataError: There are fewer than three points, or they lie on a line.
        ConfigurationError: The paths are of different models.
    """
    widths = {name: path.shape[1] for name, path in paths.items()}
    if len(set(widths.values())) > 1:
        raise ConfigurationError(
            f"the paths have different numbers of weights: {widths}",
            "paths of models that are built alike",
            "compare optimizers on one model",
        )
    points_NP = np.concatenate(list(paths.values())).astype(np.float64)
    if len(points_NP) < 3 or np.linalg.matrix_rank(points_NP - points_NP.mean(0)) < 2:
        raise DataError(
            f"the {len(points_NP)} points of the paths span no plane",
            "three or more that do not lie on a line",
            "train for two epochs or more",
        )
    found = PCA(2).fit(points_NP)
    # Unrounded, lest the plane of float32 directions be another one.
    plane = Plane(found.mean_, *found.components_)
    places_N2 = plane.places(points_NP)
    unseen = 1 - float(found.explained_variance_ratio_.sum())
    return Plane(plane.center, plane.first, plane.second, _span(places_N2), max(0.0, unseen))


def loss_surface(
    model: keras.Model,
    data: Arrays,
    plane: Plane,
    *,
    points: int = 25,
    paths: Mapping[str, Floats] | None = None,
) -> Surface:
    """The loss of a model at weights on a plane; the model is left as it was.

    Args:
        model: Compiled with its loss, and built.
        data: `(x, y)` or `(x, y, sample_weight)`, read as one batch.
        plane: Of `random_plane` or `plane_of_paths`.
        points: Along each direction.
        paths: What to show on it, as `plane_of_paths` takes it.

    Raises:
        UsageError: The model is not compiled, or is another one than the plane's.

    Example:
        >>> surface = loss_surface(model, (x, y), random_plane(model, seed=1))  # doctest: +SKIP
        >>> Path("loss.png").write_bytes(surface.figure())  # doctest: +SKIP
    """
    _check(model, plane)
    a, b = (np.linspace(*side, points) for side in plane.span)
    loss = _loss_at(model, as_arrays(data))
    before = [variable.numpy() for variable in model.trainable_variables]
    try:
        losses = np.array(
            [[loss(plane.center + x * plane.first + y * plane.second) for y in b] for x in a]
        )
    finally:
        for variable, value in zip(model.trainable_variables, before, strict=True):
            variable.assign(value)
    shown = {name: plane.places(path) for name, path in (paths or {}).items()}
    return Surface(a, b, losses, plane.unseen, shown)


def _loss_at(model: keras.Model, arrays: Arrays) -> Any:
    """The loss as a function of flat weights, by one graph."""
    variables = model.trainable_variables
    sizes = [int(np.prod(variable.shape)) for variable in variables]
    x, y, weight = keras.utils.unpack_x_y_sample_weight(
        keras.tree.map_structure(tf.convert_to_tensor, arrays)
    )

    @tf.function
    def loss(flat_P: tf.Tensor) -> tf.Tensor:
        for variable, part in zip(variables, tf.split(flat_P, sizes), strict=True):
            variable.assign(tf.reshape(part, variable.shape))
        y_pred = model(x, training=False)
        return model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weight, training=False)

    return lambda flat_P: float(loss(tf.constant(flat_P, tf.float32)))


def _like(weights: Floats, rng: np.random.Generator) -> Floats:
    """A random direction whose filters, along the last axis, are as long as the weights'."""
    if weights.ndim < 2:
        return np.zeros_like(weights)
    draw = rng.standard_normal(weights.shape, dtype=np.float32)
    axes = tuple(range(weights.ndim - 1))
    lengths = [np.sqrt((part**2).sum(axes, keepdims=True)) for part in (weights, draw)]
    return draw * lengths[0] / lengths[1]


def _span(places_N2: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    """What shows all places, and a quarter more on each side."""
    low, high = places_N2.min(0), places_N2.max(0)
    room = 0.25 * (high - low)
    sides: Sequence[tuple[float, float]] = list(
        zip((low - room).tolist(), (high + room).tolist(), strict=True)
    )
    return sides[0], sides[1]


def _check(model: keras.Model, plane: Plane) -> None:
    if not model.compiled:
        raise UsageError(
            f"the model {model.name!r} is not compiled",
            "a model with a loss",
            "call model.compile(loss=...) first",
        )
    count = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    if count != len(plane.center):
        raise UsageError(
            f"the plane goes through {len(plane.center):,} weights, the model has {count:,}",
            "a plane of this model",
            "make it of the same model, built alike",
        )
