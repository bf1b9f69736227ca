"""Small pictures side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gatescope.report.html import Html, element, escape, image_uri

_LONGEST = 240  # pixels, of what is embedded


def wall(pictures: Sequence[tuple[NDArray[np.uint8], str]]) -> Html:
    """Lays pictures out in rows, as many as fit.

    Args:
        pictures: Each `(height, width, 3)`, with what is written below.

    Example:
        >>> drawn = wall([(np.zeros((8, 8, 3), np.uint8), "a black square")])
    """
    return element("div", *(_picture(image, below) for image, below in pictures), class_="wall")


def _picture(image: NDArray[np.uint8], below: str) -> Html:
    source = image_uri(image, longest=_LONGEST, lossless=True)
    return element(
        "figure",
        element("img", src=source, alt=below),
        element("figcaption", escape(below)),
    )
