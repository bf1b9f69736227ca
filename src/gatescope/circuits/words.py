"""Circuits in words: what each gate does to the gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gatescope.circuits.gates import Gate, functions
from gatescope.circuits.graph import Graph
from gatescope.circuits.notation import expressions, number
from gatescope.circuits.sums import long_sums
from gatescope.circuits.wires import Wire

_LONGEST_NAME = 40
_MOST_PARTS = 6


def explain_graph(graph: Graph) -> list[str]:
    """Says what every gate does to the gradient, from the outputs back to the inputs.

    Returns:
        A sentence for each gate, one for a whole sum of more than four terms, and one for each wire
        whose gradients add up. What has no value or gradient yet is left out.

    Example:
        >>> circuit = gs.circuit("a*x", a=4, x=5)
        >>> circuit.forward(), circuit.backward()
        (20.0, None)
        >>> circuit.explain()[0]
        'multiply swaps: the gradient on a is upstream 1.00 × x 5.00 = 5.00; on x …
    """
    return [sentence for _, sentence in sentences_of(graph)]


def sentences_of(graph: Graph) -> list[tuple[Wire, str]]:
    """As `explain_graph`, each sentence with the wire that it is about.

    Args:
        graph: A circuit.
    """
    sums = long_sums(graph)
    names = expressions(graph.wires, _LONGEST_NAME)
    names |= {wire: f"the sum of {len(terms)} terms" for wire, terms in sums.terms.items()}
    arriving: dict[Wire, list[float]] = {wire: [] for wire in graph.wires}
    sentences: list[tuple[Wire, str]] = []
    for wire in reversed(graph.wires):
        parts = arriving[wire]
        if wire in graph.outputs and wire.gradient is not None and parts:
            parts.append(wire.gradient - sum(parts))
        if len(parts) > 1 and (wire.gate or wire.name):
            sentences.append((wire, _sum_of(names[wire], parts)))
        ends = sums.inputs(wire)
        slopes = [1.0] * len(ends) if wire in sums.terms else local_derivatives(wire)
        if wire.gate and wire.gradient is not None and slopes and wire not in sums.partial:
            for end, slope in zip(ends, slopes, strict=True):
                arriving[end].append(wire.gradient * slope)
            sentences.append((wire, _explain(wire, wire.gate, wire.gradient, slopes, names)))
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
    """A gate's sentence: its words, then a product for each input that is no constant.

    That of a long sum tells of all its terms at once.
    """
    if len(slopes) > len(gate.derivatives):
        return f"{gate.words}: each of its {len(slopes)} terms gets {number(upstream)}"
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
