"""A trace as one HTML page: a tree that folds, every gate with its values, all of it linked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import final

from gatescope.report.html import Html, element, escape, facts, join, page, paragraph, section
from gatescope.scope.bad import FirstBad
from gatescope.scope.parts import Part
from gatescope.scope.record import Gate, Value
from gatescope.scope.recorded import Recorded
from gatescope.scope.view import (
    in_order,
    named_values,
    part_cells,
    part_title,
    shown_parts,
    totals,
    tree,
)
from gatescope.scope.words import (
    NONE,
    extent,
    first_elements,
    gate_facts,
    gate_title,
    gradient_norm,
    origin,
    shape,
    spread,
)

# Gates with a table of their values. Of more, a page would take too long to open.
_MOST_TABLES = 6_000
_MOST_IN_NOTEBOOK = 500
_MOST_USERS = 6
_OTHER = "what ran besides"
_HOW_TO_READ = (
    "Lines unfold. The columns are the shape, mean ± deviation and the norm of the gradient of "
    "what a layer or gate made. A number with a hash leads to a gate, wherever it is folded away, "
    "and the browser's own search (Ctrl+F or ⌘F) looks into what is folded, too. An arrow to the "
    "left marks gates that pass gradients back."
)


def trace_page(trace: Recorded, layer: str | None = None) -> str:
    """Writes the page; see `Trace.to_html`."""
    bad = trace.first_bad()
    parts = shown_parts(trace, layer)
    gates = list(_gates(parts))
    drawing = _Drawing(gates, bad.gate if bad else None)
    name = trace.calls[0].path if trace.calls else "a function"
    return page(
        f"Trace of {layer or name}",
        section("At a glance", _facts(trace), _first_bad(bad, drawing)),
        section("What ran", paragraph(_HOW_TO_READ, class_="note"), drawing.tree(parts)),
        section("Find an operation", element("div", *drawing.index(), class_="places")),
        lead="Every TensorFlow operation of one batch, with its values and gradients.",
    )


def notebook(trace: Recorded) -> str:
    """What a notebook shows: the page in a frame, so that neither's style is the other's.

    Of many gates it is the tree as text, for a notebook keeps all that it shows.
    """
    if len(trace.gates) > _MOST_IN_NOTEBOOK:
        return element("pre", escape(tree(trace)))
    style = "width:100%;height:36rem;border:0"
    return element("iframe", srcdoc=trace_page(trace), style=style, title="trace", sandbox=True)


def _gates(parts: Sequence[Part]) -> Iterator[Gate]:
    for part in parts:
        yield from part.gates
        yield from _gates(part.parts)


def _facts(trace: Recorded) -> Html:
    return facts([(what, count) for count, what in totals(trace)])


def _first_bad(bad: FirstBad | None, drawing: _Drawing) -> Html:
    if bad is None:
        return paragraph("Every value is finite, and none ran away.")
    told = element("pre", escape(bad), class_="bad")
    link = [escape(" The gate: "), drawing.link(bad.gate, bad.gate.op)] if bad.gate else []
    return join(element("p", escape("The first bad value."), *link), told)


@final
class _Drawing:
    """Draws parts and gates, and knows which gates are on the page to be linked to."""

    def __init__(self, gates: Sequence[Gate], bad: Gate | None) -> None:
        self._gates = sorted(gates, key=lambda gate: gate.place)
        self._bad = bad
        self._linked = {gate.place for gate in self._gates[:_MOST_TABLES]}

    def tree(self, parts: Sequence[Part]) -> Html:
        left = len(self._gates) - len(self._linked)
        note = f"Of the last {left:,} gates the values are left out: name a layer to see them."
        names = ("output", "mean ± deviation", "gradient")
        head = element("div", _row(escape("layer or gate"), *names), class_="head")
        drawn = [self._part(part, opened=bool(part.parts) and part.steps == 1) for part in parts]
        return element(
            "div", head, *drawn, paragraph(note if left else "", class_="note"), class_="trace"
        )

    def _part(self, part: Part, opened: bool = False) -> Html:
        output, mean, gradient, *counts = part_cells(part)
        said = " + ".join(filter(None, counts)) or "no"
        more = f"{part.kind}  {said} {'gate' if said == '1' else 'gates'}"
        name = element("b", escape(part_title(part._replace(kind=""))))
        row = _row(join(name, element("i", escape(more))), output, mean, gradient)
        steps = self._steps(part) if part.steps > 1 and part.calls else self._inside(part)
        return _folding(row, steps, opened or self._holds_bad(part))

    def _holds_bad(self, part: Part) -> bool:
        return self._bad in part.gates or any(map(self._holds_bad, part.parts))

    def _inside(self, part: Part) -> list[Html]:
        found = in_order(part, part.gates)
        return [self._part(one) if isinstance(one, Part) else self._gate(one) for one in found]

    def _steps(self, part: Part) -> list[Html]:
        """Each step that was folded, then the layers inside, with steps of their own."""
        own = defaultdict(list)
        for gate in part.gates:
            own[gate.call].append(gate)
        drawn = []
        for step, call in enumerate(part.calls):
            one = part._replace(
                name=f"step {step}",
                kind="",
                calls=(call,),
                steps=1,
                parts=(),
                gates=tuple(own[call]),
            )
            drawn.append(self._part(one))
        return drawn + [self._part(inside) for inside in part.parts]

    def _gate(self, gate: Gate) -> Html:
        made = gate.outputs[0] if gate.outputs else None
        arrow = "← " if gate.phase == "backward" else ""
        row = _row(
            escape(f"{arrow}{gate_title(gate)}"),
            shape(made) if made else "",
            spread(made) if made else "",
            gradient_norm(made) if made and made.gradient else "",
        )
        if gate.place not in self._linked:
            return row
        known = " · ".join(f"{label} {fact}" for label, fact in gate_facts(gate)[1:])
        table = element("div", self._values(gate), class_="scroll")
        # The place to link to is inside, so that browsers unfold the gate itself as well.
        body = [element("p", escape(known), id=f"g{gate.place}"), table]
        bad = gate is self._bad
        return _folding(row, body, opened=bad, class_="bad" if bad else None)

    def _values(self, gate: Gate) -> Html:
        names = (
            "",
            "from or to",
            "shape",
            "mean ± deviation",
            "least … most",
            "gradient",
            "elements",  # last: where the page is narrow, these may be scrolled to
        )
        head = element("tr", *(element("th", escape(name)) for name in names))
        return element("table", head, *(self._value(*pair, gate) for pair in named_values(gate)))

    def _value(self, name: str, value: Value, gate: Gate) -> Html:
        texts = (f"{shape(value)} {value.dtype}", spread(value), extent(value))
        cells = [escape(name), self._ends(value, gate), *map(escape, texts)]
        cells += [self._gradient(value), escape(first_elements(value))]
        return element("tr", *(element("td", cell) for cell in cells))

    def _gradient(self, value: Value) -> Html:
        made = value.gradient.gate if value.gradient else None
        norm = escape(gradient_norm(value))
        return join(norm, self.link(made, made.op)) if made else norm

    def _ends(self, value: Value, gate: Gate) -> Html:
        if value.gate is None:
            return escape(origin(value))
        ends = value.gates if value.gate is gate else [value.gate]
        more = [escape("…")] if len(ends) > _MOST_USERS else []
        return (
            join(*(self.link(end, end.op) for end in ends[:_MOST_USERS]), *more)
            if ends
            else escape(NONE)
        )

    def link(self, gate: Gate, what: str = "") -> Html:
        """A link to a gate, wherever on the page it is folded away."""
        text = escape(f"#{gate.place} {what}".strip())
        linked = gate.place in self._linked
        return element("a", text, href=f"#g{gate.place}") if linked else text

    def index(self) -> list[Html]:
        """Each operation with links to its gates, layer by layer."""
        found: Mapping[str, dict[str, list[Gate]]] = defaultdict(lambda: defaultdict(list))
        for gate in self._gates:
            found[gate.op][gate.layer or _OTHER].append(gate)
        return [self._operation(op, found[op]) for op in sorted(found)]

    def _operation(self, op: str, layers: Mapping[str, Sequence[Gate]]) -> Html:
        count = sum(map(len, layers.values()))
        head = element("summary", escape(f"{op} ({count:,})"))
        rows = [
            element("p", element("b", escape(layer)), *map(self.link, gates))
            for layer, gates in layers.items()
        ]
        return element("details", head, *rows)


def _row(title: Html, *cells: str) -> Html:
    spans = [element("span", escape(cell), class_=_flag(cell)) for cell in cells]
    return element("div", element("span", title), *spans, class_="gate-row")


def _flag(cell: str) -> str | None:
    return "bad" if cell.startswith("✗") else None


def _folding(row: Html, body: Sequence[Html], opened: bool, **attributes: object) -> Html:
    if not body:
        return row
    return element(
        "details", element("summary", row), *body, open=True if opened else None, **attributes
    )
