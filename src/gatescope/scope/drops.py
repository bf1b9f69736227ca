"""What dropout leaves out, by the layer's own draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

_KINDS = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)


def drops(layer: Any) -> bool:
    """Whether a layer leaves out at random while it trains."""
    return isinstance(layer, _KINDS) and layer.rate > 0


def dropout_mask(layer: Any, shape: Sequence[int], seed: int) -> NDArray[np.float32]:
    """What a dropout layer multiplies each number by in one step of training.

    Args:
        layer: The layer; a copy of it draws, so that its own random stream stays where it is.
        shape: Of what goes in, the batch axis included.
        seed: Of the draw.

    Returns:
        0 of what is left out, and 1 / (1 − rate) of the rest, of that shape.

    Example:
        >>> mask = dropout_mask(keras.layers.Dropout(0.5), (1, 6), seed=0)
        >>> sorted(set(mask.ravel().tolist()))
        [0.0, 2.0]
    """
    copy = type(layer).from_config({**layer.get_config(), "seed": seed, "dtype": "float32"})
    return np.asarray(copy(np.ones(shape, np.float32), training=True))
