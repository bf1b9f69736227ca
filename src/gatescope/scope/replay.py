"""Reopens the first training step that went wrong, as a trace."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from gatescope.errors import DataError, RunError
from gatescope.runs.open import Run, open_run
from gatescope.runs.record import RunWriter
from gatescope.scope.bad_step import KeptStep, state_of
from gatescope.scope.drift import Drift, drift_of
from gatescope.scope.trace import Trace, trace
from gatescope.scope.unchanged import alive, unchanged

KEPT_STEP, KEPT_MODEL = "bad_step.npz", "bad_step.json"
"""Files of a run: a `KeptStep`, and the configuration of its model."""
_IN_PYTHON = 'gs.replay("{run}", model), with the model that your code makes'
_DAMAGES = (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile)


class Replay(NamedTuple):
    """The first bad step of a run, run again.

    Attributes:
        step: Its number, from 0.
        trace: Its gates, with their values; `trace.first_bad()` names the first that went wrong.
        drift: How the layer concerned grew before, by the run's probes.
    """

    step: int
    trace: Trace
    drift: Drift | None

    def __str__(self) -> str:
        bad = self.trace.first_bad()
        told = f"step {self.step:,}: " + (str(bad) if bad else "all is finite when it runs again")
        return f"{told}\n\n{self.drift}" if self.drift else told


def replay(run: str | Path | Run | RunWriter, model: keras.Model | None = None) -> Replay:
    """Runs the first bad step of a training again, and records every operation of it.

    Args:
        run: A run, its folder, or what wrote it, as `watch.run`.
        model: The model, compiled, where it needs code of your own; by default it is made by what
            the run says of it. Afterwards it is as it was before.

    Returns:
        The step, the trace, and how the layer that went wrong had grown.

    Raises:
        RunError: No step of the run went wrong, or its file is damaged.
        DataError: The model needs code that the run does not hold.

    Example:
        >>> found = gs.replay("runs/digits-20260101-120000")  # doctest: +SKIP
        >>> print(found.trace.first_bad())  # doctest: +SKIP
        gate 7, digits/dense/Log (forward), gave what is not finite for finite inputs …
    """
    opened = run if isinstance(run, Run) else open_run(run)
    kept = kept_step(opened)
    traced = retrace(model or kept_model(opened), kept)
    bad = traced.first_bad()
    layer = bad.gate.layer if bad and bad.gate else ""
    return Replay(kept.step, traced, drift_of(opened, layer, kept.step))


def kept_step(run: Run) -> KeptStep:
    """The first bad step of a run.

    Raises:
        RunError: There is none, or its file is damaged.
    """
    file = run.folder / "kept" / KEPT_STEP
    if not file.is_file():
        raise _without_step(run)
    try:
        return unpacked(file.read_bytes())
    except _DAMAGES as cause:
        raise RunError(
            f"{str(file)!r} is damaged: {cause}",
            "the bad step as the training kept it",
            "train again: a whole file cannot be made of a part",
        ) from cause


def _without_step(run: Run) -> RunError:
    told = zip(run.events["kind"], run.events["step"], run.events["content"], strict=True)
    events = [(str(kind), int(step), content) for kind, step, content in told]
    for kind, step, _ in events:
        if kind == "first bad value":
            return RunError(
                f"step {step:,} of {run.folder.name!r} went wrong, but was too large to be kept",
                "a batch, weights and optimizer that fit the cap",
                "train a smaller model or batch until it goes wrong",
            )
    return RunError(
        f"{run.folder.name!r} has no bad step: its losses and gradients were finite, which is good",
        "a run whose loss or gradients became NaN or infinite",
        f"gatescope runs show {run.folder}   shows how it went",
    )


def kept_model(run: Run) -> keras.Model:
    """The model of a bad step, by its configuration; no code of the user's is run.

    Raises:
        DataError: It needs code that the run does not hold.
    """
    file = run.folder / "kept" / KEPT_MODEL
    in_python = _IN_PYTHON.format(run=run.folder)
    try:
        told = json.loads(file.read_bytes())
        if "why" in told:
            raise ValueError(told["why"])
        model = keras.saving.deserialize_keras_object(told["model"], safe_mode=True)
        model.build_from_config(told["build"])
        model.compile_from_config(told["compile"])
    except Exception as cause:
        raise DataError(
            f"the model of {run.folder.name!r} cannot be made by its configuration: "
            f"{_first_sentence(cause)}",
            "a model of Keras' own layers and losses",
            in_python,
        ) from cause
    if not model.built or not model.compiled:
        raise DataError(
            f"the configuration of {run.folder.name!r} does not tell the whole model",
            "a model of Keras' own layers and losses",
            in_python,
        )
    return model


def keep_bad_step(run: RunWriter, model: keras.Model, kept: KeptStep) -> None:
    """Writes the step beside the run, and which gate went wrong first into it."""
    run.keep(KEPT_STEP, _packed(kept))
    run.keep(KEPT_MODEL, _configuration(model))
    bad = retrace(model, kept).first_bad()
    content: dict[str, Any] = {"step": kept.step, "told": str(bad) if bad else ""}
    if bad and not bad.gate:
        content["came_in"] = bad.value.name
    if bad and bad.gate:
        content |= {"layer": bad.gate.layer, "op": bad.gate.op, "source": str(bad.gate.source)}
    content |= _grown(run, content.get("layer", ""), kept.step)
    run.event("first bad value", kept.step, content)


def _grown(run: RunWriter, layer: str, step: int) -> dict[str, Any]:
    run.flush()
    if not run.recording:
        return {}
    found = drift_of(open_run(run.folder), layer, step)
    return {"drift": found.to_dict()} if found else {}


def _configuration(model: keras.Model) -> bytes:
    try:
        told = {
            "model": keras.saving.serialize_keras_object(model),
            "build": model.get_build_config(),
            "compile": model.get_compile_config(),
        }
        return json.dumps(told).encode()
    except Exception as error:  # noqa: BLE001 - a user's classes may fail at this in any way
        return json.dumps({"why": f"Keras cannot write it ({_first_sentence(error)})"}).encode()


def _first_sentence(error: Exception) -> str:
    """What an error says before it goes on for pages, as those of Keras do."""
    said = " ".join(str(error).split()).partition(". ")[0]
    if said and not isinstance(error, KeyError):
        return said
    return f"{type(error).__name__} {said}".strip()


def retrace(model: keras.Model, kept: KeptStep) -> Trace:
    """Traces the step again, with every variable as it was before it.

    The model is as it was afterwards.

    Raises:
        DataError: The variables are of another model.
    """
    if model.optimizer is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    with unchanged(alive(), ()):
        _assign(state_of(model), kept.variables)
        _assign(_optimizers_variables(model), kept.optimizer)
        x, y, weight = keras.utils.unpack_x_y_sample_weight(kept.batch)
        return trace(model, x, y, sample_weight=weight, training=True)


def _optimizers_variables(model: keras.Model) -> list[Any]:
    """Those of the compiled optimizer, and of others that the model holds."""
    others = [one for one in vars(model).values() if isinstance(one, keras.Optimizer)]
    found = {id(one): one for one in [model.optimizer, *others] if one is not None}
    return [variable for one in found.values() for variable in one.variables]


def _assign(variables: Sequence[Any], values: Mapping[str, Any]) -> None:
    """Gives variables their values, in order; by path where only some have values."""
    if len(variables) == len(values):
        pairs = list(zip(variables, values.values(), strict=True))
    else:
        known = {variable.path: variable for variable in variables}
        pairs = [(known[path], value) for path, value in values.items() if path in known]
    for variable, value in pairs:
        if tuple(variable.shape) != value.shape:
            raise DataError(
                f"the variable {variable.path!r} has shape {tuple(variable.shape)}, "
                f"in the run {value.shape}",
                "the model that was trained",
                "make it with the same layers and sizes",
            )
        variable.assign(value)


def _packed(kept: KeptStep) -> bytes:
    arrays: dict[str, Any] = {}
    structure = _described(kept.batch, arrays)
    arrays |= {f"variables/{path}": value for path, value in kept.variables.items()}
    arrays |= {f"optimizer/{path}": value for path, value in kept.optimizer.items()}
    file = io.BytesIO()
    np.savez(file, step=np.int64(kept.step), structure=np.array(json.dumps(structure)), **arrays)
    return file.getvalue()


def _described(part: Any, arrays: dict[str, Any]) -> Any:
    """A batch's structure as plain data, its arrays put where they are named."""
    if part is None:
        return None
    if isinstance(part, dict):
        return {"dict": {str(key): _described(one, arrays) for key, one in part.items()}}
    if isinstance(part, list | tuple):
        kind = "list" if isinstance(part, list) else "tuple"
        return {kind: [_described(one, arrays) for one in part]}
    name = f"batch/{len(arrays)}"
    arrays[name] = _plain_array(part)
    return name


def _plain_array(part: Any) -> Any:
    array = np.asarray(part)
    return np.char.decode(array.astype("S"), "utf-8", "replace") if array.dtype == object else array


def unpacked(content: bytes) -> KeptStep:
    """Reads what `keep_bad_step` wrote; nothing is unpickled."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        groups: dict[str, dict[str, Any]] = {"variables": {}, "optimizer": {}}
        for name in arrays.files:
            group, _, rest = name.partition("/")
            if group in groups:
                groups[group][rest] = arrays[name]
        batch = _restored(json.loads(str(arrays["structure"])), arrays)
        return KeptStep(int(arrays["step"]), batch, groups["variables"], groups["optimizer"])


def _restored(structure: Any, arrays: Mapping[str, Any]) -> Any:
    if structure is None:
        return None
    if isinstance(structure, str):
        return arrays[structure]
    ((kind, parts),) = structure.items()
    if kind == "dict":
        return {name: _restored(one, arrays) for name, one in parts.items()}
    restored = [_restored(one, arrays) for one in parts]
    return restored if kind == "list" else tuple(restored)
