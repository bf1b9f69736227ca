"""The child process that trains copies: `python -m gatescope.doctor.bench FOLDER`.

It reads a specimen from the folder, then a line of JSON a trial, and answers each with a line. No
code of the user's is imported: what a copy needs of it makes the copy impossible, and is said.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import numpy as np

from gatescope.doctor.changes import NotApplicable, Specimen, apply
from gatescope.doctor.evidence import Sample, named, training_of
from gatescope.doctor.finding import Change
from gatescope.doctor.outcome import classes_of, skill, task_of
from gatescope.startup import uncollected

_BYTES = 3_000
_POINTS = 60  # of a curve


def read(folder: Path) -> Specimen:
    """The specimen that `Bench` wrote."""
    told = json.loads((folder / "specimen.json").read_text())
    parts: dict[str, list[Any]] = {name: [] for name in ("x", "y", "x_val", "y_val")}
    with np.load(folder / "sample.npz", allow_pickle=False) as arrays:
        for name in arrays.files:
            parts[name.partition("/")[0]].append(arrays[name])
    with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
        weights = {name: arrays[name] for name in arrays.files}
    x, y, x_val, y_val = map(tuple, parts.values())
    sample = Sample(x, y, x_val, y_val, tuple(told["inputs"]), tuple(told["targets"]))
    return Specimen(told["model"], told["compile"], told["fit"], sample, weights)


def trial(specimen: Specimen, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Trains one copy and measures it.

    Args:
        specimen: What to copy.
        asked: `changes`, `seed`, the most `steps` and `seconds`, and perhaps `watch`, a folder.
    """
    import keras

    began = time.perf_counter()
    changes = [Change(*one) for one in asked["changes"]]
    keras.utils.clear_session()
    keras.utils.set_random_seed(int(asked["seed"]))
    changed = apply(specimen, changes)
    model = _built(changed)
    if asked.get("watch"):
        from gatescope.scope.watch import watch

        folder = Path(asked["watch"])
        watch(model, overhead=0.5, runs=folder, name="rehearsal", keep_data=False)
    try:
        limit = _train(model, changed, asked)
    except Exception as error:
        raise _DoesNotTrainError(_told(error)) from error
    return _measured(model, changed, specimen) | {
        "steps": limit.done,
        "cut": limit.cut,
        "curve": limit.curve,
        "seconds": time.perf_counter() - began,
    }


class _DoesNotTrainError(Exception):
    """A copy could be made, but not be trained on the data."""


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:_BYTES]}"


def _built(specimen: Specimen) -> Any:
    import keras

    # Keras takes apart what it is given.
    told = copy.deepcopy({k: v for k, v in specimen.model.items() if k != "compile_config"})
    model = keras.saving.deserialize_keras_object(named(told))
    if not model.built:
        model.build((None, *specimen.sample.x[0].shape[1:]))
    for variable in model.variables:
        if variable.path in specimen.weights:
            kept = specimen.weights[variable.path]
            if kept.shape == tuple(variable.shape):
                variable.assign(kept)
    compiled = copy.deepcopy(dict(specimen.compile))
    model.compile(
        optimizer=keras.optimizers.get(compiled.get("optimizer") or "rmsprop"),
        loss=_losses(compiled.get("loss")),
        loss_weights=compiled.get("loss_weights"),
        metrics=compiled.get("metrics") if _are_names(compiled.get("metrics")) else None,
    )
    return model


def _are_names(metrics: Any) -> bool:
    return isinstance(metrics, list) and all(isinstance(one, str) for one in metrics)


def _losses(told: Any) -> Any:
    import keras

    if isinstance(told, list):
        return [_losses(one) for one in told]
    if isinstance(told, Mapping) and "class_name" not in told:
        return {name: _losses(one) for name, one in told.items()}
    if isinstance(told, Mapping):
        name, settings = told["class_name"], told.get("config")
        if isinstance(settings, Mapping) and told.get("module") is None:
            loss = keras.losses.get(name)
            if not isinstance(loss, keras.losses.Loss):
                names = {one.casefold(): one for one in dir(keras.losses)}
                loss = getattr(keras.losses, names[name.replace("_", "").casefold()])()
            return type(loss).from_config({**loss.get_config(), **settings})
    return keras.losses.get(told)


def _train(model: Any, specimen: Specimen, asked: Mapping[str, Any]) -> _Limit:
    import keras

    fit, most = specimen.fit, int(asked["steps"])
    count, size = len(specimen.sample.x[0]), int(fit.get("batch_size") or 32)
    total = ceil(int(fit["samples"]) / size) if fit.get("samples") else _steps(fit, count, size)
    wanted = most if asked.get("longer") else min(most, max(1, total) * int(fit.get("epochs") or 1))
    limit = _Limit(wanted, asked)
    _build_rest(model, specimen.sample)
    model.fit(
        _batches(specimen, min(size, count)),
        steps_per_epoch=wanted,
        verbose=0,
        class_weight=_weights(specimen),
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=limit.bind(model))],
    )
    return limit


def _build_rest(model: Any, sample: Sample) -> None:
    """Builds metrics and optimizer, for which `fit` would trace the step once more."""
    x = _joined(tuple(one[:1] for one in sample.x), sample.inputs, tuple)
    y = _joined(tuple(one[:1] for one in sample.y), sample.targets, tuple)
    with suppress(Exception):  # which `fit` meets again, and says better
        model._symbolic_build(data_batch=(x, y))


def _batches(specimen: Specimen, size: int) -> Any:
    """Batches without end, drawn as `fit` draws them: an epoch of a few rows takes no time."""
    import tensorflow as tf

    sample = specimen.sample
    parts = (_joined(sample.x, sample.inputs, tuple), _joined(sample.y, sample.targets, tuple))
    data = tf.data.Dataset.from_tensor_slices(parts)
    if specimen.fit.get("shuffle", True):
        data = data.shuffle(len(sample.x[0]), reshuffle_each_iteration=True)
    return data.batch(size).repeat()


def _steps(fit: Mapping[str, Any], count: int, batch: int) -> int:
    """Steps of an epoch of data that nobody counted."""
    return int(fit.get("steps_per_epoch") or ceil(count / batch))


class _Limit:
    """Ends a training after so many steps or seconds.

    Args:
        steps: The most of them.
        asked: `seconds`; and the seconds that are `quick`, after which so many steps as are
            `enough` will do.
    """

    def __init__(self, steps: int, asked: Mapping[str, Any]) -> None:
        self._steps, self._seconds = steps, float(asked["seconds"])
        self._quick, self._enough = float(asked["quick"]), int(asked["enough"])
        self._began = 0.0  # the first step, in which graphs are built, does not count
        self.done, self.cut = 0, False
        self._means: list[float] = []

    @property
    def curve(self) -> list[tuple[int, float]]:
        """The mean loss of each stretch of steps, and the last step of it, where it is finite."""
        ends = np.linspace(0, len(self._means), min(len(self._means), _POINTS) + 1).astype(int)
        # Keras tells the mean since the start.
        sums = np.arange(len(self._means) + 1) * np.array([0.0, *self._means])
        losses = np.diff(sums[ends]) / np.diff(ends)
        return [
            (step, loss)
            for step, loss in zip(ends[1:].tolist(), losses.tolist(), strict=True)
            if isfinite(loss)
        ]

    def bind(self, model: Any) -> Any:
        """A function for the end of each batch."""

        def ended(batch: int, logs: Any) -> None:
            self.done += 1
            if "loss" in logs:
                self._means.append(float(logs["loss"]))
            self._began = self._began or time.perf_counter()
            took = time.perf_counter() - self._began
            over = took > (self._quick if self.done >= self._enough else self._seconds)
            self.cut = self.done < self._steps and over
            if self.cut or self.done >= self._steps:
                model.stop_training = True

        return ended


def _weights(specimen: Specimen) -> Any:
    if specimen.fit.get("class_weight") != "balanced":
        return None
    told = classes_of(specimen.sample.y[0]).ravel()
    values, counts = np.unique(told, return_counts=True)
    return {
        int(value): float(len(told) / len(values) / count)
        for value, count in zip(values, counts, strict=True)
    }


def _joined(
    parts: tuple[Any, ...], names: tuple[str, ...], several: type[list[Any]] | type[tuple[Any, ...]]
) -> Any:
    """Arrays as `fit` was given them: one alone, a dictionary, or several in their order."""
    if len(parts) == 1:
        return parts[0]
    if all(name.isdigit() for name in names):
        return several(parts)
    return dict(zip(names, parts, strict=True))


def _measured(model: Any, changed: Specimen, original: Specimen) -> dict[str, Any]:
    """Skill on held-out data and in training, and the loss where it is one function."""
    sample = changed.sample
    held = (sample.x_val, sample.y_val) if sample.x_val else (sample.x, sample.y)
    found: dict[str, Any] = {}
    for name, (x, y) in (("skill", held), ("train", (sample.x, sample.y))):
        given = _joined(x, sample.inputs, list)
        predicted = model.predict(given, verbose=0, batch_size=256)
        outputs = predicted if isinstance(predicted, list) else [predicted]
        if isinstance(predicted, dict):
            outputs = [predicted[one] for one in sample.targets]
        losses = _losses_of(changed, model, len(outputs))
        found[name] = float(np.mean([
            _skill(*one) for one in zip(y, map(np.asarray, outputs), losses, strict=True)
        ]))  # fmt: skip
        if name == "skill" and len(outputs) == 1 and callable(model.loss):
            found["loss"] = _loss_of(model, given, y[0])
    return found


def _losses_of(specimen: Specimen, model: Any, count: int) -> list[str | None]:
    """The loss of each output, where its name is known."""
    training = training_of(specimen.compile, {})
    names = specimen.sample.targets or ("",) * count
    return [
        training.losses.get(one, training.losses.get(layer, (training.loss, {})))[0]
        for one, layer in zip(names, getattr(model, "output_names", names), strict=True)
    ]


def _loss_of(model: Any, x: Any, y: Any) -> float:
    """The loss as `fit` computes it, without penalties, which a remedy may have changed."""
    whole = model.evaluate(x, y, verbose=0, batch_size=256, return_dict=True)
    return float(whole["loss"]) - float(sum(model.losses, 0.0))


def _skill(y: Any, predicted: Any, loss: str | None) -> float:
    known = np.asarray(y, float)
    if not np.isfinite(known).all():
        kept = np.isfinite(known.reshape(len(known), -1)).all(1)
        y, predicted = y[kept], predicted[kept]
    units = predicted.shape[-1] if predicted.ndim > 1 else 1
    return skill(y, predicted, task_of(y, loss, units))


def answer(specimen: Specimen, line: str) -> dict[str, Any]:
    """What came of a trial, or why there could be none."""
    try:
        return trial(specimen, json.loads(line))
    except NotApplicable as error:
        return {"error": str(error)}
    except _DoesNotTrainError as error:
        return {"error": str(error), "trained": False}
    except Exception as error:  # noqa: BLE001 - a copy may fail in as many ways as a script
        return {"error": _told(error)}


def _load_keras() -> None:
    """Half a million objects that stay: the collector looks at none of them, now and later."""
    with uncollected():
        import keras  # noqa: F401
    gc.freeze()


def main() -> None:
    """Answers trials until its input ends."""
    folder = Path(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever prints, prints elsewhere
    specimen = read(folder)
    _load_keras()
    for line in sys.stdin:
        answers.write(json.dumps(answer(specimen, line)) + "\n")


if __name__ == "__main__":
    main()
