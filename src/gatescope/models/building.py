"""Keras models of blueprints."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import keras
from numpy.typing import ArrayLike

from gatescope.errors import DataError
from gatescope.layers.locally_connected import LocallyConnected1D, LocallyConnected2D
from gatescope.layers.over_time import AttentionOverTime, MaxOverTime, MeanOverTime
from gatescope.layers.random_recording import RandomRecording
from gatescope.models.blueprint import INPUT, Blueprint, Row
from gatescope.models.efficientnet_lite import backbone

_OURS = {
    layer.__name__: layer
    for layer in (
        AttentionOverTime,
        LocallyConnected1D,
        LocallyConnected2D,
        MaxOverTime,
        MeanOverTime,
        RandomRecording,
    )
}


def build(blueprint: Blueprint) -> keras.Model:
    """Makes the model that a blueprint describes, with weights drawn anew.

    Args:
        blueprint: Of a configuration, or drawn by hand.

    Returns:
        A functional model. Of several inputs it takes a list or a dict by name; of several
        outputs it gives a list, and takes targets as a list or a dict by name.
    """
    tensors: dict[str, keras.KerasTensor] = {}
    for row in blueprint.rows:
        if row.kind == INPUT:
            tensors[row.name] = keras.Input(name=row.name, **row.settings)
            continue
        given = [tensors[name] for name in row.inputs]
        tensors[row.name] = _layer(row)(given if len(given) > 1 else given[0])
    inputs = [tensors[row.name] for row in blueprint.rows if row.kind == INPUT]
    outputs = [tensors[name] for name in blueprint.outputs]
    with deep(len(blueprint.rows)):
        return keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=blueprint.name)


def _layer(row: Row) -> keras.layers.Layer:
    settings = dict(row.settings)
    if row.kind == "EfficientNetLite0":
        return backbone(row.name, **settings)
    if row.kind == "Bidirectional":
        inner = getattr(keras.layers, settings.pop("layer"))(**settings)
        return keras.layers.Bidirectional(inner, name=row.name)
    kind = _OURS.get(row.kind) or getattr(keras.layers, row.kind)
    return kind(name=row.name, **settings)


@contextmanager
def deep(layers: int) -> Iterator[None]:
    """Lets Keras, which walks a functional model by recursion, walk so many layers.

    Building does this by itself; what builds a model anew from its file needs it, too.

    Example:
        >>> with deep(4_000):
        ...     model = keras.models.load_model("deep.keras")  # doctest: +SKIP
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + 2 * layers)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def adapt(model: keras.Model, inputs: Mapping[str, ArrayLike]) -> None:
    """Tells a model the means and deviations of the inputs that it is to normalize.

    Call it before training: a compiled step keeps what it began with.

    Args:
        model: Of a builder.
        inputs: Training data alone, by the name of the input, `(samples, size)` each.

    Raises:
        DataError: An input that the model normalizes is missing.
    """
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Normalization):
            continue
        name = layer.name.removesuffix("_normalization")
        if name not in inputs:
            raise DataError(
                f"no data for the input {name!r}, which the model normalizes",
                "training data for every such input",
                f"adapt(model, {{{name!r}: array}}), or normalize=False",
            )
        layer.adapt(keras.ops.convert_to_numpy(inputs[name]))
