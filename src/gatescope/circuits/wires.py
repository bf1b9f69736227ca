"""Wires: what gates connect, and what operators build circuits from."""

from __future__ import annotations

from functools import partial, partialmethod
from typing import TYPE_CHECKING, final

from gatescope.circuits.gates import GATES, Gate
from gatescope.circuits.notation import expressions
from gatescope.circuits.refusals import wrong_count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@final
class Wire:
    """An input, a constant, or the output of a gate.

    Gates are applied by operator (`x * y + 1`, `-x`, `abs(x)`) or by name (`x.sigmoid()`,
    `x.max(y)`). `value` and `gradient` are None until a circuit, or who knows them, sets them.
    """

    __slots__ = ("gate", "gradient", "inputs", "name", "value")
    __array_ufunc__ = None  # a NumPy number on the left leaves the operator to the wire

    def __init__(
        self,
        name: str = "",
        value: float | None = None,
        gate: Gate | None = None,
        inputs: tuple[Wire, ...] = (),
    ) -> None:
        self.name, self.value, self.gate, self.inputs = name, value, gate, inputs
        self.gradient: float | None = None

    def __getattr__(self, name: str) -> Callable[..., Wire]:
        if name not in GATES:
            raise AttributeError(f"a wire has no {name!r}, and no gate is called so")
        return partial(apply, name, self)

    def __repr__(self) -> str:
        return f"<wire {expression(self)}: value {self.value}, gradient {self.gradient}>"

    def _operate(self, other: Wire | float, *, gate: str, swap: bool = False) -> Wire:
        if not isinstance(other, Wire | int | float):
            return NotImplemented
        return apply(gate, other, self) if swap else apply(gate, self, other)

    __add__ = partialmethod(_operate, gate="add")
    __radd__ = partialmethod(_operate, gate="add", swap=True)
    __sub__ = partialmethod(_operate, gate="sub")
    __rsub__ = partialmethod(_operate, gate="sub", swap=True)
    __mul__ = partialmethod(_operate, gate="mul")
    __rmul__ = partialmethod(_operate, gate="mul", swap=True)
    __truediv__ = partialmethod(_operate, gate="div")
    __rtruediv__ = partialmethod(_operate, gate="div", swap=True)
    __pow__ = partialmethod(_operate, gate="pow")
    __rpow__ = partialmethod(_operate, gate="pow", swap=True)

    def __neg__(self) -> Wire:
        return apply("neg", self)

    def __abs__(self) -> Wire:
        return apply("abs", self)


def wire(name: str, value: float | None = None) -> Wire:
    """An input for a circuit that operators build.

    Args:
        name: What the input is called.
        value: Its value; may come later, from `forward(name=value)`.

    Example:
        >>> x, w = wire("x", 3.0), wire("w", -2.0)
        >>> Circuit([(w * x + 1).sigmoid()], train=["w"]).forward()
        0.0066928509242848554
    """
    return Wire(name, value)


def apply(gate: str, *inputs: Wire | float) -> Wire:
    """The output of a gate on wires or constants.

    Args:
        gate: Its name in `GATES`.
        *inputs: As many as it has derivatives.

    Raises:
        UsageError: The gate has another number of inputs.
    """
    row = GATES[gate]
    if len(inputs) != len(row.derivatives):
        raise wrong_count(row, len(inputs))
    wires = (end if isinstance(end, Wire) else Wire(value=float(end)) for end in inputs)
    return Wire(gate=row, inputs=tuple(wires))


def inputs_first(outputs: Sequence[Wire]) -> list[Wire]:
    """All wires behind the outputs, each after its inputs; without recursion, however deep."""
    ordered: dict[Wire, None] = {}
    waiting = [(wire, False) for wire in reversed(outputs)]
    while waiting:
        wire, inputs_done = waiting.pop()
        if inputs_done:
            ordered[wire] = None
        elif wire not in ordered:
            waiting.append((wire, True))
            waiting += [(end, False) for end in reversed(wire.inputs)]
    return list(ordered)


def expression(wire: Wire, most: int = 60) -> str:
    """The expression that a wire computes, as one would type it; long ones are cut short.

    Args:
        wire: The wire.
        most: How many letters at most.

    Example:
        >>> expression((wire("x") + 1) * 2)
        '(x + 1)*2'
    """
    return expressions(inputs_first([wire]), most)[wire]
