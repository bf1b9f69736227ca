"""What layers do to shapes and how many weights they have: arithmetic alone, no TensorFlow.

Each kind of layer is one rule, under the name of its Keras class and with its settings spelled as
Keras spells them. Shapes are without the batch axis; an open length is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple, cast

Shape = tuple[int | None, ...]


class Outcome(NamedTuple):
    """What a layer puts out, and its weights: those that training changes, and the others."""

    shape: Shape
    trainable: int = 0
    fixed: int = 0


class Misfit(Exception):  # noqa: N818 - it never reaches a user; `Blueprint` makes an error of it
    """A layer cannot take what it is given.

    Args:
        happened: What does not fit, in numbers.
        expected: What would.
        fix: What to change; nothing where the place of the layer decides that.
    """

    def __init__(self, happened: str, expected: str, fix: str = "") -> None:
        self.happened, self.expected, self.fix = happened, expected, fix
        super().__init__(happened)


class Window(NamedTuple):
    """How a convolution or a pooling moves over positions, alike on every axis."""

    size: int
    stride: int
    padding: str

    def out(self, positions: int | None) -> int | None:
        """Positions that are left of so many; below 1 where the window has no room.

        Example:
            >>> Window(2, 2, "valid").out(7), Window(3, 2, "same").out(7)
            (3, 4)
        """
        if positions is None:
            return None
        if self.padding == "same":
            return -(-positions // self.stride)
        return (positions - self.size) // self.stride + 1

    def least(self, positions: int) -> int:
        """The fewest positions of which so many are left."""
        return (positions - 1) * self.stride + (1 if self.padding == "same" else self.size)


def window(settings: Mapping[str, Any]) -> Window | None:
    """The window of a layer with these settings; None where it has none."""
    if "kernel_size" in settings:
        stride, padding = settings.get("strides", 1), settings.get("padding", "valid")
        return Window(settings["kernel_size"], stride, padding)
    if "pool_size" in settings:
        return Window(settings["pool_size"], settings["pool_size"], "valid")
    return None


def sides(shape: Shape) -> str:
    """The axes of a shape as one writes them.

    Example:
        >>> sides((28, 28)), sides((None, 3)), sides(())
        ('28×28', '?×3', 'one number')
    """
    return "×".join("?" if side is None else str(side) for side in shape) or "one number"


def _positions(shape: Shape, window: Window) -> Shape:
    """The positions of a map after a window has moved over them."""
    left = tuple(map(window.out, shape[:-1]))
    if any(side is not None and side < 1 for side in left):
        size = sides((window.size,) * len(left))
        raise Misfit(f"its window of {size} has no room in {sides(shape[:-1])}", f"at least {size}")
    return left


def _features(shape: Shape) -> int:
    """The last axis, on which weights depend; only lengths are ever open."""
    return cast(int, shape[-1])


def _unchanged(shape: Shape, **_: Any) -> Outcome:
    return Outcome(shape)


def _dense(shape: Shape, *, units: int, use_bias: bool = True, **_: Any) -> Outcome:
    return Outcome((*shape[:-1], units), (_features(shape) + use_bias) * units)


def _embedding(shape: Shape, *, input_dim: int, output_dim: int, **_: Any) -> Outcome:
    return Outcome((*shape, output_dim), input_dim * output_dim)


def _flatten(shape: Shape, **_: Any) -> Outcome:
    if None in shape:
        raise Misfit(
            f"it gets {sides(shape)}, whose length is open",
            "as many numbers for each sample",
            "give the input a length, or let recurrent() read it",
        )
    return Outcome((prod(cast(tuple[int, ...], shape)),))


def _reshape(shape: Shape, *, target_shape: Shape, **_: Any) -> Outcome:
    return Outcome(target_shape)


def _add(*shapes: Shape, **_: Any) -> Outcome:
    if len(set(shapes)) > 1:
        raise Misfit(
            f"it cannot add {' and '.join(map(sides, shapes))}",
            "shapes that are equal",
            "leave out residual, or keep the size with padding='same'",
        )
    return Outcome(shapes[0])


def _concatenate(*shapes: Shape, **_: Any) -> Outcome:
    return Outcome((*shapes[0][:-1], sum(_features(shape) for shape in shapes)))


def _batch_normalization(shape: Shape, **_: Any) -> Outcome:
    features = _features(shape)
    return Outcome(shape, trainable=2 * features, fixed=2 * features)


def _layer_normalization(
    shape: Shape, *, center: bool = True, scale: bool = True, **_: Any
) -> Outcome:
    return Outcome(shape, (center + scale) * _features(shape))


def _normalization(shape: Shape, **_: Any) -> Outcome:
    # A mean and a variance for each feature, and how many samples they come from.
    return Outcome(shape, fixed=2 * _features(shape) + 1)


def _convolution(shape: Shape, *, filters: int, use_bias: bool = True, **rest: Any) -> Outcome:
    slid = cast(Window, window(rest))
    left = _positions(shape, slid)
    inputs = slid.size ** len(left) * _features(shape)
    return Outcome((*left, filters), (inputs + use_bias) * filters)


def _separable_convolution(
    shape: Shape, *, filters: int, use_bias: bool = True, **rest: Any
) -> Outcome:
    slid, channels = cast(Window, window(rest)), _features(shape)
    left = _positions(shape, slid)
    depthwise = slid.size ** len(left) * channels
    return Outcome((*left, filters), depthwise + (channels + use_bias) * filters)


def _locally_connected(shape: Shape, **settings: Any) -> Outcome:
    left, weights, _ = _convolution(shape, **settings)
    return Outcome(left, prod(cast(tuple[int, ...], left[:-1])) * weights)


def _pooling(shape: Shape, **settings: Any) -> Outcome:
    return Outcome((*_positions(shape, cast(Window, window(settings))), shape[-1]))


def _whole_map(shape: Shape, **_: Any) -> Outcome:
    return Outcome(shape[-1:])


def _efficientnet_lite(shape: Shape, *, weights: str, trainable: bool, **_: Any) -> Outcome:
    if any((side or 0) % 32 for side in shape[:-1]) or shape[-1] != 3:
        raise Misfit(
            f"it cannot read {sides(shape)}",
            "photos in colour whose sides are multiples of 32 pixels",
            "images.height=96, images.width=96 and images.channels=3, say",
        )
    # Normalization is folded into biases, or it trains gain and shift and keeps mean and variance.
    kernels, channels = 3_328_992, 21_008
    learned = kernels + (channels if weights == "imagenet" else 2 * channels)
    followed = 0 if weights == "imagenet" else 2 * channels
    return Outcome((1280,), *((learned, followed) if trainable else (0, learned + followed)))


def _attention_over_time(shape: Shape, **_: Any) -> Outcome:
    features = _features(shape)
    return Outcome((features,), features * (features + 2))


def _recurrent(
    shape: Shape,
    *,
    gates: int,
    biases: int = 1,
    units: int,
    return_sequences: bool = False,
    **_: Any,
) -> Outcome:
    weights = gates * units * (_features(shape) + units + biases)
    return Outcome((shape[0], units) if return_sequences else (units,), weights)


def _bidirectional(shape: Shape, *, layer: str, **settings: Any) -> Outcome:
    once, weights, _ = RULES[layer](shape, **settings)
    return Outcome((*once[:-1], 2 * _features(once)), 2 * weights)


def _over_axes(kind: str, rule: Callable[..., Outcome]) -> dict[str, Callable[..., Outcome]]:
    """One rule for sequences and for images."""
    return {f"{kind}1D": rule, f"{kind}2D": rule}


RULES: Mapping[str, Callable[..., Outcome]] = MappingProxyType(
    {
        **dict.fromkeys(("Activation", "AlphaDropout", "Dropout"), _unchanged),
        **dict.fromkeys(("Masking", "Rescaling"), _unchanged),
        **_over_axes("SpatialDropout", _unchanged),
        **dict.fromkeys(("RandomFlip", "RandomTranslation", "RandomRotation"), _unchanged),
        **dict.fromkeys(("RandomZoom", "RandomContrast", "RandomBrightness"), _unchanged),
        "RandomRecording": _unchanged,
        "Dense": _dense,
        "Embedding": _embedding,
        "Flatten": _flatten,
        "Reshape": _reshape,
        "Add": _add,
        "Concatenate": _concatenate,
        "BatchNormalization": _batch_normalization,
        "LayerNormalization": _layer_normalization,
        "Normalization": _normalization,
        **_over_axes("Conv", _convolution),
        **_over_axes("SeparableConv", _separable_convolution),
        **_over_axes("LocallyConnected", _locally_connected),
        **_over_axes("MaxPooling", _pooling),
        **_over_axes("AveragePooling", _pooling),
        **_over_axes("GlobalMaxPooling", _whole_map),
        **_over_axes("GlobalAveragePooling", _whole_map),
        **dict.fromkeys(("MeanOverTime", "MaxOverTime"), _whole_map),
        "AttentionOverTime": _attention_over_time,
        "EfficientNetLite0": _efficientnet_lite,
        "SimpleRNN": partial(_recurrent, gates=1),
        # Two biases a gate, for Keras resets after the recurrent product.
        "GRU": partial(_recurrent, gates=3, biases=2),
        "LSTM": partial(_recurrent, gates=4),
        "Bidirectional": _bidirectional,
    }
)
"""The rule of each kind: shapes of its inputs and its settings to what comes of them."""
