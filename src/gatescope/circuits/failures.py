"""What can go wrong in a circuit: names and values that users give, and gates without a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from gatescope.circuits.gates import GATES, Gate, functions
from gatescope.circuits.wires import Wire
from gatescope.circuits.words import SIGNS, expression, number
from gatescope.errors import GateError, UsageError, nearest

if TYPE_CHECKING:
    from gatescope.circuits.circuit import Circuit

_WITHIN = GATES["add"].domain


class Failure(NamedTuple):
    """The first gate that had no value or passed no gradient, and the error that says so."""

    wire: Wire
    error: GateError


def by_name(inputs: Iterable[Wire]) -> dict[str, Wire]:
    """The inputs under their names.

    Raises:
        UsageError: Two of them share a name.
    """
    named: dict[str, Wire] = {}
    for wire in inputs:
        if wire.name in named:
            raise UsageError(
                f"two wires are called {wire.name!r}",
                "one wire for each input; used twice, its gradients add up",
                f"make {wire.name!r} once and use it again, or rename one",
            )
        named[wire.name] = wire
    return named


def find(inputs: Mapping[str, Wire], name: str) -> Wire:
    """The input of a name.

    Raises:
        UsageError: There is none; the nearest is offered.
    """
    if name in inputs:
        return inputs[name]
    raise UsageError(
        f"the circuit has no input {name!r}",
        f"one of {', '.join(inputs)}" if inputs else "no name: the circuit has constants only",
        nearest(name, inputs) or "use it in the expression, or leave it out",
    )


def unknown_gate(name: str) -> UsageError:
    """Says that there is no gate of a name; the nearest is offered."""
    return UsageError(
        f"there is no gate {name!r}",
        f"+ - * / ** or one of {', '.join(GATES)}",
        nearest(name, GATES) or "use another gate",
    )


def wrong_count(gate: Gate, count: int) -> UsageError:
    """Says that a gate was given too many or too few inputs."""
    right = len(gate.derivatives)
    return UsageError(
        f"the gate {gate.name!r} got {count} input{'s' * (count != 1)}",
        f"{right} input{'s' * (right != 1)}",
        f"{gate.name}({', '.join('ab'[:right])})",
    )


def finite(value: float | str, what: str) -> float:
    """A value of the user's as a float.

    Raises:
        UsageError: It is no finite number.
    """
    try:
        plain = float(value)
    except (TypeError, ValueError, OverflowError):
        plain = float("nan")
    if isfinite(plain):
        return plain
    raise UsageError(
        f"{what} is {str(value)[:40]!r}",
        "a finite number, such as 2, -0.5 or 1e-3",
        f"give {what} a number (for arrays: circuit.compile())",
    )


def set_values(inputs: Mapping[str, Wire], values: Mapping[str, float]) -> None:
    """Gives inputs their values, all or none.

    Raises:
        UsageError: A name is no input's, or a value is no finite number.
    """
    checked = [(find(inputs, name), finite(value, name)) for name, value in values.items()]
    for wire, value in checked:
        wire.value = value


def known_values(wires: Sequence[Wire]) -> list[float]:
    """The values of wires.

    Raises:
        UsageError: Some have none.
    """
    values = [wire.value for wire in wires if wire.value is not None]
    if len(values) < len(wires):
        none_missing({wire.name: wire.value for wire in wires})
    return values


def none_missing(values: Mapping[str, float | None]) -> None:
    """Refuses inputs without a value.

    Raises:
        UsageError: Some have none.
    """
    missing = [name for name, value in values.items() if value is None]
    if not missing:
        return
    raise UsageError(
        f"no value for {', '.join(missing)}",
        "a number for every input",
        " ".join(f"{name}=1" for name in missing[:5]),
    )


def seeds(circuit: Circuit, upstream: Sequence[float]) -> Sequence[float]:
    """The gradient that each output starts with.

    Raises:
        UsageError: There are more or fewer than outputs, or one is no finite number.
    """
    if not upstream:
        return [1.0] * len(circuit.outputs)
    if len(upstream) == len(circuit.outputs):
        return [finite(value, "upstream") for value in upstream]
    raise UsageError(
        f"{len(upstream)} upstream gradients for {len(circuit.outputs)} outputs",
        "one for each output, or none at all for 1 each",
        "leave them out, or give one for each output",
    )


def need_parameters(circuit: Circuit) -> None:
    """Refuses to train nothing.

    Raises:
        UsageError: The circuit has no parameters.
    """
    if circuit.parameters:
        return
    raise UsageError(
        "the circuit has no parameters",
        f"one or more of its inputs ({', '.join(circuit.inputs)}) named as such",
        f"gs.circuit(…, train={tuple(circuit.inputs)[:1]!r})",
    )


def movable(circuit: Circuit) -> list[tuple[Wire, float, float]]:
    """The parameters with their values and gradients.

    Raises:
        UsageError: There are none, or they have no gradients yet.
    """
    need_parameters(circuit)
    moves = [
        (wire, wire.value, wire.gradient)
        for wire in circuit.parameters.values()
        if wire.value is not None and wire.gradient is not None
    ]
    if len(moves) == len(circuit.parameters):
        return moves
    raise UsageError(
        "the parameters have no gradients yet",
        "values and gradients on every wire",
        "circuit.forward(), then circuit.backward(), then circuit.step(…)",
    )


def values_gate_by_gate(circuit: Circuit) -> list[float]:
    """Computes every value that can be, and tells of the first gate that has none.

    Returns:
        All values, where no gate fails.

    Raises:
        GateError: A gate has no value; `circuit.failure` has it too.
    """
    for wire in circuit.wires:
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
            _remember(circuit, wire, _no_value(wire, wire.gate, values, cause))
    _raise_remembered(circuit)
    return known_values(circuit.wires)


def gradients_gate_by_gate(circuit: Circuit, seeds: Sequence[float]) -> list[float]:
    """Passes every gradient back that can be, and tells of the first gate that passes none.

    Returns:
        All gradients, where no gate fails.

    Raises:
        GateError: A gate has no gradient; `circuit.failure` has it too.
    """
    gradients: dict[Wire, float | None] = dict.fromkeys(circuit.wires, 0.0)
    for output, seed in zip(circuit.outputs, seeds, strict=True):
        gradients[output] = (gradients[output] or 0.0) + seed
    for wire in reversed(circuit.wires):
        if not wire.gate:
            continue
        parts: Sequence[float | None] = [None] * len(wire.inputs)
        try:
            parts = _parts(wire, wire.gate, gradients[wire])
        except (ArithmeticError, ValueError) as cause:
            values = [end.value for end in wire.inputs if end.value is not None]
            _remember(circuit, wire, _no_gradient(wire, wire.gate, values, cause))
        for end, part in zip(wire.inputs, parts, strict=True):
            before = gradients[end]
            gradients[end] = None if part is None or before is None else before + part
    for wire in circuit.wires:
        wire.gradient = gradients[wire]
    _raise_remembered(circuit)
    return [gradient for gradient in gradients.values() if gradient is not None]


def _remember(circuit: Circuit, wire: Wire, error: GateError) -> None:
    circuit.failure = circuit.failure or Failure(wire, error)


def _raise_remembered(circuit: Circuit) -> None:
    if circuit.failure:
        raise circuit.failure.error


def _parts(wire: Wire, gate: Gate, upstream: float | None) -> Sequence[float | None]:
    """What a gate passes on to each of its inputs."""
    values = [end.value for end in wire.inputs if end.value is not None]
    if upstream is None:
        return [None] * len(wire.inputs)
    slopes = functions(gate)[1](values[0], values[-1], wire.value)
    return [_checked(upstream * slope) for slope in slopes[: len(wire.inputs)]]


def _checked(result: float) -> float:
    if not isfinite(result):
        raise OverflowError
    return result


def _no_value(wire: Wire, gate: Gate, values: Sequence[float], cause: Exception) -> GateError:
    return _error(_call(gate, values), "has no value", wire, gate, cause)


def _no_gradient(wire: Wire, gate: Gate, values: Sequence[float], cause: Exception) -> GateError:
    return _error(f"the gradient through {_call(gate, values)}", "is infinite", wire, gate, cause)


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
