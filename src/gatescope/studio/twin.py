"""The room of a run as one file that needs no server, to be sent to a colleague."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from gatescope.doctor.view import kept_section
from gatescope.report.html import Html, element, escape, join, page, paragraph, section, table
from gatescope.report.html import facts as key_numbers
from gatescope.runs.open import Run
from gatescope.runs.view import facts, settings, structure
from gatescope.studio import charts, pictures
from gatescope.studio.echarts import NOTICE, script

_FACTS = ("status", "error", "started", "recorded for", "last step")
_MOST_LAYERS = 60  # whose distributions are in the file
_MOST_MOMENTS = 160
_DIGITS = 6
_STYLE = """
.picture { height: 16rem; } .picture.high { height: 22rem; }
.picture svg text { fill: var(--faint); font-family: inherit; }
.pictures { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); }
.pictures h3, .pictures figure { margin: 0; min-width: 0; }
.time { position: sticky; bottom: 0; z-index: 5; display: flex; gap: 1rem; align-items: center;
  background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  padding: 0.6rem 1.25rem; }
.time input { flex: 1; min-width: 0; accent-color: var(--accent); }
.time output { min-width: 7ch; text-align: right; font-variant-numeric: tabular-nums; }
select { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--rule);
  border-radius: 4px; padding: 0.25rem 0.5rem; max-width: 100%; }
pre { overflow-x: auto; }
"""

Charts = dict[str, dict[str, charts.Options]]
"""Options by the name of a picture and by what is chosen in it."""


def run_page(run: Run) -> str:
    """A page with all that the room of the run shows, charts and the slider through time included.

    Args:
        run: The run.

    Returns:
        HTML that asks no server for anything.

    Raises:
        RunError: The run is damaged.
    """
    with run.at_one_moment():
        return _page(run)


def _page(run: Run) -> str:
    drawn = _charts(run)
    moments = _moments(run)
    told = {"charts": drawn, "moments": moments, "mark": pictures.MARK}
    parts = [
        key_numbers([(label, value) for label, value in facts(run) if label in _FACTS]),
        *map(kept_section, run.findings),
        *_curves(drawn),
        *_layers(run, drawn, moments),
        *_rest(run),
        _time(run.last_step or 0),
        paragraph(NOTICE, class_="note"),
        _data(told),
    ]
    own = files("gatescope.studio").joinpath("twin.js").read_text("utf-8")
    lead = f"A training, recorded by Gatescope in {run.folder.name}."
    return page(run.name, *parts, lead=lead, style=_STYLE, scripts=(script(), own))


def _charts(run: Run) -> Charts:
    found: Charts = {
        f"metric {name}": {name: charts.zoomable(drawn)}
        for name, drawn in pictures.metrics(run).items()
    }
    statistics = pictures.shown_statistics(run)
    if statistics:
        found["heat"] = {name: pictures.heat_map(run, name) for name in statistics}
    layers = pictures.shown_layers(run)[:_MOST_LAYERS]
    if layers:
        found["layer"] = {
            layer: charts.zoomable(pictures.distribution(run, layer)) for layer in layers
        }
    return found


def _moments(run: Run) -> list[dict[str, Any]]:
    """What layers did, at some of the steps that were probed."""
    layers = pictures.shown_layers(run)
    if not layers:
        return []
    steps = run.probe(layers[0], "mean", _MOST_MOMENTS)["step"].tolist()
    return [
        {"step": step, "rows": [list(row.values()) for row in pictures.layers_at(run, step)]}
        for step in steps
    ]


def _curves(drawn: Charts) -> list[Html]:
    names = [name for name in drawn if name.startswith("metric ")]
    if not names:
        return [paragraph("No metric was recorded.")]
    shown = [
        _picture(name, f"{title} at each step", title=title.replace("_", " "))
        for name in names
        for title in drawn[name]
    ]
    return [section("Metrics", element("div", *shown, class_="pictures"))]


def _layers(run: Run, drawn: Charts, moments: list[dict[str, Any]]) -> list[Html]:
    parts = []
    if "heat" in drawn:
        choice = _choice("heat", "Shown", pictures.shown_statistics(run))
        shown = _picture("heat", "A statistic of each layer at each step", high=True)
        parts.append(section("Layers over time", choice, shown))
    if moments:
        heads = list(pictures.layers_at(run, moments[0]["step"])[0])
        columns = [name.replace("_", " ") for name in heads]
        rows = table(moments[0]["rows"], columns, caption="What each layer did at this step")
        at = element("span", escape(f"{moments[0]['step']:,}"), id="moment")
        told = element("p", escape("Probed at step "), at)
        parts.append(section("Layers at this step", told, element("div", rows, id="layers")))
    if "layer" in drawn:
        choice = _choice("layer", "Layer", {name: name for name in drawn["layer"]})
        shown = _picture("layer", "Smallest, mean and largest output at each step", high=True)
        parts.append(section("Distribution of a layer's output", choice, shown))
    return parts


def _picture(name: str, label: str, *, title: str = "", high: bool = False) -> Html:
    place = element(
        "div", class_="picture high" if high else "picture", data_charts=name, role="img",
        aria_label=label,
    )  # fmt: skip
    return element("figure", *([element("h3", escape(title))] if title else []), place)


def _choice(of: str, label: str, offered: Mapping[str, str]) -> Html:
    items = [element("option", escape(told), value=name) for name, told in offered.items()]
    select = element("select", *items, id=f"choice-{of}", data_of=of)
    return element("p", element("label", escape(f"{label} "), for_=f"choice-{of}"), select)


def _time(last: int) -> Html:
    slider = element(
        "input", type="range", id="step", min=0, max=max(last, 1), value=last,
        aria_label="Step of training",
    )  # fmt: skip
    label = element("label", escape("Step"), for_="step")
    return element("div", label, slider, element("output", id="at"), class_="time")


def _rest(run: Run) -> list[Html]:
    columns, rows = structure(run)
    found = [section("Architecture", table(rows, columns, caption="Layers"))] if rows else []
    for title, content in (
        ("Configuration", run.configuration),
        ("Environment", run.environment),
    ):
        if told := settings(content):
            found.append(section(title, table(told, ("setting", "value"), caption=title)))
    return found


def _data(told: Mapping[str, Any]) -> Html:
    # Within a script nothing but its end tag is markup; no text can hold one, as none holds "<".
    written = json.dumps(_rounded(told), allow_nan=False, separators=(",", ":"))
    code = Html(written.replace("<", "\\u003c"))
    return join(element("script", code, type="application/json", id="told"))


def _rounded(value: Any) -> Any:
    """To the digits that can be read off a chart, which a third of the bytes holds."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
