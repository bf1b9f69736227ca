"""The tensors that a call of a layer takes and returns, as shapes."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def shapes_of(structure: Any) -> list[tuple[int, ...]]:
    """Of the tensors in a structure, each once, without masks."""
    return [tuple(part.shape) for part in _tensors(structure) if part.dtype != tf.bool]


def fingerprint(structure: Any) -> tuple[object, ...] | None:
    """Shapes of real numbers and plain settings; None where there is more, as masks or sizes."""
    parts = keras.tree.flatten(structure)
    return tuple(map(_print, parts)) if all(map(_is_plain, parts)) else None


def placeholders(structure: Any, behind: Any) -> Any:
    """The same structure of other tensors, each of which needs all tensors in `behind`."""
    with tf.control_dependencies(_tensors(behind)):
        return keras.tree.map_structure(_placeholder, structure)


def _tensors(structure: Any) -> list[Any]:
    parts = keras.tree.flatten(structure)
    return list({id(part): part for part in parts if isinstance(part, tf.Tensor)}.values())


def _is_plain(part: Any) -> bool:
    if isinstance(part, tf.Tensor):
        return part.dtype.is_floating and getattr(part, "_keras_mask", None) is None
    return isinstance(part, int | float | str | None)


def _print(part: Any) -> object:
    return (tuple(part.shape), part.dtype) if isinstance(part, tf.Tensor) else part


def _placeholder(part: Any) -> Any:
    is_tensor = isinstance(part, tf.Tensor)
    return tf.compat.v1.placeholder(part.dtype, part.shape) if is_tensor else part
