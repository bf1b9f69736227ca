"""Trains a Keras model: what is asked in one configuration, what is done on disk, exactly resumed.

A run's folder holds

- `recipe.json`: what was asked, and whether it is finished;
- `run.sqlite`: loss, metrics and learning rate of every epoch, which `gatescope runs show` reads;
- `last.safetensors`: all that the rest of the training depends on;
- `best.safetensors`: the weights of the best epoch so far;
- `model.keras`: the trained model, once it is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, final

import keras
import tensorflow as tf
from keras.src.random.seed_generator import global_seed_generator
from keras.src.utils.python_utils import is_default
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt
from rich.console import Console

from gatescope.errors import ConfigurationError, UsageError
from gatescope.runs.asked import Asked, open_run, write_asked
from gatescope.runs.record import RunWriter, record_in
from gatescope.scope.description import describe_layers
from gatescope.training.course import LAST, Course, Guard, Keeper, Told
from gatescope.training.determinism import repeat_exactly
from gatescope.training.epochs import (
    ArrayEpochs,
    Data,
    EpochDataset,
    EpochMaker,
    as_arrays,
    in_memory,
    weighted,
)
from gatescope.training.in_graph import recurrences_written_out, steps_in_graph
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.precision import Precision, computing_in
from gatescope.training.progress import TrainingProgress
from gatescope.training.schedules import Constant, Plateau, Schedule
from gatescope.training.work import steps_at_once

RECIPE, MODEL = "recipe.json", "model.keras"
_STEP_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
)


class FitConfig(BaseModel):
    """Everything that decides how a model is trained.

    Args:
        epochs: Passes over the data, at most.
        batch_size: Examples a step, where the data are arrays.
        optimizer: Its name, highest learning rate and other settings.
        schedule: How the learning rate changes.
        monitor: The metric by which epochs are compared; `auto` is `val_loss`, or `loss` where
            nothing is held out.
        patience: Epochs without a better one before the training ends; None trains all.
        restore_best: Whether the model ends with the weights of its best epoch.
        class_weight: `balanced` lets rare classes count as much as frequent ones.
        precision: Of what layers compute; `auto` is `bfloat16` where that is known to be faster.
        clip_norm: Largest global norm of a gradient; None lets them be.
        seed: Of the order of the data and of the global random generators.
        deterministic: Whether the same training on the same machine gives the same bits.
        steps_per_execution: Steps between two looks of Python at the training; `auto` takes many
            where steps are short and no callback wants to see each.
        cache: Whether a dataset is read once and kept in memory, for one that draws nothing anew.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: PositiveInt
    batch_size: PositiveInt = 32
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: Schedule = Constant()
    monitor: str = "auto"
    patience: PositiveInt | None = None
    restore_best: bool = True
    class_weight: Literal["balanced"] | None = None
    precision: Precision = "auto"
    clip_norm: PositiveFloat | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
    deterministic: bool = True
    steps_per_execution: PositiveInt | Literal["auto"] = "auto"
    cache: bool = False


@final
@dataclass(frozen=True)
class Fitted:
    """What a training came to.

    Args:
        history: Each metric of every epoch, as `keras.callbacks.History` has it.
        best_epoch: The place in `history` of the best epoch.
        run_folder: Where the run is; None where nothing was written.
    """

    history: Mapping[str, Sequence[float]]
    best_epoch: int
    run_folder: Path | None


class FitRun(Asked):
    """What `recipe.json` holds."""

    config: FitConfig
    data: str


def fit(
    model: keras.Model,
    data: Data,
    config: FitConfig,
    *,
    run: Path | None = None,
    validation: Data | None = None,
    resume: bool = False,
    console: Console | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Fitted:
    """Trains a model by `keras.Model.fit`.

    Args:
        model: Compiled with its loss and metrics; its optimizer is the configuration's.
        data: `(x, y)` or `(x, y, sample_weight)`, each in any nesting of arrays; or a function
            from the number of an epoch to its `tf.data.Dataset` of batches.
        config: How to train.
        run: Folder for everything that is written; made if it is not there. None writes nothing.
        validation: Held-out data of the same form, which is scored after each epoch.
        resume: Goes on where the run of that folder was stopped; what it comes to is what an
            uninterrupted run comes to, to the bit on the same machine.
        console: Where progress is shown; None is silent.
        callbacks: Of Keras. What they hold is not resumed; what they do to the model is.

    Returns:
        Metrics of all epochs, also of those before it was resumed.

    Raises:
        UsageError: The model is not compiled, or the folder holds another run, or none to resume.
        DataError: The data cannot be used.
        ConfigurationError: The configuration is another one than the run's, names a metric that
            there is not, or makes the loss infinite.
        CheckpointError: A checkpoint does not fit or cannot be written.
        RunError: Another training writes into the folder.

    Example:
        >>> model.compile(loss="mse")  # doctest: +SKIP
        >>> fitted = fit(model, (x, y), FitConfig(epochs=20), run=Path("runs/a"))  # doctest: +SKIP
        >>> fitted.history["loss"][fitted.best_epoch]  # doctest: +SKIP
    """
    _check(model, run, resume=resume)
    return train(
        model, data, config, run, validation, resume=resume, console=console, callbacks=callbacks
    )


def _keras_fit(
    model: keras.Model,
    dataset: EpochDataset,
    *,
    validation_data: EpochDataset | None,
    epochs: int,
    **given: Any,
) -> None:
    steps = epochs * max(0, _batches(dataset))  # resumed or not, so that both do the same
    given |= {"validation_data": validation_data, "epochs": epochs}
    with steps_in_graph(model, dataset, validation_data, steps=steps):
        model.fit(dataset, shuffle=False, verbose=0, **given)


def train(
    model: keras.Model,
    data: Data,
    config: FitConfig,
    run: Path | None,
    validation: Data | None,
    *,
    resume: bool = False,
    console: Console | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    loop: Callable[..., None] = _keras_fit,
    beside: Path | None = None,
) -> Fitted:
    """What `fit` does, with any loop over epochs in the place of Keras' own.

    Args:
        model: See `fit`, as for all that is not said here.
        data: See `fit`.
        config: See `fit`.
        run: See `fit`.
        validation: See `fit`.
        resume: See `fit`.
        console: See `fit`.
        callbacks: See `fit`.
        loop: Takes the model, the dataset, and `validation_data`, `initial_epoch`, `epochs` and
            `callbacks` as `keras.Model.fit` does.
        beside: Folder that another process writes the same training to, whose checkpoint, if
            there is one, is gone on from.
    """
    if config.deterministic:
        repeat_exactly()
    keras.utils.set_random_seed(config.seed)
    # Checkpoints hold it, and where several processes train, all of them must make a variable.
    global_seed_generator()
    dataset = EpochDataset(epochs_of(data, config))
    held_out = None if validation is None else _held_out(validation, config.batch_size)
    _prepare(model, dataset, config, callbacks)
    training = _Training(config, dataset, held_out, console, callbacks, loop)
    course = Course(model, run)
    with computing_in(model, config.precision), recurrences_written_out(model):
        if run is not None:
            training.complete_in(run, course, resume=resume)
        else:
            if beside is not None and (beside / LAST).exists():
                course.restore(beside)
            training.complete(course, None)
    if config.restore_best:
        model.set_weights(course.best)
    if run is not None:
        training.finish(run, model)
    return Fitted(course.columns, course.best_epoch, run)


@dataclass(frozen=True)
class _Training:
    """What is trained on, and what is told of it."""

    config: FitConfig
    dataset: EpochDataset
    held_out: EpochDataset | None
    console: Console | None
    callbacks: Sequence[keras.callbacks.Callback]
    loop: Callable[..., None]

    @property
    def asked(self) -> FitRun:
        parts = keras.tree.flatten(self.dataset.element_spec)
        batch = ", ".join(f"{tuple(part.shape)} {part.dtype.name}" for part in parts)
        return FitRun(config=self.config, data=f"{_batches(self.dataset)} batches of {batch}")

    def complete_in(self, run: Path, course: Course, *, resume: bool) -> None:
        """Trains what is left of the run of a folder."""
        asked = open_run(self.asked, run / RECIPE, resume=resume)
        if asked.finished:
            course.restore(run)
            return
        configuration = self.config.model_dump(mode="json") | {"data": asked.data}
        layers = describe_layers(course.model)
        with record_in(run, configuration=configuration, structure=layers) as record:
            if (run / LAST).exists():
                course.restore(run)
            else:
                course.save()  # first weights, which another process might draw differently
            self.complete(course, record)

    def complete(self, course: Course, record: RunWriter | None) -> None:
        """Trains the epochs that are left."""
        if course.stopped or len(course.history) == self.config.epochs:
            return
        with TrainingProgress(self.console) as bar:
            self.loop(
                course.model,
                self.dataset,
                validation_data=self.held_out,
                initial_epoch=len(course.history),
                epochs=self.config.epochs,
                callbacks=[*self._around(course, record), *([bar] if self.console else [])],
            )

    def _around(self, course: Course, record: RunWriter | None) -> list[keras.callbacks.Callback]:
        """The user's callbacks and ours, of which the last sees what all others have done."""
        config = self.config
        monitor = self._monitor
        stopping = keras.callbacks.EarlyStopping(monitor, patience=config.patience or config.epochs)
        lowering = []
        if isinstance(config.schedule, Plateau):
            lowering.append(Told(config.schedule.callback(monitor), course.history))
            course.model.optimizer.learning_rate = config.optimizer.learning_rate
        return [
            _Begin(self.dataset, self.held_out),
            Guard(monitor),
            *lowering,
            *self.callbacks,
            Told(stopping, course.history),
            Keeper(course, stopping, record),
        ]

    @property
    def _monitor(self) -> str:
        if self.config.monitor != "auto":
            return self.config.monitor
        return "loss" if self.held_out is None else "val_loss"

    def finish(self, run: Path, model: keras.Model) -> None:
        """Leaves the model, and says that all is done."""
        unfinished = run / f".unfinished.{MODEL}"
        model.save(unfinished)
        unfinished.replace(run / MODEL)
        write_asked(self.asked.model_copy(update={"finished": True}), run / RECIPE)


@final
class _Begin(keras.callbacks.Callback):
    """Turns data to their start before each pass.

    Args:
        dataset: What is trained on.
        held_out: What is scored after each epoch.
    """

    def __init__(self, dataset: EpochDataset, held_out: EpochDataset | None) -> None:
        super().__init__()
        self.dataset, self.held_out = dataset, held_out

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.dataset.begin(epoch)

    def on_test_begin(self, logs: Mapping[str, float] | None = None) -> None:
        if self.held_out is not None:
            self.held_out.begin(0)


def check_compiled(model: keras.Model) -> None:
    """Refuses a model without a loss.

    Args:
        model: Whatever is to be trained.

    Raises:
        UsageError: It is not compiled.
    """
    if not model.compiled:
        raise UsageError(
            f"the model {model.name!r} is not compiled",
            "a model with a loss",
            "call model.compile(loss=..., metrics=...) first",
        )


def _check(model: keras.Model, run: Path | None, *, resume: bool) -> None:
    check_compiled(model)
    if resume and run is None:
        raise UsageError(
            "there is nothing to resume without a run",
            "the folder that a training was written to",
            "name it, run=Path(...), or leave resume out",
        )


def epochs_of(data: Data, config: FitConfig) -> EpochMaker:
    """What makes the batches of each epoch.

    Args:
        data: As `fit` takes it.
        config: How to train.

    Raises:
        UsageError: It is a dataset, in place of what makes one.
        ConfigurationError: Classes are to be weighed that cannot be counted.
        DataError: The arrays have no row, or not the same number everywhere.
    """
    if isinstance(data, tf.data.Dataset):
        raise UsageError(
            "a dataset by itself has one order, or one that no other process can repeat",
            "a function from the number of an epoch to its dataset",
            "lambda epoch: dataset.shuffle(1000, seed=epoch).batch(32)",
        )
    if callable(data) and not config.cache:
        if config.class_weight:
            raise ConfigurationError(
                f"class_weight is {config.class_weight!r}, but a dataset streams by",
                "arrays, whose classes can be counted",
                "set cache=True if they fit into memory, or give sample weights of your own",
            )
        return data
    arrays = as_arrays(in_memory(data(0)) if callable(data) else data)
    if config.class_weight:
        arrays = weighted(arrays, config.class_weight)
    return ArrayEpochs(arrays, batch_size=config.batch_size, seed=config.seed)


def _held_out(data: Data, batch_size: int) -> EpochDataset:
    if callable(data):
        made = data(0)
        return EpochDataset(lambda epoch: made)
    return EpochDataset(ArrayEpochs(as_arrays(data), batch_size=batch_size, seed=None))


def _prepare(
    model: keras.Model,
    dataset: EpochDataset,
    config: FitConfig,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Builds what is not built, and gives the model its optimizer and the size of its steps."""
    if not model.built:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(next(iter(dataset)))
        model(x)
    # As it was compiled, but for what the configuration says; a class may have its own `compile`.
    compiled = model._compile_config.config | {
        "optimizer": config.optimizer.make(_rate(config, dataset), config.clip_norm),
        "steps_per_execution": _steps_per_execution(model, config, callbacks),
    }
    keras.Model.compile(model, **compiled)
    model.optimizer.build(model.trainable_variables)


def _rate(
    config: FitConfig, dataset: EpochDataset
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    batches, peak = _batches(dataset), config.optimizer.learning_rate
    rates = config.schedule.rates(peak, epochs=config.epochs, steps_per_epoch=max(1, batches))
    if rates is None:
        return peak
    if batches < 0:
        raise ConfigurationError(
            f"the schedule {config.schedule.kind!r} counts batches, and the dataset's are unknown",
            "a dataset whose cardinality is known",
            "dataset.apply(tf.data.experimental.assert_cardinality(batches)), "
            "or the schedule 'constant' or 'plateau'",
        )
    return rates.keras()


def _steps_per_execution(
    model: keras.Model, config: FitConfig, callbacks: Sequence[keras.callbacks.Callback]
) -> int:
    if config.steps_per_execution != "auto":
        return config.steps_per_execution
    watched = any(
        not is_default(getattr(callback, hook)) for callback in callbacks for hook in _STEP_HOOKS
    )
    return 1 if watched else steps_at_once(model, config.batch_size)


def _batches(dataset: EpochDataset) -> int:
    """How many batches an epoch has; below 0 where that is unknown."""
    return int(dataset.cardinality())
