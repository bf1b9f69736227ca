"""Gates without a value or a gradient: found one by one, while the others get theirs."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, isnan
from typing import NamedTuple

from gatescope.circuits.gates import GATES, Gate, functions
from gatescope.circuits.notation import SIGNS, number
from gatescope.circuits.wires import Wire, expression
from gatescope.errors import GateError

_WITHIN = GATES["add"].domain


class Failure(NamedTuple):
    """The first gate that had no value or passed no gradient, and the error that says so."""

    wire: Wire
    error: GateError


def values_gate_by_gate(wires: Sequence[Wire]) -> Failure | None:
    """Gives every wire its value where it can have one, and takes its gradient away.

    Args:
        wires: Each after its inputs.

    Returns:
        The first gate that has no value.
    """
    failure: Failure | None = None
    for wire in wires:
        wire.gradient = None
        if not wire.gate:
            continue
        wire.value = None
        values = [end.value for end in wire.inputs if end.value is not None]
        if len(values) < len(wire.inputs):
            continue
        try:
            wire.value = _checked(functions(wire.gate)[0](values[0], values[-1]))
        except (ArithmeticError, ValueError) as cause:
            failure = failure or Failure(wire, _no_value(wire, wire.gate, values, cause))
    return failure


def gradients_gate_by_gate(
    wires: Sequence[Wire], outputs: Sequence[Wire], seeds: Sequence[float]
) -> Failure | None:
    """Gives every wire its gradient where one gets there.

    Args:
        wires: Each after its inputs, with its value.
        outputs: Those where gradients start.
        seeds: What each of them starts with.

    Returns:
        The first gate that passes none.
    """
    failure: Failure | None = None
    gradients: dict[Wire, float | None] = dict.fromkeys(wires, 0.0)
    for output, seed in zip(outputs, seeds, strict=True):
        gradients[output] = (gradients[output] or 0.0) + seed
    for wire in reversed(wires):
        if not wire.gate:
            continue
        parts: Sequence[float | None] = [None] * len(wire.inputs)
        try:
            parts = _parts(wire, wire.gate, gradients[wire])
        except (ArithmeticError, ValueError) as cause:
            values = [end.value for end in wire.inputs if end.value is not None]
            failure = failure or Failure(wire, _no_gradient(wire, wire.gate, values, cause))
        for end, part in zip(wire.inputs, parts, strict=True):
            before = gradients[end]
            gradients[end] = None if part is None or before is None else before + part
    for wire in wires:
        wire.gradient = gradients[wire]
    return failure


def _parts(wire: Wire, gate: Gate, upstream: float | None) -> Sequence[float | None]:
    """What a gate passes on to each of its inputs."""
    values = [end.value for end in wire.inputs if end.value is not None]
    if upstream is None:
        return [None] * len(wire.inputs)
    slopes = functions(gate)[1](values[0], values[-1], wire.value)
    return [_checked(upstream * slope) for slope in slopes[: len(wire.inputs)]]


def _checked(result: float) -> float:
    if not isfinite(result):
        raise ValueError if isnan(result) else OverflowError
    return result


def _no_value(wire: Wire, gate: Gate, values: Sequence[float], cause: Exception) -> GateError:
    return _error(_call(gate, values), "has no value", wire, gate, cause)


def _no_gradient(wire: Wire, gate: Gate, values: Sequence[float], cause: Exception) -> GateError:
    what = "is infinite" if all(map(isfinite, values)) else "is no number"
    return _error(f"the gradient through {_call(gate, values)}", what, wire, gate, cause)


def _error(subject: str, otherwise: str, wire: Wire, gate: Gate, cause: Exception) -> GateError:
    overflow = isinstance(cause, OverflowError)
    what = "is larger than any float" if overflow else otherwise
    behind = _inputs_behind(wire)
    return GateError(
        f"{subject} {what}: the gate {gate.name!r} in {expression(wire)}",
        _WITHIN if overflow else gate.domain,
        f"change {' or '.join(behind)}" if behind else "change the expression",
    )


def _call(gate: Gate, values: Sequence[float]) -> str:
    shown = [number(value, exact=True) for value in values]
    if gate.name in SIGNS and len(shown) == 2:
        return f" {gate.symbol} ".join(shown)
    return f"{gate.name}({', '.join(shown)})"


def _inputs_behind(wire: Wire, most: int = 4) -> list[str]:
    """The first few inputs that a wire depends on, with their values."""
    seen, waiting, found = set[Wire](), [wire], list[str]()
    while waiting and len(found) < most:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        if current.name and not current.gate and current.value is not None:
            found.append(f"{current.name} ({number(current.value, exact=True)})")
        waiting += reversed(current.inputs)
    return found
