"""Circuits as plain data for `report` to draw: text, SVG, JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gatescope.circuits.words import explain_circuit, expressions, number
from gatescope.report.cells import aligned
from gatescope.report.graph import Kind, Node, Style, text_graph

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatescope.circuits.circuit import Circuit
    from gatescope.circuits.wires import Wire

_WIDTH = 100
_ORDERED = frozenset({"sub", "div", "pow"})
_NONE = "–"
_LONGEST_LABEL, _LONGEST_ENTRY, _LONGEST_TITLE = 16, 48, 2_000
_MOST_STEPS = 22


def diagram(
    circuit: Circuit, width: int = _WIDTH, paint: Callable[[str, Style], str] | None = None
) -> str:
    """Draws the circuit as text, values above and gradients below the wires.

    Args:
        circuit: The circuit.
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
    return text_graph(nodes_of(circuit), width, paint) or _listing(circuit)


def nodes_of(circuit: Circuit) -> list[Node]:
    """The circuit's wires for `report.graph`, in the order of `circuit.wires`."""
    places = {wire: place for place, wire in enumerate(circuit.wires)}
    return [_node(circuit, wire, places) for wire in circuit.wires]


def _node(circuit: Circuit, wire: Wire, places: dict[Wire, int]) -> Node:
    if not (wire.gate or wire.name):
        return Node(f"{wire.value:.6g}".replace("-", "−"), kind="constant")
    above, below = _numbers(wire)
    kind = _kind(circuit, wire)
    label = wire.name or (wire.gate.symbol if wire.gate else "")
    label += "✗" * (kind == "failed")
    return Node(
        label=label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…",
        inputs=tuple(places[end] for end in wire.inputs),
        above=above,
        below=below,
        kind=kind,
        ordered=wire.gate is not None and wire.gate.name in _ORDERED,
    )


def _kind(circuit: Circuit, wire: Wire) -> Kind:
    if circuit.failure and circuit.failure.wire is wire:
        return "failed"
    if wire.gate:
        return "gate"
    return "parameter" if wire.name in circuit.parameters else "input"


def _listing(circuit: Circuit) -> str:
    """One line a wire, for circuits that no line can hold."""
    names = expressions(circuit.wires, _LONGEST_ENTRY)
    rows = [
        (names[wire], wire.gate.symbol if wire.gate else "input", *_numbers(wire))
        for wire in circuit.wires
        if wire.gate or wire.name
    ]
    return aligned([("wire", "gate", "value", "gradient"), *rows], left=2)


def history(circuit: Circuit) -> str:
    """The steps of training as lines of text; of many, the first and the last ones."""
    steps = circuit.history
    outputs = [f"output {place}" for place in range(1, 1 + len(circuit.outputs))]
    names = ["output"] if len(outputs) == 1 else outputs
    rows: list[list[str]] = [["step", *circuit.parameters, *names, "loss"]]
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


def to_svg(circuit: Circuit) -> str:
    """Draws the circuit as an SVG element, which notebooks show by themselves.

    Returns:
        Markup to save as a file or to put on a page.

    Example:
        >>> Path("neuron.svg").write_text(circuit.to_svg())  # doctest: +SKIP
    """
    from gatescope.report.graph_svg import svg_graph

    return svg_graph(nodes_of(circuit), f"Circuit of {_title(circuit)}")


def _title(circuit: Circuit) -> str:
    names = expressions(circuit.wires, _LONGEST_TITLE)
    return ", ".join(names[wire] for wire in circuit.outputs)


def to_dict(circuit: Circuit) -> dict[str, Any]:
    """The circuit as plain data for JSON.

    Returns:
        The expression, each wire with its gate, the places of its inputs, its value and its
        gradient (None where there is none), the places of the outputs, the error of a gate that
        failed, every gate in words, and the history of training.

    Example:
        >>> gs.circuit("a*x", a=4, x=5).to_dict()["wires"][2]
        {'name': '', 'gate': 'mul', 'inputs': [0, 1], 'value': None, 'gradient': None}
    """
    places = {wire: place for place, wire in enumerate(circuit.wires)}
    wires = [
        {
            "name": wire.name,
            "gate": wire.gate.name if wire.gate else None,
            "inputs": [places[end] for end in wire.inputs],
            "value": wire.value,
            "gradient": wire.gradient,
        }
        for wire in circuit.wires
    ]
    return {
        "expression": _title(circuit),
        "parameters": list(circuit.parameters),
        "wires": wires,
        "outputs": [places[wire] for wire in circuit.outputs],
        "failure": circuit.failure and str(circuit.failure.error),
        "words": explain_circuit(circuit),
        "history": [step._asdict() for step in circuit.history],
    }
