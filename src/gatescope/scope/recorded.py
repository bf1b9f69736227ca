"""What was recorded of one batch, and how to find things in it."""

from __future__ import annotations

from gatescope.scope.bad import FirstBad, first_bad_of
from gatescope.scope.lookup import known_calls, known_op, known_phase, known_step
from gatescope.scope.record import Gate, LayerCall, Pass, Phase, Value
from gatescope.scope.recording import Recorder


class Recorded:
    """Every gate that ran for one batch, forward and backward, with its values.

    Attributes:
        gates: The gates, in the order in which they ran.
        calls: The calls of layers and losses, in the order in which they began.
        values: All that went into gates or came out of them.
        outputs: What the model or function gave, flattened.
        passes: The computations of gradients; one, but where a step takes several.
        losses: What the gradients are of, but for those that only a further gradient needed.
        kept: How many bytes of values were kept.
        memory_budget: How many bytes were allowed.
    """

    def __init__(self, recorder: Recorder, outputs: tuple[Value, ...]) -> None:
        self.outputs = outputs
        self.gates: tuple[Gate, ...] = tuple(recorder.gates)
        self.calls: tuple[LayerCall, ...] = tuple(recorder.calls)
        self.values: tuple[Value, ...] = tuple(recorder.values.values())
        self.passes: tuple[Pass, ...] = tuple(recorder.passes)
        last = [one for one in self.passes if not one.inner] or self.passes
        self.losses: tuple[Value, ...] = tuple(value for one in last for value in one.targets)
        self.kept, self.memory_budget = recorder.kept, recorder.budget

    @property
    def loss(self) -> float | None:
        """The loss as a number; of several gradients of several losses, their sum."""
        numbers = [number for value in self.losses if (number := _sum(value)) is not None]
        return sum(numbers) if numbers else None

    def first_bad(self) -> FirstBad | None:
        """Finds the first gate whose inputs are finite and whose output is not.

        Infinite constants that mask are no fault, nor is what a network masks so well that its
        losses and gradients are finite all the same.

        Where all is finite, the first whose magnitude ran away: above 1e6 times the square of the
        largest number that went into the network.

        Returns:
            The gate, with the elements concerned; an input, weight or NaN constant that was bad
            as it came in; or None.
        """
        return first_bad_of(self.gates, self.values, self.passes)

    def find(
        self,
        layer: str | None = None,
        op: str | None = None,
        *,
        step: int | None = None,
        name: str | None = None,
        phase: Phase | None = None,
    ) -> list[Gate]:
        """The gates that fit all that is given, in the order in which they ran.

        Args:
            layer: A layer's name, or its path such as `encoder/dense`; gates of the layers inside
                it count too.
            op: A TensorFlow operation.
            step: The time step of a loop, or the number of the use of a shared layer.
            name: A part of the gate's name, or of the name of one of its inputs, such as `kernel`.
            phase: `forward`, `backward`, or `update` for what the optimizer does.

        Raises:
            UsageError: No gate has such a layer or op, none has such a step, or there is no such
                phase; the nearest names, or the range, are offered.

        Example:
            >>> trace.find("lstm_cell", "MatMul", step=3)[0].outputs[0].array.shape
            (32, 64)
        """
        found = list(self.gates)
        if layer is not None:
            calls = set(self.calls_of(layer))
            found = [gate for gate in found if gate.call and not calls.isdisjoint(gate.call.chain)]
        if op is not None:
            found = [gate for gate in found if gate.op == known_op(op, self.gates)]
        if phase is not None:
            found = [gate for gate in found if gate.phase == known_phase(phase)]
        if name is not None:
            found = [gate for gate in found if _named(gate, name)]
        if step is not None:
            found = [gate for gate in found if gate.step == known_step(step, found)]
        return found

    def calls_of(self, layer: str) -> list[LayerCall]:
        """The calls of a layer, by its name or path.

        Raises:
            UsageError: No layer of this name ran; the nearest names are offered.
        """
        return known_calls(layer, self.calls)


def _sum(value: Value) -> float | None:
    """The sum of its elements; of a single one, the summary has it where nothing else was kept."""
    if value.array is not None:
        return float(value.array.sum())
    known = value.summary
    return known.mean if known and known.elements == 1 and not known.not_finite else None


def _named(gate: Gate, part: str) -> bool:
    return part in gate.name or any(part in value.name for value in gate.inputs)
