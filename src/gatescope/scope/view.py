"""Traces for `report` to draw as text: the tree of what ran, a table of gates, one gate in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from gatescope.report.cells import aligned
from gatescope.report.tree import Branch, text_tree
from gatescope.scope.parts import Part, parts_of, parts_of_layer
from gatescope.scope.record import Gate, Value
from gatescope.scope.recorded import Recorded
from gatescope.scope.words import (
    NONE,
    ends,
    extent,
    first_elements,
    gate_facts,
    gate_title,
    gradient_norm,
    line,
    number,
    origin,
    plural,
    shape,
    spread,
)

COLUMNS = ("output", "mean ± deviation", "‖gradient‖", "forward", "backward", "update", "asked for")
_MOST_GATES = 40  # of a function, where nobody asked for all
_MOST_USERS = 4
_MEGABYTE = 1e6


def tree(trace: Recorded, layer: str | None = None, ops: bool = False, width: int = 120) -> str:
    """Draws the layers that ran, with their outputs and gradients.

    Args:
        trace: The trace.
        layer: Only this one, by name or path.
        ops: Whether the gates of each layer are listed below it; of equal steps, those of the
            first.
        width: How many letters fit a line.

    Returns:
        Lines of text, the totals first.

    Raises:
        UsageError: No layer of this name ran.
    """
    most = len(trace.gates) if ops else 0 if trace.calls else _MOST_GATES
    branches = [_branch(part, most) for part in shown_parts(trace, layer)]
    drawn = text_tree(branches, COLUMNS, width) if branches else "no gate ran"
    first = "; ".join(
        f"{what} {count}" if what == "loss" else f"{count} {what}" for count, what in totals(trace)
    )
    return f"{first}\n\n{drawn}"


def totals(trace: Recorded) -> list[tuple[str, str]]:
    """How many gates and values, the loss, how much was kept: each a number and what it is."""
    phases = Counter(gate.phase for gate in trace.gates)
    counts = ", ".join(f"{count:,} {phase}" for phase, count in phases.items())
    loss = [] if trace.loss is None else [(number(trace.loss, 6), "loss")]
    summaries = sum(value.tensor is None for value in trace.values)
    left = f"{summaries:,} as summaries only" if summaries else "all in full"
    return [
        (f"{len(trace.gates):,}", f"gates: {counts}" if counts else "gates"),
        *loss,
        (f"{len(trace.values):,}", f"values, {left}"),
        (_megabytes(trace.kept), f"kept of {_megabytes(trace.memory_budget)} allowed"),
    ]


def _megabytes(size: int) -> str:
    megabytes = size / _MEGABYTE
    digits = 0 if megabytes >= 100 else 1 if megabytes >= 1 else 3
    return f"{megabytes:,.{digits}f} MB"


def shown_parts(trace: Recorded, layer: str | None) -> list[Part]:
    """The parts of the whole trace, or of one layer."""
    if layer is None:
        return parts_of(trace.gates, trace.calls)
    return parts_of_layer(trace.gates, trace.calls, trace.calls_of(layer))


def _branch(part: Part, most: int) -> Branch:
    """A line of the tree, with up to `most` gates below it."""
    gates = first_gates(part) if most else {}
    children = [
        _branch(found, most) if isinstance(found, Part) else gate_branch(found, gates[found])
        for found in in_order(part, list(gates)[:most])
    ]
    if len(gates) > most:
        children.append(Branch(f"… {len(gates) - most:,} more gates", ("",) * len(COLUMNS)))
    return Branch(part_title(part), part_cells(part), tuple(children))


def first_gates(part: Part) -> dict[Gate, int]:
    """Its own gates in the first step of all loops, each with how many later steps it stands for.

    Where one line of code asked for several gates of an operation, the last stands for the rest.
    """
    last: dict[object, Gate] = {}
    first: dict[Gate, int] = {}
    for gate in part.gates:
        if part.calls and gate.call is not part.calls[0]:
            continue
        place = gate.phase, gate.op, gate.source
        known = last.get(place)
        if known is None or gate.step == known.step:
            last[place], first[gate] = gate, 0
        else:
            first[known] += 1
    return first


def in_order(part: Part, gates: Sequence[Gate]) -> Iterator[Part | Gate]:
    """Its parts and these gates of it, as they ran; gradients and updates behind."""
    forward = [gate for gate in gates if gate.phase == "forward"]
    for inside in part.parts:
        begin = inside.begin
        while forward and begin is not None and forward[0].place < begin:
            yield forward.pop(0)
        yield inside
    yield from forward
    yield from (gate for gate in gates if gate.phase != "forward")


def part_title(part: Part) -> str:
    """Name, number of steps, class."""
    steps = f" × {part.steps}" if part.steps > 1 else ""
    return f"{part.name}{steps}" + (f"  {part.kind}" if part.kind else "")


def part_cells(part: Part) -> tuple[str, ...]:
    """The columns of a part: of several steps, what the first and the last made."""
    forward, backward, update = (part.count(phase) for phase in ("forward", "backward", "update"))
    counts = (_each(forward, part.steps), _some(backward), _some(update), "")
    made = [call.outputs for call in part.calls if call.outputs]
    if not made:
        return ("", "", "", *counts)
    values = [outputs[0] for outputs in made]
    more = f" +{len(made[0]) - 1}" if len(made[0]) > 1 else ""
    return (
        shape(values[-1]) + more,
        spread(values[-1]),
        ends([gradient_norm(values[0]), gradient_norm(values[-1])]),
        *counts,
    )


def _each(count: int, steps: int) -> str:
    return (
        f"{steps} × {count // steps}" if count and not count % steps and steps > 1 else _some(count)
    )


def _some(count: int) -> str:
    return f"{count:,}" if count else ""


def gate_branch(gate: Gate, more: int = 0) -> Branch:
    """A gate as a line of the tree, and how many more steps it stands for."""
    label = f"{'← ' if gate.phase == 'backward' else ''}{gate_title(gate)}"
    label += f" + {plural(more, 'step')}" if more else ""
    return Branch(label, (*gate_cells(gate), "", "", "", line(gate)))


def gate_cells(gate: Gate) -> tuple[str, str, str]:
    """Shape, mean and deviation, and gradient of the first output."""
    if not gate.outputs:
        return ("", "", "")
    value, more = gate.outputs[0], len(gate.outputs) - 1
    return (
        shape(value) + (f" +{more}" if more else ""),
        spread(value),
        gradient_norm(value) if value.gradient else "",
    )


def gate_list(gates: Sequence[Gate]) -> str:
    """Gates as a table, one a line."""
    rows = [
        (
            gate_title(gate),
            gate.phase,
            gate.layer or NONE,
            str(gate.step),
            *gate_cells(gate),
            line(gate),
        )
        for gate in gates
    ]
    return aligned([("gate", "runs", "layer", "step", *COLUMNS[:3], "asked for"), *rows], left=3)


def describe(gate: Gate) -> str:
    """Everything about one gate: where it comes from, what went in, what came out, gradients.

    Returns:
        Lines of text.
    """
    facts = aligned([(label, fact) for label, fact in gate_facts(gate)], left=2)
    columns = ("", "from or to", "shape", "type", "mean ± deviation", "least … most", "elements")
    rows = [row for name, value in named_values(gate) for row in _value_rows(name, value, gate)]
    return f"gate {gate.place}  {gate.name}\n\n{facts}\n\n{aligned([columns, *rows], left=7)}"


def named_values(gate: Gate) -> Iterator[tuple[str, Value]]:
    """Its values, each with what it is to the gate."""
    for what, values in (("input", gate.inputs), ("output", gate.outputs)):
        for place, value in enumerate(values):
            yield f"{what} {place}" if len(values) > 1 else what, value


def _value_rows(name: str, value: Value, gate: Gate) -> Iterator[tuple[str, ...]]:
    yield name, _linked(value, gate), *_value_cells(value)
    gradient = value.gradient
    if gradient:
        made = _linked(gradient, gate)
        yield f"  gradient, norm {gradient_norm(value)}", made, *_value_cells(gradient)


def _value_cells(value: Value) -> tuple[str, ...]:
    return shape(value), value.dtype, spread(value), extent(value), first_elements(value)


def _linked(value: Value, gate: Gate) -> str:
    if value.gate is None:
        return origin(value)
    if value.gate is not gate:
        return f"#{value.gate.place} {value.gate.name}"
    users = [f"#{user.place}" for user in value.gates]
    return " ".join(users[:_MOST_USERS]) + (" …" if len(users) > _MOST_USERS else "") or NONE
