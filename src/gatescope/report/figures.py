"""Figures for files, by matplotlib, which loads when one is drawn."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gatescope.report.series import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
_CURVE, _SLOPE, _FLAT, _INK = "#1f5fa8", "#c8551b", "#8a8f98", "#2b2f36"
_GREY = "#5b616b"
_PATHS = ("#c8551b", "#1f5fa8", "#3c8c3c", "#8a3fa0", "#b0202e", "#2b2f36")
_MOST_COLUMNS, _LONG_TITLE = 5, 32


Grid: TypeAlias = tuple[Any, Any, Any]
"""NumPy arrays: places of shapes (A,) and (B,), and heights of shape (A, B)."""


class Drawing(NamedTuple):
    """A curve under a title, perhaps with its derivative behind it, and where that is flat."""

    title: str
    note: str
    lines: Sequence[Series]
    x_label: str
    flat: Sequence[tuple[float, float]] = ()


def figure_of_one(drawing: Drawing, kind: str = "png") -> bytes:
    """Draws a curve and, below it, its derivative.

    Args:
        drawing: What to draw.
        kind: One of `FORMATS`.

    Returns:
        The content of a file.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    lines = drawing.lines
    with mpl.rc_context(_style(9)):
        figure = Figure(figsize=(6.4, 1.8 + 1.5 * len(lines)), layout="constrained")
        figure.suptitle(drawing.title, fontsize=13, fontweight="bold", x=0.02, ha="left")
        rows = figure.subplots(len(lines), 1, sharex=True, squeeze=False)[:, 0]
        for axes, line, colour in zip(rows, lines, (_CURVE, _SLOPE), strict=False):
            _draw(axes, line, colour, drawing.flat, 2.2)
            axes.set_ylabel(line.label)
        note = f"{drawing.note}      grey: saturated" if drawing.flat else drawing.note
        rows[0].set_title(note, fontsize=9, loc="left", color=_GREY)
        rows[-1].set_xlabel(drawing.x_label)
        return _packed(figure, kind)


def figure_of_many(title: str, note: str, drawings: Sequence[Drawing], kind: str = "png") -> bytes:
    """Draws many curves as small pictures, each with its derivative in the same axes.

    Args:
        title: Above all of them.
        note: Below them, what is solid, dashed and grey.
        drawings: At least one.
        kind: One of `FORMATS`.

    Returns:
        The content of a file.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = min(_MOST_COLUMNS, ceil(sqrt(len(drawings))))
    rows = ceil(len(drawings) / columns)
    with mpl.rc_context(_style(7.5)):
        figure = Figure(figsize=(2.5 * columns, 1.9 * rows + 0.6), layout="constrained")
        figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
        figure.supxlabel(note, fontsize=9, x=0.01, ha="left", color=_GREY)
        grid = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes, drawing in zip(grid, drawings, strict=False):
            _draw_small(axes, drawing)
        for axes in grid[len(drawings) :]:
            axes.set_axis_off()
        return _packed(figure, kind)


def figure_of_surface(
    title: str, note: str, grid: Grid, paths: Mapping[str, Any], kind: str = "png"
) -> bytes:
    """Draws lines of equal loss, close together near the lowest, and paths.

    Args:
        title: Above it.
        note: Below the title.
        grid: Places along two directions and the loss at each pair of them; what is not finite
            is left white.
        paths: Places of each path, an array of shape (N, 2), by name.
        kind: One of `FORMATS`.

    Returns:
        The content of a file.
    """
    import matplotlib as mpl
    import numpy as np
    from matplotlib.figure import Figure

    a, b, losses = grid
    losses = np.ma.masked_invalid(losses.T)
    low, high = float(losses.min()), float(losses.max())
    least = max((high - low) * 1e-2, 1e-12)  # what is lower than that is drawn as one
    with mpl.rc_context(_style(9)):
        figure = Figure(figsize=(6.4, 5.2), layout="constrained")
        figure.suptitle(title, fontsize=13, fontweight="bold", x=0.02, ha="left")
        axes = figure.subplots()
        axes.set_title(note, fontsize=9, loc="left", color=_GREY)
        levels = low + np.geomspace(least, max(high - low, 2 * least), 16)
        drawn = axes.contour(a, b, losses, levels, cmap="viridis", linewidths=1)
        figure.colorbar(drawn, ax=axes, label="loss", format="%.3g")
        for (name, path), colour in zip(paths.items(), _PATHS * 9, strict=False):
            axes.plot(*path.T, "o-", color=colour, ms=2.5, lw=1.4, label=name)
            axes.plot(*path[-1], "*", color=colour, ms=11)
        if paths:
            axes.legend(title="from the start to the star", framealpha=0.85, edgecolor="none")
        # What leaps out of the plane is not to make all else a dot.
        limits = {"xlim": (a[0], a[-1]), "ylim": (b[0], b[-1])}
        axes.set(xlabel="first direction", ylabel="second direction", **limits)
        return _packed(figure, kind)


def _style(size: float) -> dict[Any, Any]:
    return {
        "font.size": size,
        "axes.edgecolor": "#b9bec7",
        "axes.labelcolor": _INK,
        "text.color": _INK,
        "xtick.color": _GREY,
        "ytick.color": _GREY,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.hashsalt": "gatescope",
    }


def _draw_small(axes: Axes, drawing: Drawing) -> None:
    _draw(axes, drawing.lines[0], _CURVE, drawing.flat, 1.8)
    for slope in drawing.lines[1:]:
        limits = axes.get_ylim()
        axes.plot(slope.x, slope.y, color=_SLOPE, lw=1.2, ls=(0, (4, 2)))
        axes.set_ylim(*_room_for(limits, slope.y))
    size = 7.5 if len(drawing.title) > _LONG_TITLE else 9
    axes.set_title(drawing.title, fontsize=size, loc="left")


def _draw(
    axes: Axes, line: Series, colour: str, flat: Sequence[tuple[float, float]], width: float
) -> None:
    low, high = min(line.x), max(line.x)
    for start, end in flat:
        if start < high and end > low:
            axes.axvspan(max(start, low), min(end, high), color=_FLAT, alpha=0.14, lw=0)
    axes.axhline(0, color="#d5d9df", lw=0.8, zorder=0)
    if low < 0 < high:
        axes.axvline(0, color="#d5d9df", lw=0.8, zorder=0)
    axes.plot(line.x, line.y, color=colour, lw=width, solid_capstyle="round")
    axes.set_xlim(low, high)


def _room_for(limits: tuple[float, float], slope: Sequence[float]) -> tuple[float, float]:
    """Limits that show the derivative too, unless that would press the curve flat."""
    finite = [value for value in slope if value == value]
    span = limits[1] - limits[0]
    low = max(min(finite) - 0.05 * span, limits[0] - span)
    high = min(max(finite) + 0.05 * span, limits[1] + span)
    return min(low, limits[0]), max(high, limits[1])


def _packed(figure: Figure, kind: str) -> bytes:
    packed = io.BytesIO()
    figure.savefig(packed, format=kind, dpi=160)
    return packed.getvalue()


class Surface(NamedTuple):
    """A function of the plane, and samples of two or more classes on it.

    Attributes:
        title: Of the picture.
        values: From 0 to 1, row by row from below.
        limits: From where to where both axes go.
        points: Samples, `(samples, 2)`.
        classes: Of each sample, from 0.
    """

    title: str
    values: NDArray[np.floating]
    limits: tuple[float, float]
    points: NDArray[np.floating]
    classes: NDArray[np.integer]


_MOST_IN_A_ROW = 4
_ENDS = ("#2166ac", "#f7f7f7", "#b2182b")  # told apart by colour-blind readers, too


def surfaces(drawings: Sequence[Surface]) -> NDArray[np.uint8]:
    """Draws functions of the plane beside each other.

    Args:
        drawings: Each with its samples.

    Returns:
        An image, `(height, width, 3)`.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    colours = LinearSegmentedColormap.from_list("two sides", _ENDS)
    columns = min(len(drawings), _MOST_IN_A_ROW)
    rows = ceil(len(drawings) / columns)
    with mpl.rc_context(_style(9)):
        figure = Figure(figsize=(2.6 * columns, 2.8 * rows), layout="constrained", dpi=110)
        canvas = FigureCanvasAgg(figure)
        every = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, drawing in zip(every, drawings, strict=False):
            low, high = drawing.limits
            extent = (low, high, low, high)
            axes.imshow(drawing.values, cmap=colours, vmin=0, vmax=1, origin="lower", extent=extent)
            axes.scatter(
                *drawing.points.T,
                c=drawing.classes,
                cmap=colours,
                s=9,
                edgecolors="white",
                linewidths=0.7,
            )
            axes.set(title=drawing.title, xticks=[], yticks=[])
        for axes in every[len(drawings) :]:
            axes.set_visible(False)
        canvas.draw()  # type: ignore[no-untyped-call]
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


class Tile(NamedTuple):
    """A picture among others.

    Attributes:
        image: `(height, width)`, from its darkest to its lightest value, or uint8 RGB
            `(height, width, 3)`.
        title: Above it.
        right: Whether what the title says is so; None where there is nothing to be right.
        heat: `(height, width)`, from 0 to 1: how strongly each place is marked; None marks none.
        upward: Whether the first row is the lowest, as frequencies are drawn.
    """

    image: NDArray[Any]
    title: str
    right: bool | None = None
    heat: NDArray[np.floating] | None = None
    upward: bool = False


_RIGHT, _WRONG = "#2166ac", "#b2182b"


def tiles(rows: Sequence[Sequence[Tile | None]], *, width: float = 1.2) -> NDArray[np.uint8]:
    """Draws pictures in rows, what is right framed in blue and what is wrong in red.

    Args:
        rows: Of pictures of one size; None leaves a place empty.
        width: Of a picture, in inches.

    Returns:
        An image, `(height, width, 3)`.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = max(map(len, rows))
    shape = next(tile.image.shape for row in rows for tile in row if tile is not None)
    height = width * shape[0] / shape[1] + 0.3
    with mpl.rc_context(_style(7.5)):
        size = (width * columns, height * len(rows))
        figure = Figure(figsize=size, layout="constrained", dpi=110)
        canvas = FigureCanvasAgg(figure)
        grid = figure.subplots(len(rows), columns, squeeze=False)
        for line, row in zip(grid, rows, strict=True):
            for axes, tile in zip_longest(line, row):
                _draw_tile(axes, tile)
        canvas.draw()  # type: ignore[no-untyped-call]
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def _draw_tile(axes: Axes, tile: Tile | None) -> None:
    if tile is None:
        axes.set_visible(False)
        return
    origin: Literal["lower", "upper"] = "lower" if tile.upward else "upper"
    axes.imshow(tile.image, cmap="gray", origin=origin, aspect="auto")
    if tile.heat is not None:
        strength = np.clip(tile.heat, 0, 1)
        axes.imshow(strength, cmap="autumn_r", alpha=0.75 * strength, origin=origin, aspect="auto")
    colour = _INK if tile.right is None else _RIGHT if tile.right else _WRONG
    axes.set_title(tile.title, color=colour)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=tile.right is not None, color=colour, linewidth=2)
