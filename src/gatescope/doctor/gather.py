"""Gathers the evidence: from the record of a run, or from a live model."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gatescope.doctor.changes import Specimen
from gatescope.doctor.evidence import (
    Crash,
    Curve,
    Evidence,
    Sample,
    Training,
    copies,
    layer_of,
    training_of,
)
from gatescope.doctor.outcome import (
    Outcome,
    margin_of,
    simple_skill,
    skill_of_history,
    task_of,
)
from gatescope.doctor.parts import outputs_of
from gatescope.doctor.script import Script
from gatescope.runs.open import Run

KEPT_MODEL = "model.keras"
_KEPT_DATA = {"": "training.npz", "_val": "validation.npz"}
MOST_SAMPLES = 4_000
_MOST_BYTES = 64 * 2**20
_PARTS = ("x", "y", "x_val", "y_val")


def from_run(run: Run) -> Evidence:
    """All that a run's record tells.

    Args:
        run: The run.
    """
    model, configuration = run.fact("model") or {}, run.configuration
    fit = dict(configuration.get("fit") or {})
    told = model.get("layers") or [_bare(one) for one in run.structure]
    training = training_of(_whole(model.get("compile"), configuration), fit)
    case = Evidence(
        layers=tuple(map(layer_of, told)),
        outputs=tuple(model.get("outputs") or ()),
        inputs=tuple(model.get("inputs") or ()),
        kind=str(model.get("kind", "subclassed")),
        training=training,
        history=_history(run),
        losses=_metric(run, "batch_loss"),
        probes=_probes(run),
        batches=_batches(run),
        sample=_kept_sample(run.folder / "kept", float(fit.get("validation_split") or 0)),
        asked=_asked(run.folder / "kept"),
        evaluated=_evaluated(run, training.metrics),
        bad=_bad(run),
        script=Script(run.script["path"], run.script["text"]) if run.script else None,
        crash=_crash(run),
        cut=str(run.fact("cut") or ""),
    )
    return replace(case, outcome=judge(case))


def specimen_of(run: Run, case: Evidence) -> Specimen | None:
    """What a proof needs, where the run kept its model and a sample of its data."""
    file = run.folder / "kept" / KEPT_MODEL
    if not file.is_file() or case.sample is None or not case.sample.y:
        return None
    try:
        with zipfile.ZipFile(file) as packed:
            config = json.loads(packed.read("config.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    compiled = (run.fact("model") or {}).get("compile") or config.get("compile_config") or {}
    return Specimen(config, compiled, fitting(case), case.sample)


def fitting(case: Evidence) -> dict[str, Any]:
    """Arguments of `fit` for copies: epochs as many as there were."""
    training = case.training or Training()
    ran = max((len(curve.y) for curve in case.history.values()), default=0)
    asked = training.epochs or 1
    return {
        "batch_size": training.batch_size or 32,
        "epochs": ran or asked,
        "asked_epochs": asked,
        "shuffle": training.fit.get("shuffle", True),
        "samples": training.fit.get("samples"),
        "steps_per_epoch": (case.steps or 0) // ran if ran else None,
    }


def sample_of(data: Mapping[str, Any], split: float = 0) -> Sample:
    """A sample of arrays; where nothing is held out, a fifth is split off at random.

    Args:
        data: `x`, `y` and perhaps `x_val` and `y_val`, each an array, a list or a dictionary.
        split: `validation_split`, by which Keras holds out the last samples.
    """
    parts = {name: _arrays(data.get(name)) for name in _PARTS}
    x, y, x_val, y_val = (tuple(map(_capped, parts[name].values())) for name in _PARTS)
    sample = Sample(x, y, x_val, y_val, _several(parts["x"]), _several(parts["y"]))
    if sample.x_val:
        return sample
    return _last_held_out(sample, split) if split else _held_out(sample)


def _last_held_out(sample: Sample, split: float) -> Sample:
    count = len(sample.x[0]) if sample.x else 0
    at = int(count * (1 - split))
    if not 0 < at < count:
        return sample
    return _parted(sample, slice(at), slice(at, None))


def _held_out(sample: Sample) -> Sample:
    count = len(sample.x[0]) if sample.x else 0
    if count < 10 or not sample.y or any(len(one) != count for one in (*sample.x, *sample.y)):
        return sample
    order = np.random.default_rng(0).permutation(count)
    held, kept = np.sort(order[: count // 5]), np.sort(order[count // 5 :])
    return _parted(sample, kept, held)


def _parted(sample: Sample, kept: Any, held: Any) -> Sample:
    """Some rows to learn from, and others that are held out."""
    x, y, x_val, y_val = (
        tuple(one[rows] for one in part) for rows in (kept, held) for part in (sample.x, sample.y)
    )
    return replace(sample, x=x, y=y, x_val=x_val, y_val=y_val)


def _arrays(data: Any) -> dict[str, Any]:
    """Arrays by name, or by place in a list."""
    if data is None:
        return {}
    if isinstance(data, Mapping):
        return {str(name): np.asarray(one) for name, one in data.items()}
    if isinstance(data, list | tuple) and data and hasattr(data[0], "shape"):
        return {str(place): np.asarray(one) for place, one in enumerate(data)}
    return {"": np.asarray(data)}


def _several(named: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(named) if len(named) > 1 else ()


def _capped(array: Any) -> Any:
    """Every n-th sample, in order, so that an order of the labels stays visible."""
    room = max(64, min(MOST_SAMPLES, _MOST_BYTES // max(1, array[:1].nbytes)))
    if len(array) <= room:
        return array
    return array[np.linspace(0, len(array) - 1, room).astype(int)]


def judge(case: Evidence) -> Outcome | None:
    """How well the network does, by its history and its data; of several outputs the worst."""
    outcomes = [judge(part) for _, part in outputs_of(case)]
    known = [one for one in outcomes if one is not None and one.known is not None]
    if known:
        return min(known, key=lambda one: one.known or 0.0)
    sample, training = case.sample, case.training
    y = sample.one_y if sample else None
    units = case.head.units if case.head else None
    loss = training.loss if training else None
    task = task_of(y, loss, units) if y is not None and _usable(y) else None
    ends = {name: float(curve.y[-1]) for name, curve in case.history.items() if len(curve.y)}
    if "evaluate" in case.asked and not any(name.startswith("val_") for name in ends):
        ends |= {f"val_{name}": value for name, value in case.evaluated.items()}
    deviation = case.batches.get("target_deviation")
    spread = float(np.median(deviation.y)) if deviation is not None and len(deviation.y) else None
    told = skill_of_history(ends, loss, y if _usable(y) else None, task, spread, units)
    if training and training.fit.get("class_weight"):
        told = (None, None)  # it gives up hits on common classes for some on rare ones
    simple = _simple(sample, task)
    if told == (None, None) and simple is None:
        return None
    held = len(sample.x_val[0]) if sample and sample.x_val else 100
    return Outcome(told[1], told[0], simple, task, margin_of(held))


def _usable(y: Any) -> bool:
    return y is not None and y.size > 0 and bool(np.isfinite(np.asarray(y, float)).all())


def _simple(sample: Sample | None, task: Any) -> float | None:
    if sample is None or task is None or sample.one_x is None or sample.one_y is None:
        return None
    if copies(sample):
        return None  # a linear model copies perfectly, whatever an autoencoder is for
    whole = sample if sample.x_val else _held_out(sample)
    if not whole.x_val or not whole.y_val:
        return None
    try:
        return simple_skill(whole.x[0], whole.y[0], whole.x_val[0], whole.y_val[0], task)
    except (ValueError, np.linalg.LinAlgError):
        return None


def _bare(layer: Mapping[str, Any]) -> dict[str, Any]:
    """A layer as runs told of it before they kept the model's description."""
    known = {name: layer[name] for name in ("name", "activation", "trainable") if name in layer}
    return {"class": layer.get("class", ""), **known}


def _whole(compiled: Mapping[str, Any] | None, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Compile arguments; of a loop of the user's own only the optimizer is known."""
    return dict(compiled) if compiled else _compiled(configuration)


def _compiled(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Compile arguments as runs told them before they kept the model."""
    optimizer = dict(configuration.get("optimizer") or {})
    return {
        "optimizer": {"class_name": optimizer.get("name", ""), "config": optimizer},
        "loss": configuration.get("loss"),
        "metrics": configuration.get("metrics"),
    }


def _history(run: Run) -> dict[str, Curve]:
    names = [name for name in run.metric_names if not _of_batch(name)]
    found = {}
    for name in names:
        table = run.metric(name)
        found[name] = Curve(name, table["epoch"], table["value"])
    return found


def _of_batch(name: str) -> bool:
    return name in ("batch_loss", "learning_rate") or name.startswith(("input_", "target_"))


def _metric(run: Run, name: str) -> Curve | None:
    if name not in run.metric_names:
        return None
    table = run.metric(name)
    return Curve(name, table["step"], table["value"])


def _batches(run: Run) -> dict[str, Curve]:
    names = [name for name in run.metric_names if _of_batch(name) and name != "batch_loss"]
    return {name: curve for name in names if (curve := _metric(run, name)) is not None}


def _probes(run: Run) -> dict[str, dict[str, Curve]]:
    table = run.probes
    found: dict[str, dict[str, Curve]] = {}
    for layer in run.layers:
        rows = table["layer"] == layer
        steps = table["step"][rows]
        found[layer] = {
            name: Curve(name, steps, table[name][rows])
            for name in table
            if name not in ("step", "layer")
        }
    return found


def _kept_sample(folder: Path, split: float) -> Sample | None:
    """The sample that `scope.keeping` kept: arrays `x`, `x/0`, …, `y`, `y/0`, …"""
    parts: dict[str, Any] = {}
    for suffix, name in _KEPT_DATA.items():
        for part in ("x", "y"):
            found = _arrays_in(folder / name, part)
            if found:
                parts[part + suffix] = found
    return sample_of(parts, split) if "x" in parts else None


def _asked(folder: Path) -> dict[str, Sample]:
    """Samples of what the trained model was asked about, other than what it was trained on."""
    found = {}
    trained = _arrays_in(folder / _KEPT_DATA[""], "x")
    for name in ("evaluate", "predict"):
        x, y = (_arrays_in(folder / f"{name}.npz", part) for part in "xy")
        same = len(x) == len(trained) and all(map(np.array_equal, x.values(), trained.values()))
        if x and not same:
            found[name] = Sample(*(tuple(map(_capped, one.values())) for one in (x, y)))
    return found


def _evaluated(run: Run, metrics: Sequence[str]) -> dict[str, float]:
    """What the first `evaluate` after the training came to, by the names of its metrics."""
    told = zip(run.events["kind"], run.events["content"], strict=True)
    content = next((dict(one) for kind, one in told if kind == "evaluate"), {})
    result = content.pop("result", None)
    names = ["loss", *metrics]
    if isinstance(result, list) and len(result) == len(names):
        content |= dict(zip(names, result, strict=True))
    elif isinstance(result, int | float):
        content["loss"] = result
    return {name: float(one) for name, one in content.items() if isinstance(one, int | float)}


def _arrays_in(file: Path, part: str) -> dict[str, Any]:
    """Kept arrays of inputs or targets, several by the names that `fit` was given."""
    if not file.is_file():
        return {}
    try:
        with np.load(file, allow_pickle=False) as arrays:
            names = [name for name in arrays.files if name.split("/")[0] == part]
            return {name.partition("/")[2]: arrays[name] for name in names}
    except (OSError, ValueError, zipfile.BadZipFile):
        return {}


def _bad(run: Run) -> dict[str, Any] | None:
    events = run.events
    for kind, step, content in zip(events["kind"], events["step"], events["content"], strict=True):
        if kind == "first bad value":
            return {"step": int(step), **content}
    return None


def _crash(run: Run) -> Crash | None:
    events = zip(run.events["kind"], run.events["content"], strict=True)
    later = [dict(one) for kind, one in events if kind == "crash"]
    inside = run.fact("crash")
    told = inside or (later[0] if later else {})
    if told:
        kind = str(told.get("type", "")).rpartition(".")[2]
        line = _own_line(run, told.get("frames") or ())
        return Crash(kind, str(told.get("text", "")), line, later=not inside)
    if run.status != "failed" or not run.error:
        return None
    kind, _, message = run.error.partition(": ")
    return Crash(kind.rpartition(".")[2], message)


def _own_line(run: Run, frames: Sequence[Mapping[str, Any]]) -> int | None:
    """The innermost line of the script that led to a crash."""
    path = (run.script or {}).get("path")
    own = [one for one in frames if path and Path(one["file"]).name == Path(path).name]
    return own[-1]["line"] if own else None
