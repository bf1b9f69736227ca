"""An open layer: what it makes of the sample, and how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, final

import numpy as np
from nicegui import ui

from gatescope.report.shades import shades
from gatescope.scope.parameters_view import AXES, named_shape
from gatescope.studio import charts
from gatescope.studio.frame import card, heading, set_text, text, whole_table
from gatescope.studio.rooms.network.gates import draw_gates
from gatescope.studio.rooms.network.looks import Array, LayerLook, LayerRow, SampleLook, Where
from gatescope.studio.rooms.network.pictures import (
    Spot,
    drawn,
    is_signed,
    legend,
    note,
    picture,
    scrolls,
    tiled,
)

MOST_TILES = 64
_MOST_BARS = 512
_MOST_CELLS = 1 << 20  # of a picture
_OPS = ("operation", "output", "mean ± deviation", "asked for")

ChooseUnit = Callable[[tuple[int, ...]], Awaitable[None]]
DrawSeed = Callable[[int], Awaitable[None]]


@final
class LayerView:
    """The part of a page that shows one layer.

    Args:
        choose: Told which number of the output is to be opened.
        draw_seed: Told the seed of another draw of dropout.
    """

    def __init__(self, choose: ChooseUnit, draw_seed: DrawSeed) -> None:
        self._choose, self._draw_seed = choose, draw_seed
        self.sample: SampleLook | None = None
        self._look: LayerLook | None = None
        self._place: tuple[int, ...] = ()
        self._box = ui.element("div").classes("gs-stack")
        self._numbers: list[ui.number] = []
        self._pictures: ui.element | None = None

    @property
    def place(self) -> tuple[int, ...] | None:
        """The number of the output that is pointed at; None where there is none to open."""
        output = self._look.output if self._look else None
        return self._place if output is not None and output.dtype.kind == "f" else None

    def show(self, look: LayerLook, row: LayerRow | None, seed: int, where: Where | None) -> None:
        """Draws a layer.

        Args:
            look: The layer.
            row: Its line in the list; None where it has none.
            seed: Of the draw of dropout.
            where: The open unit; None for none.
        """
        self._look = look
        self._place = self._first_place(where)
        self._box.clear()
        with self._box:
            heading(f"{look.name} · {look.kind}")
            text(_facts(look, row)).classes("note")
            with ui.element("div").classes("gs-columns half"):
                self._draw_output()
                with ui.element("div").classes("gs-stack"):
                    self._draw_kernel()
                    self._draw_winners()
                    self._draw_mask(seed)
                    _draw_ops(look)
            if look.gates:
                draw_gates(look, self.sample)

    def mark(self, where: Where) -> None:
        """Shows which unit is open.

        Args:
            where: The unit.
        """
        if self._look is None or where.gate is not None or where.layer != self._look.name:
            return
        if where.place != self._place:
            self._place = where.place
            self._show_place()

    def _first_place(self, where: Where | None) -> tuple[int, ...]:
        """The open unit of this layer; or the largest number of its output."""
        output = self._look.output if self._look else None
        if output is None:
            return ()
        if where and where.gate is None and self._look and where.layer == self._look.name:
            place = where.place
            if len(place) == output.ndim and all(np.array(place) < output.shape):
                return place
        finite = np.nan_to_num(np.asarray(output, np.float64), nan=-np.inf)
        return tuple(map(int, np.unravel_index(int(finite.argmax()), output.shape)))

    def _draw_output(self) -> None:
        output = self._look.output if self._look else None
        self._numbers, self._pictures = [], None
        if output is None or output.ndim == 0 or not output.size:
            return
        with card("What it makes of the sample", level=3):
            self._pictures = ui.element("div").classes("gs-stack tight")
            self._draw_chooser(output)
        self._redraw()

    def _draw_chooser(self, output: Array) -> None:
        names = AXES.get(output.ndim, tuple(f"axis {axis}" for axis in range(output.ndim)))
        singular = {"units": "unit", "steps": "step", "features": "feature", "height": "row",
                    "width": "column", "channels": "channel"}  # fmt: skip
        with ui.element("div").classes("gs-row"):
            for name, size, place in zip(names, output.shape, self._place, strict=True):
                label = f"{singular.get(name, name).capitalize()}, 0 to {size - 1}"
                number = ui.number(label, value=place, min=0, max=size - 1, step=1, format="%d")
                number.props("dense").classes("gs-short")
                number.on("change", self._typed)
                self._numbers.append(number)
            self._told = text("", tag="span").classes("value")

    async def _typed(self) -> None:
        output = self._look.output if self._look else None
        values = [number.value for number in self._numbers]
        if output is None or None in values:
            return
        place = tuple(int(value) for value in values)
        if all(0 <= one < size for one, size in zip(place, output.shape, strict=True)):
            await self._pointed(place)

    async def _pointed(self, place: tuple[int, ...]) -> None:
        self._place = place
        self._show_place()
        await self._choose(place)

    def _show_place(self) -> None:
        for number, one in zip(self._numbers, self._place, strict=False):
            number.set_value(one)
        self._redraw()

    def _redraw(self) -> None:
        output = self._look.output if self._look else None
        if output is None or not self._place or self._pictures is None:
            return
        set_text(self._told, f"= {float(output[self._place]):.4g}")
        self._pictures.clear()
        with self._pictures:
            if output.ndim == 3 and output.shape[0] * output.shape[1] > 1:
                self._draw_maps(output)
            elif output.ndim == 2:
                self._draw_matrix(output)
            elif output.size <= _MOST_BARS:
                self._draw_bars(output)

    def _draw_maps(self, output: Array) -> None:
        """Feature maps: all channels small, the chosen one large."""
        row, column, channel = self._place
        height, width, count = output.shape
        signed = is_signed(output)
        most = min(count, MOST_TILES, max(1, _MOST_CELLS // (height * width)))
        first = channel // most * most
        maps = np.asarray(output[..., first : first + most], np.float64)
        tiles = tiled(maps, columns=8 if most > 4 else 4, signed=signed)

        async def chose(across: float, down: float) -> None:
            if (tile := tiles.at(across, down)) is not None:
                await self._pointed((row, column, first + tile))

        async def pointed(across: float, down: float) -> None:
            await self._pointed(
                (_cell(down, height), _cell(across, width), channel)
            )  # fmt: skip

        shown = f"channels {first} to {first + maps.shape[-1] - 1} of {count}"
        alt = f"Feature maps, {shown}; click one to choose it"
        picture(drawn(tiles.colours, alt, spots=[tiles.spot(channel - first)]), chose).classes(
            "wide"
        )
        note(f"All feature maps, {shown}. Click one.")
        alone = shades(np.asarray(output[..., channel], np.float64), signed=signed,
                       largest=float(np.abs(maps).max()))  # fmt: skip
        alt = f"Feature map {channel}, {height} by {width}; click a pixel to open it"
        picture(drawn(alone, alt, spots=[Spot(row, column)]), pointed)
        note(f"Channel {channel}, large. Click a pixel to open it.")
        legend(maps, signed=signed)

    def _draw_matrix(self, output: Array) -> None:
        """Steps from left to right, features from top to bottom."""
        steps, features = output.shape
        signed = is_signed(output)
        step, feature = self._place

        async def pointed(across: float, down: float) -> None:
            await self._pointed((_cell(across, steps), _cell(down, features)))

        colours = shades(np.asarray(output.T, np.float64), signed=signed)
        alt = f"Output, {steps} steps from left to right, {features} features; click one to open it"
        picture(drawn(colours, alt, spots=[Spot(feature, step)]), pointed).classes("wide")
        note("Steps → · features ↓. Click a cell to open it.")
        legend(np.asarray(output, np.float64), signed=signed)

    def _draw_bars(self, output: Array) -> None:
        numbers = np.asarray(output, np.float64).reshape(-1)
        shape = output.shape

        async def pointed(event: Any) -> None:
            place = np.unravel_index(int(event.data_index), shape)
            await self._pointed(tuple(map(int, place)))

        chosen = int(np.ravel_multi_index(self._place, shape))
        shown = charts.chart(_bars(numbers, chosen), "The number of each unit", height="13rem")
        shown.on_point_click(pointed)
        note("Click a bar to open the unit.")

    def _draw_kernel(self) -> None:
        look = self._look
        kernel = look.kernel if look else None
        if look is None or kernel is None or kernel.ndim not in (2, 3, 4):
            return
        title = "Weights" if kernel.ndim == 2 else "Filters"
        with card(title, level=3):
            _draw_weights(np.asarray(kernel, np.float64), self._place)

    def _draw_winners(self) -> None:
        winners = self._look.winners if self._look else None
        if winners is None:
            return
        with card("Winners", level=3):
            channels = winners.source.shape[-1]
            start = self._place[-1] if self._place and self._place[-1] < channels else 0
            number = ui.number(f"Channel, 0 to {channels - 1}", value=start, min=0,
                               max=channels - 1, step=1, format="%d")  # fmt: skip
            number.props("dense").classes("gs-short")
            shown = ui.element("div").classes("gs-stack tight")

            def draw() -> None:
                if number.value is None or not 0 <= number.value < channels:
                    return
                channel = int(number.value)
                source = np.asarray(winners.source[..., channel], np.float64)
                rows, columns = winners.rows[..., channel], winners.columns[..., channel]
                dots = list(zip(rows.ravel().tolist(), columns.ravel().tolist(), strict=True))
                signed = is_signed(source)
                alt = f"Channel {channel} of what goes in; dots on the {len(dots)} winners"
                shown.clear()
                with shown:
                    picture(drawn(shades(source, signed=signed), alt, dots=dots))
                    note(f"What goes in. Of each window the dotted pixel is the largest, and alone "
                         f"goes on: {len(set(dots))} of {source.size} pixels.")  # fmt: skip
                    legend(source, signed=signed)

            number.on_value_change(lambda _: draw())
            draw()

    def _draw_mask(self, seed: int) -> None:
        look = self._look
        if look is None or look.mask is None:
            return
        mask = look.mask
        with card("Dropout mask", level=3):
            number = ui.number("Seed of the draw", value=seed, min=0, max=999_999, step=1,
                               format="%d").props("dense").classes("gs-short")  # fmt: skip

            async def again() -> None:
                if number.value is not None:
                    await self._draw_seed(int(number.value))

            number.on("change", again)
            kept = (mask > 0).astype(np.float64)
            colours, columns = _laid_out(kept)
            out = 1 - float(kept.mean())
            picture(drawn(colours, f"{out:.0%} of {mask.size} left out")).classes("wide")
            factor = float(mask.max())
            note(
                f"One step of training at this seed: {int((kept == 0).sum()):,} of {mask.size:,} "
                f"numbers are left out (light), {out:.0%} where the rate is {look.rate:.0%}. The "
                f"rest are multiplied by {factor:.4g}. While it predicts, nothing is left out."
                f"{columns}"
            )


def _cell(share: float, count: int) -> int:
    return min(max(int(share * count), 0), count - 1)


def _facts(look: LayerLook, row: LayerRow | None) -> str:
    told = [] if look.output is None else [f"Output: {named_shape(look.output.shape)}"]
    if row is not None:
        told.append(f"{row.parameters:,} parameters")
        if row.unshared is not None and row.unshared != row.parameters:
            told.append(f"{row.unshared:,} if no two places shared one")
        if row.dense is not None and row.dense not in (row.parameters, row.unshared):
            told.append(f"{row.dense:,} if every output saw every input")
        if row.multiply_adds:
            told.append(f"{row.multiply_adds:,} multiply-adds")
    if look.calls > 1:
        told.append(f"{look.calls} calls, the last is shown")
    return " · ".join(told)


def _bars(numbers: Array, chosen: int) -> charts.Options:
    data = [
        {
            "value": float(number) if np.isfinite(number) else None,
            "itemStyle": {"color": charts.COLOURS[1] if place == chosen else charts.COLOURS[0]},
        }
        for place, number in enumerate(numbers)
    ]
    return {
        "animation": False,
        "grid": {"left": 64, "right": 16, "top": 14, "bottom": 46},
        "tooltip": {"confine": True},
        "xAxis": charts.axis("unit", type="category", data=list(range(len(numbers)))),
        "yAxis": charts.axis("output", nameGap=46, scale=False),
        "series": [{"type": "bar", "data": data}],
    }


def _draw_weights(kernel: Array, place: tuple[int, ...]) -> None:
    """Filters of a convolution, or the matrix of a dense layer."""
    if kernel.ndim == 2:
        if kernel.size <= _MOST_CELLS:
            alt = f"Weights: {kernel.shape[0]} inputs from top to bottom, {kernel.shape[1]} units"
            picture(drawn(shades(kernel, signed=True), alt)).classes("wide")
            note(f"{kernel.shape[0]} inputs ↓ · {kernel.shape[1]} units →")
            legend(kernel, signed=True)
        return
    four = kernel if kernel.ndim == 4 else kernel[None]
    depth, filters = four.shape[2:]
    chosen = place[-1] if place and place[-1] < filters else 0
    number = ui.number(f"Input channel, 0 to {depth - 1}", value=0, min=0, max=depth - 1, step=1,
                       format="%d").props("dense").classes("gs-short")  # fmt: skip
    number.set_visibility(depth > 1)
    shown = ui.element("div").classes("gs-stack tight")

    def draw() -> None:
        if number.value is None or not 0 <= number.value < depth:
            return
        _redraw_filters(shown, four, int(number.value), chosen)

    number.on_value_change(lambda _: draw())
    draw()


def _redraw_filters(shown: ui.element, kernel: Array, channel: int, chosen: int) -> None:
    depth, filters = kernel.shape[2:]
    shown.clear()
    with shown:
        first = chosen // MOST_TILES * MOST_TILES
        seen = kernel[:, :, channel, first : first + MOST_TILES]
        tiles = tiled(seen, columns=8, signed=True)
        alt = f"Filters {first} to {first + seen.shape[-1] - 1} of {filters}"
        picture(drawn(tiles.colours, alt, spots=[tiles.spot(chosen - first)])).classes("wide")
        of = f" of input channel {channel}" if depth > 1 else ""
        note(f"{alt}: what each multiplies a window{of} by.")
        if depth > 1:
            own = tiled(kernel[:, :, :MOST_TILES, chosen], columns=8, signed=True)
            alt = f"Filter {chosen}: its {min(depth, MOST_TILES)} of {depth} input channels"
            picture(drawn(own.colours, alt, spots=[own.spot(channel)] if channel < MOST_TILES
                          else [])).classes("wide")  # fmt: skip
            note(f"{alt}.")
        legend(seen, signed=True)


def _laid_out(kept: Array) -> tuple[Any, str]:
    """A mask as a picture, and how it is laid out."""
    if kept.ndim == 3:
        tiles = tiled(kept[..., :MOST_TILES], columns=8, signed=False, largest=1.0)
        return tiles.colours, f" Each square is one of {kept.shape[-1]} channels."
    if kept.ndim == 2:
        return shades(kept.T, signed=False, largest=1.0), " Steps → · features ↓."
    units = kept.size
    columns = next((side for side in range(min(32, units), 3, -1) if units % side == 0), units)
    return shades(kept.reshape(-1, columns), signed=False, largest=1.0), " Units, row by row."


def _draw_ops(look: LayerLook) -> None:
    with card("Operations that TensorFlow runs", level=3):
        if not look.ops:
            text("None: what comes in goes on as it is.").classes("note")
            return
        rows = [dict(zip(_OPS, one, strict=True)) for one in look.ops]
        with scrolls("Operations").classes("gs-ops"):
            whole_table(rows, _OPS)
        if look.more_ops:
            note(f"and {look.more_ops:,} more")
