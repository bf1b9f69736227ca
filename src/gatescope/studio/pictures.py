"""What a run looks like, as options of charts: for its room, and for a page that is sent on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatescope.report.series import Series
from gatescope.runs.open import Run
from gatescope.runs.view import curves
from gatescope.studio import charts

STATISTICS: Mapping[str, str] = {
    "deviation": "how far outputs spread",
    "gradient": "size of the gradient",
    "update_ratio": "size of an update over that of the weights",
    "dead": "share of dead units",
    "saturated": "share of saturated outputs",
    "zeros": "share of zeros",
}
"""Of probes, those that heat maps show; and what they are."""

Between = tuple[int, int] | None
"""The first and the last step to draw; all where there are none."""

MARK: Mapping[str, Any] = {
    "silent": True, "symbol": "none", "animation": False, "label": {"show": False},
    "lineStyle": {"color": charts.COLOURS[1], "type": "solid", "width": 1.5},
}  # fmt: skip
"""How the step of the slider is marked in charts."""

_SHARES = ("dead", "saturated", "zeros")
_OF_OUTPUT = ("minimum", "mean", "maximum", "deviation")
_COLUMNS = 160  # of a heat map: as many as can be told apart
_POINTS = 600


def metrics(run: Run, between: Between = None) -> dict[str, charts.Options]:
    """A chart for each metric, of the splits that it was measured on; the loss comes first.

    Args:
        run: The run.
        between: Steps.
    """
    grouped: dict[str, list[Series]] = {}
    for one in curves(run, between):
        grouped.setdefault(one.label.removeprefix("val_"), []).append(one)
    return {
        metric: charts.lines(grouped[metric], x_label="step", y_label="")
        for metric in sorted(grouped, key=rank)
    }


def is_of_data(metric: str) -> bool:
    """Whether a metric tells of what went into the network, not of what came of it.

    Args:
        metric: Its name.
    """
    return metric.startswith(("input_", "target_"))


def rank(metric: str) -> tuple[bool, bool, bool]:
    """By which metrics are sorted: losses first, what went in last.

    Args:
        metric: Its name.
    """
    return is_of_data(metric), metric == "learning_rate", "loss" not in metric


def shown_statistics(run: Run) -> dict[str, str]:
    """Statistics that the run has a heat map of, and what they are.

    Args:
        run: The run.
    """
    return {name: told for name, told in STATISTICS.items() if name in run.statistics}


def shown_layers(run: Run) -> list[str]:
    """Layers whose outputs were probed.

    Args:
        run: The run.
    """
    return _with(run, _OF_OUTPUT)


def heat_map(run: Run, statistic: str, between: Between = None) -> charts.Options:
    """A statistic of every layer at every step, as colours; the first layer on top.

    Args:
        run: The run.
        statistic: One of `shown_statistics`.
        between: Steps.
    """
    layers = list(reversed(_with(run, (statistic,))))
    rows = [run.probe(layer, statistic, _COLUMNS, between) for layer in layers]
    steps = max((row["step"] for row in rows), key=len)
    return charts.heat_map(
        [_at(row, steps).tolist() for row in rows], x=steps.tolist(), y=layers,
        x_label="step", y_label="", log=statistic not in _SHARES,
    )  # fmt: skip


def distribution(run: Run, layer: str, between: Between = None) -> charts.Options:
    """Smallest, mean and largest output of a layer over time, and its spread.

    Args:
        run: The run.
        layer: One of `shown_layers`.
        between: Steps.
    """
    rows = {name: run.probe(layer, name, _POINTS, between) for name in _OF_OUTPUT}
    mean, spread = rows["mean"]["mean"], rows["deviation"]["mean"]
    steps = rows["mean"]["step"].tolist()
    shown = {
        "largest": rows["maximum"]["maximum"], "mean + deviation": mean + spread, "mean": mean,
        "mean − deviation": mean - spread, "smallest": rows["minimum"]["minimum"],
    }  # fmt: skip
    series = [Series(name, steps, values.tolist()) for name, values in shown.items()]
    return charts.lines(series, x_label="step", y_label="output")


def layers_at(run: Run, step: int) -> list[dict[str, str]]:
    """What each layer did at a step, or at the last probed one before it: rows of a table.

    Args:
        run: The run.
        step: Of training.
    """
    probed = run.probed_at(step)
    known = {name: _with(run, (name,)) for name in shown_statistics(run) if name in probed}
    return [
        {"layer": layer}
        | {
            name: f"{probed[name][row]:.4g}" if layer in layers else "–"
            for name, layers in known.items()
        }
        for row, layer in enumerate(probed["layer"])
    ]


def mark(options: Mapping[str, Any], step: int) -> charts.Options:
    """A line at a step, as an addition to the first series of a chart.

    Args:
        options: Of the chart.
        step: Of training; in a heat map, the column that holds it.
    """
    columns = options["xAxis"].get("data")
    if columns == []:
        return {}
    at: Any = step if columns is None else str(columns[_column(columns, step)])
    return {"markLine": dict(MARK) | {"data": [{"xAxis": at}]}}


def _column(columns: Sequence[int], step: int) -> int:
    return max(int(np.searchsorted(np.asarray(columns), step, "right")) - 1, 0)


def _with(run: Run, statistics: Sequence[str]) -> list[str]:
    """Layers of which all these statistics were probed."""
    found = [
        layer
        for _, layers, known in run.layouts
        for layer in layers
        if set(statistics) <= set(known)
    ]
    return list(dict.fromkeys(found))


def _at(row: Mapping[str, NDArray[Any]], steps: NDArray[Any]) -> NDArray[Any]:
    """Means of a row at the steps of another, which most often are its own."""
    if not len(row["step"]):
        return np.full(len(steps), np.nan)
    places = np.searchsorted(row["step"], steps, "right") - 1
    return np.where(places >= 0, row["mean"][np.maximum(places, 0)], np.nan)
