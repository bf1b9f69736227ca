"""Long sums as one: what drawings and words make of many plus gates behind each other."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from gatescope.circuits.gates import GATES
from gatescope.circuits.graph import Graph
from gatescope.circuits.wires import Wire

SYMBOL = "Σ"
_MOST_APART = 4  # terms of a sum that is shown gate by gate


class Sums(NamedTuple):
    """The long sums of a graph.

    Args:
        terms: Those of each sum, in their order, by the wire that carries the whole of it.
        partial: The plus gates on the way to these, which nothing else uses.
    """

    terms: dict[Wire, list[Wire]]
    partial: set[Wire]

    def inputs(self, wire: Wire) -> tuple[Wire, ...]:
        """What a wire is shown to be made of."""
        return tuple(self.terms.get(wire, wire.inputs))


def long_sums(graph: Graph) -> Sums:
    """Finds sums of more than four terms whose partial sums are used by nothing else.

    Example:
        >>> circuit = gs.circuit("relu(a + b + (c + d) + e)")
        >>> [len(terms) for terms in long_sums(circuit).terms.values()]
        [5]
    """
    uses = Counter(end for wire in graph.wires for end in wire.inputs)
    shown = {*graph.outputs, graph.failure.wire} if graph.failure else {*graph.outputs}
    inner = {
        wire
        for wire in graph.wires
        if wire.gate is GATES["add"] and uses[wire] == 1 and not wire.name and wire not in shown
    }
    found = Sums({}, set())
    seen: set[Wire] = set()
    for wire in reversed(graph.wires):
        if wire.gate is GATES["add"] and wire not in seen:
            terms, partial = _parts(wire, inner)
            seen |= partial
            if len(terms) > _MOST_APART:
                found.terms[wire] = terms
                found.partial.update(partial)
    return found


def _parts(wire: Wire, inner: set[Wire]) -> tuple[list[Wire], set[Wire]]:
    """The terms of a sum, first to last, and the partial sums on the way to them."""
    terms, partial = list[Wire](), set[Wire]()
    waiting = [*reversed(wire.inputs)]
    while waiting:
        end = waiting.pop()
        if end in inner:
            partial.add(end)
            waiting += reversed(end.inputs)
        else:
            terms.append(end)
    return terms, partial
