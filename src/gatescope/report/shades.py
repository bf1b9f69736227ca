"""Numbers as colours: one scale of magnitudes, one of signs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SIGNED = ("#2166ac", "#f4f4f2", "#b2182b")
"""From negative to positive, after ColorBrewer's RdBu."""
MAGNITUDES = ("#f4f4f2", "#c7e3d4", "#7cc0a8", "#33907f", "#0b5a58", "#062d33")
"""From 0 on; lightness alone tells them apart."""
_UNKNOWN = 200  # grey, of what is no number


def shades(
    values: NDArray[np.floating], *, signed: bool, largest: float | None = None
) -> NDArray[np.uint8]:
    """Gives each number a colour.

    Args:
        values: Of any shape.
        signed: Whether 0 is in the middle, red above and blue below; or else at the light end,
            for numbers that are not below 0.
        largest: The magnitude that has the strongest colour; that of the largest, unless given.

    Returns:
        Of the shape of `values` and one axis more, for red, green and blue.

    Example:
        >>> shades(np.array([-1.0, 0.0, 1.0]), signed=True).tolist()
        [[33, 102, 172], [244, 244, 242], [178, 24, 43]]
    """
    numbers = np.asarray(values, np.float64)
    known = np.where(np.isfinite(numbers), numbers, 0.0)
    span = float(np.abs(known).max(initial=0.0)) if largest is None else largest
    share = np.clip(known / (span or 1.0), -1, 1)
    scale = (share + 1) / 2 if signed else np.maximum(share, 0)
    colours = _between(scale, SIGNED if signed else MAGNITUDES)
    return np.where(np.isfinite(numbers)[..., None], colours, np.uint8(_UNKNOWN))


def _between(scale: NDArray[np.floating], stops: Sequence[str]) -> NDArray[np.uint8]:
    table = np.array([[int(stop[at : at + 2], 16) for at in (1, 3, 5)] for stop in stops])
    places = np.linspace(0, 1, len(stops))
    mixed = [np.interp(scale, places, table[:, channel]) for channel in range(3)]
    return np.rint(np.stack(mixed, -1)).astype(np.uint8)
