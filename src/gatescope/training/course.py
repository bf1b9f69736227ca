"""What became of a training so far, kept in memory, on disk and in its record."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import keras
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from gatescope.errors import CheckpointError, ConfigurationError, DivergenceError, nearest
from gatescope.runs.files import atomic_write
from gatescope.runs.open import open_run
from gatescope.runs.record import RunWriter
from gatescope.training.checkpoints import load_checkpoint, save_checkpoint

LAST, BEST = "last.safetensors", "best.safetensors"

_SAVING = 0.01  # share of the time that checkpoints may take


@final
@dataclass
class Course:
    """The epochs that are done, and the weights of the best of them.

    Args:
        model: What is trained, with its optimizer, both built.
        folder: Where it is saved; None keeps it in memory alone.

    Attributes:
        history: The metrics of each epoch.
        steps: How many steps were done at the end of each epoch.
        rates: The learning rate at the end of each epoch.
        best: Weights of the best epoch; before the first, those at the start.
        best_epoch: Its place in `history`.
        stopped: Whether it ends before all of its epochs are done.
    """

    model: keras.Model
    folder: Path | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    best_epoch: int = 0
    stopped: bool = False
    _saving: float = 0.0
    _saved_best: int | None = None

    def __post_init__(self) -> None:
        self.best: list[NDArray[Any]] = self.model.get_weights()
        self._begun = time.monotonic()

    def add(self, logs: Mapping[str, float], *, best: bool) -> None:
        """Adds an epoch that is done.

        Args:
            logs: Its metrics.
            best: Whether it is better than those before.
        """
        self.history.append({name: float(value) for name, value in logs.items()})
        # A variable that several processes share is no number by itself.
        optimizer = self.model.optimizer
        self.steps.append(int(keras.ops.convert_to_numpy(optimizer.iterations)))
        self.rates.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
        self.stopped = bool(self.model.stop_training)
        if best:
            self.best, self.best_epoch = self.model.get_weights(), len(self.history) - 1

    @property
    def saving_is_due(self) -> bool:
        """Whether saving has so far taken no more than its share of the time."""
        return self._saving <= _SAVING * (time.monotonic() - self._begun)

    def save(self) -> None:
        """Writes all that the rest of the training depends on.

        Raises:
            CheckpointError: The disk is full or the folder cannot be written.
        """
        if self.folder is None:
            return
        began = time.monotonic()
        if self._saved_best != self.best_epoch:
            _write_weights(self.folder / BEST, self.best)
            self._saved_best = self.best_epoch
        save_checkpoint(
            self.folder / LAST,
            self.model,
            self.model.optimizer,
            epoch=len(self.history),
            metadata={
                "history": self.history,
                "steps": self.steps,
                "rates": self.rates,
                "best_epoch": self.best_epoch,
                "stopped": self.stopped,
            },
        )
        self._saving += time.monotonic() - began

    def restore(self, folder: Path) -> None:
        """Goes on from what was saved in a folder.

        Raises:
            CheckpointError: A file is missing, damaged, or of another model.
        """
        saved = load_checkpoint(folder / LAST, self.model, self.model.optimizer).metadata
        self.best = _read_weights(folder / BEST)
        for name, value in saved.items():
            setattr(self, name, value)

    @property
    def columns(self) -> dict[str, list[float]]:
        """Each metric of all epochs; NaN where an epoch lacks it."""
        names = dict.fromkeys(name for logs in self.history for name in logs)
        return {name: [logs.get(name, math.nan) for logs in self.history] for name in names}


@final
class Guard(keras.callbacks.Callback):
    """Ends a training that cannot come to anything, before such an epoch is kept.

    Args:
        monitor: The metric by which epochs are compared.
    """

    def __init__(self, monitor: str) -> None:
        super().__init__()
        self.monitor = monitor

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        metrics = logs or {}
        if self.monitor not in metrics:
            held_out = any(name.startswith("val_") for name in metrics)
            near = nearest(self.monitor, metrics)
            if self.monitor.startswith("val_") and not held_out:
                near = "give validation data"
            raise ConfigurationError(
                f"there is no metric {self.monitor!r} to monitor",
                f"one of {', '.join(metrics)}",
                near or "leave monitor at 'auto'",
            )
        for name in ("loss", self.monitor):  # a step of the user's own may tell no loss
            if not math.isfinite(metrics.get(name, 0.0)):
                raise DivergenceError(
                    f"{name} of epoch {epoch + 1} is {metrics[name]}",
                    "a finite number",
                    "start a new run with a lower learning_rate, or with clip_norm; "
                    "gatescope run SCRIPT shows which layer went wrong first",
                )


@final
class Told(keras.callbacks.Callback):
    """A callback of Keras that is told of the epochs before those that it sees.

    Its state has to be a function of their metrics, as with `EarlyStopping` or `ReduceLROnPlateau`.

    Args:
        callback: The callback, which forgets everything when a training begins.
        past: Metrics of the epochs before.
    """

    def __init__(
        self, callback: keras.callbacks.Callback, past: Sequence[Mapping[str, float]]
    ) -> None:
        super().__init__()
        self.callback, self.past = callback, tuple(past)

    def set_model(self, model: keras.Model) -> None:
        self.callback.set_model(model)

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self.callback.on_train_begin(logs)
        for epoch, metrics in enumerate(self.past):
            self.callback.on_epoch_end(epoch, dict(metrics))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.callback.on_epoch_end(epoch, logs)


@final
class Keeper(keras.callbacks.Callback):
    """Adds each epoch to a course, and saves that when it is due and at the end.

    Args:
        course: Of the training.
        stopping: Compares epochs, and is called before this one.
        record: Of the training, if there is one.
    """

    def __init__(
        self,
        course: Course,
        stopping: keras.callbacks.EarlyStopping,
        record: RunWriter | None,
    ) -> None:
        super().__init__()
        self.course, self.stopping, self.record = course, stopping, record
        self.recorded = _recorded(record) if record else 0

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        # A killed training may have saved what it had no time to record.
        for epoch in range(self.recorded, len(self.course.history)):
            self._record(epoch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        course = self.course
        course.add(logs or {}, best=self.stopping.best_epoch == epoch)
        if course.saving_is_due or course.stopped or epoch + 1 == self.params["epochs"]:
            course.save()
        if epoch >= self.recorded:
            self._record(epoch)

    def _record(self, epoch: int) -> None:
        if self.record:
            course = self.course
            values = {"learning_rate": course.rates[epoch], **course.history[epoch]}
            self.record.metrics(course.steps[epoch] - 1, epoch, values)


def _recorded(record: RunWriter) -> int:
    """How many epochs an earlier life of the training has recorded."""
    if not record.begun:
        return 0
    return 1 + max(map(int, open_run(record.folder).metrics["epoch"]), default=-1)


def _write_weights(path: Path, weights: Sequence[NDArray[Any]]) -> None:
    named = {f"{place:05d}": weight for place, weight in enumerate(weights)}
    try:
        atomic_write(path, save(named))
    except OSError as cause:
        raise CheckpointError(
            f"the best weights {path} could not be saved: {cause.strerror or cause}",
            "a folder that may be written, with room for them",
            "free some space, then resume: what was saved before is intact",
        ) from cause


def _read_weights(path: Path) -> list[NDArray[Any]]:
    try:
        named = load(path.read_bytes())
    except (OSError, SafetensorError) as cause:
        raise CheckpointError(
            f"the best weights {path} cannot be read: {cause}",
            "the file that the training saved beside its checkpoint",
            "restore the file from a copy, or start a new run",
        ) from cause
    return [named[name] for name in sorted(named)]
