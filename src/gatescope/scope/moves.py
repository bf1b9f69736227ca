"""Operations that hand elements on as they are, and where each element came from."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
import tensorflow as tf

from gatescope.scope import eager
from gatescope.scope.record import Array, Gate, Index, Value

MOVES = frozenset(
    [
        *("BatchToSpaceND", "BroadcastTo", "CheckNumerics", "ConcatV2", "DepthToSpace"),
        *("EnsureShape", "ExpandDims", "GatherNd", "GatherV2", "Identity", "MatrixBandPart"),
        *(
            "MirrorPad",
            "Pack",
            "Pad",
            "PadV2",
            "RaggedTensorToTensor",
            "Reshape",
            "ReverseSequence",
            "ReverseV2",
            "Roll",
        ),
        *("Slice", "Snapshot", "SpaceToBatchND", "SpaceToDepth", "Split", "SplitV", "Squeeze"),
        *("StridedSlice", "Tile", "Transpose", "Unpack"),
    ]
)


class Element(NamedTuple):
    """One number of a value; `flat` counts through its elements, the last axis fastest."""

    value: Value
    flat: int

    @property
    def place(self) -> Index:
        """Its place along each axis."""
        return tuple(map(int, np.unravel_index(self.flat, self.value.shape)))

    @property
    def number(self) -> float:
        """What it is; NaN where only a summary was kept."""
        return number_of(self.value.array, self.flat)

    @property
    def gradient(self) -> float | None:
        """The gradient of the loss with respect to it, where there is one."""
        gradient = self.value.gradient
        if gradient is None or gradient.array is None:
            return None
        return number_of(gradient.array, self.flat)


def number_of(array: Array | None, flat: int) -> float:
    """An element of an array, whose axes may be any."""
    return float("nan") if array is None else float(array.reshape(-1)[flat])


@final
class Origins:
    """Tells where moved elements came from, by running the moves again on their numbers.

    In place of the data each operation gets the whole numbers 1, 2, 3, … and so shows which of
    them went where, whatever its settings are.
    """

    def __init__(self) -> None:
        self._numbers: dict[Gate, list[Array]] = {}

    def origin(self, element: Element) -> Element | None:
        """The element that this one is a copy of, through any number of moves.

        Returns:
            Itself where no move made it; None for a zero that padding put there.
        """
        current: Element | None = element
        while current and (gate := current.value.gate) and moves(gate):
            current = self.before(gate, current)
        return current

    def before(self, gate: Gate, element: Element) -> Element | None:
        """Where an output's element is in the inputs of a gate that moves."""
        if gate not in self._numbers:
            self._numbers[gate] = _moved_numbers(gate)
        place = gate.outputs.index(element.value)
        number = int(self._numbers[gate][place].reshape(-1)[element.flat])
        for value in gate.inputs:
            if not value.is_float:
                continue
            size = int(np.prod(value.shape))
            if 0 < number <= size:
                return Element(value, number - 1)
            number -= size
        return None


def moves(gate: Gate) -> bool:
    """Whether a gate only hands real numbers on."""
    kept = all(value.tensor is not None for value in gate.inputs)
    return gate.op in MOVES and gate.outputs[0].is_float and kept


def _moved_numbers(gate: Gate) -> list[Array]:
    inputs, start = [], 1
    for value in gate.inputs:
        tensor = value.tensor
        if value.is_float:
            size = int(np.prod(value.shape))
            tensor = tf.reshape(tf.range(start, start + size, dtype=tf.int64), value.shape)
            start += size
        inputs.append(tensor)
    kind = next(value.tensor.dtype for value in gate.inputs if value.is_float)
    attributes = eager.retyped(gate.op, gate.attributes, kind.as_datatype_enum, eager.INT64)
    found = eager.run(gate.op, inputs, attributes, len(gate.outputs))
    return [np.asarray(tensor) for tensor in found]
