"""Diagnoses a live model: a copy is trained in a child process, watched, and read like any run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gatescope.doctor import gather
from gatescope.doctor.changes import Specimen
from gatescope.doctor.diagnosis import Diagnosis, concluded
from gatescope.doctor.evidence import Crash, Curve, Evidence, Sample, layer_of, training_of
from gatescope.doctor.outcome import Outcome
from gatescope.doctor.proof import Bench
from gatescope.doctor.rules.crashes import telling
from gatescope.errors import UsageError
from gatescope.runs.folder import list_runs
from gatescope.runs.open import open_run
from gatescope.scope.crash import main_script
from gatescope.scope.description import describe_model

_START = 60.0  # seconds that a child may take to start TensorFlow on a busy machine


_ENOUGH = 100  # steps after which a network that can learn does better than guessing


def diagnose_model(
    model: Any,
    x: Any,
    y: Any,
    *,
    validation_data: tuple[Any, Any] | None,
    prove: bool,
    seconds: float,
) -> Diagnosis:
    """Diagnoses a compiled model on its data.

    Args:
        model: The model.
        x: Its inputs.
        y: Its targets.
        validation_data: Held-out inputs and targets.
        prove: Whether to try remedies on copies.
        seconds: What that may take.
    """
    if not isinstance(model, keras.Model) or not model.compiled:
        raise UsageError(
            f"{getattr(model, 'name', model)!r} is neither a run nor a compiled Keras model",
            "a run, its folder, or a model that fit can train",
            'gs.diagnose("runs/…"), or model.compile(optimizer, loss) and gs.diagnose(model, x, y)',
        )
    if hasattr(x, "shape") and hasattr(y, "shape") and x.shape[:1] != y.shape[:1]:
        raise UsageError(
            f"x has {len(x):,} samples and y has {len(y):,}",
            "a target for each sample",
            "look at how they were split or read",
        )
    x_val, y_val = validation_data or (None, None)
    sample = gather.sample_of({"x": x, "y": y, "x_val": x_val, "y_val": y_val})
    described = _described(model, sample)
    specimen, why = _specimen(model, described)
    if specimen is None:
        return concluded(model.name, described, None, notes=(why,))
    with Bench(specimen, seconds + _START) as bench:
        case, notes = _rehearsed(bench, described)
        return concluded(model.name, case, specimen if prove else None, notes=notes, bench=bench)


def _described(model: keras.Model, sample: Sample) -> Evidence:
    """What a model and its data tell without training anything."""
    told: Any = describe_model(model)
    history = getattr(model, "history", None)
    params: dict[str, Any] = getattr(history, "params", None) or {}
    count = len(sample.x[0]) + (len(sample.x_val[0]) if sample.x_val else 0)
    fit = {"samples": count}
    if params.get("epochs"):
        steps = max(1, int(params.get("steps") or 1))
        fit |= {"epochs": params["epochs"], "batch_size": _likely(count / steps)}
    else:
        fit |= {"epochs": 10_000}  # not known: as long as copies may train
    curves = getattr(history, "history", None) or {}
    return Evidence(
        layers=tuple(_trained(layer_of(one), bool(curves)) for one in told["layers"]),
        outputs=tuple(told["outputs"]),
        inputs=tuple(told["inputs"]),
        kind=told["kind"],
        training=training_of(told["compile"], fit),
        history={
            name: Curve(name, np.arange(len(values)), np.asarray(values, float))
            for name, values in curves.items()
        },
        sample=sample,
    )


def _likely(size: float) -> int:
    """The batch size of so many samples a step: a power of two, as people choose them."""
    return max(1, 2 ** round(float(np.log2(max(1.0, size)))))


def _trained(layer: Any, after_training: bool) -> Any:
    """Numbers of weights that were trained say nothing about how they began."""
    if not after_training:
        return layer
    bare = tuple(
        replace(one, mean=None, deviation=None, size=None, alike=False) for one in layer.weights
    )
    return replace(layer, weights=bare)


def _specimen(model: keras.Model, case: Evidence) -> tuple[Specimen | None, str]:
    if type(model) not in (keras.Model, keras.Sequential) and not hasattr(model, "operations"):
        return None, (
            "no copy was trained: a subclassed model needs its class, and no code of yours runs"
        )
    try:
        config = keras.saving.serialize_keras_object(model)
        compiled = model.get_compile_config()
    except Exception as error:  # noqa: BLE001 - such as a lambda as a loss
        return None, f"no copy was trained: {type(error).__name__}: {error}"
    if case.sample is None:
        return None, "no copy was trained: there is no data"
    frozen = {
        variable.path: np.asarray(variable)
        for layer in model.layers
        if not layer.trainable
        for variable in layer.variables
    }
    return Specimen(config, compiled, gather.fitting(case), case.sample, frozen), ""


def _rehearsed(bench: Bench, described: Evidence) -> tuple[Evidence, Sequence[str]]:
    """The evidence of a short training of a copy, and what is known of the model itself."""
    runs = bench.folder / "runs"
    came = bench.trial((), 0, watch=str(runs))
    if "error" in came:
        case = replace(described, outcome=gather.judge(described), script=_script())
        if came.get("trained") is False:
            kind, _, message = str(came["error"]).partition(": ")
            return replace(case, crash=Crash(kind, message)), ()
        return case, (f"no copy could be trained: {telling(str(came['error']))}",)
    found = list_runs(Path(runs)).runs
    if not found:
        return replace(described, outcome=gather.judge(described), script=_script()), ()
    case = gather.from_run(open_run(Path(runs) / found[0].run))
    case = replace(
        case,
        layers=case.layers or described.layers,
        training=described.training,
        sample=described.sample,
        history=described.history or case.history,
        script=_script(),
    )
    outcome = gather.judge(case) or Outcome(None)
    if not described.history:
        early = came["cut"] and came["steps"] < _ENOUGH
        skill, train = (None, None) if early else (came["skill"], came["train"])
        outcome = replace(outcome, skill=skill, train=train)
    return replace(case, outcome=outcome), ()


def _script() -> Any:
    from gatescope.doctor.script import Script

    file = main_script()
    try:
        text = file.read_text() if file and file.suffix == ".py" else ""
    except OSError:
        text = ""
    return Script(str(file), text) if text else None
