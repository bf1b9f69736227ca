"""The first gate whose output is not what its inputs promised."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Literal, NamedTuple

import numpy as np

from gatescope.scope.record import Gate, Index, Pass, Value
from gatescope.scope.words import plural

# Beyond this many times the square of the largest number that went in, a value ran away: a
# healthy network squares an error once, in its loss.
_RUNAWAY = 1e6
_MOST_ELEMENTS = 5


class FirstBad(NamedTuple):
    """Where the first bad number came from.

    Attributes:
        what: `not finite`, or `ran away` for a magnitude out of all proportion.
        value: The value that has it.
        gate: The gate that made it of good inputs; None if it came in from outside.
        elements: Indices of the first bad elements.
        bad: How many elements are; 0 where only a summary was kept of a runaway.
    """

    what: Literal["not finite", "ran away"]
    value: Value
    gate: Gate | None
    elements: tuple[Index, ...]
    bad: int

    def __str__(self) -> str:
        if self.gate is None:
            kind = "variable" if self.value.gate else self.value.kind
            line = " ".join(["the", kind, *([repr(self.value.name)] if self.value.name else [])])
            line += f" {'is ' if self.what == 'not finite' else ''}{self.what} as it comes in"
        else:
            line = f"gate {self.gate.place}, {self.gate.name} ({self.gate.phase}), {self._how()}"
            where = [f"layer {self.gate.layer or '–'}, step {self.gate.step}"]
            where += [f"at {self.gate.source}"] if self.gate.source else []
            line += "".join(f"\n  {part}" for part in where)
        return f"{line}\n  {self._which()}"

    def _how(self) -> str:
        if self.gate and self.gate.op == "ReadVariableOp":
            return f"read what is {self.what} from the variable {self.gate.inputs[0].name!r}"
        if self.what == "not finite":
            states = map(_state, self.gate.inputs) if self.gate else ()
            return (
                "gave NaN for infinite inputs"
                if any(states)
                else "gave what is not finite for finite inputs"
            )
        largest = self.value.summary.magnitude if self.value.summary else float("nan")
        return f"ran away: up to {largest:.3g}, out of all proportion to what went in"

    def _which(self) -> str:
        shape = "×".join(map(str, self.value.shape)) or "one number"
        if not self.elements:
            count = plural(self.bad, "element") if self.bad else "some elements"
            return f"{count} of {shape}; only a summary was kept"
        array = self.value.array
        shown = [f"{list(index)} = {array[index]}" for index in self.elements if array is not None]
        more = ", …" if self.bad > len(shown) else ""
        return f"{plural(self.bad, 'element')} of {shape}: {', '.join(shown)}{more}"


def first_bad_of(
    gates: Sequence[Gate], values: Sequence[Value], passes: Sequence[Pass]
) -> FirstBad | None:
    """Looks for the first number that is not finite, then for the first that ran away."""
    bad = None if _is_healthy(gates, values, passes) else _first_not_finite(gates)
    return bad or _first_runaway(gates)


def _is_healthy(gates: Sequence[Gate], values: Sequence[Value], passes: Sequence[Pass]) -> bool:
    """Whether losses, gradients and updates are finite: what was not, on the way, was masked.

    So work losses that run in logarithms, as CTC, and `tf.where`.
    """
    ends = [target for one in passes for target in one.targets]
    for value in values:
        ends += value.gradients.values() if value.kind in ("variable", "input") else ()
    for gate in gates:
        ends += gate.values if gate.phase == "update" else ()
    return bool(passes) and not any(map(_state, ends))


class _State(IntEnum):
    """What the worst of a value's elements is."""

    FINITE = 0
    INFINITE = 1
    NAN = 2


def _first_not_finite(gates: Sequence[Gate]) -> FirstBad | None:
    states: dict[Value, _State] = {}
    fixed: dict[Value, bool] = {}  # whether a value is made of constants of the code alone
    for gate in gates:
        for value in gate.inputs:
            if value not in states:
                states[value], fixed[value] = _state(value), value.kind == "constant"
                if _is_bad(value, states, fixed):
                    return _report(value, None)
        before = max((states[value] for value in gate.inputs), default=_State.FINITE)
        made_of_constants = bool(gate.inputs) and all(fixed[value] for value in gate.inputs)
        for value in gate.outputs:
            states[value], fixed[value] = _state(value), made_of_constants
            if before < states[value] and before < _State.NAN and _is_bad(value, states, fixed):
                return _report(value, None if value.name else gate)
    return None


def _state(value: Value) -> _State:
    array = value.array if value.has_gradients else None
    if array is not None:
        if np.isfinite(array).all():
            return _State.FINITE
        return _State.NAN if np.isnan(array).any() else _State.INFINITE
    bad = value.summary and value.summary.not_finite
    return _State.NAN if bad else _State.FINITE


def _is_bad(value: Value, states: dict[Value, _State], fixed: dict[Value, bool]) -> bool:
    """Infinite constants of code mask and bound, as a logarithm of 0 may; NaN is never meant."""
    return states[value] > (_State.INFINITE if fixed[value] else _State.FINITE)


def _report(value: Value, gate: Gate | None) -> FirstBad:
    array = value.array
    if array is None:
        count = value.summary.not_finite if value.summary else 0
        return FirstBad("not finite", value, gate, (), count)
    places = np.argwhere(~np.isfinite(array))
    return FirstBad("not finite", value, gate, _indices(places), len(places))


def _indices(places: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> tuple[Index, ...]:
    return tuple(tuple(map(int, place)) for place in places[:_MOST_ELEMENTS])


def _first_runaway(gates: Sequence[Gate]) -> FirstBad | None:
    largest = 1.0
    for gate in gates:
        for value in gate.inputs:
            if value.gate is None:
                largest = max(largest, _magnitude(value))
        for value in gate.outputs:
            if _magnitude(value) > _RUNAWAY * largest * largest:
                return _runaway(value, None if value.name else gate)
    return None


def _magnitude(value: Value) -> float:
    """The largest absolute value of the finite elements."""
    if not value.is_float or 0 in value.shape:
        return 0.0
    array = value.array
    if array is None:
        return value.summary.magnitude if value.summary else 0.0
    # Without a copy: this looks at every element of every value.
    largest = float(max(-float(array.min()), float(array.max())))
    return largest if np.isfinite(largest) or not value.summary else value.summary.magnitude


def _runaway(value: Value, gate: Gate | None) -> FirstBad:
    array = value.array
    if array is None:
        return FirstBad("ran away", value, gate, (), 0)
    magnitudes = np.abs(array.astype(np.float64))
    places = np.argwhere(magnitudes >= magnitudes.max() / 2)
    return FirstBad("ran away", value, gate, _indices(places), len(places))
