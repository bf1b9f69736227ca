"""Style transfer: a photo painted anew in the textures of another (Gatys, Ecker & Bethge 2016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from rich.console import Console

from gatescope.models.efficientnet_lite import maps
from gatescope.recipes.kinds.canvas import Canvas, Loss, chosen_photo, paint
from gatescope.recipes.kinds.recipe import Recipe
from gatescope.recipes.kinds.results import Band, Results
from gatescope.report.html import Html, figure, section, side_by_side
from gatescope.report.plots import line_chart
from gatescope.report.series import Series

Photo = NDArray[np.uint8]


class StyleRecipe(Recipe):
    """What is painted, in whose style, and how.

    Args:
        content: A photo: the name of a sample, or a path.
        style: Another one, whose textures and colours are taken.
        side: Pixels of the longer side of both.
        content_layer: Of EfficientNet-Lite0, whose map is to stay.
        style_layers: Whose channels are to occur together as in `style`.
        content_weight: How much keeping the content counts beside the style.
        smoothness: How much differences between neighbouring pixels count.
        steps: Of Adam.
        learning_rate: Of Adam.
        shift: Pixels by which the image is moved at random before each step.
        seed: Of these moves.
        expected: Bands of the scores.
    """

    content: str
    style: str
    side: PositiveInt
    content_layer: str
    style_layers: tuple[str, ...] = Field(min_length=1)
    content_weight: NonNegativeFloat
    smoothness: NonNegativeFloat
    steps: PositiveInt
    learning_rate: PositiveFloat
    shift: NonNegativeInt = 8
    seed: int = 0
    expected: Mapping[str, Band]

    def run(self, module: Any, folder: Path, *, resume: bool, console: Console | None) -> Results:
        """Paints: a minute, of which nothing has to be kept."""
        return stylize(self, console)


def stylize(recipe: StyleRecipe, console: Console | None) -> Results:
    """Paints a photo in the style of another.

    Args:
        recipe: Which, and how.
        console: Where progress is shown; None is silent.
    """
    content, style = (chosen_photo(name, recipe.side) for name in (recipe.content, recipe.style))
    judge = Judge(recipe, content, style)
    canvas = Canvas(content)
    terms = paint(
        canvas, judge.loss(), steps=recipe.steps, learning_rate=recipe.learning_rate,
        shift=recipe.shift, seed=recipe.seed, console=console,
    )  # fmt: skip
    painted, recoloured = canvas.photo(), with_colours_of(content, style)
    before = judge.distances(content).style
    found, colours = judge.distances(painted), judge.distances(recoloured)
    return Results(
        scores={"style loss left": found.style / before,
                "content moved": found.content},
        expected=recipe.expected,
        baselines={"style loss left, by the colours alone": colours.style / before,
                   "content moved, another photo": judge.distances(style, like=content).content},
        pictures=_pictures([content, style, recoloured, painted], terms),
    )  # fmt: skip


class Distances(NamedTuple):
    """How far an image is from what is wanted.

    Attributes:
        style: Relative squared difference of the Gram matrices, the mean over layers.
        content: Squared difference of the content layer's maps by the variance of the photo's own.
    """

    style: float
    content: float


class Judge:
    """Tells how far images are from a style and a content.

    Args:
        recipe: Which layers count, and how much.
        content: The photo.
        style: The other one.
    """

    def __init__(self, recipe: StyleRecipe, content: Photo, style: Photo) -> None:
        self._recipe = recipe
        self._styles = maps(recipe.style_layers)
        self._contents = maps([recipe.content_layer])
        self._grams = self._look(_batch(style))
        self._content = self._contents(_batch(content), training=False)
        self._spread = tf.reduce_mean(tf.math.reduce_variance(self._content, (1, 2)))

    def loss(self) -> Loss:
        """Style, content and smoothness, as `paint` minimizes them."""
        recipe = self._recipe

        def terms(still: tf.Tensor, moved: tf.Tensor) -> tf.Tensor:
            size = tf.cast(tf.size(still), tf.float32)
            rough = recipe.smoothness * tf.image.total_variation(still)[0] / size
            content = recipe.content_weight * self._moved(still)
            return tf.stack([self._style(moved), content, rough])

        return terms

    def distances(self, image: Photo, like: Photo | None = None) -> Distances:
        """Of an image.

        Args:
            image: uint8 of shape (height, width, 3).
            like: Squashes the image to the size of this one.
        """
        pixels = _batch(image)
        if like is not None:
            pixels = tf.image.resize(pixels, like.shape[:2])
        return Distances(float(self._style(pixels)), float(self._moved(pixels)))

    def _look(self, pixels: tf.Tensor) -> Sequence[tf.Tensor]:
        seen = self._styles(pixels, training=False)
        return [gram(one) for one in (seen if isinstance(seen, list) else [seen])]

    def _style(self, pixels: tf.Tensor) -> tf.Tensor:
        misses = [
            tf.reduce_sum((seen - wanted) ** 2) / tf.reduce_sum(wanted**2)
            for seen, wanted in zip(self._look(pixels), self._grams, strict=True)
        ]
        return tf.add_n(misses) / len(misses)

    def _moved(self, pixels: tf.Tensor) -> tf.Tensor:
        content = self._contents(pixels, training=False)
        return tf.reduce_mean((content - self._content) ** 2) / self._spread


def gram(map_: tf.Tensor) -> tf.Tensor:
    """How often each two channels of a map are active together, wherever that is.

    Args:
        map_: `(1, rows, columns, channels)`.

    Returns:
        `(channels, channels)`, the mean over places.
    """
    places = tf.reshape(map_, (-1, map_.shape[-1]))
    return tf.matmul(places, places, transpose_a=True) / tf.cast(tf.shape(places)[0], tf.float32)


def with_colours_of(photo: Photo, other: Photo) -> Photo:
    """A photo whose colours have mean and covariance of another's: style by colours alone.

    Args:
        photo: uint8 of shape (height, width, 3).
        other: Likewise, of any size.
    """
    mine, theirs = (one.reshape(-1, 3).astype(np.float64) for one in (photo, other))
    whiten = np.linalg.inv(_root(np.cov(mine.T)))
    moved = (mine - mine.mean(0)) @ whiten @ _root(np.cov(theirs.T)) + theirs.mean(0)
    return np.clip(np.rint(moved), 0, 255).astype(np.uint8).reshape(photo.shape)


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The symmetric square root; grey photos have none, and get next to nothing in its place."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 1e-2))) @ vectors.T)


def _batch(photo: Photo) -> tf.Tensor:
    return tf.constant(photo[None], tf.float32)


def _pictures(photos: Sequence[Photo], terms: NDArray[np.float32]) -> Sequence[Html]:
    names = ("The photo", "The style", "The photo in the colours of the style", "Painted")
    shown = [
        figure(photo, alt=name, caption=name) for name, photo in zip(names, photos, strict=True)
    ]
    steps = range(1, len(terms) + 1)
    lines = [
        Series(name, steps, terms[:, place].tolist())
        for place, name in enumerate(("style", "content", "smoothness"))
    ]
    chart = line_chart(lines, title="What is minimized", x_label="step", y_label="loss")
    return [section("The painting", side_by_side(*shown)), section("Painting", chart)]
