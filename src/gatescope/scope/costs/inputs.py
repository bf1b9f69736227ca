"""The model and one sample of its inputs, as shapes; and what can be wrong with them."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from gatescope.errors import UsageError
from gatescope.report.cells import without_colours


def check_model(model: Any) -> None:
    """Refuses what is no model, and a model without weights."""
    if not isinstance(model, keras.Model):
        raise UsageError(
            f"{type(model).__name__} is not a Keras model",
            "a built keras.Model: Sequential, functional or subclassed",
            "wrap a layer: keras.Sequential([keras.Input(shape), layer])"
            if isinstance(model, keras.layers.Layer)
            else "pass the model itself; keras.saving.load_model('m.keras') reads one from a file",
        )
    if not model.built:
        raise not_built(f"the model {model.name!r}")


def specifications(model: Any, batch: Any, input_shape: Any) -> tuple[Any, ...]:
    """The arguments of the model for one sample: from a batch, shapes, or as it was built."""
    if batch is not None and input_shape is not None:
        raise UsageError(
            "both batch and input_shape were given",
            "one of them",
            "leave input_shape out: the batch has it",
        )
    if batch is not None:
        specs = keras.tree.map_structure(_of_array, batch)
        several = isinstance(batch, tuple) and not _is_graph(model)
        return tuple(specs) if several else (specs,)
    declared = _declared(model)
    if input_shape is not None:
        return (_of_shapes(model, declared, input_shape),)
    _check_sizes_known(model, declared)
    return (keras.tree.map_structure(_sample, declared),)


def _sample(tensor: Any) -> tf.TensorSpec:
    return _of_shape(tensor.shape[1:], tensor.dtype)


def _of_shape(shape: Sequence[int], dtype: Any = None) -> tf.TensorSpec:
    return tf.TensorSpec((1, *shape), dtype or keras.config.floatx())


def _of_array(array: Any) -> tf.TensorSpec:
    try:
        tensor = tf.convert_to_tensor(array)
    except (TypeError, ValueError):
        tensor = tf.constant(0)
    if not tensor.shape.rank:
        raise UsageError(
            f"the batch holds {reprlib.repr(array)}, which has no axis for samples",
            "arrays of the shape (batch, ...), or a list or dict of such",
            "gs.parameters(model, x[:1])",
        )
    return _sample(tensor)


def _declared(model: Any) -> Any:
    """The inputs that the model was built with, as `keras.KerasTensor`s; None if it kept none."""
    if _is_graph(model):
        return model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    shape = (model.get_build_config() or {}).get("input_shape")
    return shape and keras.tree.map_shape_structure(keras.KerasTensor, shape)


def _is_graph(model: Any) -> bool:
    """Whether the model is a graph of layers, so that it knows its inputs by name."""
    return hasattr(model, "inputs")


def _check_sizes_known(model: Any, declared: Any) -> None:
    shapes = [tensor.shape[1:] for tensor in keras.tree.flatten(declared) if tensor is not None]
    if not shapes or any(None in shape for shape in shapes):
        raise UsageError(
            f"the input of {model.name!r} leaves its size open: {_written(shapes) or 'unknown'}",
            "known sizes, for multiply-adds depend on them",
            "gs.parameters(model, input_shape=(…)) without the batch axis, or "
            "gs.parameters(model, batch)",
        )


def _of_shapes(model: Any, declared: Any, given: Any) -> Any:
    """Specifications of the shapes that the user gave, which must fit a graph of layers."""
    sizes = keras.tree.flatten(given)
    whole = all(isinstance(size, int) and size > 0 for size in sizes)
    if not whole or not isinstance(given, tuple | list | Mapping):
        raise UsageError(
            f"input_shape={given!r} is no shape",
            "whole numbers above 0, such as (224, 224, 3); several shapes as a list or a dict",
            "leave the batch axis out, and give every other size a number",
        )
    if not _is_graph(model):
        return keras.tree.map_shape_structure(_of_shape, given)
    tensors = keras.tree.flatten(declared)
    names = sorted(declared) if isinstance(declared, dict) else [one.name for one in tensors]
    shapes = _in_order(given, names)
    if len(shapes) != len(tensors) or not all(map(_fits, shapes, tensors)):
        expected = zip(names, tensors, strict=True)
        raise UsageError(
            f"input_shape={given!r} does not fit the inputs of {model.name!r}",
            ", ".join(f"{_written([tensor.shape[1:]])} for {name}" for name, tensor in expected),
            "give the shape of one sample, without the batch axis; several as a list or by name",
        )
    dtypes = [tensor.dtype for tensor in tensors]
    return keras.tree.pack_sequence_as(declared, list(map(_of_shape, shapes, dtypes)))


def _in_order(given: Any, names: Sequence[str]) -> list[Any]:
    """The shapes that were given, in the order of the inputs; none if names differ."""
    if isinstance(given, Mapping):
        return [given[name] for name in names] if set(given) == set(names) else []
    return [given] if all(isinstance(size, int) for size in given) else list(given)


def _fits(shape: Sequence[int], tensor: Any) -> bool:
    wanted = tensor.shape[1:]
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(one in (size, None) for size, one in pairs)


def not_built(what: str) -> UsageError:
    """The error for what has no weights yet."""
    return UsageError(
        f"{what} is not built: it has no weights yet",
        "a model whose layers have all their weights",
        "call the model on a batch once, or start a Sequential with keras.Input(shape)",
    )


def does_not_run(model: Any, arguments: tuple[Any, ...], cause: Exception) -> UsageError:
    """The error for whatever a layer raised."""
    shapes = _written([spec.shape[1:] for spec in keras.tree.flatten(arguments)])
    return UsageError(
        f"{model.name!r} does not run as a graph on one sample of shape {shapes}: {_said(cause)}",
        "an input that the model takes, and a call that tf.function can trace",
        "gs.parameters(model, batch) with a batch that model(batch) takes",
    )


def _said(cause: Exception) -> str:
    """The sentence of an error that says what is wrong; Keras wraps it in the layer's arguments."""
    text = without_colours(str(cause))
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
    telling = [part for part in paragraphs if not part.startswith("Exception encountered")]
    return (telling or [type(cause).__name__])[0]


def _written(shapes: Sequence[Any]) -> str:
    return ", ".join(str(tuple(shape)).replace("None", "?") for shape in shapes)
