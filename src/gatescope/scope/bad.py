"""The first gate whose output is not what its inputs promised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from gatescope.scope.record import Gate, Index, Value
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
            line = f"the {self.value.kind} {self.value.name!r} is {self.what} as it comes in"
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
            return "gave what is not finite for finite inputs"
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


def first_bad_of(gates: Sequence[Gate]) -> FirstBad | None:
    """Looks for the first number that is not finite, then for the first that ran away."""
    return _first_not_finite(gates) or _first_runaway(gates)


def _first_not_finite(gates: Sequence[Gate]) -> FirstBad | None:
    finite: dict[Value, bool] = {}
    for gate in gates:
        for value in gate.inputs:
            if value not in finite:
                finite[value] = _is_finite(value)
                if not finite[value] and value.gate is None and not _is_deliberate(value):
                    return _report(value, None)
        good = all(finite[value] for value in gate.inputs)
        for value in gate.outputs:
            finite[value] = _is_finite(value)
            if good and not finite[value]:
                return _report(value, gate)
    return None


def _is_finite(value: Value) -> bool:
    if not value.is_float:
        return True
    if value.tensor is None:
        return value.summary is None or not value.summary.not_finite
    array = value.array
    return array is None or bool(np.isfinite(array).all())


def _is_deliberate(value: Value) -> bool:
    """Infinite constants of code mask and bound; NaN is never meant."""
    array = value.array
    return value.kind == "constant" and array is not None and not np.isnan(array).any()


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
                return _runaway(value, gate)
    return None


def _magnitude(value: Value) -> float:
    if not value.is_float or 0 in value.shape:
        return 0.0
    if value.tensor is None:
        return value.summary.magnitude if value.summary else 0.0
    array = value.array
    # Without a copy: this looks at every element of every value.
    return 0.0 if array is None else float(max(-float(array.min()), float(array.max())))


def _runaway(value: Value, gate: Gate) -> FirstBad:
    array = value.array
    if array is None:
        return FirstBad("ran away", value, gate, (), 0)
    magnitudes = np.abs(array.astype(np.float64))
    places = np.argwhere(magnitudes >= magnitudes.max() / 2)
    return FirstBad("ran away", value, gate, _indices(places), len(places))
