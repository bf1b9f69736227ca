"""How much a step of a training computes, estimated without running anything."""

from __future__ import annotations

import math
from collections.abc import Iterator

import keras

# Multiply-adds, forward, of the steps between two looks: about a tenth of a second on two cores,
# beside which what Python does in a look is nothing. Shorter ones than that are not worth a wait.
_AT_ONCE = 1e9
_MOST_AT_ONCE = 64


def steps_at_once(model: keras.Model, batch_size: int) -> int:
    """Steps that are worth running between two looks of Python at a training."""
    work = max(1, multiply_adds(model) * batch_size)
    return max(1, min(int(_AT_ONCE // work), _MOST_AT_ONCE))


def convolves(model: keras.Model) -> bool:
    """Whether most of what a model computes is convolution."""
    return multiply_adds(model, "Conv") > multiply_adds(model) / 2


def multiply_adds(model: keras.Model, kind: str = "") -> int:
    """Of one example, forward: weights of each layer times the places where it uses them.

    Args:
        model: A built model; a layer whose shapes are not known counts as one place.
        kind: Part of the names of the classes that count.
    """
    layers = [layer for layer in _leaves(model) if kind in type(layer).__name__]
    return sum(layer.count_params() * _places(layer) for layer in layers if layer.weights)


def _leaves(model: keras.Model) -> Iterator[keras.Layer]:
    """Its layers, those of inner models in the place of these."""
    for layer in model.layers:
        yield from _leaves(layer) if isinstance(layer, keras.Model) else (layer,)


def _places(layer: keras.Layer) -> int:
    try:
        tensors = keras.tree.flatten((layer.input, layer.output))
    except (AttributeError, ValueError):
        return 1
    return max(math.prod(side or 1 for side in tensor.shape[1:-1]) for tensor in tensors)
