"""Graphs of operations as aligned text: one wire a line, what it carries above and below it.

Plain Python, so that a command that draws one starts in a blink.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Literal, NamedTuple, final

Kind = Literal["input", "parameter", "constant", "gate", "failed"]
Style = Literal["input", "parameter", "constant", "gate", "failed", "line", "above", "below"]

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_ACROSS, _UPRIGHT = _LEFT | _RIGHT, _UP | _DOWN
_LINES = {
    _ACROSS: "─",
    _LEFT: "─",
    _RIGHT: "─",
    _UPRIGHT: "│",
    _LEFT | _DOWN: "╮",
    _LEFT | _UP: "╯",
    _RIGHT | _DOWN: "╭",
    _RIGHT | _UP: "╰",
    _ACROSS | _DOWN: "┬",
    _ACROSS | _UP: "┴",
    _UPRIGHT | _RIGHT: "├",
    _UPRIGHT | _LEFT: "┤",
}
_CROSSING, _JOINT = "┼", "●"


class Node(NamedTuple):
    """One operation, or something that goes in, with the wire that leaves it.

    Args:
        label: What stands in the drawing.
        inputs: Places of the nodes that it reads, each before its own.
        above: Written above its wire.
        below: Written below its wire.
        kind: How it is coloured, where there are colours.
        ordered: Whether its inputs are no equals, as of a minus.
        title: Said where it is pointed at.
    """

    label: str
    inputs: tuple[int, ...] = ()
    above: str = ""
    below: str = ""
    kind: Kind = "gate"
    ordered: bool = False
    title: str = ""


def layers(nodes: Sequence[Node]) -> list[int]:
    """How many operations each node is away from the farthest thing that goes in."""
    depths: list[int] = []
    for node in nodes:
        depths.append(1 + max((depths[place] for place in node.inputs), default=-1))
    return depths


def text_graph(
    nodes: Sequence[Node], width: int, paint: Callable[[str, Style], str] | None = None
) -> str | None:
    """Draws nodes from left to right.

    A cross of two lines is no connection, a dot is one. Where the order of two inputs matters, the
    upper one is the first, or "⇅" beside the label says that the lower one is. "═" leads one wire
    into both inputs. Three wires or more meet before their gate in one upright line.

    Args:
        nodes: Each after its inputs.
        width: How many letters fit a line.
        paint: Colours a piece of text, which may be of a line, a label, or above or below a wire.

    Returns:
        Lines of text, or None where it is too wide for that.

    Example:
        >>> print(text_graph([Node("a", (), "4", "5"), Node("x", (), "5", "4"),
        ...                   Node("×", (0, 1), "20", "1")], 60))
           4
        a ───╮
           5 │     20
             ├─ × ───→
           5 │      1
        x ───╯
           4
    """
    depths = layers(nodes)
    if not nodes:
        return ""
    if 5 * max(depths, default=0) > width:
        return None
    rows = _rows(nodes, depths)
    nodes = [_in_order(node, rows) for node in nodes]
    tracks = _tracks(nodes, depths, rows)
    columns = _columns(nodes, depths, tracks)
    if columns[-1].end > width:
        return None
    return _draw(nodes, depths, rows, tracks, columns).text(paint or _plain)


def _rows(nodes: Sequence[Node], depths: Sequence[int]) -> list[int]:
    """The text row of each node's wire: inputs around their gate, an only input straight before."""
    readers = [0] * len(nodes)
    for node in nodes:
        for place in set(node.inputs):
            readers[place] += 1
    lines: list[list[int]] = []
    line_of: dict[int, list[int]] = {}

    def put(place: int) -> None:
        if place in line_of:
            return
        inputs = list(dict.fromkeys(nodes[place].inputs))
        half = (len(inputs) + 1) // 2
        for end in inputs[:half]:
            put(end)
        if len(inputs) == 1 and readers[inputs[0]] == 1:
            line_of[place] = line_of[inputs[0]]
        else:
            lines.append([])
            line_of[place] = lines[-1]
        line_of[place].append(place)
        for end in inputs[half:]:
            put(end)

    for place in range(len(nodes)):
        if not readers[place]:
            put(place)
    return _spread(nodes, depths, lines)


def _spread(
    nodes: Sequence[Node], depths: Sequence[int], lines: Sequence[Sequence[int]]
) -> list[int]:
    """Two rows from line to line, three where text below one would meet text above the next."""
    rows, row, written = [0] * len(nodes), 1, set[int]()
    for number, line in enumerate(lines):
        above = {depths[place] for place in line if nodes[place].above}
        row += (3 if above & written else 2) if number else 0
        written = {depths[place] for place in line if nodes[place].below}
        for place in line:
            rows[place] = row
    return rows


def _in_order(node: Node, rows: Sequence[int]) -> Node:
    upside_down = node.ordered and rows[node.inputs[0]] > rows[node.inputs[-1]]
    return node._replace(label=f"⇅{node.label}") if upside_down else node


def _tracks(
    nodes: Sequence[Node], depths: Sequence[int], rows: Sequence[int]
) -> dict[tuple[int, int], int]:
    """Where, before each layer, each wire runs upright: {(wire, layer): place}.

    Lines keep apart, but for two that end at one gate, one from above and one from below, and for
    those of a gate that has more inputs: all of them meet in a line of its own, its collector.
    """
    targets: dict[tuple[int, int], set[int]] = {}
    for place, node in enumerate(nodes):
        if _collects(node):
            ends = {rows[end] for end in node.inputs}
            targets[_collector(place), depths[place]] = {rows[place], *ends}
            continue
        for end in node.inputs:
            if rows[end] != rows[place]:
                targets.setdefault((end, depths[place]), {rows[end]}).add(rows[place])
    spans = {key: range(min(ends), max(ends)) for key, ends in targets.items()}
    left = _left_of(nodes, depths, rows, spans)
    tracks: dict[tuple[int, int], int] = {}
    taken: dict[int, list[list[range]]] = {}
    # Long lines first, so that they stand on the left, where the fewest others cross them.
    waiting = sorted(spans, key=lambda key: (-len(spans[key]), key))
    while waiting:
        key = next((key for key in waiting if left[key] <= tracks.keys()), waiting[0])
        waiting.remove(key)
        least = max((1 + tracks[other] for other in left[key] if other in tracks), default=0)
        tracks[key] = _free_track(taken.setdefault(key[1], []), spans[key], least)
    return tracks


def _collects(node: Node) -> bool:
    return len(set(node.inputs)) > 2


def _collector(place: int) -> int:
    """What stands for the line before a gate where those of its inputs have no place."""
    return -1 - place


def _left_of(
    nodes: Sequence[Node],
    depths: Sequence[int],
    rows: Sequence[int],
    spans: Mapping[tuple[int, int], range],
) -> dict[tuple[int, int], set[tuple[int, int]]]:
    """Which lines must stand left of one: those that go on past the gate where it ends."""
    left: dict[tuple[int, int], set[tuple[int, int]]] = {key: set() for key in spans}
    for place, node in enumerate(nodes):
        if _collects(node):
            continue
        meeting = {(end, depths[place]) for end in node.inputs if rows[end] != rows[place]}
        passing = {key for key in meeting if spans[key].start < rows[place] < spans[key].stop}
        for key in meeting - passing:
            left[key] |= passing
    return left


def _free_track(channel: list[list[range]], span: range, least: int) -> int:
    """Takes the first track from `least` on where the span overlaps no other.

    Spans may touch: no two lines have a row in common but that of a gate which both lead to.
    """
    while len(channel) <= least:
        channel.append([])
    for track, others in enumerate(channel[least:], least):
        if all(span.start >= other.stop or other.start >= span.stop for other in others):
            others.append(span)
            return track
    channel.append([span])
    return len(channel) - 1


class _Column(NamedTuple):
    """Where the labels of a layer begin, where their wires do, and where those end."""

    label: int
    wire: int
    end: int


def _columns(
    nodes: Sequence[Node], depths: Sequence[int], tracks: Mapping[tuple[int, int], int]
) -> list[_Column]:
    columns: list[_Column] = []
    for depth in range(1 + max(depths, default=-1)):
        here = [node for node, own in zip(nodes, depths, strict=True) if own == depth]
        upright = [1 + at for (_, layer), at in tracks.items() if layer == depth]
        label = columns[-1].end + max(upright, default=0) + 2 if columns else 0
        wire = label + max(len(node.label) for node in here) + 1
        text = max(max(len(node.above), len(node.below)) for node in here)
        columns.append(_Column(label, wire, wire + text + 2))
    return columns


@final
class _Canvas:
    """A grid of letters: lines, kept by the wire that they belong to, and texts beside them."""

    def __init__(self) -> None:
        self.lines: dict[tuple[int, int], dict[int, int]] = {}
        self.texts: dict[tuple[int, int], tuple[str, Style]] = {}

    def write(self, row: int, column: int, text: str, style: Style) -> None:
        for place, letter in enumerate(text):
            self.texts[row, column + place] = letter, style

    def across(self, wire: int, row: int, start: int, end: int) -> None:
        """A line from the middle of one column to the middle of another."""
        for column in range(start, end):
            self.join(wire, (row, column), _RIGHT)
            self.join(wire, (row, column + 1), _LEFT)

    def upright(self, wire: int, column: int, start: int, end: int) -> None:
        for row in range(min(start, end), max(start, end)):
            self.join(wire, (row, column), _DOWN)
            self.join(wire, (row + 1, column), _UP)

    def join(self, wire: int, cell: tuple[int, int], side: int) -> None:
        """Leads a line out of a cell, which connects it with what else its wire has there."""
        wires = self.lines.setdefault(cell, {})
        wires[wire] = wires.get(wire, 0) | side

    def text(self, paint: Callable[[str, Style], str]) -> str:
        """All rows, blank ends cut off."""
        written = dict(self.texts)
        for cell, wires in self.lines.items():
            written.setdefault(cell, (_line(wires), "line"))
        rows: dict[int, dict[int, tuple[str, Style]]] = {}
        for (row, column), letter in written.items():
            rows.setdefault(row, {})[column] = letter
        return "\n".join(_row(rows.get(row, {}), paint) for row in range(1 + max(rows, default=-1)))


def _line(wires: Mapping[int, int]) -> str:
    """The letter for the lines that meet in a cell."""
    if set(wires.values()) == {_ACROSS, _UPRIGHT}:
        return _CROSSING
    sides = 0
    for own in wires.values():
        sides |= own
    return _LINES.get(sides, _JOINT)


def _row(cells: Mapping[int, tuple[str, Style]], paint: Callable[[str, Style], str]) -> str:
    blank: tuple[str, Style] = (" ", "line")
    letters = [cells.get(column, blank) for column in range(1 + max(cells, default=-1))]
    runs = groupby(letters, key=lambda letter: letter[1])
    return "".join(paint("".join(letter for letter, _ in run), style) for style, run in runs)


def _draw(
    nodes: Sequence[Node],
    depths: Sequence[int],
    rows: Sequence[int],
    tracks: Mapping[tuple[int, int], int],
    columns: Sequence[_Column],
) -> _Canvas:
    canvas, read = _Canvas(), {end for node in nodes for end in node.inputs}
    for place, node in enumerate(nodes):
        row, column = rows[place], columns[depths[place]]
        canvas.write(row, column.label, node.label, node.kind)
        after_label = column.label + len(node.label) + 1
        canvas.across(place, row, after_label, column.end - 1)
        if place not in read:
            canvas.write(row, column.end - 1, "→", "line")
        canvas.write(row - 1, column.end - 1 - len(node.above), node.above, "above")
        canvas.write(row + 1, column.end - 1 - len(node.below), node.below, "below")
        starts = {end: columns[depths[end]].end - 1 for end in node.inputs}
        uprights = {
            wire: columns[depths[place] - 1].end + track
            for wire in (*starts, _collector(place))
            if (track := tracks.get((wire, depths[place]))) is not None
        }
        lead_in = _collect if _collects(node) else _lead_in
        lead_in(canvas, place, rows, starts, uprights, column.label - 2)
        if len(set(node.inputs)) < len(node.inputs):
            canvas.write(row, column.label - 2, "═", "line")
    return canvas


def _lead_in(
    canvas: _Canvas,
    place: int,
    rows: Sequence[int],
    starts: Mapping[int, int],
    uprights: Mapping[int, int],
    last: int,
) -> None:
    """Draws the wires into a gate of one or two inputs, each in a line of its own."""
    for end, start in starts.items():
        turn = start
        if rows[end] != rows[place]:
            turn = uprights[end]
            canvas.across(end, rows[end], start, turn)
            canvas.upright(end, turn, rows[end], rows[place])
        canvas.across(end, rows[place], turn, last)


def _collect(
    canvas: _Canvas,
    place: int,
    rows: Sequence[int],
    starts: Mapping[int, int],
    uprights: Mapping[int, int],
    last: int,
) -> None:
    """Draws the wires into a gate of more inputs: all into one upright line, and that into it."""
    line = _collector(place)
    turn = uprights[line]
    for end, start in starts.items():
        canvas.across(end, rows[end], start, turn)
        canvas.join(line, (rows[end], turn), _LEFT)
    met = [rows[place], *(rows[end] for end in starts)]
    canvas.upright(line, turn, min(met), max(met))
    canvas.across(line, rows[place], turn, last)


def _plain(text: str, style: Style) -> str:
    return text
