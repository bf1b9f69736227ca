"""What one number of a network can see of the input, and what each part of that does to it.

Both go back through the gates of a trace, one at a time, each by its own gradient. What a number
can see is where any gradient may arrive: every gate is asked at numbers that neither cancel nor
shut it (a rectifier at 0.5 lets all through, and an average in place of a maximum sees its whole
window). So it holds for any layer, and needs no arithmetic of kernels, strides and paddings (Araujo
et al. 2019, doi:10.23915/distill.00021). What a part does is the gradient at the numbers that there
were (the effective receptive field, Luo et al. 2016, arXiv:1701.04128).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gatescope.errors import TraceError
from gatescope.scope import eager
from gatescope.scope.labels import label_of
from gatescope.scope.moves import Element
from gatescope.scope.record import Gate, Value

Array = NDArray[Any]
_OPEN = 0.5  # where every activation has a slope
_OF_WINDOW: Mapping[str, str] = MappingProxyType({"MaxPool": "AvgPool", "MaxPool3D": "AvgPool3D"})
_LOOKUPS = frozenset({"GatherV2", "ResourceGather"})


@dataclass(frozen=True)
class Field:
    """What a number sees of one input.

    Attributes:
        input: The input.
        seen: Which of its elements can change the number, of the input's shape.
        gradient: What each does to it, likewise; of an index of an embedding, such as a word, the
            size of what the looked-up numbers do.
    """

    input: Value
    seen: NDArray[np.bool_]
    gradient: NDArray[np.float64]

    @property
    def box(self) -> tuple[tuple[int, int], ...] | None:
        """First and last place along each axis of what is seen; None where nothing is."""
        if not self.seen.any():
            return None
        places = np.nonzero(self.seen)
        return tuple((int(axis.min()), int(axis.max())) for axis in places)


def receptive_fields(element: Element) -> list[Field]:
    """What a number sees of each input of the network that it comes from.

    Args:
        element: The number, such as `trace.neuron("conv", (0, 5, 6, 2)).element`.

    Returns:
        A field for each, in the order in which they came in.

    Raises:
        TraceError: Only summaries were kept of values that are needed.
    """
    behind = _behind(element.value)
    seen, done = (_carried(element, behind, exact) for exact in (False, True))
    return [
        Field(value, seen[value] != 0, done.get(value, np.zeros(value.shape)))
        for value in seen
        if value.kind == "input"
    ][::-1]


def _behind(value: Value) -> list[Gate]:
    """The gates that a value came through, the last first."""
    found: dict[Gate, None] = {}
    waiting = [value]
    while waiting:
        gate = waiting.pop().gate
        if gate is not None and gate not in found:
            found[gate] = None
            waiting += gate.inputs
    return sorted(found, key=lambda gate: -gate.place)


def _carried(element: Element, behind: Sequence[Gate], exact: bool) -> dict[Value, Array]:
    """What arrives at each value of what leaves an element."""
    start = np.zeros(element.value.shape)
    start.reshape(-1)[element.flat] = 1
    arrived = {element.value: start}
    for gate in behind:
        leaving = {
            place: arrived[value] for place, value in enumerate(gate.outputs) if value in arrived
        }
        for value, more in _through(gate, leaving, exact) if leaving else ():
            before = arrived.get(value)
            if before is not None:  # whole numbers go several ways, but come back to one lookup
                more = before + more if value.is_float else np.maximum(before, more)
            arrived[value] = more
    return arrived


def _through(gate: Gate, leaving: Mapping[int, Array], exact: bool) -> list[tuple[Value, Array]]:
    """What arrives at the inputs of a gate; where only reach is asked for, as ones."""
    if gate.op == "Cast" and not gate.inputs[0].is_float:  # pixels as bytes; or true and false
        return [(gate.inputs[0], leaving[0])]
    sources = _sources(gate)
    if not sources:
        return _to_indices(gate, leaving)
    if eager.has_gradient(gate.op) and not gate.opaque:
        found = _by_gradient(gate, sources, leaving, exact)
    else:  # such as a rounding: it sees all, and no small change of it does anything
        found = [(value, np.full(value.shape, 0.0 if exact else 1.0)) for value in sources]
    found += _to_indices(gate, leaving)
    return found if exact else [(value, (more != 0) * 1.0) for value, more in found]


def _sources(gate: Gate) -> list[Value]:
    """Inputs of real numbers that were computed or came in; no weights, no constants."""
    return [
        value
        for value in dict.fromkeys(gate.inputs)
        if value.is_float and (value.kind == "input" or (value.kind == "gate" and not value.name))
    ]


def _by_gradient(
    gate: Gate, sources: Sequence[Value], leaving: Mapping[int, Array], exact: bool
) -> list[tuple[Value, Array]]:
    tensors = {value: _at(value, exact) for value in gate.inputs}
    op = gate.op if exact else _OF_WINDOW.get(gate.op, gate.op)
    kept = ("ksize", "strides", "padding", "data_format", "T")
    settings = (
        gate.attributes
        if op == gate.op
        else {name: one for name, one in gate.attributes.items() if name in kept}
    )
    watched = [tensors[value] for value in sources]
    with tf.GradientTape() as tape:
        tape.watch(watched)
        inputs = [tensors[value] for value in gate.inputs]
        outputs = eager.run(op, inputs, settings, len(gate.outputs), recorded=True)
    found = tape.gradient(
        [outputs[place] for place in leaving],
        watched,
        output_gradients=[tf.cast(one, outputs[place].dtype) for place, one in leaving.items()],
    )
    return [
        (value, np.asarray(tf.convert_to_tensor(one), np.float64))
        for value, one in zip(sources, found, strict=True)
        if one is not None
    ]


def _at(value: Value, exact: bool) -> Any:
    """The numbers that a gate is asked at."""
    if value.tensor is None:
        raise TraceError(
            f"only a summary of {label_of(value)} was kept",
            "values that the memory budget had room for",
            "gs.trace(…, memory_budget=4 * 2**30), or a smaller batch",
        )
    open_ = value.is_float and value.kind != "constant" and not exact
    return tf.fill(value.shape, tf.cast(_OPEN, value.tensor.dtype)) if open_ else value.tensor


def _to_indices(gate: Gate, leaving: Mapping[int, Array]) -> list[tuple[Value, Array]]:
    """What arrives at whole numbers: those that are looked up, and those that they come from."""
    arrived = leaving.get(0)
    if arrived is None or (gate.outputs[0].is_float and gate.op not in _LOOKUPS):
        return []
    if gate.op in _LOOKUPS:
        places = gate.inputs[1]
        rank = len(places.shape)
        if arrived.shape[:rank] != places.shape:
            return []
        return [(places, np.abs(arrived).sum(tuple(range(rank, arrived.ndim))))]
    whole = [value for value in dict.fromkeys(gate.inputs) if value.dtype.startswith("int")]
    return [(value, arrived) for value in whole if value.shape == arrived.shape]
