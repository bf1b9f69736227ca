"""The room of one run: curves, what layers did at each step, findings; one slider through time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, final
from urllib.parse import urlencode

from nicegui import run as threads
from nicegui import ui
from starlette.requests import Request

from gatescope.doctor.view import kept_section
from gatescope.errors import GatescopeError
from gatescope.runs.folder import model_file
from gatescope.runs.open import Run
from gatescope.runs.view import facts, settings, structure
from gatescope.studio import charts, pictures
from gatescope.studio.folders import address_of, network_address, run_named
from gatescope.studio.frame import PATIENCE, Studio, card, empty, room, set_text, text, whole_table

_LEAD = (
    "Curves, what every layer did, and what was found. The slider at the foot moves all of it "
    "through time."
)
_SECONDS = 2.0
_FACTS = ("status", "error", "started", "recorded for", "last step", "script")
_KEPT = 64  # states of runs, for all who look at the same one


@dataclass(frozen=True)
class Asked:
    """What of a run is looked at; the page's address holds it.

    Args:
        step: Of training, which the slider stands at; None for the last.
        between: The steps that pictures show; None for all.
        statistic: Of the heat map; empty for the first.
        layer: Of the distribution; empty for the first.
    """

    step: int | None = None
    between: pictures.Between = None
    statistic: str = ""
    layer: str = ""


@dataclass(frozen=True)
class Look:
    """What the page shows of a run in one of its states.

    Args:
        state: By which it is told from others.
        last: The latest step.
        told: Facts in words.
        has_model: Whether its network can be looked into.
        charts: Options of each chart by its title.
        statistics: What there are heat maps of.
        layers: What there are distributions of.
        rows: What each layer did at the step.
        findings: Of the doctor.
    """

    state: tuple[object, ...]
    last: int
    told: list[tuple[str, str]]
    has_model: bool
    charts: dict[str, charts.Options]
    statistics: dict[str, str]
    layers: list[str]
    rows: list[dict[str, str]]
    findings: list[dict[str, Any]]

    @property
    def parts(self) -> tuple[object, ...]:
        """What the page is made of; while it stays, numbers alone are exchanged."""
        columns = tuple(self.rows[0]) if self.rows else ()
        return tuple(self.charts), tuple(self.layers), columns, len(self.findings)


HEAT, DISTRIBUTION = "Layers over time", "Distribution of a layer's output"


def look_at(run: Run, state: tuple[object, ...], asked: Asked) -> Look:
    """Reads what the page shows.

    Args:
        run: The run.
        state: It is in.
        asked: What is looked at.

    Raises:
        RunError: The run is damaged.
        OSError: It is gone.
    """
    last = run.last_step or 0
    statistics, layers = pictures.shown_statistics(run), pictures.shown_layers(run)
    drawn = pictures.metrics(run, asked.between)
    if statistics:
        chosen = asked.statistic if asked.statistic in statistics else next(iter(statistics))
        drawn[HEAT] = pictures.heat_map(run, chosen, asked.between)
    if layers:
        layer = asked.layer if asked.layer in layers else layers[0]
        drawn[DISTRIBUTION] = pictures.distribution(run, layer, asked.between)
    step = last if asked.step is None else asked.step
    told = [
        (label, Path(str(value)).name if label == "script" else str(value))
        for label, value in facts(run)
        if label in _FACTS
    ]
    has_model = model_file(run.folder) is not None
    rows = pictures.layers_at(run, step)
    return Look(state, last, told, has_model, drawn, statistics, layers, rows, run.findings)


def state_of(run: Run) -> tuple[object, ...]:
    """Changes when there is more to show.

    Args:
        run: The run.
    """
    return run.status, run.last_step, repr(run.findings), model_file(run.folder) is not None


def register(studio: Studio) -> None:
    """Opens the room.

    Args:
        studio: What it shows.
    """

    @lru_cache(_KEPT)
    def shared(folder: Path, state: tuple[object, ...], asked: Asked) -> Look:
        run = Run(folder)
        with run.at_one_moment():
            return look_at(run, state, asked)

    @ui.page("/runs/{name:path}", response_timeout=PATIENCE)
    async def one_run(name: str, request: Request) -> None:
        with room("Runs", name, _LEAD):
            await RunView(name, studio, asked_in(request.query_params), shared).open()


def asked_in(query: Mapping[str, str]) -> Asked:
    """What an address asks for; what it cannot mean is left out.

    Args:
        query: Of the address.
    """
    step, low, high = (_step(query.get(name, "")) for name in ("step", "from", "to"))
    between = (low, high) if low is not None and high is not None and low < high else None
    return Asked(step, between, query.get("statistic", ""), query.get("layer", ""))


def within(asked: Asked, last: int) -> Asked:
    """What is looked at of a run that ends before.

    Args:
        asked: What an address asks for.
        last: Step of the run.
    """
    between = asked.between if asked.between and asked.between[0] < last else None
    step = asked.step if asked.step is not None and asked.step < last else None
    return replace(asked, step=step, between=between)


def _step(written: str) -> int | None:
    return int(written) if written.isdecimal() and len(written) < 19 else None


@final
class RunView:
    """The page of one visitor.

    Args:
        name: Of the run, within the folder of runs.
        studio: What is shown.
        asked: What is looked at first.
        look: Reads a state of the run.
    """

    def __init__(self, name: str, studio: Studio, asked: Asked, look: Callable[..., Look]) -> None:
        self._name, self._studio, self._asked, self._look = name, studio, asked, look
        self._charts: dict[str, ui.echart] = {}
        self._table: ui.table | None = None
        self._shown: Look | None = None
        self._told = ui.element("dl").classes("facts")
        self._body = ui.element("div").classes("gs-stack")
        self._foot = ui.element("div").classes("gs-time")
        self._timer = ui.timer(_SECONDS, self._refresh, immediate=False)

    async def open(self) -> None:
        """Draws the page."""
        with self._foot:
            self._draw_time()
        await self._refresh()
        if self._shown is None:  # it cannot be read, and the page says why
            return
        asked, self._asked = self._asked, within(self._asked, self._shown.last)
        if asked != self._asked:
            await self._again()

    async def _refresh(self) -> None:
        """Shows what has been written since."""
        await self._show_of(self._shown.state if self._shown else None)

    async def _again(self) -> None:
        """Shows the run as it is looked at now."""
        self._remember()
        await self._show_of(None)

    async def _show_of(self, known: tuple[object, ...] | None) -> None:
        asked = self._asked
        try:
            found = await threads.io_bound(self._read, asked, known)
        except (GatescopeError, OSError) as error:
            self._gone(error)
            return
        if found is not None and asked == self._asked:
            self._show(found)

    def _read(self, asked: Asked, known: tuple[object, ...] | None) -> Look | None:
        """What there is to show, unless it is what is known already."""
        run = run_named(self._name, self._studio.folder)
        state = state_of(run)
        return None if state == known else self._look(run.folder, state, asked)

    def _gone(self, error: Exception) -> None:
        self._timer.deactivate()
        for each in (self._told, self._body, self._foot):
            each.clear()
        self._foot.set_visibility(False)
        with self._body:
            empty(f"{getattr(error, 'happened', str(error))}.".capitalize(), "gatescope runs")
            ui.link("All runs", "/runs").classes("gs-link")

    def _show(self, found: Look) -> None:
        before, self._shown = self._shown, found
        self._tell()
        self._follow()
        if before is None or before.parts != found.parts or not self._charts:
            self._draw()
            return
        for title, options in found.charts.items():
            charts.redraw(self._charts[title], self._marked(options))
        if self._table:
            self._table.rows = list(found.rows)

    @property
    def _now(self) -> Look:
        if self._shown is None:
            raise RuntimeError("the run has not been read")
        return self._shown

    @property
    def _step(self) -> int:
        return self._now.last if self._asked.step is None else self._asked.step

    def _tell(self) -> None:
        self._told.clear()
        with self._told:
            for label, value in self._now.told:
                with ui.element("div"):
                    text(label, tag="dt")
                    text(value, tag="dd")
        if self._now.has_model:
            with self._told:
                ui.link("Look inside the network", network_address(self._name)).classes("gs-link")

    def _draw_time(self) -> None:
        """The slider through time, and the one that chooses a stretch of it."""
        with ui.element("div").classes("gs-moment"):
            text("Step", tag="span")
            self._slider = ui.slider(
                min=0, max=1, value=0, on_change=lambda event: self._moved(int(event.value))
            ).props('aria-label="Step of training"')
            self._at = text("", tag="span").classes("value")
            text("Shown", tag="span")
            self._range = ui.range(min=0, max=1, value={"min": 0, "max": 1})
            # One slider to those who do not see it: its two ends are a value that no slider has.
            self._range.props('role=group aria-label="Steps shown"')
            self._from = text("", tag="span").classes("value")
        self._range.on("change", lambda event: self._narrowed(event.args))

    def _follow(self) -> None:
        """Puts the sliders where the page is."""
        last, between = self._now.last, self._asked.between
        end = max(last, 1)
        self._slider.props["max"] = self._range.props["max"] = end
        self._slider.set_value(self._step)
        low, high = between or (0, end)
        self._range.set_value({"min": low, "max": high})
        for name in ("now", "min", "max"):
            self._range.props[f"aria-value{name}"] = None
        self._range.props["aria-orientation"] = None
        set_text(self._at, f"{self._step:,}")
        set_text(self._from, f"{low:,} – {high:,}" if between else "all")
        self._foot.set_visibility(last > 0)

    async def _moved(self, step: int) -> None:
        if step == self._step:  # it was put there
            return
        self._asked = replace(self._asked, step=None if step >= self._now.last else step)
        set_text(self._at, f"{self._step:,}")
        for drawn in self._charts.values():
            marked = pictures.mark(drawn.options, self._step)
            drawn.options["series"][0].update(marked)
            drawn.run_chart_method("setOption", {"series": [marked]})
        self._remember()
        asked = self._asked
        try:
            run = run_named(self._name, self._studio.folder)
            rows = await threads.io_bound(pictures.layers_at, run, self._step)
        except (GatescopeError, OSError) as error:
            self._gone(error)
            return
        if self._table and rows is not None and asked == self._asked:
            self._table.rows = rows

    async def _narrowed(self, chosen: Mapping[str, int]) -> None:
        low, high = int(chosen["min"]), int(chosen["max"])
        whole = low <= 0 and high >= self._now.last
        between = None if whole or low == high else (low, high)
        self._asked = replace(self._asked, between=between)
        await self._again()

    async def _choose(self, name: str, value: str) -> None:
        self._asked = replace(self._asked, **{name: value})  # type: ignore[arg-type]
        await self._again()

    def _remember(self) -> None:
        asked = self._asked
        low, high = asked.between or (None, None)
        told = {"step": asked.step, "from": low, "to": high, "statistic": asked.statistic,
                "layer": asked.layer}  # fmt: skip
        query = urlencode({name: value for name, value in told.items() if value not in (None, "")})
        ui.navigate.history.replace(address_of(self._name) + (f"?{query}" if query else ""))

    def _marked(self, options: charts.Options) -> charts.Options:
        """A copy with a line at the step, for options are shared between visitors."""
        first, *others = options["series"]
        return options | {"series": [first | pictures.mark(options, self._step), *others]}

    def _draw(self) -> None:
        """Everything anew."""
        self._charts.clear()
        self._body.clear()
        self._table = None
        with self._body:
            self._draw_metrics()
            self._draw_findings()
            self._draw_layers()
            self._draw_rest()

    def _draw_metrics(self) -> None:
        names = [name for name in self._now.charts if name not in (HEAT, DISTRIBUTION)]
        if not names:
            empty("Nothing has been recorded yet.", "gatescope run your_script.py")
        self._draw_some([name for name in names if not pictures.is_of_data(name)])
        if of_data := [name for name in names if pictures.is_of_data(name)]:
            with ui.expansion("What went in: inputs and targets").classes("gs-fold"):
                self._draw_some(of_data)

    def _draw_some(self, names: Sequence[str]) -> None:
        with ui.element("div").classes("gs-columns even"):
            for name in names:
                with card(name.replace("_", " ")):
                    self._add(name, f"{name} at each step")

    def _draw_layers(self) -> None:
        now = self._now
        if HEAT in now.charts:
            with card(HEAT):
                self._choice("Shown", now.statistics, "statistic")
                height = f"{5 + 1.3 * min(len(now.charts[HEAT]['yAxis']['data']), 40):.1f}rem"
                self._add(HEAT, "A statistic of each layer at each step", height=height)
        if now.rows:
            with card("Layers at this step"):
                names = list(now.rows[0])
                self._table = whole_table(now.rows, names, numbers=names[1:])
        if DISTRIBUTION in now.charts:
            with card(DISTRIBUTION):
                self._choice("Layer", {name: name for name in now.layers}, "layer")
                self._add(DISTRIBUTION, "Smallest, mean and largest output at each step",
                          height="20rem")  # fmt: skip

    def _choice(self, label: str, offered: Mapping[str, str], name: str) -> None:
        asked = getattr(self._asked, name)
        value = asked if asked in offered else next(iter(offered))
        ui.select(
            dict(offered), label=label, value=value,
            on_change=lambda event: self._choose(name, str(event.value)),
        ).classes("gs-choice")  # fmt: skip

    def _add(self, title: str, label: str, **settings: str) -> None:
        options = self._marked(self._now.charts[title])
        self._charts[title] = charts.chart(options, label, **settings)

    def _draw_findings(self) -> None:
        if not self._now.findings:
            return
        with card("Findings"):
            for place, content in enumerate(self._now.findings):
                mark = "proved" if content.get("proved") else "not proved"
                title = f"{content.get('cause', 'A finding')} ({mark})"
                with ui.expansion(title, value=place == 0).classes("gs-fold"):
                    ui.html(kept_section(content), sanitize=False)

    def _draw_rest(self) -> None:
        run = run_named(self._name, self._studio.folder)
        columns, rows = structure(run)
        if rows:
            with card("Architecture"):
                _plain_table(columns, rows)
        for title, content in (
            ("Configuration", run.configuration),
            ("Environment", run.environment),
        ):
            if told := settings(content):
                with card(title):
                    _plain_table(("setting", "value"), told)


def _plain_table(columns: Any, rows: Any) -> None:
    told = [{name: str(cell) for name, cell in zip(columns, row, strict=True)} for row in rows]
    whole_table(told, columns)
