"""Circuits as plain data for `report` to draw: text, SVG, JSON."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

from gatescope.circuits.graph import Graph
from gatescope.circuits.notation import expressions, number
from gatescope.circuits.sums import SYMBOL, long_sums
from gatescope.circuits.wires import Wire
from gatescope.circuits.words import explain_graph, sentences_of
from gatescope.report.cells import aligned
from gatescope.report.graph import Kind, Node, Style, text_graph

_WIDTH = 100
_ORDERED = frozenset({"sub", "div", "pow"})
_NONE = "–"
_LONGEST_LABEL, _LONGEST_ENTRY, _LONGEST_TITLE = 28, 48, 2_000
_MOST_STEPS = 22


def diagram(
    graph: Graph, width: int = _WIDTH, paint: Callable[[str, Style], str] | None = None
) -> str:
    """Draws the circuit as text, values above and gradients below the wires.

    Args:
        graph: The circuit.
        width: How many letters fit a line; a circuit that is wider is listed gate by gate.
        paint: See `gatescope.report.graph.text_graph`.

    Returns:
        Lines of text.

    Example:
        >>> print(gs.circuit("a*x", a=4, x=5))
           4.00
        a ──────╮
              – │    –
                ├─ × ───→
           5.00 │    –
        x ──────╯
              –
    """
    return text_graph(nodes_of(graph), width, paint) or _listing(graph)


def nodes_of(graph: Graph) -> list[Node]:
    """What `report.graph` draws: the circuit's wires in their order, each long sum as one."""
    sums = long_sums(graph)
    wires = [wire for wire in graph.wires if wire not in sums.partial]
    places = {wire: place for place, wire in enumerate(wires)}
    said: dict[Wire, list[str]] = {}
    for wire, sentence in sentences_of(graph):
        said.setdefault(wire, []).append(sentence)
    return [
        _node(graph, wire, tuple(places[end] for end in sums.inputs(wire)))._replace(
            title="\n".join(said.get(wire, ()))
        )
        for wire in wires
    ]


def _node(graph: Graph, wire: Wire, inputs: tuple[int, ...]) -> Node:
    if not (wire.gate or wire.name):
        return Node(_constant(wire.value), kind="constant")
    above, below = _numbers(wire)
    kind = _kind(graph, wire)
    label = _symbol(wire, len(inputs)) if wire.gate else wire.name
    label += "✗" * (kind == "failed")
    return Node(
        label=_shortened(label),
        inputs=inputs,
        above=above,
        below=below,
        kind=kind,
        ordered=wire.gate is not None and wire.gate.name in _ORDERED,
    )


def _shortened(label: str) -> str:
    """Cut in the middle, so that a weight's name keeps its indices."""
    if len(label) <= _LONGEST_LABEL:
        return label
    return f"{label[: _LONGEST_LABEL // 3]}…{label[_LONGEST_LABEL // 3 + 1 - _LONGEST_LABEL :]}"


def _symbol(wire: Wire, inputs: int) -> str:
    if wire.gate is None:
        return "input"
    return SYMBOL if inputs > len(wire.gate.derivatives) else wire.gate.symbol


def _constant(value: float | None) -> str:
    if value is None or not isfinite(value):
        return "?" if value is None else number(value)
    return f"{value:.6g}".replace("-", "−")


def _kind(graph: Graph, wire: Wire) -> Kind:
    if graph.failure and graph.failure.wire is wire:
        return "failed"
    if wire.gate:
        return "gate"
    return "parameter" if wire.name in graph.parameters else "input"


def _listing(graph: Graph) -> str:
    """One line a wire, for circuits that no line can hold."""
    names, sums = expressions(graph.wires, _LONGEST_ENTRY), long_sums(graph)
    rows = [
        (names[wire], _symbol(wire, len(sums.inputs(wire))), *_numbers(wire))
        for wire in graph.wires
        if (wire.gate or wire.name) and wire not in sums.partial
    ]
    return aligned([("wire", "gate", "value", "gradient"), *rows], left=2)


def history(graph: Graph) -> str:
    """The steps of training as lines of text; of many, the first and the last ones."""
    steps = graph.history
    outputs = [f"output {place}" for place in range(1, 1 + len(graph.outputs))]
    names = ["output"] if len(outputs) == 1 else outputs
    rows: list[list[str]] = [["step", *graph.parameters, *names, "loss"]]
    for step in steps:
        numbers = (*step.parameters.values(), *step.outputs, step.loss)
        rows.append([str(step.number), *map(number, numbers)])
    if len(rows) > _MOST_STEPS:
        half = _MOST_STEPS // 2
        rows[half:-half] = [["…"] * len(rows[0])]
    return aligned(rows, left=0)


def _numbers(wire: Wire) -> tuple[str, str]:
    """Value and gradient as text."""
    value, gradient = (
        _NONE if content is None else number(content) for content in (wire.value, wire.gradient)
    )
    return value, gradient


def to_svg(graph: Graph) -> str:
    """Draws the circuit as an SVG element, which notebooks show by themselves.

    Returns:
        Markup to save as a file or to put on a page.

    Example:
        >>> Path("neuron.svg").write_text(circuit.to_svg())  # doctest: +SKIP
    """
    from gatescope.report.graph_svg import svg_graph

    return svg_graph(nodes_of(graph), f"Circuit of {_title(graph)}")


def _title(graph: Graph) -> str:
    names = expressions(graph.wires, _LONGEST_TITLE)
    return ", ".join(names[wire] for wire in graph.outputs)


def to_dict(graph: Graph) -> dict[str, Any]:
    """The circuit as plain data for JSON.

    Returns:
        The expression, each wire with its gate, the places of its inputs, its value and its
        gradient (None where there is none, "NaN", "inf" or "-inf" where JSON has no number), the
        places of the outputs, the error of a gate that failed, every gate in words, and the history
        of training.

    Example:
        >>> gs.circuit("a*x", a=4, x=5).to_dict()["wires"][2]
        {'name': '', 'gate': 'mul', 'inputs': [0, 1], 'value': None, 'gradient': None}
    """
    places = {wire: place for place, wire in enumerate(graph.wires)}
    wires = [
        {
            "name": wire.name,
            "gate": wire.gate.name if wire.gate else None,
            "inputs": [places[end] for end in wire.inputs],
            "value": _plain(wire.value),
            "gradient": _plain(wire.gradient),
        }
        for wire in graph.wires
    ]
    return {
        "expression": _title(graph),
        "parameters": list(graph.parameters),
        "wires": wires,
        "outputs": [places[wire] for wire in graph.outputs],
        "failure": graph.failure and str(graph.failure.error),
        "words": explain_graph(graph),
        "history": [step._asdict() for step in graph.history],
    }


def _plain(content: float | None) -> float | str | None:
    """A number that JSON has, or the word that Python reads as the one it lacks."""
    if content is None or isfinite(content):
        return content
    return number(content).replace("−", "-")
