"""What each layer costs, and what weight sharing, locality and pooling save.

The model runs once on one sample as a graph of TensorFlow ops, without values. Each op knows by its
name scope the call of a layer that made it, and costs follow from shapes: a product of data and
weights is a set of connections, one for each multiply-add, and a layer without weight sharing has
one weight for each connection. What a pooling layer saves is seen by running the model without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

import keras

from gatescope.scope.costs.inputs import check_model, specifications
from gatescope.scope.costs.ops import Call
from gatescope.scope.costs.rows import Row, rows_of, size_of
from gatescope.scope.costs.runs import Memory, run
from gatescope.scope.costs.savings import reductions
from gatescope.scope.parameters_view import LayerCost, Parameters


def parameters(model: Any, batch: Any = None, *, input_shape: Any = None) -> Parameters:
    """Counts parameters and multiply-adds of each layer, and what sharing, locality, pooling save.

    Nothing of the model changes, and no value is computed. Each weight is counted once, in the
    first layer that holds it, so that the total is Keras' `count_params`.

    Args:
        model: Any built Keras model.
        batch: Example inputs as the model takes them, `(batch, ...)`, of which only shapes and
            dtypes matter; a tuple holds the arguments of a `call` that takes several.
        input_shape: The shape of one sample, as in `keras.Input`, without the batch axis; for
            several inputs a list, or a dict by name. Needed, unless `batch` is given, where the
            model leaves a size open.

    Returns:
        One row a layer and totals; `print` shows them as a table.

    Raises:
        UsageError: It is no Keras model, it is not built, a size of its input is unknown, or it
            does not take this input.

    Example:
        >>> inputs, layer = keras.Input((28, 28, 1)), keras.layers.Conv2D(6, 5)
        >>> gs.parameters(keras.Sequential([inputs, layer])).multiply_adds
        86400
    """
    check_model(model)
    arguments, rows = specifications(model, batch, input_shape), rows_of(model)
    memory: Memory = {}
    calls = run(model, rows, arguments, memory)
    found, by_all = reductions(rows, calls, partial(run, model, rows, arguments, memory))
    lines = ((row, [call for call in calls if call.row == row.place]) for row in rows)
    return Parameters(
        model=model.name,
        input_shapes=tuple(tuple(spec.shape[1:]) for spec in keras.tree.flatten(arguments)),
        layers=tuple(_cost(row, calls) for row, calls in lines if _is_shown(row, calls)),
        trainable_parameters=size_of(model.trainable_weights),
        reductions=found,
        saved_by_all=by_all,
    )


def _is_shown(row: Row, calls: Sequence[Call]) -> bool:
    work = any(call.multiply_adds or call.closed for call in calls)
    return row.leaf or bool(row.weights) or work


def _cost(row: Row, calls: Sequence[Call]) -> LayerCost:
    """The line of a row: comparisons only where each of its weights is understood."""
    closed = any(call.closed for call in calls)
    known = _is_understood(row, calls) and not closed
    work = any(call.multiply_adds or call.one_hot for call in calls)
    dense = [_dense(call) for call in calls] if known and work and row.leaf else []
    shapes = [call.outputs[0][1:] for call in calls if call.outputs]
    return LayerCost(
        name=row.name,
        kind=type(row.layer).__name__,
        output_shape=shapes[-1] if shapes else None,
        calls=len(calls),
        parameters=size_of(row.weights),
        multiply_adds=None if closed else sum(call.multiply_adds for call in calls),
        steps=max((call.steps for call in calls), default=0) or None,
        unshared_parameters=sum(call.connections for call in calls) if known else None,
        dense_parameters=sum(count for count, _ in dense) if dense else None,
        dense_multiply_adds=sum(count for _, count in dense) if dense else None,
    )


def _is_understood(row: Row, calls: Sequence[Call]) -> bool:
    """Whether all that its weights do is multiply or be added, one weight at a time."""
    explained = set().union(*(call.explained for call in calls))
    handles = {id(weight.value.handle) for weight in row.weights}
    return bool(handles) and handles <= explained and not any(call.mixed for call in calls)


def _dense(call: Call) -> tuple[int, int]:
    """Parameters and multiply-adds of a dense layer from all of a call's inputs to its outputs."""
    inputs, outputs = (sum(map(prod, shapes)) for shapes in (call.inputs, call.outputs))
    products = (call.one_hot or inputs) * outputs
    looked_up = call.one_hot and not call.multiply_adds
    return products + call.biased * outputs, 0 if looked_up else products
