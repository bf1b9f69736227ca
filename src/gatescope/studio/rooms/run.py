"""The room of one run: curves, what layers did at each step, findings; one slider through time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, final

import numpy as np
from nicegui import ui
from starlette.requests import Request

from gatescope.doctor.view import kept_section
from gatescope.errors import GatescopeError
from gatescope.report.series import Series
from gatescope.runs.folder import model_file
from gatescope.runs.open import Run
from gatescope.runs.view import curves, facts, settings, structure
from gatescope.studio import charts
from gatescope.studio.folders import address_of, network_address, run_named
from gatescope.studio.frame import Studio, card, empty, room, text, whole_table

_SECONDS = 2.0
_COLUMNS = 160  # of a heat map: as many as there are pixels to tell apart
_POINTS = 800
_HEAT = {
    "deviation": "how far outputs spread",
    "gradient": "size of the gradient",
    "update_ratio": "size of an update over that of the weights",
    "dead": "share of dead units",
    "saturated": "share of saturated outputs",
    "zeros": "share of zeros",
}
_SHARES = ("dead", "saturated", "zeros")


def register(studio: Studio) -> None:
    """Opens the room.

    Args:
        studio: What it shows.
    """

    @ui.page("/runs/{name:path}")
    def one_run(name: str, request: Request) -> None:
        with room("Runs", name, "Curves, what every layer did, and what was found. The slider "
                  "moves all of it through time."):  # fmt: skip
            try:
                run = run_named(name, studio.folder)
                RunView(name, run, studio, request.query_params.get("step", ""))
            except (GatescopeError, OSError) as error:
                _gone(error)


def _gone(error: Exception) -> None:
    empty(getattr(error, "happened", str(error)), "gatescope runs")
    ui.link("All runs", "/runs")


@final
class RunView:
    """The page of one visitor.

    Args:
        name: Of the run, within the folder of runs.
        run: The run.
        studio: What is shown.
        step: Of training, which the slider stands at; empty for the last.
    """

    def __init__(self, name: str, run: Run, studio: Studio, step: str) -> None:
        self._name, self._run, self._studio = name, run, studio
        self._pinned = int(step) if step.isdigit() else None
        self._charts: list[tuple[ui.echart, Callable[[], charts.Options]]] = []
        self._told = ui.element("div")
        with card("Step") as self._time:
            self._slider = ui.slider(min=0, max=1, value=0, on_change=self._moved)
            self._slider.props('label aria-label="Step of training"')
            self._layers = ui.element("div")
        self._draw_curves()
        self._draw_heat()
        self._draw_layer()
        self._draw_findings()
        self._draw_rest()
        self._seen: tuple[object, ...] = ()
        self._refresh()
        self._timer = ui.timer(_SECONDS, self._refresh)

    def _refresh(self) -> None:
        """Reads what has been written since."""
        try:
            run = run_named(self._name, self._studio.folder)
            seen = run.status, run.last_step, len(run.findings)
            if seen == self._seen:
                return
            self._seen, self._run = seen, run
            self._tell()
            last = max(run.last_step or 0, 1)
            self._slider.props(f"max={last}")
            if self._pinned is None:
                self._slider.set_value(last)
            for drawn, options in self._charts:
                charts.redraw(drawn, self._marked(options()))
            self._show_layers()
        except (GatescopeError, OSError) as error:
            self._timer.deactivate()
            self._told.clear()
            with self._told:
                _gone(error)

    def _tell(self) -> None:
        self._told.clear()
        with self._told, ui.element("dl").classes("facts"):
            for label, value in facts(self._run):
                if label in ("status", "started", "recorded for", "last step", "error"):
                    with ui.element("div"):
                        text(label, tag="dt")
                        text(str(value), tag="dd")
        if model_file(self._run.folder) is not None:
            with self._told:
                ui.link("Look inside the network", network_address(self._name)).classes("gs-link")

    @property
    def _step(self) -> int:
        return int(self._slider.value)

    def _moved(self, event: Any) -> None:
        last = max(self._run.last_step or 0, 1)
        self._pinned = None if int(event.value) >= last else int(event.value)
        asked = "" if self._pinned is None else f"?step={self._pinned}"
        ui.navigate.history.replace(f"{address_of(self._name)}{asked}")
        for drawn, _ in self._charts:
            drawn.run_chart_method("setOption", {"series": [self._mark(drawn.options)]})
        self._show_layers()

    def _mark(self, options: charts.Options) -> charts.Options:
        """A line at the step that the slider stands at."""
        at: Any = self._step
        columns = options["xAxis"].get("data")
        if columns:
            at = str(columns[int(np.searchsorted(np.array(columns, int), at, "right")) - 1])
        line = {"color": charts.COLOURS[1], "type": "solid", "width": 1}
        return {"markLine": {"silent": True, "symbol": "none", "animation": False,
                             "label": {"show": False}, "lineStyle": line,
                             "data": [{"xAxis": at}]}}  # fmt: skip

    def _marked(self, options: charts.Options) -> charts.Options:
        if options["series"]:
            options["series"][0] |= self._mark(options)
        return options

    def _add(self, label: str, options: Callable[[], charts.Options], **settings: str) -> None:
        self._charts.append((charts.chart(options(), label, **settings), options))

    def _draw_curves(self) -> None:
        grouped: dict[str, list[str]] = {}
        for one in curves(self._run):
            grouped.setdefault(one.label.removeprefix("val_"), []).append(one.label)
        with ui.element("div").classes("gs-columns even"):
            for metric, names in grouped.items():
                with card(metric):
                    self._add(metric, partial(self._curve, metric, names))
        if not grouped:
            empty("No metric was recorded.", "gatescope run your_script.py")

    def _curve(self, metric: str, names: list[str]) -> charts.Options:
        series = [one for one in curves(self._run) if one.label in names]
        return charts.zoomable(charts.lines(series, x_label="step", y_label=metric))

    def _draw_heat(self) -> None:
        known = [name for name in _HEAT if name in self._run.statistics]
        if not known:
            return
        with card("Layers over time"):
            self._statistic = ui.select(
                {name: _HEAT[name] for name in known}, value=known[0], label="Shown",
                on_change=lambda _: self._again(),
            )  # fmt: skip
            self._add("A statistic of each layer at each step", self._heat, height="20rem")

    def _again(self) -> None:
        for drawn, options in self._charts:
            charts.redraw(drawn, self._marked(options()))

    def _heat(self) -> charts.Options:
        statistic = str(self._statistic.value)
        layers = [name for name in self._run.layers if self._has(name, statistic)]
        rows = {name: self._run.probe(name, statistic, _COLUMNS) for name in layers}
        longest = max(rows.values(), key=lambda row: len(row["step"]))
        return charts.heat_map(
            [rows[name]["mean"].tolist() for name in reversed(layers)],
            x=longest["step"].tolist(), y=list(reversed(layers)), x_label="step", y_label="layer",
            log=statistic not in _SHARES,
        )  # fmt: skip

    def _has(self, layer: str, statistic: str) -> bool:
        return any(
            layer in layers and statistic in statistics
            for _, layers, statistics in self._run.layouts
        )

    def _draw_layer(self) -> None:
        layers = [name for name in self._run.layers if self._has(name, "mean")]
        if not layers:
            return
        with card("Distribution of a layer's output"):
            self._layer = ui.select(
                layers, value=layers[0], label="Layer", on_change=lambda _: self._again()
            )
            self._add("Smallest, mean and largest output over time", self._distribution)

    def _distribution(self) -> charts.Options:
        layer = str(self._layer.value)
        rows = {name: self._run.probe(layer, name, _POINTS) for name in _OF_OUTPUT}
        mean, spread = rows["mean"]["mean"], rows["deviation"]["mean"]
        steps = rows["mean"]["step"].tolist()
        shown = {
            "largest": rows["maximum"]["maximum"], "mean + deviation": mean + spread, "mean": mean,
            "mean − deviation": mean - spread, "smallest": rows["minimum"]["minimum"],
        }  # fmt: skip
        series = [Series(name, steps, values.tolist()) for name, values in shown.items()]
        return charts.zoomable(charts.lines(series, x_label="step", y_label="output"))

    def _show_layers(self) -> None:
        """What each layer did at the step of the slider, in numbers."""
        self._layers.clear()
        run, step = self._run, self._step
        rows = []
        for layer in run.layers:
            known = [name for name in _HEAT if self._has(layer, name)]
            row = {"layer": layer} | {name: _at(run.probe(layer, name, _COLUMNS), step)
                                      for name in known}  # fmt: skip
            rows.append(row)
        if not rows:
            return
        names = list(dict.fromkeys(name for row in rows for name in row))
        with self._layers:
            shown = [{name: _shown(row.get(name)) for name in names} for row in rows]
            whole_table(shown, names, numbers=names[1:])

    def _draw_findings(self) -> None:
        with card("Findings"):
            found = self._run.findings
            if not found:
                text("None.")
            for content in found:
                ui.html(kept_section(content), sanitize=False)

    def _draw_rest(self) -> None:
        run = self._run
        columns, rows = structure(run)
        if rows:
            with card("Layers"):
                _plain_table(columns, rows)
        for title, content in (
            ("Configuration", run.configuration),
            ("Environment", run.environment),
        ):
            if told := settings(content):
                with card(title):
                    _plain_table(("setting", "value"), told)


_OF_OUTPUT = ("minimum", "mean", "maximum", "deviation")


def _at(table: Any, step: int) -> float | None:
    """The value at a step, or at the last before it."""
    place = int(np.searchsorted(table["step"], step, "right")) - 1
    return float(table["mean"][place]) if place >= 0 else None


def _shown(value: Any) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def _plain_table(columns: Any, rows: Any) -> None:
    told = [{name: str(cell) for name, cell in zip(columns, row, strict=True)} for row in rows]
    whole_table(told, columns)
