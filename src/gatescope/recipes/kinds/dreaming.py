"""DeepDream: a photo changed until layers of a network see more of what they look for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from rich.console import Console

from gatescope.models.efficientnet_lite import maps
from gatescope.recipes.kinds.canvas import Canvas, chosen_photo, paint
from gatescope.recipes.kinds.recipe import Recipe
from gatescope.recipes.kinds.results import Band, Results
from gatescope.report.html import Html, figure, paragraph, section, side_by_side
from gatescope.report.plots import line_chart
from gatescope.report.series import Series


class DreamRecipe(Recipe):
    """What is dreamt into which photo.

    Args:
        photo: The name of a sample, or a path.
        side: Pixels of its longer side.
        layers: Of EfficientNet-Lite0; a picture for each.
        steps: Of Adam: the more, the less is left of the photo.
        learning_rate: Of Adam.
        shift: Pixels by which the image is moved at random before each step.
        seed: Of these moves, and of the noise that it is compared with.
        expected: Bands of the scores.
    """

    photo: str
    side: PositiveInt
    layers: tuple[str, ...] = Field(min_length=1)
    steps: PositiveInt
    learning_rate: PositiveFloat
    shift: NonNegativeInt = 16
    seed: int = 0
    expected: Mapping[str, Band]

    def run(self, module: Any, folder: Path, *, resume: bool, console: Console | None) -> Results:
        """Dreams: less than a minute a layer, of which nothing has to be kept."""
        return dream(self, console)


def dream(recipe: DreamRecipe, console: Console | None) -> Results:
    """Lets each layer paint what it looks for into the photo.

    Args:
        recipe: Which, and how.
        console: Where progress is shown; None is silent.
    """
    photo = chosen_photo(recipe.photo, recipe.side)
    noise = as_noise(photo, recipe.seed)
    dreamt, lines, scores, baselines = [], [], {}, {}
    for layer in recipe.layers:
        looking = maps([layer])

        def loss(still: tf.Tensor, moved: tf.Tensor, looking: Any = looking) -> tf.Tensor:
            return -tf.math.log(activation(looking, moved))[None]

        canvas = Canvas(photo)
        terms = paint(
            canvas, loss, steps=recipe.steps, learning_rate=recipe.learning_rate,
            shift=recipe.shift, seed=recipe.seed, console=console,
        )  # fmt: skip
        before = _seen(looking, photo)
        dreamt.append(canvas.photo())
        scores[f"{layer}, times the photo's"] = _seen(looking, dreamt[-1]) / before
        baselines[f"{layer}, noise of the photo's colours"] = _seen(looking, noise) / before
        lines.append(Series(layer, range(1, len(terms) + 1), np.exp(-terms[:, 0]).tolist()))
    return Results(
        scores, recipe.expected, baselines, pictures=_pictures(recipe, photo, dreamt, lines)
    )


def activation(looking: Any, pixels: tf.Tensor) -> tf.Tensor:
    """The root mean square of all activations of a layer.

    Args:
        looking: A model of one map.
        pixels: `(1, height, width, 3)` in [0, 255].
    """
    map_ = looking(pixels, training=False)
    return tf.sqrt(tf.reduce_mean(map_**2))


def as_noise(photo: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """The pixels of a photo in any order: its colours, and nothing that a network looks for.

    Args:
        photo: uint8 of shape (height, width, 3).
        seed: Of the order.
    """
    pixels = photo.reshape(-1, 3)
    return np.random.default_rng(seed).permutation(pixels).reshape(photo.shape)


def _seen(looking: Any, photo: NDArray[np.uint8]) -> float:
    return float(activation(looking, tf.constant(photo[None], tf.float32)))


def _pictures(
    recipe: DreamRecipe, photo: NDArray[np.uint8], dreamt: Sequence[Any], lines: Sequence[Series]
) -> Sequence[Html]:
    shown = [figure(photo, alt="The photo", caption="The photo")] + [
        figure(picture, alt=f"What {layer} dreams", caption=layer)
        for layer, picture in zip(recipe.layers, dreamt, strict=True)
    ]
    told = "The same photo after the same steps; only the layer that asks for more differs."
    chart = line_chart(
        lines, title="Activation", x_label="step", y_label="root mean square of the layer"
    )
    return [section("Dreams", paragraph(told), side_by_side(*shown)), section("Ascent", chart)]
