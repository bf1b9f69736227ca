"""A network unit by unit as SVG: what each one puts out, and the weights on the lines between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatescope.report.heat import BY_SIGN
from gatescope.report.html import Html, element, escape

_WIDTH, _HEIGHT, _HEAD = 640.0, 400.0, 44.0
_LARGEST, _GAP = 46.0, 6.0  # of a picture, and between two
_THICKEST, _THINNEST = 6.0, 0.25
_UNSIGNED = "#7d8590"
_STYLE = (
    ".gs-layered text{fill:var(--ink,#1b1e23);font:500 12px system-ui,sans-serif;"
    "text-anchor:middle}.gs-layered .gs-faint{fill:var(--faint,#5d646f);font-size:11px}"
    ".gs-layered rect{fill:none;stroke:var(--rule,#dfe1e5)}"
    ".gs-layered .gs-dead{stroke:var(--ink,#1b1e23);stroke-width:2;stroke-dasharray:3 2}"
    ".gs-layered .gs-saturated{stroke:var(--doubt,#8a4b00);stroke-width:2}"
    ".gs-layered path{fill:none}"
)


class Unit(NamedTuple):
    """One unit.

    Attributes:
        picture: A data URI of what it puts out.
        told: What is said where it is pointed at.
        mark: `dead`, `saturated`, or nothing.
    """

    picture: str
    told: str
    mark: str = ""


class Column(NamedTuple):
    """A layer.

    Attributes:
        title: Above it.
        note: Below the title.
        units: From above to below.
    """

    title: str
    note: str
    units: Sequence[Unit]


class Weights(NamedTuple):
    """What is between two layers.

    Attributes:
        kernel: `(units, units)`.
        signed: Whether its signs mean anything; sizes are drawn in grey.
    """

    kernel: NDArray[np.floating]
    signed: bool = True


def layered(columns: Sequence[Column], weights: Sequence[Weights], label: str) -> Html:
    """Draws layers from left to right.

    A line is as thick as its weight is beside the largest between the same layers, red above 0 and
    blue below; of the thinnest there is none.

    Args:
        columns: At least two.
        weights: Between each and the next.
        label: What is shown, for those who do not see it.
    """
    places = [_places(column, at, len(columns)) for at, column in enumerate(columns)]
    lines = [
        line
        for left, right, between in zip(places, places[1:], weights, strict=False)
        for line in _lines(left, right, between)
    ]
    heads = [part for at, column in enumerate(columns) for part in _head(column, at, len(columns))]
    units = [
        _unit(unit, *place)
        for column, each in zip(columns, places, strict=True)
        for unit, place in zip(column.units, each, strict=True)
    ]
    return element(
        "svg", element("style", Html(_STYLE)), *lines, *heads, *units, class_="gs-layered",
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}", role="img", aria_label=label,
    )  # fmt: skip


def _middle(at: int, columns: int) -> float:
    return _WIDTH * (at + 0.5) / columns


def _places(column: Column, at: int, columns: int) -> list[tuple[float, float, float]]:
    """Left edge, upper edge and side of each unit's picture."""
    count = len(column.units)
    room = (_HEIGHT - _HEAD) / max(count, 1)
    side = min(_LARGEST, room - min(_GAP, room / 5), 0.5 * _WIDTH / columns)
    step = min(room, side + 14)
    top = _HEAD + (_HEIGHT - _HEAD - step * count) / 2
    left = _middle(at, columns) - side / 2
    return [(left, top + step * (place + 0.5) - side / 2, side) for place in range(count)]


def _head(column: Column, at: int, columns: int) -> Iterator[Html]:
    x = f"{_middle(at, columns):.1f}"
    yield element("text", escape(column.title), x=x, y="16")
    yield element("text", escape(column.note), x=x, y="32", class_="gs-faint")


def _lines(
    left: Sequence[tuple[float, float, float]],
    right: Sequence[tuple[float, float, float]],
    between: Weights,
) -> Iterator[Html]:
    known = np.nan_to_num(between.kernel)
    most = float(np.abs(known).max()) or 1.0
    for start, row in zip(left, known.tolist(), strict=True):
        for end, weight in zip(right, row, strict=True):
            width = _THICKEST * abs(weight) / most
            if width >= _THINNEST:
                colour = BY_SIGN[2 if weight > 0 else 0] if between.signed else _UNSIGNED
                told = f"{'weight' if between.signed else 'size of weights'} {weight:.3g}"
                yield _line(start, end, told, width, colour)


def _line(
    start: tuple[float, float, float], end: tuple[float, float, float], told: str, width: float,
    colour: str,
) -> Html:  # fmt: skip
    x, y = start[0] + start[2], start[1] + start[2] / 2
    to_x, to_y = end[0], end[1] + end[2] / 2
    half = (x + to_x) / 2
    return element(
        "path", element("title", escape(told)),
        d=f"M{x:.0f} {y:.0f}C{half:.0f} {y:.0f} {half:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}",
        stroke=colour, stroke_width=f"{width:.2f}", stroke_opacity="0.8",
    )  # fmt: skip


def _unit(unit: Unit, x: float, y: float, side: float) -> Html:
    at = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{side:.1f}", "height": f"{side:.1f}"}
    mark = f"gs-{unit.mark}" if unit.mark else None
    return element(
        "g", element("title", escape(unit.told)),
        element("image", href=unit.picture, preserveAspectRatio="none", **at),
        element("rect", rx="2", class_=mark, **at),
    )  # fmt: skip
