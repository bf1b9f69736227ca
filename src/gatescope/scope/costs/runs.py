"""One run of a model on one sample as a graph, without values: the calls of layers and their costs.

A run may leave out pooling and strides. A layer whose weights no longer fit then is replaced by one
of the same configuration, and a layer that a run before met on the same shapes is not run again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from threading import get_ident
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common import global_state

from gatescope.errors import UsageError
from gatescope.scope.costs.inputs import does_not_run, not_built
from gatescope.scope.costs.ops import Call, count, scope_of
from gatescope.scope.costs.rows import Row, size_of
from gatescope.scope.costs.shapes import fingerprint, placeholders, shapes_of

Memory = dict[object, tuple[Call, Any]]  # calls of layers and what they returned, by `_key`


def run(
    model: Any,
    rows: Sequence[Row],
    arguments: tuple[Any, ...],
    memory: Memory,
    without: Collection[int] = (),
) -> list[Call]:
    """Runs the model as a graph on one sample and counts what its ops cost.

    Args:
        model: The model.
        rows: Its layers.
        arguments: Specifications of its inputs.
        memory: What runs before this one met; takes what this one meets.
        without: Rows whose pooling or strides are left out.

    Raises:
        UsageError: The model does not run so.
    """
    watch = _Watch({id(row.layer): row for row in rows}, memory, without)

    def call(*inputs: Any) -> Any:
        with _bystanding(), watch.calls_of_layers():
            return model(*inputs)

    try:
        graph = tf.function(call, autograph=False).get_concrete_function(*arguments).graph
    except Exception as cause:  # whatever the layers of a user may raise
        raise watch.refusal or does_not_run(model, arguments, cause) from cause
    count(graph, watch.calls)
    memory |= watch.met
    return watch.calls


@contextmanager
def _bystanding() -> Iterator[None]:
    """Functions show their ops, layers made inside get no values, and nothing outside changes."""
    pending = global_state.get_global_attribute("uninitialized_variables", [], set_to_default=True)
    before, eager = list(pending), tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        with keras.StatelessScope(collect_losses=True, initialize_variables=False):
            yield
    finally:
        tf.config.run_functions_eagerly(eager)
        pending[:] = before


@dataclass
class _Watch:
    """Watches the calls of layers; knows which to leave out, to replace, to remember."""

    rows: dict[int, Row]
    memory: Memory
    without: Collection[int]
    calls: list[Call] = field(default_factory=list)
    met: Memory = field(default_factory=dict)
    refusal: UsageError | None = None

    @contextmanager
    def calls_of_layers(self) -> Iterator[None]:
        """Sends this thread's calls of layers through `_call`."""
        original, thread = keras.layers.Layer.__call__, get_ident()
        self._original, self._graph = original, tf.compat.v1.get_default_graph()

        def watched(layer: Any, *args: Any, **kwargs: Any) -> Any:
            row = self.rows.get(id(layer)) if get_ident() == thread else None
            return self._call(row, args, kwargs) if row else original(layer, *args, **kwargs)

        keras.layers.Layer.__call__ = watched
        try:
            yield
        finally:
            keras.layers.Layer.__call__ = original

    def _call(self, row: Row, args: Any, kwargs: Any) -> Any:
        if not row.layer.built:  # Keras would build it, and wraps what is raised here
            self.refusal = not_built(f"the layer {row.name!r}")
            raise self.refusal
        if row.place in self.without:
            return self._left_out(row, args, kwargs)
        key = self._key(row, args, kwargs)
        if self.without and key in self.memory:
            call, outputs = self.memory[key]
            self.calls.append(call)
            return placeholders(outputs, behind=(args, kwargs))
        try:
            call, outputs = self._recorded(row, self._original, row.layer, *args, **kwargs)
        except Exception:
            if not (self.without and (row.leaf or isinstance(row.layer, keras.Model))):
                raise
            return self._refitted(row, args, kwargs)
        if key and call is self.calls[-1] and fingerprint(outputs):
            self.met[key] = call, outputs
        return outputs

    def _left_out(self, row: Row, args: Any, kwargs: Any) -> Any:
        if row.layer.weights:
            return self._replaced(row, args, kwargs, strides=1)
        (inputs,) = args
        whole = getattr(row.layer, "keepdims", True)
        return inputs if whole else tf.reshape(inputs, (1, prod(inputs.shape)))

    def _refitted(self, row: Row, args: Any, kwargs: Any) -> Any:
        """Calls what refuses other shapes than it was built for."""
        if isinstance(row.layer, keras.Model):  # whose layers may not refuse them
            return self._recorded(row, row.layer.call, *args, **kwargs)[1]
        return self._replaced(row, args, kwargs)

    def _replaced(self, row: Row, args: Any, kwargs: Any, **changes: Any) -> Any:
        """Calls a layer of the same configuration, but for changes, with weights that fit."""
        layer = type(row.layer).from_config({**row.layer.get_config(), **changes})
        call, outputs = self._recorded(row, self._original, layer, *args, **kwargs)
        call.grown = size_of(layer.weights) - size_of(row.layer.weights)
        return outputs

    def _recorded(
        self, row: Row, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> tuple[Call, Any]:
        """Calls a layer inside a name scope that its ops are known by."""
        number = len(self.calls)
        self.calls.append(call := Call(row.place, inputs=shapes_of((args, kwargs))))
        try:
            with tf.name_scope(scope_of(number)):
                outputs = function(*args, **kwargs)
        except Exception:
            del self.calls[number:]  # what they made is in no output
            raise
        call.outputs = shapes_of(outputs)
        return call, outputs

    def _key(self, row: Row, args: Any, kwargs: Any) -> object:
        """What alone the cost of a call depends on; None where it may depend on more."""
        in_loop = tf.compat.v1.get_default_graph() is not self._graph
        plain = None if in_loop or not row.leaf else fingerprint((args, kwargs))
        return plain and (row.place, *kwargs, *plain)
