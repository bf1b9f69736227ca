"""Arrays as pictures that can be pointed at: one cell a number, enlarged without a blur."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from nicegui import ui
from numpy.typing import NDArray

from gatescope.report.html import Html, element, escape, image_uri
from gatescope.report.shades import shades
from gatescope.studio.frame import text

Array = NDArray[Any]
_GAP = 1  # cells between tiles
# Where in the picture a click was, as shares of its width and height.
_POINTED = """(event) => {
  const box = event.currentTarget.querySelector('svg').getBoundingClientRect();
  emit((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
}"""


class Spot(NamedTuple):
    """A rectangle of cells that is marked: row, column, height and width."""

    row: float
    column: float
    height: float = 1
    width: float = 1


def drawn(colours: NDArray[np.uint8], alt: str, *, spots: Sequence[Spot] = (),
          dots: Sequence[tuple[int, int]] = ()) -> Html:  # fmt: skip
    """A picture as SVG, one unit of length a cell.

    Args:
        colours: `(height, width, 3)`, or 4 where some is transparent.
        alt: What it shows, for those who do not see it.
        spots: What is framed.
        dots: Cells, row and column, that are dotted.
    """
    height, width = colours.shape[:2]
    frames = [
        element(tag, x=one.column, y=one.row, width=one.width, height=one.height, class_=kind)
        for one in spots
        for tag, kind in (("rect", "gs-halo"), ("rect", "gs-frame"))
    ]
    points = [
        element("circle", cx=column + 0.5, cy=row + 0.5, r=0.22, class_="gs-dot")
        for row, column in dots
    ]
    return element(
        "svg",
        element("title", escape(alt)),
        element("image", href=image_uri(colours, lossless=True), width=width, height=height),
        *frames,
        *points,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=alt,
        class_="gs-picture",
        style=f"--ratio: {width} / {height}",
        preserveAspectRatio="none",
    )


def picture(content: Html, on_point: Callable[[float, float], Any] | None = None) -> ui.html:
    """Puts a picture on the page.

    Args:
        content: Of `drawn`.
        on_point: Told the shares of width and height where it is clicked.
    """
    shown = ui.html(content, sanitize=False).classes("gs-pictured")
    if on_point is not None:
        shown.classes("gs-pointable")
        shown.on("click", lambda event: on_point(*event.args), js_handler=_POINTED)
    return shown


@dataclass(frozen=True)
class Tiles:
    """Maps side by side in one picture.

    Args:
        colours: The picture.
        columns: How many a row.
        height: Cells of a map.
        width: Cells of a map.
        count: Maps.
    """

    colours: NDArray[np.uint8]
    columns: int
    height: int
    width: int
    count: int

    def spot(self, place: int) -> Spot:
        """Where a map is.

        Args:
            place: Of the map.
        """
        row, column = divmod(place, self.columns)
        return Spot(row * (self.height + _GAP), column * (self.width + _GAP), self.height,
                    self.width)  # fmt: skip

    def at(self, across: float, down: float) -> int | None:
        """The map at a point; None beside all of them.

        Args:
            across: Share of the picture's width.
            down: Share of its height.
        """
        column = int(across * self.colours.shape[1] // (self.width + _GAP))
        row = int(down * self.colours.shape[0] // (self.height + _GAP))
        place = row * self.columns + column
        return place if 0 <= place < self.count and column < self.columns else None


def tiled(maps: Array, *, columns: int, signed: bool, largest: float | None = None) -> Tiles:
    """Lays maps side by side, all on one scale.

    Args:
        maps: `(height, width, count)`.
        columns: How many a row.
        signed: See `shades`.
        largest: Likewise.
    """
    height, width, count = maps.shape
    columns = max(1, min(columns, count))
    rows = -(-count // columns)
    canvas = np.full((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP), np.nan)
    for place in range(count):
        top, left = place // columns * (height + _GAP), place % columns * (width + _GAP)
        canvas[top : top + height, left : left + width] = maps[..., place]
    whole = np.abs(maps[np.isfinite(maps)]).max(initial=0.0) if largest is None else largest
    colours = shades(canvas, signed=signed, largest=float(whole))
    opaque = np.where(np.isnan(canvas), 0, 255).astype(np.uint8)
    return Tiles(np.dstack([colours, opaque]), columns, height, width, count)


def is_signed(values: Array) -> bool:
    """Whether numbers lie on both sides of 0, or below it.

    Args:
        values: The numbers.
    """
    return bool((values < 0).any())


def legend(values: Array, *, signed: bool) -> None:
    """Says what the colours mean.

    Args:
        values: That were drawn.
        signed: As they were.
    """
    known = values[np.isfinite(values)]
    most = float(np.abs(known).max(initial=0.0))
    ends = (f"−{most:.3g}", f"{most:.3g}") if signed else ("0", f"{most:.3g}")
    with ui.element("div").classes("gs-legend"):
        text(ends[0], tag="span")
        ui.element("span").classes("gs-scale signed" if signed else "gs-scale")
        text(ends[1], tag="span")


def scrolls(label: str) -> ui.element:
    """A box whose content may be longer than it is, and that a keyboard can scroll.

    Args:
        label: What is in it.
    """
    box = ui.element("div").classes("gs-scrolls")
    box.props["tabindex"], box.props["role"], box.props["aria-label"] = 0, "region", label
    return box


def note(words: str) -> ui.html:
    """A remark below a picture.

    Args:
        words: Its text.
    """
    return text(words).classes("note small")


def photo(array: Array, span: tuple[float, float]) -> NDArray[np.uint8]:
    """A sample's own image in its colours.

    Args:
        array: `(height, width, 1 or 3)`.
        span: The smallest and the largest number that images have.
    """
    low, high = span
    share = (np.asarray(array, np.float64) - low) / ((high - low) or 1.0)
    return np.broadcast_to(
        np.rint(255 * np.clip(share, 0, 1)), (*array.shape[:2], 3)
    ).astype(np.uint8)  # fmt: skip


def is_image(array: Array) -> bool:
    """Whether an array is an image of one or three channels.

    Args:
        array: Of one sample.
    """
    return array.ndim == 3 and array.shape[-1] in (1, 3)
