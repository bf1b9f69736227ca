"""What the ops of a graph cost, added to the calls of layers that made them.

A product of data and weights is a set of connections, one for each multiply-add. So each tensor's
origin is followed through the graph: the weights that it comes from, or the sample.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from gatescope.scope.costs.products import PRODUCTS, size

Origin = frozenset[object]  # ids of weights' handles, and _DATA if the sample is in it
_DATA = "data"
_FROM_DATA: Origin = frozenset({_DATA})

# What these compute, or how often, does not show in the graph.
_CLOSED = re.compile(
    r"(Stateless|Stateful)?(If|Case|PartitionedCall)$|(Eager)?PyFunc|Cudnn|Xla|Quantized|.*Sparse.*Mul"
)


@dataclass
class Call:
    """One call of a layer, and what its ops came to."""

    row: int
    inputs: list[tuple[int, ...]] = field(default_factory=list)  # shapes of what it takes
    outputs: list[tuple[int, ...]] = field(default_factory=list)  # and of what it returns
    grown: int = 0  # parameters that it needs beyond the layer's, on other sizes than its own
    multiply_adds: int = 0
    connections: int = 0  # each would have a weight of its own without sharing
    biased: bool = False
    one_hot: int = 0  # numbers that it would read if each index were a one-hot vector
    steps: int = 0
    closed: bool = False  # some op cannot be counted
    mixed: bool = False  # some product is of weights with weights
    explained: set[object] = field(default_factory=set)  # handles of weights on connections


def scope_of(number: int) -> str:
    """The name scope that the ops of a call are known by."""
    return f"gatescope{number}x"


def count(graph: Any, calls: Sequence[Call]) -> None:
    """Adds to the calls, by the numbers in their scopes, what the ops of a graph cost."""
    captured = {inner.name: outer for outer, inner in graph.captures}
    origins = [_origin(captured.get(tensor.name)) for tensor in graph.inputs]
    _count(graph, origins, calls, outer=None, times=1)


def _origin(captured: Any) -> Origin:
    if captured is None:
        return _FROM_DATA
    return frozenset({id(captured)} if captured.dtype == tf.resource else ())


def _count(
    graph: Any, origins: list[Origin], calls: Sequence[Call], outer: Call | None, times: int
) -> None:
    """Counts a graph, or the body of a loop that a call runs some times, from inputs' origins."""
    names = (tensor.name for tensor in graph.inputs)
    known = dict(zip(names, origins, strict=True))
    for op in _live(graph):
        inputs = [known[tensor.name] for tensor in op.inputs]
        numbers = re.findall(r"gatescope(\d+)x", op.name)
        call = calls[int(numbers[-1])] if numbers else outer
        if call:
            _add(op, inputs, call, calls, times)
        for tensor in op.outputs:
            known.setdefault(tensor.name, _passed_on(op, inputs))


def _live(graph: Any) -> list[Any]:
    """The ops that the outputs need: TensorFlow drops the others before it runs."""
    pending, live = [tensor.op for tensor in graph.outputs], set()
    while pending:
        op = pending.pop()
        if op.name not in live:
            live.add(op.name)
            # A call that is remembered is an op without inputs, behind what the call took.
            pending += [tensor.op for tensor in op.inputs] or op.control_inputs
    return [op for op in graph.get_operations() if op.name in live]


def _passed_on(op: Any, inputs: list[Origin]) -> Origin:
    """The origin of what an op makes; a weight times anything else than weights is data."""
    origin: Origin = frozenset().union(*inputs)
    multiplied = op.type in PRODUCTS and not all(map(_is_weight, inputs)) and _is_weight(origin)
    return _FROM_DATA if multiplied or _DATA in origin else origin


def _is_weight(origin: Origin) -> bool:
    return bool(origin) and _DATA not in origin


def _add(op: Any, inputs: list[Origin], call: Call, calls: Sequence[Call], times: int) -> None:
    """Adds to a call what one of its ops costs."""
    try:
        if op.type in PRODUCTS:
            multiply_adds = times * PRODUCTS[op.type](op)
            call.multiply_adds += multiply_adds
            call.steps = times if times > 1 else call.steps
            _connect(call, inputs, multiply_adds)
        elif op.type in ("AddV2", "BiasAdd", "Add"):
            call.biased |= _connect(call, inputs, times * size(op.outputs[0]))
        elif op.type == "GatherV2" and _DATA in inputs[1] and _is_weight(inputs[0]):
            table, indices = op.inputs[0], times * size(op.inputs[1])
            call.one_hot += indices * table.shape[0]
            _connect(call, inputs, indices * size(table))  # a table for each index, if not shared
        elif op.type in ("While", "StatelessWhile"):
            _count_loop(op, inputs, call, calls, times * _turns(op))
        elif _CLOSED.match(op.type):
            call.closed = True
    except (TypeError, ValueError):  # a size that shows only when it runs
        call.closed = True


def _connect(call: Call, operands: Sequence[Origin], connections: int) -> bool:
    """Notes connections if exactly one operand is a weight, and a single one."""
    weights = [operand for operand in operands if _is_weight(operand)]
    call.mixed |= len(weights) > 1 or any(len(weight) > 1 for weight in weights)
    if len(weights) != 1:
        return False
    call.connections += connections
    call.explained |= weights[0]
    return True


def _count_loop(
    op: Any, inputs: list[Origin], call: Call, calls: Sequence[Call], times: int
) -> None:
    """Counts the body of a loop, through which weights pass as they are."""
    body = op.graph._get_function(op.get_attr("body").name).graph
    ends = zip(body.inputs, body.outputs, inputs, strict=True)
    origins = [origin if _through(end) is start else _FROM_DATA for start, end, origin in ends]
    _count(body, origins, calls, call, times)


def _through(tensor: Any) -> Any:
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    return tensor


def _turns(op: Any) -> int:
    """The `maximum_iterations` of `tf.while_loop`, which Keras sets to the number of time steps.

    Raises:
        ValueError: They are not known before it runs.
    """
    limit = op.inputs[1]
    if limit.op.type == "Max":  # of one number, as `keras.layers.RNN` writes it
        limit = limit.op.inputs[0]
    turns = tf.get_static_value(limit)
    if turns is None or turns.size != 1 or turns < 0:
        raise ValueError("a loop without maximum_iterations")
    return int(turns.item())
