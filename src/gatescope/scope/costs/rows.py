"""The rows of the table: a model's layers, each once, with the weights counted there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any, NamedTuple

import keras


class Row(NamedTuple):
    """A layer that has a line of its own, with the weights that no line before it holds."""

    place: int
    name: str
    layer: Any
    weights: tuple[Any, ...]
    leaf: bool  # no layer inside it has a line


def rows_of(model: Any) -> list[Row]:
    """All layers in the order in which the model holds them, nested ones behind their model."""
    rows: dict[int, Row] = {}
    counted: set[int] = set()
    for name, layer in _walk(model, ""):
        if id(layer) not in rows:
            parts = _parts(layer)
            elsewhere = counted | {id(weight) for part in parts for weight in part.weights}
            own = tuple(weight for weight in layer.weights if id(weight) not in elsewhere)
            counted |= set(map(id, own))
            rows[id(layer)] = Row(len(rows), name, layer, own, leaf=not parts)
    return list(rows.values())


def size_of(weights: Iterable[Any]) -> int:
    """How many numbers weights hold."""
    return sum(prod(weight.shape) for weight in weights)


def _walk(layer: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path or layer.name, layer
    for part in _parts(layer):
        yield from _walk(part, f"{path}/{part.name}" if path else part.name)


def _parts(layer: Any) -> list[Any]:
    """The layers inside a layer that have lines of their own: none where Keras made it."""
    if isinstance(layer, keras.Model):
        return [part for part in layer.layers if not isinstance(part, keras.layers.InputLayer)]
    if any(_is_kerases(kind) for kind in type(layer).__mro__):
        return []
    return list(layer._flatten_layers(include_self=False, recursive=False))


def _is_kerases(kind: type) -> bool:
    return kind is not keras.layers.Layer and getattr(keras.layers, kind.__name__, None) is kind
