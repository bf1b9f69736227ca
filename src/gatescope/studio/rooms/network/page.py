"""The pages of the room: which networks there are, and one of them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, final
from urllib.parse import urlencode

from nicegui import app, ui
from starlette.requests import Request

from gatescope.errors import GatescopeError
from gatescope.runs.folder import list_runs, model_file
from gatescope.scope.parameters_view import named_shape
from gatescope.studio.engine import Engine
from gatescope.studio.folders import address_of, network_address, run_named
from gatescope.studio.frame import Studio, card, empty, room, set_text, text, whole_table
from gatescope.studio.rooms.network import asking
from gatescope.studio.rooms.network.layer import LayerView
from gatescope.studio.rooms.network.looks import Asked, LayerRow, Overview, Where
from gatescope.studio.rooms.network.sample import draw_sample
from gatescope.studio.rooms.network.unit import UnitView

_LOG = logging.getLogger("gatescope.studio")
_LEAD = "Choose a sample, open a layer, click a number: what made it, down to the inputs."
_FILL = "gatescope train convolution"
_OPENS = (
    '<q-td :props="props"><a :href="props.row.address" class="gs-link">{{ props.value }}</a></q-td>'
)
_CHOOSES = """<q-td :props="props"><button type="button" class="gs-layer-name"
  :aria-current="props.row.name === props.row.open ? 'true' : null"
  @click="$parent.$emit('choose', props.row.name)">{{ props.value }}</button></q-td>"""


def register(studio: Studio) -> None:
    """Opens the room.

    Args:
        studio: What it shows.
    """
    engine = Engine()
    app.on_shutdown(engine.close)

    @ui.page("/network")
    def networks() -> None:
        with room("Network", "Networks", "Look inside a network that was trained: choose one."):
            if _draw_list(studio.folder):
                ui.timer(0.1, lambda: engine.ask(asking.begin), once=True)
            else:
                empty(f"No run in {str(studio.folder)!r} keeps a model yet.", _FILL)

    @ui.page("/network/{name:path}")
    def network(name: str, request: Request) -> None:
        with room("Network", name, _LEAD):
            try:
                folder = run_named(name, studio.folder).folder
            except (GatescopeError, OSError) as error:
                if _draw_list(studio.folder, f"{name}/"):
                    return
                empty(getattr(error, "happened", str(error)), _FILL)
                ui.link("All networks", "/network").classes("gs-link")
                return
            if model_file(folder) is None:
                empty(
                    f"The run {name!r} keeps no model: it has not finished, or nothing saved one.",
                    _FILL,
                )
                with ui.element("div").classes("gs-row"):
                    ui.link("Its curves", address_of(name)).classes("gs-link")
                    ui.link("All networks", "/network").classes("gs-link")
                return
            NetworkView(name, folder, engine, dict(request.query_params))


def _draw_list(root: Path, begin: str = "") -> bool:
    """Draws the runs that keep a model, of those whose names begin so, if there are any."""
    runs = list_runs(root).runs if root.is_dir() else []
    rows = [
        {"run": one.run, "training": one.name, "step": one.last_step, "loss": _short(one.loss),
         "address": network_address(one.run)}
        for one in runs
        if one.run.startswith(begin) and model_file(root / one.run)
    ]  # fmt: skip
    if not rows:
        return False
    with card("Trained networks"):
        heads = ("run", "training", "step", "loss")
        table = whole_table(rows, heads, numbers=heads[2:])
        table.add_slot("body-cell-run", _OPENS)
    return True


def _short(loss: float | None) -> str:
    return "–" if loss is None else f"{loss:.4g}"


@final
class NetworkView:
    """The page of one visitor.

    Args:
        name: Of the run, within the folder of runs.
        folder: Of the run.
        engine: Where networks run.
        query: What the address asks for: `layer`, `unit`, `gate`, `sample`, `text`, `seed`.
    """

    def __init__(self, name: str, folder: Path, engine: Engine, query: Mapping[str, str]) -> None:
        self._name, self._engine = name, engine
        self._asked = Asked(folder, _whole(query.get("sample", "")) or 0, query.get("text", ""))
        self._layer = query.get("layer", "")
        self._where = _where_asked(query)
        self._seed = _whole(query.get("seed", "")) or 0
        self._overview: Overview | None = None
        self._turn = 0
        self._problem = text("").classes("gs-problem").props('role="alert"')
        self._waits = ui.element("div").classes("gs-waits").props('role="status"')
        with self._waits:
            ui.spinner(size="1.5rem")
            self._doing = text("")
        with ui.element("div").classes("gs-network") as self._whole_page:
            with card("Sample"):
                self._sample = ui.element("div").classes("gs-stack tight")
            with card("Layers") as self._layers_card:
                self._layers = ui.element("div")
        self._layer_view = LayerView(self._choose_unit, self._draw_seed)
        self._unit_view = UnitView(engine, self._follow)
        self._whole_page.set_visibility(False)
        ui.timer(0.01, self._begin, once=True)

    async def _begin(self) -> None:
        async with self._waiting("Starting TensorFlow and opening the network …"):
            self._overview = await self._engine.ask(asking.overview, self._asked.folder)
        if self._overview is None:
            return
        self._whole_page.set_visibility(True)
        if not self._layer and self._overview.layers:
            self._layer = _first_of_interest(self._overview)
        self._draw_layers()
        await self._look()

    @asynccontextmanager
    async def _waiting(self, doing: str) -> AsyncIterator[None]:
        """Says what goes on meanwhile, and what went wrong."""
        set_text(self._doing, doing)
        self._waits.set_visibility(True)
        set_text(self._problem, "")
        try:
            yield
        except GatescopeError as error:
            self._say(f"{error.happened}. {error.fix}")
        except OSError as error:
            self._say(f"The run cannot be read: {error.strerror or error}")
        except Exception:  # noqa: BLE001 - of a user's own network, anything
            self._say("This network cannot be looked into; the studio's log says why.")
            _LOG.exception("looking into a network failed")
        finally:
            self._waits.set_visibility(False)

    def _say(self, problem: str) -> None:
        set_text(self._problem, problem)

    async def _look(self) -> None:
        """Shows the sample, the layer and the unit as they are asked for now."""
        self._turn += 1
        turn = self._turn
        ui.navigate.history.replace(self._address)
        async with self._waiting("Running the network on the sample …"):
            look = await self._engine.ask(asking.sample, self._asked)
            if turn != self._turn or self._overview is None:
                return
            self._sample.clear()
            with self._sample:
                draw_sample(look, self._overview, self._asked, self._choose_sample)
            self._layer_view.sample = self._unit_view.sample = look
        await self._open_layer()
        await self._open_unit()

    async def _open_layer(self) -> None:
        wanted = self._asked, self._layer, self._seed
        async with self._waiting(f"Opening {self._layer} …"):
            look = await self._engine.ask(asking.layer, *wanted)
            # Not what a unit was chosen meanwhile: a field that is left tells its number late.
            if wanted != (self._asked, self._layer, self._seed):
                return
            self._layer_view.show(look, self._row(look.name), self._seed, self._where)
            place = self._layer_view.place
            if self._where is None and place is not None:
                self._where = Where(look.name, place)
                ui.navigate.history.replace(self._address)

    async def _open_unit(self) -> None:
        turn, where = self._turn, self._where
        if where is None:
            self._unit_view.hide()
            return
        async with self._waiting("Opening the unit …"):
            await self._unit_view.show(self._asked, where, lambda: turn == self._turn)

    def _row(self, name: str) -> LayerRow | None:
        rows = self._overview.layers if self._overview else ()
        return next((row for row in rows if row.name == name), None)

    def _draw_layers(self) -> None:
        self._layers.clear()
        if self._overview is None:
            return
        with self._layers:
            text(_totals(self._overview)).classes("note")
            words = ui.input("Filter layers").props("dense clearable")
            self._table = ui.table(
                rows=self._layer_rows(), columns=_columns(), row_key="name", pagination=0,
            ).props("flat dense hide-pagination").classes("gs-layers")  # fmt: skip
            self._table.add_slot("body-cell-layer", _CHOOSES)
            self._table.on("choose", lambda event: self._choose_layer(str(event.args)))
            words.bind_value_to(self._table, "filter", forward=lambda value: value or "")
            words.set_visibility(len(self._overview.layers) > 12)

    def _layer_rows(self) -> list[dict[str, Any]]:
        rows = self._overview.layers if self._overview else ()
        return [
            {"name": row.name, "open": self._layer, "layer": row.name, "kind": row.kind,
             "output": "–" if row.shape is None else named_shape(row.shape),
             "parameters": f"{row.parameters:,}",
             "without sharing": _count(row.unshared), "multiply-adds": _count(row.multiply_adds)}
            for row in rows
        ]  # fmt: skip

    async def _choose_layer(self, name: str) -> None:
        self._turn += 1
        self._layer, self._where = name, None
        self._table.rows = self._layer_rows()
        ui.navigate.history.replace(self._address)
        await self._open_layer()
        await self._open_unit()

    async def _choose_unit(self, place: tuple[int, ...]) -> None:
        await self._go(Where(self._layer, place))

    async def _follow(self, where: Where) -> None:
        """Goes to a number, and opens its layer beside it."""
        if where.layer and where.layer != self._layer:
            self._layer = where.layer
            self._table.rows = self._layer_rows()
            self._where = where
            await self._open_layer()
        await self._go(where)

    async def _go(self, where: Where) -> None:
        self._turn += 1
        self._where = where
        ui.navigate.history.replace(self._address)
        self._layer_view.mark(where)
        await self._open_unit()

    async def _choose_sample(self, sample: int, written: str) -> None:
        if (sample, written) == (self._asked.sample, self._asked.text):
            return
        self._asked = Asked(self._asked.folder, sample, written)
        await self._look()

    async def _draw_seed(self, seed: int) -> None:
        self._turn += 1
        self._seed = seed
        ui.navigate.history.replace(self._address)
        await self._open_layer()

    @property
    def _address(self) -> str:
        told: dict[str, str] = {"layer": self._layer}
        if self._asked.text:
            told["text"] = self._asked.text
        else:
            told["sample"] = str(self._asked.sample)
        if self._where is not None:
            told["unit"] = ",".join(map(str, self._where.place))
            if self._where.gate is not None:
                told["gate"] = str(self._where.gate)
        if self._seed:
            told["seed"] = str(self._seed)
        return f"{network_address(self._name)}?{urlencode(told)}"


def _first_of_interest(found: Overview) -> str:
    """The first layer that has weights."""
    return next((row.name for row in found.layers if row.parameters), found.layers[0].name)


def _where_asked(query: Mapping[str, str]) -> Where | None:
    places = [_whole(one) for one in query.get("unit", "").split(",")]
    if None in places or "layer" not in query:
        return None
    known = tuple(place for place in places if place is not None)
    return Where(query["layer"], known, _whole(query.get("gate", "")))


def _whole(written: str) -> int | None:
    return int(written) if written.isdecimal() and len(written) < 10 else None


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _totals(found: Overview) -> str:
    totals = found.totals
    told = f"{totals.parameters:,} parameters"
    if totals.unshared and totals.unshared > totals.parameters:
        times = totals.unshared / max(1, totals.parameters)
        told += f"; without sharing {totals.unshared:,}, {times:,.0f} times as many" \
            if times >= 1.5 else f"; without sharing {totals.unshared:,}"  # fmt: skip
    if totals.multiply_adds is not None:
        told += f". {totals.multiply_adds:,} multiply-adds a sample"
    return f"{told}. The network {found.what}."


def _columns() -> list[dict[str, Any]]:
    right = ("parameters", "without sharing", "multiply-adds")
    return [
        {"name": name, "label": name, "field": name, "align": "right" if name in right else "left"}
        for name in ("layer", "kind", "output", *right)
    ]
