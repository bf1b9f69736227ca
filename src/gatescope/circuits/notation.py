"""Numbers and expressions as people write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from types import MappingProxyType
from typing import Protocol, Self, TypeVar

from gatescope.circuits.gates import Gate

# As typed, and how tightly each binds; all other gates are written as calls.
SIGNS = MappingProxyType(
    {"add": (" + ", 1), "sub": (" - ", 1), "mul": ("*", 2), "div": ("/", 2), "pow": ("**", 4)}
)
_NEGATIVE, _ATOM = 3, 5


class Term(Protocol):
    """What expressions are written of; wires are such."""

    @property
    def name(self) -> str:
        """Of an input."""

    @property
    def value(self) -> float | None:
        """Of a constant."""

    @property
    def gate(self) -> Gate | None:
        """Whose output it is."""

    @property
    def inputs(self) -> tuple[Self, ...]:
        """Of that gate."""


AnyTerm = TypeVar("AnyTerm", bound=Term)


def number(value: float, *, exact: bool = False) -> str:
    """A number for people: two decimals, or as many digits as it takes to tell it exactly.

    Example:
        >>> number(-0.19661193324148185)
        '−0.20'
    """
    if not isfinite(value):
        text = f"{value:g}".replace("nan", "NaN")
    elif exact:
        text = f"{value:.12g}"
    elif value == 0:
        text = "0.00"  # of −0.0 too
    elif 0.005 <= abs(value) < 100_000:
        text = f"{value:.2f}"
    else:
        text = f"{value:.2g}"
    return text.replace("-", "−")


def expressions(wires: Iterable[AnyTerm], most: int = 60) -> dict[AnyTerm, str]:
    """The expressions that wires compute, as one would type them; long ones are cut short.

    Args:
        wires: Each after its inputs.
        most: How many letters at most.

    Example:
        >>> x = wire("x")
        >>> list(expressions([x, x + 1, (x + 1) * 2]).values())
        ['x', 'x + 1', '(x + 1)*2']
    """
    # A beginning is all that the beginning of a larger expression needs, so that a wire used
    # over and over costs no more than its letters.
    written: dict[AnyTerm, tuple[str, int]] = {}
    for wire in wires:
        text, binding = _write(wire, [written[end] for end in wire.inputs])
        written[wire] = text[: most + 1], binding
    return {
        wire: text if len(text) <= most else f"{text[: most - 1]}…"
        for wire, (text, _) in written.items()
    }


def _write(wire: Term, inside: Sequence[tuple[str, int]]) -> tuple[str, int]:
    """An expression from those of its inputs, with how tightly its outermost sign binds."""
    if wire.name or wire.gate is None:
        text = wire.name or ("?" if wire.value is None else f"{wire.value:.12g}")
        return text, _NEGATIVE if text.startswith("-") else _ATOM
    name = wire.gate.name
    if name == "neg":
        text, binding = inside[0]
        return f"-{text}" if binding >= _NEGATIVE else f"-({text})", _NEGATIVE
    if name not in SIGNS:
        return f"{name}({', '.join(text for text, _ in inside)})", _ATOM
    (left, left_binding), (right, right_binding) = inside
    sign, own = SIGNS[name]
    # Powers group to the right, the others to the left.
    left_bare = left_binding > own or (left_binding == own and name != "pow")
    right_bare = right_binding > own or (right_binding == own and name == "pow")
    left, right = left if left_bare else f"({left})", right if right_bare else f"({right})"
    return f"{left}{sign}{right}", own
