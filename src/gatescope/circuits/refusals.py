"""What users give and cannot mean: gates that there are not, numbers that are none or too few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from gatescope.circuits.gates import GATES, Gate
from gatescope.errors import UsageError, nearest


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


def seeds(upstream: Sequence[float], outputs: int) -> Sequence[float]:
    """The gradient that each output starts with.

    Raises:
        UsageError: There are more or fewer than outputs, or one is no finite number.
    """
    if not upstream:
        return [1.0] * outputs
    if len(upstream) == outputs:
        return [finite(value, "upstream") for value in upstream]
    raise UsageError(
        f"{len(upstream)} upstream gradients for {outputs} outputs",
        "one for each output, or none at all for 1 each",
        "leave them out, or give one for each output",
    )
