"""A CNN small enough to be trained from scratch in a minute: the trunk and top of a detector."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers


def small_trunk(input_size: int, channels: Sequence[int]) -> keras.Model:
    """Builds a plain stack of 3×3 convolutions with batch normalization.

    Each entry of `channels` halves the map; two more convolutions at full depth then let a cell
    see as far as the largest object reaches.

    Args:
        input_size: Height and width of the input in pixels.
        channels: Of the halving convolutions, in order.

    Input shape: `(batch, input_size, input_size, 3)`, RGB in [0, 255].
    Output shape: `(batch, rows, columns, channels[-1])`; with three channels the stride is 8.

    Example:
        >>> small_trunk(96, (16, 32, 64)).output_shape
        (None, 12, 12, 64)
    """
    pixels = keras.Input((input_size, input_size, 3), name="pixels")
    x = layers.Rescaling(1 / 128, offset=-1, name="rescaling")(pixels)
    for depth in channels:
        x = _convolution(x, depth, strides=2)
    for _ in range(2):
        x = _convolution(x, channels[-1], strides=1)
    return keras.Model(pixels, x, name="small_trunk")


def small_top(channels: int, features: int) -> keras.Model:
    """Builds the 1×1 convolution that narrows a map to what regions are told apart by.

    Args:
        channels: Of the map.
        features: Channels that RoIAlign reads.

    Input shape: `(batch, rows, columns, channels)`.
    Output shape: `(batch, rows, columns, features)`.
    """
    return keras.Sequential(
        [
            keras.Input((None, None, channels), name="map"),
            layers.Conv2D(features, 1, activation="relu", name="narrow"),
        ],
        name="small_top",
    )


def _convolution(x: keras.KerasTensor, filters: int, *, strides: int) -> keras.KerasTensor:
    x = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
    # Trained for a few hundred steps only, so the moving averages must follow within tens.
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
