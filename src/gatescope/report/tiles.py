"""Many small images as one picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GAP = 4


def tiles(
    images: NDArray[np.generic],
    *,
    columns: int,
    span: tuple[float, float] = (0, 1),
    cell: int = 48,
) -> NDArray[np.uint8]:
    """Lays images side by side on white, small ones enlarged pixel by pixel.

    Args:
        images: `(count, height, width, channels)`, grey or in colour.
        columns: How many a row.
        span: The values that are black and white; what is beyond is cut off.
        cell: Pixels that a small image is to have at least, about.

    Returns:
        An image, `(height, width, 3)`.

    Example:
        >>> tiles(np.zeros((3, 8, 8, 1)), columns=2).shape
        (104, 104, 3)
    """
    low, high = span
    shades = np.clip((images.astype(np.float64) - low) / (high - low), 0, 1)
    factor = max(1, cell // images.shape[1])
    large = np.rint(255 * shades).astype(np.uint8).repeat(factor, 1).repeat(factor, 2)
    height, width = large.shape[1] + _GAP, large.shape[2] + _GAP
    canvas = np.full((-(-len(large) // columns) * height, columns * width, 3), 255, np.uint8)
    for place, image in enumerate(large):
        top, left = place // columns * height, place % columns * width
        canvas[top : top + height - _GAP, left : left + width - _GAP] = image
    return canvas
