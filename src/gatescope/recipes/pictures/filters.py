"""First kernels of convolutional networks, and the maps that they make of a test image."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from gatescope.recipes.kinds.network import Trained
from gatescope.report.html import Html, figure, paragraph, section

_CELL, _GAP = 48, 4


def pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    """Filters and feature maps of the first convolution of each network that shares weights.

    Args:
        trained: Networks of images.
    """
    return [section(f"What {one.name} looks for", *found) for one in trained if (found := _of(one))]


def _of(one: Trained) -> list[Html]:
    layer = next((each for each in one.model.layers if isinstance(each, keras.layers.Conv2D)), None)
    if layer is None:
        return []
    kernel = np.asarray(layer.kernel)[:, :, 0]
    image = next(iter(one.data.test.x.values()))[:1]
    shown = keras.Model(one.model.inputs, layer.output)
    maps = np.asarray(shown.predict(image, verbose=0))[0]
    seen = (
        np.concatenate([image[0, :, :, :1], maps], -1)
        if maps.shape[:2] == image.shape[1:3]
        else maps
    )
    return [
        paragraph(f"{layer.name}: {kernel.shape[-1]} filters of {kernel.shape[0]} by "
                  f"{kernel.shape[1]}, light where it wants light."),
        figure(_grid(kernel), alt="Filters", caption="Filters", lossless=True),
        figure(_grid(seen), alt="Maps", caption="A test image and its maps", lossless=True),
    ]  # fmt: skip


def _grid(stack: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Squares beside each other, `(height, width, count)`, each from its darkest to lightest."""
    low, high = stack.min((0, 1)), stack.max((0, 1))
    shades = (stack - low) / np.maximum(high - low, 1e-9)
    factor = max(1, _CELL // stack.shape[0])
    columns = min(16, stack.shape[-1])
    rows = -(-stack.shape[-1] // columns)
    side = stack.shape[0] * factor + _GAP
    canvas = np.full((rows * side, columns * side, 3), 255, np.uint8)
    for place in range(stack.shape[-1]):
        square = np.kron(shades[..., place], np.ones((factor, factor)))
        top, left = (place // columns) * side, (place % columns) * side
        cell = canvas[top : top + square.shape[0], left : left + square.shape[1]]
        cell[:] = (255 * square[..., None]).astype(np.uint8)
    return canvas
