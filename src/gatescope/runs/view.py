"""How runs are shown: rows of tables and curves, for terminals and as JSON."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from gatescope.report.series import Series
from gatescope.runs.compare import Comparison, Difference, Parting
from gatescope.runs.folder import Listing, overview
from gatescope.runs.open import Run
from gatescope.runs.plain import strict

COLUMNS = ("run", "status", "when", "step", "loss", "findings")

_MOST_POINTS = 400
_LONGEST_VALUE = 60
_LARGEST = 1e38  # that float32 holds
_OF_A_FINDING = ("cause", "where", "layer", "step", "symptom", "remedy", "proof")


def listing_rows(listing: Listing) -> list[tuple[object, ...]]:
    """A row a run, those that cannot be read last."""
    rows: list[tuple[object, ...]] = [
        (
            run.run,
            run.status if run.complete else f"{run.status} (incomplete)",
            ago(time.time() - run.started),
            run.last_step,
            _loss(run.loss),
            run.findings,
        )
        for run in listing.runs
    ]
    unreadable = ((folder.name, "unreadable") for folder in listing.unreadable)
    return rows + [(*row, *[None] * (len(COLUMNS) - len(row))) for row in unreadable]


def listing_json(listing: Listing) -> dict[str, Any]:
    """All that a list says, for programs."""
    return {
        "runs": [strict(asdict(run)) for run in listing.runs],
        "unreadable": {folder.name: why for folder, why in listing.unreadable.items()},
        "others": [folder.name for folder in listing.others],
    }


def facts(run: Run) -> list[tuple[str, object]]:
    """What a run is, as labels and values."""
    told: list[tuple[str, object]] = [
        ("folder", run.folder),
        ("status", run.status if run.complete else f"{run.status}; recording stopped before"),
        ("error", run.error),
        ("started", _when(run.started)),
        ("recorded for", _duration(run.seen - run.started)),
        ("last step", run.last_step),
        ("script", (run.script or {}).get("path")),
        ("arguments", " ".join(run.argv)),
        ("probed", _probed(run)),
        ("kept", ", ".join(f"{path.name} ({_size(path.stat().st_size)})" for path in run.kept)),
    ]
    return [(label, value) for label, value in told if value not in (None, "")]


def settings(content: dict[str, Any]) -> list[tuple[str, str]]:
    """A configuration or an environment in rows, packages in one."""
    rows = []
    for name, value in content.items():
        if name == "packages":
            rows.append((name, f"{len(value)}, among them {_engine(value)}"))
        elif isinstance(value, dict):
            rows += [(f"{name}.{inner}", told) for inner, told in settings(value)]
        else:
            rows.append((name, _short(value)))
    return rows


def structure(run: Run) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """The layers as a table: column names, and a row a layer."""
    columns = tuple(dict.fromkeys(name for layer in run.structure for name in layer))
    rows: list[tuple[object, ...]] = [
        tuple(_cell(layer.get(name)) for name in columns) for layer in run.structure
    ]
    return columns, rows


def curves(run: Run, between: tuple[int, int] | None = None) -> list[Series]:
    """The metrics that have a curve, thinned to what a drawing can show.

    Args:
        run: The run.
        between: The first and the last step to draw; all where there are none.
    """
    drawn = []
    for name in run.metric_names:
        table = run.metric(name)
        shown = slice(None)
        if between is not None:
            shown = slice(*np.searchsorted(table["step"], [between[0], between[1] + 1]))
        steps, values = _thinned(table["step"][shown], table["value"][shown])
        finite = np.isfinite(values)
        if finite.any() and len(set(steps)) > 1:
            drawn.append(Series(name, steps.tolist(), values.tolist()))
    return drawn


def run_json(run: Run) -> dict[str, Any]:
    """A run as one object, for programs: all but its tables of probes."""
    metrics = {name: column.tolist() for name, column in run.metrics.items()}
    events = {name: column.tolist() for name, column in run.events.items()}
    told = {
        **asdict(overview(run)),
        "error": run.error,
        "script": run.script,
        "argv": run.argv,
        "configuration": run.configuration,
        "environment": run.environment,
        "structure": run.structure,
        "layers": run.layers,
        "statistics": run.statistics,
        "metrics": metrics,
        "events": events,
        "findings": run.findings,
        "kept": [path.name for path in run.kept],
    }
    return {name: strict(value) for name, value in told.items()}


def finding_lines(finding: dict[str, Any]) -> str:
    """What a finding says, in whole lines; its diff is the doctor's to show."""
    told = {name: finding[name] for name in _OF_A_FINDING if name in finding}
    if "confidence" in finding:
        told["verdict"] = _verdict(finding)
    return "\n".join(f"{name}: {value}" for name, value in told.items())


def _verdict(finding: dict[str, Any]) -> str:
    if finding.get("proved"):
        return "proved"
    stands = "a fault" if finding.get("stands") else "possible"
    return f"{stands}, confidence {finding['confidence']:.0%}"


def difference_rows(differences: Sequence[Difference]) -> list[tuple[str, str, str]]:
    """A row a difference."""
    rows = []
    for one in differences:
        texts = _short(one.first), _short(one.second)
        if texts[0] == texts[1]:  # it is in what is not shown otherwise
            texts = str(one.first), str(one.second)
        rows.append((one.name, *texts))
    return rows


def parting_rows(comparison: Comparison) -> list[tuple[object, ...]]:
    """A row a metric: how its curves relate, and their values at the last shared step."""
    rows: list[tuple[object, ...]] = []
    for curve in comparison.curves:
        last = curve.last or (None, None)
        rows.append((curve.metric, relation(curve), curve.shared, *map(_loss, last)))
    alone = comparison.alone.items()
    return rows + [(name, f"only in {run}", None, None, None) for name, run in alone]


def relation(curve: Parting) -> str:
    """How two curves relate, in words."""
    if not curve.shared:
        return "no step in common"
    if curve.unequal_from is None:
        return "equal"
    if curve.parts_from is None:
        return f"within noise of each other; equal to the bit before step {curve.unequal_from:,}"
    again = "; together again at the end" if curve.meets_again else ""
    return f"part from step {curve.parts_from:,}{again}"


def ago(seconds: float) -> str:
    """A span of time in its largest unit; the name of a run says when to the second.

    Example:
        >>> ago(7300)
        '2 h ago'
    """
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= (2 if unit == "days" else 1) * length:
            return f"{int(seconds // length)} {unit} ago"
    return "just now"


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _size(count: float) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"


def _probed(run: Run) -> str:
    if not run.layers:
        return ""
    return f"{len(run.layers)} layers: {', '.join(run.statistics)}"


def _engine(packages: dict[str, str]) -> str:
    named = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "gatescope")
    return ", ".join(f"{name} {packages[name]}" for name in named if name in packages)


def _short(value: object) -> str:
    text = "none" if value is None else _number(value) if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _number(value: float) -> str:
    """A number as it was typed: what was float32 on its way has digits that nobody wrote."""
    narrow = np.float32(value) if abs(value) < _LARGEST else np.float32("nan")
    return str(narrow if float(narrow) == value else value)


def _cell(value: object) -> object:
    return value if value is None or isinstance(value, int | float) else _short(value)


def _loss(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"


def _thinned(steps: Any, values: Any) -> tuple[Any, Any]:
    """Points of a curve with its peaks: of each stretch the smallest and the largest."""
    if len(steps) <= _MOST_POINTS:
        return steps, values
    places = [0, len(steps) - 1]
    for stretch in np.array_split(np.arange(len(steps)), _MOST_POINTS // 2):
        known = np.where(np.isfinite(values[stretch]), values[stretch], np.nan)
        if np.isnan(known).all():
            places.append(stretch[0])
        else:
            places += [stretch[np.nanargmin(known)], stretch[np.nanargmax(known)]]
    chosen = np.unique(places)
    return steps[chosen], values[chosen]
