"""Charts of plain data as ECharts draws them: axes with names and units, one set of colours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from gatescope.report.series import Series

COLOURS = ("#2f8fce", "#d9702b", "#1f9a74", "#b8619a", "#8f7ad1", "#9c7a10")
"""Of lines; they can be told apart by the colour-blind, and on light and dark paper."""
NEGATIVE, NEUTRAL, POSITIVE = "#2166ac", "#f4f4f2", "#b2182b"
"""Of signs, after ColorBrewer's RdBu."""
SEQUENTIAL = ("#f4f4f2", "#c7e3d4", "#7cc0a8", "#33907f", "#0b5a58", "#062d33")
"""Of magnitudes."""

Options = dict[str, Any]

_RULE = "#8a919c"


def axis(name: str, **settings: Any) -> Options:
    """An axis.

    Args:
        name: With its unit.
        **settings: Of ECharts.
    """
    return {
        "name": name, "nameLocation": "middle", "nameGap": 28, "type": "value", "scale": True,
        "axisLine": {"lineStyle": {"color": _RULE}},
        "axisLabel": {"hideOverlap": True},
        "splitLine": {"lineStyle": {"color": _RULE, "opacity": 0.25}},
        **settings,
    }  # fmt: skip


def lines(series: Sequence[Series], *, x_label: str, y_label: str, log_y: bool = False) -> Options:
    """Lines over one pair of axes.

    Args:
        series: The lines.
        x_label: Name and unit.
        y_label: Name and unit.
        log_y: Whether the vertical axis counts powers of ten.
    """
    return {
        "animation": False,
        "color": list(COLOURS),
        "grid": {"left": 64, "right": 16, "top": 34 if len(series) > 1 else 14, "bottom": 46},
        "legend": {"show": len(series) > 1, "top": 0, "type": "scroll"},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": axis(x_label),
        "yAxis": axis(y_label, nameGap=46, type="log" if log_y else "value"),
        "series": [line(one) for one in series],
    }


def zoomable(options: Options) -> Options:
    """A chart of which a stretch can be looked at closely.

    Args:
        options: Of a chart with one pair of axes.
    """
    zoom = {"xAxisIndex": 0, "filterMode": "none"}
    shown = {"type": "slider", "height": 14, "bottom": 4, "showDetail": False, **zoom}
    return options | {
        "dataZoom": [{"type": "inside", "zoomOnMouseWheel": "ctrl", **zoom}, shown],
        "grid": options["grid"] | {"bottom": 66},
    }


def line(one: Series, **settings: Any) -> Options:
    """A line.

    Args:
        one: Its points; what is no number leaves a gap.
        **settings: Of ECharts.
    """
    points = [[x, y if math.isfinite(y) else None] for x, y in zip(one.x, one.y, strict=True)]
    return {
        "type": "line", "name": one.label, "data": points, "showSymbol": len(points) < 2,
        "lineStyle": {"width": 2}, **settings,
    }  # fmt: skip


def heat_map(
    values: Sequence[Sequence[float]],
    *,
    x: Sequence[Any],
    y: Sequence[Any],
    x_label: str,
    y_label: str,
    signed: bool = False,
    log: bool = False,
) -> Options:
    """A table of numbers as colours.

    Args:
        values: A row for each of `y`.
        x: Columns.
        y: Rows.
        x_label: Name and unit.
        y_label: Name and unit.
        signed: Whether 0 is in the middle, red above and blue below.
        log: Whether colours count powers of ten; numbers that are not above 0 stay empty.
    """
    cells = [
        [column, row, _finite(math.log10(value)), value]
        if log and value > 0
        else [column, row, None if log else _finite(value), _finite(value)]
        for row, line_ in enumerate(values)
        for column, value in enumerate(line_)
    ]
    known = [cell[2] for cell in cells if cell[2] is not None] or [0.0]
    low, high = min(known), max(known)
    high = high if high > low else low + 1
    if signed:
        low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
    return {
        "animation": False,
        "grid": {"left": 90, "right": 90, "top": 10, "bottom": 46},
        "tooltip": {"confine": True},
        "xAxis": axis(x_label, type="category", data=list(x)),
        "yAxis": axis(y_label, type="category", data=list(y), nameGap=70),
        "visualMap": {
            "min": low, "max": high, "dimension": 2,
            "right": 0, "top": "middle", "itemHeight": 70,
            "text": [f"{10**end if log else end:.2g}" for end in (high, low)],
            "inRange": {"color": [NEGATIVE, NEUTRAL, POSITIVE] if signed else list(SEQUENTIAL)},
        },
        "series": [{
            "type": "heatmap", "data": cells, "progressive": 4000,
            "dimensions": [x_label or "x", y_label or "y", "colour", "value"],
            "encode": {"x": 0, "y": 1, "value": 2, "tooltip": [3]},
        }],
    }  # fmt: skip


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def chart(options: Mapping[str, Any], label: str, *, height: str = "16rem") -> ui.echart:
    """Puts a chart on the page.

    Args:
        options: Of ECharts.
        label: What it shows, for those who do not see it.
        height: Of the chart.
    """
    drawn = ui.echart(dict(options), renderer="svg")
    drawn.props["role"], drawn.props["aria-label"] = "img", label
    drawn.style(f"height: {height}; width: 100%")
    return drawn


def redraw(drawn: ui.echart, options: Mapping[str, Any]) -> None:
    """Shows other options in a chart that is there.

    Args:
        drawn: The chart.
        options: All of them, as `chart` takes them.
    """
    drawn.options.clear()
    drawn.options.update(options)
    drawn.update()
