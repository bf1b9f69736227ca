"""Line charts as inline SVG that follows the page's light or dark colours.

Not matplotlib's SVG: it fixes its colours, repeats its ids from figure to figure and weighs ten
times as much. Its tick locator is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gatescope.report.html import Html, element, escape
from gatescope.report.series import Series

_WIDTH, _HEIGHT = 440, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 20, 26, 36  # left: 0.0001 and 100,000 have room
_MOST_BINS = 400  # two points a bin are as fine as the picture's pixels
_COLOURS = 6  # style.css has as many --series-n


@dataclass(frozen=True)
class _Frame:
    """Maps data to the drawing's pixels."""

    x_ticks: NDArray[np.float64]
    y_ticks: NDArray[np.float64]
    x_range: tuple[float, float]
    log_x: bool
    log_y: bool

    def x(self, value: float) -> float:
        low, high = self.x_range
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return float(_TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM))


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
    behind: Sequence[Series] = (),
) -> Html:
    """Draws series over one pair of axes.

    Lines differ in colour and in dashes; the legend gives each one's last value, or what
    it has to be told in its place. Long series are
    thinned to the lowest and highest point of each pixel column, so a spike stays visible.

    Args:
        series: The lines, at least one point among them, or a note says that there is none.
        title: What the chart shows.
        x_label: Name and unit of the horizontal axis.
        y_label: Name and unit of the vertical axis.
        log_x: Whether the horizontal axis counts powers of ten; positions must be above 0.
        log_y: Whether the vertical axis does; values that are not above 0 leave a gap.
        behind: Lines that are drawn faintly and not told apart, for what the others stand out of.

    Returns:
        A `figure` element.

    Example:
        >>> loss = Series("train", [1, 2, 3], [2.0, 1.0, 0.5])
        >>> chart = line_chart([loss], title="Loss", x_label="epoch", y_label="loss (nats)")
    """
    caption = element("figcaption", escape(title))
    powers = partial(_by_powers, log_x=log_x, log_y=log_y)
    told = [line for line in series if any(map(math.isfinite, powers(line).y))]
    if not told:
        return element("figure", caption, element("p", escape("No values yet.")), class_="chart")
    drawable = list(map(powers, told))
    faint = [line for line in map(powers, behind) if any(map(math.isfinite, line.y))]
    frame = _fit([*drawable, *faint], log_x=log_x, log_y=log_y)
    drawing = element(
        "svg",
        *_axes(frame, x_label, y_label),
        *(_line(line, frame, "behind") for line in faint),
        *(_line(line, frame, _colour(place)) for place, line in enumerate(drawable)),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"{title}. {y_label} over {x_label}. " + " ".join(map(_in_words, told)),
    )
    legend = element("ul", *(_legend(line, place) for place, line in enumerate(told)))
    return element("figure", caption, legend, drawing, class_="chart")


def _fit(series: Sequence[Series], *, log_x: bool, log_y: bool) -> _Frame:
    x, y = (
        np.concatenate([np.asarray(getattr(line, axis), np.float64) for line in series])
        for axis in ("x", "y")
    )
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    whole = log_x or bool((x == np.round(x)).all())  # no epoch 1.5
    x_ticks = _ticks(MaxNLocator(6, steps=[1, 2, 5, 10], integer=whole), low, high)
    steps = [1, 2, 5, 10] if log_y else [1, 2, 2.5, 5, 10]
    y_ticks = _ticks(MaxNLocator(5, steps=steps, integer=log_y), y.min(), y.max())
    inside = (x_ticks >= low) & (x_ticks <= high)
    return _Frame(x_ticks[inside], y_ticks, (low, high), log_x, log_y)


def _ticks(locator: MaxNLocator, low: float, high: float) -> NDArray[np.float64]:
    return np.asarray(locator.tick_values(low, high), np.float64)


def _axes(frame: _Frame, x_label: str, y_label: str) -> list[Html]:
    foot, edge = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = [_text(_LEFT, 12, y_label, "start"), _text(edge, _HEIGHT - 2, x_label, "end")]
    for value in frame.y_ticks.tolist():
        y = frame.y(value)
        parts.append(element("path", d=f"M{_LEFT} {y:.1f}H{edge}", class_="grid"))
        text = f"{10**value:.3g}" if frame.log_y else _number(value)
        parts.append(_text(_LEFT - 6, y + 4, text, "end"))
    for value in frame.x_ticks.tolist():
        x = frame.x(value)
        parts.append(element("path", d=f"M{x:.1f} {foot}v4", class_="tick"))
        text = f"{10**value:g}" if frame.log_x else _number(value)
        parts.append(_text(x, foot + 17, text, "middle"))
    return parts


def _text(x: float, y: float, text: str, anchor: str) -> Html:
    return element("text", escape(text), x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)


def _number(value: float) -> str:
    return f"{round(value, 10):,g}"


def _by_powers(line: Series, *, log_x: bool, log_y: bool) -> Series:
    """The line with powers of ten in the place of numbers."""
    if log_x:
        line = replace(line, x=np.log10(line.x).tolist())
    if log_y:
        y = np.asarray(line.y, np.float64)
        with np.errstate(all="ignore"):
            line = replace(line, y=np.where(y > 0, np.log10(y), np.nan).tolist())
    return line


def _colour(place: int) -> str:
    return f"series-{place % _COLOURS}"


def _line(line: Series, frame: _Frame, kind: str) -> Html:
    x, y = _thin(np.asarray(line.x, np.float64), np.asarray(line.y, np.float64))
    path, drawing = "", False
    for across, up in zip(x.tolist(), y.tolist(), strict=True):
        if math.isfinite(up):
            # h0 gives a point between two gaps its round cap, though it has no length.
            start, rest = ("L", "") if drawing else ("M", "h0")
            path += f"{start}{frame.x(across):.1f} {frame.y(up):.1f}{rest}"
        drawing = math.isfinite(up)
    return element("path", d=path, class_=f"series {kind}")


def _thin(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Keeps, of each of `_MOST_BINS` stretches, its lowest and its highest point or its gap."""
    if len(x) <= 2 * _MOST_BINS:
        return x, y
    kept: set[int] = {0, len(x) - 1}
    for stretch in np.array_split(np.arange(len(x)), _MOST_BINS):
        kept |= {int(stretch[np.argmin(y[stretch])]), int(stretch[np.argmax(y[stretch])])}
    order = sorted(kept)
    return x[order], y[order]


def _last(line: Series) -> str:
    return f"{[value for value in line.y if math.isfinite(value)][-1]:.4g}"


def _in_words(line: Series) -> str:
    first = next(value for value in line.y if math.isfinite(value))
    return f"{line.label}: from {first:.4g} to {_last(line)}."


def _legend(line: Series, place: int) -> Html:
    stroke = element("path", d="M2 6H26", class_=f"series {_colour(place)}")
    swatch = element("svg", stroke, viewBox="0 0 28 12", aria_hidden="true")
    value = element("b", escape(_last(line) if line.told is None else line.told))
    return element("li", swatch, escape(f"{line.label} "), value)
