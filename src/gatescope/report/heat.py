"""Numbers over a plane as small pictures: by sign, by share between two classes, by class."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

Numbers = NDArray[np.floating]
Picture = NDArray[np.uint8]

BY_SIGN = ("#2166ac", "#f7f7f7", "#b2182b")
"""From below 0 to above, after ColorBrewer's RdBu."""
BETWEEN_TWO = ("#542788", "#f7f7f7", "#b35806")
"""From the first class to the second, after ColorBrewer's PuOr."""
BY_SIZE = ("#f4f4f2", "#c7e3d4", "#7cc0a8", "#33907f", "#0b5a58", "#062d33")
OF_CLASSES = (
    "#44aa99", "#cc6677", "#ddcc77", "#332288", "#88ccee", "#882255", "#117733", "#aa4499",
    "#999933", "#777777",
)  # fmt: skip
"""After Paul Tol's "muted", which the colour-blind tell apart."""


def shaded(values: Numbers, ends: Sequence[str], low: float, high: float) -> Picture:
    """Colours between given ones, by the number.

    Args:
        values: Of any shape; what is not finite becomes grey.
        ends: Colours of the lowest number to the highest, at equal distances.
        low: What has the first colour; what is below, too.
        high: What has the last.

    Returns:
        uint8 of the shape of `values`, and 3.

    Example:
        >>> shaded(np.array([0.0, 1.0]), ("#000000", "#ffffff"), 0, 1).tolist()
        [[0, 0, 0], [255, 255, 255]]
    """
    colours = np.array([ImageColor.getrgb(end)[:3] for end in ends], float)
    known = np.where(np.isfinite(values), values, low)
    places = np.clip((known - low) / ((high - low) or 1.0), 0, 1) * (len(ends) - 1)
    at = np.arange(len(ends))
    mixed = np.stack([np.interp(places, at, colours[:, part]) for part in range(3)], -1)
    mixed[~np.isfinite(values)] = 128
    return np.rint(mixed).astype(np.uint8)


def by_sign(values: Numbers) -> Picture:
    """Red above 0, blue below, as strong as the number is beside the largest of them."""
    finite = np.abs(values[np.isfinite(values)])
    most = float(finite.max(initial=0.0)) or 1.0
    return shaded(values, BY_SIGN, -most, most)


def by_class(shares: Numbers) -> Picture:
    """The colour of the class with the largest share, paler where the share is smaller.

    Args:
        shares: Of each class along the last axis; scores will do, where they are no shares.

    Returns:
        uint8 of the shape of `shares`, its last axis being 3.
    """
    classes = shares.shape[-1]
    colours = np.array(
        [ImageColor.getrgb(class_colour(one, classes))[:3] for one in range(classes)]
    )
    known = np.nan_to_num(shares)
    chosen, most = known.argmax(-1), np.clip(known.max(-1), 0, 1)
    strength = 0.25 + 0.65 * np.clip((most - 1 / classes) / (1 - 1 / classes), 0, 1)
    mixed = 255 + (colours[chosen] - 255) * strength[..., None]
    return np.rint(mixed).astype(np.uint8)


def class_colour(place: int, classes: int) -> str:
    """The colour of a class.

    Args:
        place: Of the class, from 0.
        classes: How many there are.
    """
    if classes == 2:
        return (BETWEEN_TWO[0], BETWEEN_TWO[-1])[place]
    return OF_CLASSES[place % len(OF_CLASSES)]


def picture_uri(pixels: Picture) -> str:
    """Packs a map whose first row is the lowest into a data URI, quickly.

    Args:
        pixels: `(height, width, 3)`.
    """
    packed = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[::-1])).save(packed, "png", compress_level=3)
    return f"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode('ascii')}"
