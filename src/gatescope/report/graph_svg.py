"""Graphs of operations as SVG: layers by igraph, nothing on top of anything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from gatescope.report.graph import Kind, Node, layers
from gatescope.report.html import Html, element, escape

_ROW = 56  # from wire to wire
_HEIGHT = 32  # of a node
_PORT = 9  # between the wires that enter a node of many inputs
_CHANNEL = 52  # between a layer's wires and the next one's nodes
_MARGIN = 20
_LETTER, _SMALL = 8.8, 7.4  # widths of a letter in a node, and beside a wire
_COLOURS: dict[Kind, tuple[str, str]] = {
    "input": ("#ffffff", "#5d646f"),
    "parameter": ("#fff1dc", "#8a4b00"),
    "constant": ("#f1f2f4", "#a2a9b4"),
    "gate": ("#e3effa", "#0b62a8"),
    "failed": ("#fde4e1", "#b3261e"),
}
_STYLE = (
    ".gatescope-graph text{font:500 15px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',"
    "sans-serif;fill:#1b1e23;text-anchor:middle;font-variant-numeric:tabular-nums}"
    ".gatescope-graph .value{font-size:13px}"
    ".gatescope-graph .gradient{font-size:13px;fill:#a03a78}"
    ".gatescope-graph path{fill:none;stroke:#7d8590;stroke-width:1.5}"
)


Slot = tuple[int, ...]
"""A node by its place, or the wire of a node in a layer behind it."""


class Box(NamedTuple):
    """Where a node stands: its left edge, its middle, its width, and where its wire ends."""

    x: float
    y: float
    width: float
    end: float


class Layout(NamedTuple):
    """Boxes of the nodes; for each node the lane that its wire keeps to in each layer behind it."""

    boxes: list[Box]
    lanes: list[list[Box]]
    layers: list[int]
    width: float
    height: float

    def route(self, start: int, stop: int) -> list[Box]:
        """Where the wire from one node to another passes, the first node included."""
        passed = self.layers[stop] - self.layers[start] - 1
        return [self.boxes[start], *self.lanes[start][:passed]]


def lay_out(nodes: Sequence[Node]) -> Layout:
    """Places nodes in layers from left to right, and long wires in lanes between them.

    Args:
        nodes: Each after its inputs.

    Example:
        >>> lay_out([Node("a"), Node("x"), Node("×", (0, 1))]).boxes[2].x > 0
        True
    """
    depths = _late_inputs(nodes)
    slots = _in_order(nodes, depths) or _sugiyama(nodes, depths)
    rows = _keep_apart(slots, nodes)
    columns = _columns(nodes, depths)
    boxes: list[Box] = []
    lanes: list[list[Box]] = [[] for _ in nodes]
    for slot, (_, depth) in slots.items():
        left, end = columns[depth]
        box = Box(left, _MARGIN + _ROW * (0.5 + rows[slot]), 0, end)
        if len(slot) == 1:
            boxes.append(box._replace(width=_width(nodes[slot[0]])))
        else:
            lanes[slot[0]].append(box)
    width = max((box.end for box in boxes), default=0.0) + _MARGIN
    low = max((row + _rows_of(slot, nodes) / 2 for slot, row in rows.items()), default=0.5)
    height = 2 * _MARGIN + _ROW * (0.5 + low)
    return Layout(boxes, lanes, depths, width, height)


def _in_order(nodes: Sequence[Node], depths: Sequence[int]) -> dict[Slot, tuple[float, int]]:
    """As `_sugiyama`, where each node has one reader at most: no wire need cross another then.

    Inputs stand in their order around the middle of their node. Empty for other graphs.
    """
    readers: dict[int, int] = {}
    for place, node in enumerate(nodes):
        for end in node.inputs:
            if readers.setdefault(end, place) != place:
                return {}
    rows: dict[int, float] = {}
    waiting = [place for place in range(len(nodes)) if place not in readers][::-1]
    top = 0
    while waiting:
        place = waiting[-1]
        ends = list(dict.fromkeys(nodes[place].inputs))
        missing = [end for end in ends if end not in rows]
        if missing:
            waiting += reversed(missing)
            continue
        rows[waiting.pop()] = (rows[ends[0]] + rows[ends[-1]]) / 2 if ends else top
        top += not ends
    slots: dict[Slot, tuple[float, int]] = {
        (place,): (rows[place], depths[place]) for place in range(len(nodes))
    }
    for end, reader in readers.items():
        through = range(depths[end] + 1, depths[reader])
        slots |= {(end, layer): (rows[end], layer) for layer in through}
    return slots


def _sugiyama(nodes: Sequence[Node], depths: Sequence[int]) -> dict[Slot, tuple[float, int]]:
    """Wanted row and layer of each slot, nodes first, each wire's lanes from left to right.

    igraph decides which slot comes above which, so that few wires cross. It is told of the lanes
    as if they were nodes: its own are wrong in graphs of several parts, and a wire to several
    nodes would have one for each.
    """
    import igraph

    layer_of: dict[Slot, int] = {(place,): depth for place, depth in enumerate(depths)}
    steps: dict[tuple[Slot, Slot], None] = {}
    for stop, node in enumerate(nodes):
        for start in node.inputs:
            through = range(depths[start] + 1, depths[stop])
            stations: list[Slot] = [(start,), *((start, layer) for layer in through), (stop,)]
            steps |= dict.fromkeys(pairwise(stations))
    lanes = {slot for step in steps for slot in step if len(slot) > 1}
    layer_of |= {lane: lane[1] for lane in sorted(lanes)}
    number = {slot: place for place, slot in enumerate(layer_of)}
    edges = [(number[one], number[other]) for one, other in steps]
    graph = igraph.Graph(len(number), edges, directed=True)
    found = graph.layout_sugiyama(layers=list(layer_of.values())).coords
    return {slot: (found[place][0], layer) for place, (slot, layer) in enumerate(layer_of.items())}


def _keep_apart(
    slots: Mapping[Slot, tuple[float, int]], nodes: Sequence[Node]
) -> dict[Slot, float]:
    """Rows as near as can be to the wanted ones, in their order, apart in each layer.

    It is 1 from node to node, and more beside tall ones.

    Least squares under these bounds, by pooling neighbours that would violate them (isotonic
    regression of the wanted rows minus the places).
    """
    by_layer: dict[int, list[Slot]] = {}
    for slot in sorted(slots, key=lambda slot: slots[slot][0]):
        by_layer.setdefault(slots[slot][1], []).append(slot)
    rows: dict[Slot, float] = {}
    for line in by_layer.values():
        pools: list[tuple[float, int]] = []  # mean and size
        places = _places([_rows_of(slot, nodes) for slot in line])
        for place, slot in zip(places, line, strict=True):
            mean, size = slots[slot][0] - place, 1
            while pools and pools[-1][0] > mean:
                before, others = pools.pop()
                mean, size = (mean * size + before * others) / (size + others), size + others
            pools.append((mean, size))
        offsets = [mean for mean, size in pools for _ in range(size)]
        rows |= {
            slot: offset + place for slot, offset, place in zip(line, offsets, places, strict=True)
        }
    top = min((row - _rows_of(slot, nodes) / 2 for slot, row in rows.items()), default=0.0)
    return {slot: row - top - 0.5 for slot, row in rows.items()}


def _places(sizes: Sequence[float]) -> list[float]:
    """The middles of things that stand below each other, the first one's at 0."""
    places = [0.0] if sizes else []
    for above, below in pairwise(sizes):
        places.append(places[-1] + (above + below) / 2)
    return places


def _rows_of(slot: Slot, nodes: Sequence[Node]) -> float:
    tall = _height(nodes[slot[0]]) - _HEIGHT if len(slot) == 1 else 0
    return 1 + tall / _ROW


def _columns(nodes: Sequence[Node], depths: Sequence[int]) -> list[tuple[float, float]]:
    """Where the nodes of each layer begin and where their wires end."""
    columns: list[tuple[float, float]] = []
    for depth in range(1 + max(depths, default=-1)):
        here = [node for node, own in zip(nodes, depths, strict=True) if own == depth]
        arriving = sum(len(node.inputs) for node in here)
        most = max(len(node.inputs) for node in here)  # far ones come in steeply without room
        channel = _CHANNEL + 2 * min(arriving, 40) + 5 * min(max(0, most - 2), 12)
        left = columns[-1][1] + channel if columns else _MARGIN
        text = max(max(len(node.above), len(node.below)) for node in here)
        columns.append((left, left + max(map(_width, here)) + _SMALL * text + 14))
    return columns


def _height(node: Node) -> float:
    return max(_HEIGHT, _PORT * len(node.inputs) + 7)


def _width(node: Node) -> float:
    return max(_HEIGHT, _LETTER * len(node.label) + 16)


def _late_inputs(nodes: Sequence[Node]) -> list[int]:
    """Layers, with what goes in right before its first reader, so that wires stay short."""
    depths = layers(nodes)
    first = dict[int, int]()
    for place, node in enumerate(nodes):
        for end in node.inputs:
            first[end] = min(first.get(end, depths[place]), depths[place])
    return [
        depth if node.inputs else max(0, first.get(place, 1) - 1)
        for place, (node, depth) in enumerate(zip(nodes, depths, strict=True))
    ]


def svg_graph(nodes: Sequence[Node], title: str) -> Html:
    """Draws nodes from left to right, each wire with its texts above and below.

    Where the order of two inputs matters, the upper one is the first.

    Args:
        nodes: Each after its inputs.
        title: Says what is drawn, to those who do not see it.

    Returns:
        An `svg` element that shows anywhere: in a file, on a page, in a notebook.

    Example:
        >>> svg_graph([Node("a"), Node("exp", (0,))], "exp(a)")[:4]
        '<svg'
    """
    plan = lay_out(nodes)
    paper = element("rect", width=_size(plan.width), height=_size(plan.height), rx=8, fill="#fff")
    read = {end for node in nodes for end in node.inputs}
    drawn = [
        _node(node, box, loose=place not in read)
        for place, (node, box) in enumerate(zip(nodes, plan.boxes, strict=True))
    ]
    return element(
        "svg",
        element("style", Html(_STYLE)),
        paper,
        *_wires(nodes, plan),
        *drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_size(plan.width)} {_size(plan.height)}",
        width=_size(plan.width),
        style="max-width:100%;height:auto",
        class_="gatescope-graph",
        role="img",
        aria_label=title,
    )


def _wires(nodes: Sequence[Node], plan: Layout) -> Iterator[Html]:
    legs: dict[tuple[Box, Box], None] = {}
    for place, (node, box) in enumerate(zip(nodes, plan.boxes, strict=True)):
        routes = [plan.route(end, place) for end in node.inputs]
        if not node.ordered:
            routes.sort(key=lambda route: route[-1].y)
        for port, route in enumerate(routes):
            target = box._replace(y=box.y + _port(port, node))
            legs |= dict.fromkeys(pairwise([*route, target]))
    # A stretch that several wires of one node share is drawn once, or it would look bolder.
    for start, stop in legs:
        yield element("path", d=_curve(start, stop))


def _port(port: int, node: Node) -> float:
    """Where a wire enters, from the middle of the node."""
    last = len(node.inputs) - 1
    return (port - last / 2) * (_height(node) - 16) / max(1, last)


def _curve(start: Box, stop: Box) -> str:
    """Curved in the channel between two layers, straight on through a lane."""
    middle = (start.end + stop.x) / 2
    path = f"M{start.end:.1f} {start.y:.1f}C{middle:.1f} {start.y:.1f} "
    path += f"{middle:.1f} {stop.y:.1f} {stop.x:.1f} {stop.y:.1f}"
    return path if stop.width else f"{path}H{stop.end:.1f}"


def _node(node: Node, box: Box, *, loose: bool) -> Html:
    fill, stroke = _COLOURS[node.kind]
    right, middle = box.x + box.width, (box.x + box.width + box.end) / 2
    head = "m-6 -4l6 4l-6 4" if loose else ""
    rounded = 16 if node.kind in ("gate", "failed") else 5
    title = [element("title", escape(node.title))] if node.title else []
    return element(
        "g",
        *title,
        element("path", d=f"M{right:.1f} {box.y:.1f}H{box.end:.1f}{head}"),
        element(
            "rect",
            x=f"{box.x:.1f}",
            y=f"{box.y - _height(node) / 2:.1f}",
            width=f"{box.width:.1f}",
            height=_size(_height(node)),
            rx=rounded,
            fill=fill,
            stroke=stroke,
            stroke_width=1.5,
        ),
        _text(node.label, box.x + box.width / 2, box.y + 5),
        _text(node.above, middle, box.y - 6, "value"),
        _text(node.below, middle, box.y + 16, "gradient"),
    )


def _text(text: str, x: float, y: float, class_: str | None = None) -> Html:
    return element("text", escape(text), x=f"{x:.1f}", y=f"{y:.1f}", class_=class_)


def _size(length: float) -> str:
    return f"{length:.0f}"
