"""The graph of gates: values go forward, gradients backward, parameters down their gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite

from gatescope.circuits.failures import Failure, gradients_gate_by_gate, values_gate_by_gate
from gatescope.circuits.gates import functions
from gatescope.circuits.inputs import by_name, find, known_values, movable, set_values
from gatescope.circuits.refusals import seeds
from gatescope.circuits.steps import Step
from gatescope.circuits.wires import Wire, inputs_first

Outputs = float | tuple[float, ...]  # the value of the one output, or those of several


class Graph:
    """Gates between inputs and outputs; the wires carry the values and gradients.

    It computes; what explains, draws, compiles and trains a circuit knows it as a graph.

    Args:
        outputs: The wires that it is for; all that lead to them belong to it.
        train: Names of the inputs that are parameters.

    Raises:
        UsageError: Two inputs share a name, or `train` names no input.
    """

    def __init__(self, outputs: Sequence[Wire], train: Iterable[str] = ()) -> None:
        self.outputs = tuple(outputs)
        ordered = inputs_first(self.outputs)
        leaves = [wire for wire in ordered if not wire.gate]
        self.wires = (*leaves, *(wire for wire in ordered if wire.gate))
        self.inputs = by_name(wire for wire in leaves if wire.name)
        self.parameters = {name: find(self.inputs, name) for name in train}
        self.history: list[Step] = []
        self.failure: Failure | None = None
        self._leaves, place = leaves, {wire: place for place, wire in enumerate(self.wires)}
        self._ends = [place[wire] for wire in self.outputs]
        self._program = [
            (*functions(wire.gate), place[wire.inputs[0]], place[wire.inputs[-1]])
            for wire in self.wires
            if wire.gate
        ]

    def forward(self, **values: float) -> Outputs:
        """Computes the value of every wire.

        Args:
            **values: New values of inputs; the others keep theirs.

        Returns:
            The value of the output, or a tuple of those of several.

        Raises:
            UsageError: An input has no value, or one that is no finite number.
            GateError: A gate has no value; the wires that do not depend on it have theirs.
        """
        set_values(self.inputs, values)
        known = known_values(self._leaves)
        try:
            for value, _, a, b in self._program:
                known.append(value(known[a], known[b]))
            sound = isfinite(sum(known))  # a single sum tells of an overflow anywhere
        except (ArithmeticError, ValueError):
            sound = False
        self.failure = None if sound else values_gate_by_gate(self.wires)
        if self.failure:
            raise self.failure.error
        for wire, number in zip(self.wires, known, strict=True):
            wire.value = number
        ends = tuple(known[end] for end in self._ends)
        return ends if len(ends) > 1 else ends[0]

    def backward(self, *upstream: float) -> None:
        """Computes the gradient of the outputs' sum on every wire.

        Args:
            *upstream: What each output is given in place of 1, its share in the sum.

        Raises:
            UsageError: `upstream` has another number of values than there are outputs.
            GateError: A gate has no gradient; the wires that do not depend on it have theirs.
        """
        shares = seeds(upstream, len(self.outputs))
        if self.failure or any(wire.value is None for wire in self.wires):
            self.forward()
        values, gradients = known_values(self.wires), [0.0] * len(self.wires)
        for end, seed in zip(self._ends, shares, strict=True):
            gradients[end] += seed
        try:
            place = len(values)
            for _, slopes, a, b in reversed(self._program):
                place -= 1
                gradient, (on_a, on_b) = (
                    gradients[place],
                    slopes(values[a], values[b], values[place]),
                )
                gradients[a] += gradient * on_a
                gradients[b] += gradient * on_b
            sound = isfinite(sum(gradients))
        except (ArithmeticError, ValueError):
            sound = False
        if not sound:
            self.failure = gradients_gate_by_gate(self.wires, self.outputs, shares)
        if self.failure:
            raise self.failure.error
        for wire, number in zip(self.wires, gradients, strict=True):
            wire.gradient = number

    def step(self, learning_rate: float) -> Outputs:
        """Moves each parameter down its gradient, then computes the values anew.

        Args:
            learning_rate: How far, as a multiple of the gradient.

        Raises:
            UsageError: There are no parameters or no gradients yet.
            GateError: A gate has no value with the parameters moved.
        """
        for parameter, value, gradient in movable(self.parameters, self.inputs):
            parameter.value = value - learning_rate * gradient
        return self.forward()
