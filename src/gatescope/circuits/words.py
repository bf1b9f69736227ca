"""Circuits in words: the expression behind a wire, and what each gate does to the gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from gatescope.circuits.gates import Gate, functions
from gatescope.circuits.wires import inputs_first

if TYPE_CHECKING:
    from gatescope.circuits.circuit import Circuit
    from gatescope.circuits.wires import Wire

# As typed, and how tightly each binds; all other gates are written as calls.
SIGNS = MappingProxyType(
    {"add": (" + ", 1), "sub": (" - ", 1), "mul": ("*", 2), "div": ("/", 2), "pow": ("**", 4)}
)
_NEGATIVE, _ATOM = 3, 5
_LONGEST_NAME = 24
_MOST_PARTS = 6


def number(value: float, *, exact: bool = False) -> str:
    """A number for people: two decimals, or as many digits as it takes to tell it exactly.

    Example:
        >>> number(-0.19661193324148185)
        '−0.20'
    """
    if exact:
        text = f"{value:.12g}"
    elif value == 0:
        text = "0.00"  # of −0.0 too
    elif 0.005 <= abs(value) < 100_000:
        text = f"{value:.2f}"
    else:
        text = f"{value:.2g}"
    return text.replace("-", "−")


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


def expressions(wires: Iterable[Wire], most: int = 60) -> dict[Wire, str]:
    """The `expression` of many wires at once; each must follow its inputs."""
    # A beginning is all that the beginning of a larger expression needs, so that a wire used
    # over and over costs no more than its letters.
    written: dict[Wire, tuple[str, int]] = {}
    for wire in wires:
        text, binding = _write(wire, [written[end] for end in wire.inputs])
        written[wire] = text[: most + 1], binding
    return {
        wire: text if len(text) <= most else f"{text[: most - 1]}…"
        for wire, (text, _) in written.items()
    }


def _write(wire: Wire, inside: Sequence[tuple[str, int]]) -> tuple[str, int]:
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


def explain_circuit(circuit: Circuit) -> list[str]:
    """Says what every gate does to the gradient, from the outputs back to the inputs.

    Returns:
        A sentence for each gate, and one for each wire whose gradients add up. What has no value
        or gradient yet is left out.

    Example:
        >>> circuit = gs.circuit("a*x", a=4, x=5)
        >>> circuit.forward(), circuit.backward()
        (20.0, None)
        >>> circuit.explain()[0]
        'multiply swaps: the gradient on a is upstream 1.00 × x 5.00 = 5.00; on x …
    """
    names = expressions(circuit.wires, _LONGEST_NAME)
    arriving: dict[Wire, list[float]] = {wire: [] for wire in circuit.wires}
    sentences = []
    for wire in reversed(circuit.wires):
        parts = arriving[wire]
        if wire in circuit.outputs and wire.gradient is not None and parts:
            parts.append(wire.gradient - sum(parts))
        if len(parts) > 1 and (wire.gate or wire.name):
            sentences.append(_sum_of(names[wire], parts))
        slopes = local_derivatives(wire)
        if wire.gate and wire.gradient is not None and slopes:
            for end, slope in zip(wire.inputs, slopes, strict=True):
                arriving[end].append(wire.gradient * slope)
            sentences.append(_explain(wire, wire.gate, wire.gradient, slopes, names))
    return sentences


def local_derivatives(wire: Wire) -> tuple[float, ...]:
    """A gate's derivatives at the present values; none where a value is missing."""
    values = [end.value for end in wire.inputs if end.value is not None]
    if wire.gate is None or wire.value is None or len(values) < len(wire.inputs):
        return ()
    try:
        return functions(wire.gate)[1](values[0], values[-1], wire.value)[: len(values)]
    except (ArithmeticError, ValueError):
        return ()


def _explain(
    wire: Wire, gate: Gate, upstream: float, slopes: Sequence[float], names: Mapping[Wire, str]
) -> str:
    """A gate's sentence: its words, then a product for each input that is no constant."""
    products: list[str] = []
    for end, slope, rule in zip(wire.inputs, slopes, gate.derivatives, strict=True):
        if end.gate or end.name:
            local = _factor(wire, rule, slope, names)
            lead = "on" if products else "the gradient on"
            verb = "" if products else "is upstream "
            product = number(upstream * slope)
            products.append(f"{lead} {names[end]} {verb}{number(upstream)} × {local} = {product}")
    return f"{gate.words}: {'; '.join(products)}" if products else gate.words


def _factor(wire: Wire, rule: str, slope: float, names: Mapping[Wire, str]) -> str:
    """The local derivative, by the name of the wire that it equals where there is one."""
    sources = {"a": wire.inputs[0], "b": wire.inputs[-1]}
    if rule in sources and (sources[rule].name or sources[rule].gate):
        return f"{names[sources[rule]]} {number(slope)}"
    return f"out {number(slope)}" if rule == "out" else number(slope)


def _sum_of(name: str, parts: Sequence[float]) -> str:
    shown = [number(part) for part in parts]
    if len(shown) > _MOST_PARTS:
        shown[_MOST_PARTS - 1 :] = ["…"]
    total = number(sum(parts))
    return f"{name} is used {len(parts)} times, its gradients add up: {' + '.join(shown)} = {total}"
