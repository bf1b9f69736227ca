"""A training that is steered while it runs: played, paused, stepped, reset, told another rate.

Its steps are those that `gatescope.training.fit` takes with the same configuration and that plain
Keras takes on the same batches. One thread touches the network; what others ask of it is done
between two steps, so that what they see is of one moment.

Suffixes: N samples, U units, S points a side of the plane, K outputs, B batch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Any, Self, TypeVar, final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gatescope.errors import ConfigurationError, DivergenceError, UsageError
from gatescope.scope.statistics import Flat, flat_beyond, norm
from gatescope.training.determinism import repeat_exactly
from gatescope.training.epochs import Arrays, as_arrays, order_of, rows
from gatescope.training.fit import FitConfig, check_compiled
from gatescope.training.plane import InputPlane
from gatescope.training.schedules import Plateau

Floats = NDArray[np.float32]
Done = TypeVar("Done")

_SLICE = 0.02  # seconds of training between two looks at what is asked
_MOST_POINTS = 256  # of a curve: when there are more, every other one goes


@final
@dataclass(frozen=True, eq=False)
class SeenLayer:
    """A dense layer at one moment, with the normalization and activation behind it.

    Args:
        name: Of the dense layer.
        activation: As Keras spells it.
        kernel: Its weights. Shape: (inputs, U).
        bias: Shape: (U,); None where it has none.
        gradient: The norm of the loss' gradient with respect to all weights of the layer, in the
            last step; NaN before the first.
        dead: Which units put out 0 for every training sample. Shape: (U,).
        saturated: The share of each unit's outputs on training samples that lie where its
            activation is flat on both sides. Shape: (U,).
        maps: What each unit puts out over the plane, the lowest row first. Shape: (U, S, S).
    """

    name: str
    activation: str
    kernel: Floats
    bias: Floats | None
    gradient: float
    dead: NDArray[np.bool_]
    saturated: Floats
    maps: Floats


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """The loss on all training samples and on all held-out ones, penalties included.

    Args:
        steps: How many steps had been taken.
        train: What it was on the samples that are learned from.
        held_out: What it was on the others.
    """

    steps: tuple[int, ...]
    train: tuple[float, ...]
    held_out: tuple[float, ...]


@final
@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything that is looked at, of one moment between two steps.

    Args:
        step: Steps taken so far.
        epoch: Passes over the data so far, and the begun one's part.
        learning_rate: Of the next step.
        batch_loss: Of the last step's batch, before the step; NaN before the first.
        playing: Whether it goes on by itself.
        layers: Dense layers from the first hidden one to the output.
        curve: The loss so far; its last point is this moment.
        answers: What the network says of training samples. Shape: (N, K).
        held_out_answers: What it says of held-out ones. Shape: (N, K).
        problem: Why it cannot go on, if so.
    """

    step: int
    epoch: float
    learning_rate: float
    batch_loss: float
    playing: bool
    layers: tuple[SeenLayer, ...]
    curve: Curve
    answers: Floats
    held_out_answers: Floats
    problem: str


@dataclass(frozen=True)
class _Stage:
    """A dense layer, all layers up to the next one, and the last of these with an activation."""

    dense: keras.layers.Dense
    active: keras.layers.Layer
    variables: tuple[keras.Variable, ...]
    flat: Flat | None


@final
class SteeredTraining:
    """A training in a thread of its own. Close it, or use it in a `with` statement.

    Args:
        model: Compiled with its loss; a chain of layers from one input of numbers to one output.
        train: `(x, y)` to learn from.
        held_out: `(x, y)` to compare with.
        config: How it is trained. `epochs` is the length of its schedule; it goes on after that,
            at the schedule's last rate.
        side: Points a side of the plane that units are looked at on.

    Raises:
        UsageError: The model is not compiled.
        ConfigurationError: The schedule, or another part of the configuration, needs whole epochs.
        DataError: The samples span no plane.

    Example:
        >>> with SteeredTraining(model, train, held_out, FitConfig(epochs=60)) as training:
        ...     training.step(100)
        ...     training.set_learning_rate(0.003)
        ...     training.play()
        ...     seen = training.snapshot()  # doctest: +SKIP
    """

    def __init__(
        self, model: keras.Model, train: Arrays, held_out: Arrays, config: FitConfig, side: int = 48
    ) -> None:
        _check(model, config)
        if config.deterministic:
            repeat_exactly()
        self._config, self._rate = config, config.optimizer.learning_rate
        self._train, self._held_out = _tensors(train), _tensors(held_out)
        self._count = rows(self._train)
        x = keras.tree.flatten(self._train[0])[0].numpy()
        self.plane = InputPlane.through(x)
        self._grid, self._side = tf.constant(self.plane.points(side)), side
        self._network = _Network(model, self._train, config)
        self._played, self._pace = Event(), 0.0
        self._due = 0.0
        self._problem: BaseException | None = None
        self._begin()
        self._worker = ThreadPoolExecutor(1, "steered training")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends it, and waits for the step that it is in."""
        self._played.clear()
        self._worker.shutdown(cancel_futures=True)

    @property
    def playing(self) -> bool:
        """Whether it goes on by itself."""
        return self._played.is_set()

    def play(self, pace: float = 0.0) -> None:
        """Goes on by itself until it is paused.

        Args:
            pace: Steps a second at most; 0 for as many as it can.

        Raises:
            DivergenceError: Its loss is no number any more: reset it.
            UsageError: It is closed.
        """
        self._pace = pace
        self._done(self._start)

    def pause(self) -> None:
        """Stops after the step that it is in."""
        self._played.clear()
        self._done(lambda: None)

    def step(self, count: int = 1) -> None:
        """Takes some steps and stops.

        Args:
            count: How many.

        Raises:
            DivergenceError: The loss is no number.
            UsageError: It is closed.
        """
        self._played.clear()

        def several() -> None:
            for _ in range(count):
                self._advance()

        self._done(several)

    def reset(self) -> None:
        """Goes back to before the first step: first weights, first batch, the configured rate."""
        self._played.clear()
        self._done(self._restart)

    def set_learning_rate(self, rate: float) -> None:
        """Takes another rate from the next step on; of a schedule, its peak.

        Args:
            rate: Above 0.

        Raises:
            UsageError: It is not.
        """
        if not (math.isfinite(rate) and rate > 0):
            raise UsageError(f"the learning rate is {rate:g}", "a number above 0", "say, 0.01")

        def change() -> None:
            self._rate = rate

        self._done(change)

    def snapshot(self) -> Snapshot:
        """What there is to see between two steps.

        Raises:
            UsageError: It is closed.
        """
        return self._done(self._seen)

    # What follows runs in the worker alone, or before there is one.

    def _done(self, what: Callable[[], Done]) -> Done:
        """Has something done between two steps."""
        try:
            asked = self._worker.submit(what)
        except RuntimeError:
            raise _closed() from None
        try:
            return asked.result()
        except CancelledError:
            raise _closed() from None

    def _start(self) -> None:
        self._raise_problem()
        if not self._played.is_set():
            self._played.set()
            self._due = time.monotonic()
            self._go_on_soon()

    def _go_on_soon(self) -> None:
        with suppress(RuntimeError):  # closed meanwhile, there is nothing to go on with
            self._worker.submit(self._go_on).add_done_callback(self._ended)

    def _go_on(self) -> None:
        """Steps for a moment, and then lets others have a word."""
        ends = time.monotonic() + _SLICE
        while self._played.is_set() and (now := time.monotonic()) < ends:
            if self._pace and now < self._due:
                time.sleep(min(self._due, ends) - now)
                continue
            self._advance()
            # What was missed is not made up for.
            self._due = max(self._due + 1 / self._pace, now - _SLICE) if self._pace else now
        if self._played.is_set():
            self._go_on_soon()

    def _ended(self, future: Future[None]) -> None:
        """Keeps what stopped it, for whoever looks next."""
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._played.clear()
            self._problem = self._problem or error

    def _begin(self) -> None:
        self._step, self._batch_loss = 0, math.nan
        self._gradients = tf.fill([len(self._network.stages)], math.nan)
        self._problem = None
        self._order: NDArray[np.int32] | None = None
        self._points: list[tuple[int, float, float]] = []
        self._every = 1
        self._note(*self._losses())

    def _restart(self) -> None:
        self._network.restore()
        self._rate = self._config.optimizer.learning_rate
        self._begin()

    def _raise_problem(self) -> None:
        if self._problem is not None:
            raise self._problem

    @property
    def _batches(self) -> int:
        return math.ceil(self._count / self._config.batch_size)

    def _rate_now(self) -> float:
        epochs, batches = self._config.epochs, self._batches
        rates = self._config.schedule.rates(self._rate, epochs=epochs, steps_per_epoch=batches)
        return self._rate if rates is None else rates.at(self._step)

    def _advance(self) -> None:
        """Takes a step."""
        self._raise_problem()
        epoch, place = divmod(self._step, self._batches)
        if not place or self._order is None:
            self._order = order_of(self._count, self._config.seed, epoch).numpy()
        size = self._config.batch_size
        chosen_B = self._order[place * size : (place + 1) * size]
        loss, gradients = self._network.step(chosen_B, self._rate_now())
        self._step += 1
        self._batch_loss, self._gradients = float(loss), gradients
        if not math.isfinite(self._batch_loss):
            self._problem = _diverged(self._batch_loss, self._step)
            raise self._problem
        if self._step % self._every == 0:
            self._note(*self._losses())

    def _losses(self) -> tuple[float, float]:
        train, held_out = self._answers()
        return float(train[0]), float(held_out[0])

    def _answers(self) -> list[tuple[tf.Tensor, tf.Tensor]]:
        return [self._network.answers(*each) for each in (self._train, self._held_out)]

    def _note(self, train: float, held_out: float) -> None:
        """Adds a point to the curves, which get coarser as they get longer."""
        self._points.append((self._step, train, held_out))
        if len(self._points) > _MOST_POINTS:
            self._every *= 2
            self._points = [point for point in self._points if point[0] % self._every == 0]

    def _seen(self) -> Snapshot:
        (loss, answers), (held_loss, held_answers) = self._answers()
        now = (self._step, float(loss), float(held_loss))
        points = self._points if self._points[-1][0] == self._step else [*self._points, now]
        steps, train, held_out = zip(*points, strict=True)
        return Snapshot(
            step=self._step,
            epoch=self._step / self._batches,
            learning_rate=self._rate_now(),
            batch_loss=self._batch_loss,
            playing=self._played.is_set(),
            layers=self._layers(),
            curve=Curve(steps, train, held_out),
            answers=answers.numpy(),
            held_out_answers=held_answers.numpy(),
            problem=_told(self._problem),
        )

    def _layers(self) -> tuple[SeenLayer, ...]:
        over_plane = self._network.outputs(self._grid)
        on_samples = self._network.outputs(keras.tree.flatten(self._train[0])[0])
        gradients = self._gradients.numpy().tolist()
        stages = zip(self._network.stages, gradients, over_plane, on_samples, strict=True)
        return tuple(
            _layer(stage, gradient, grid.numpy(), samples.numpy(), self._side)
            for stage, gradient, grid, samples in stages
        )


@final
class _Network:
    """A model with its optimizer and the graphs of what is computed of it.

    Args:
        model: Compiled.
        train: What it learns from, as tensors.
        config: How.
    """

    def __init__(self, model: keras.Model, train: Any, config: FitConfig) -> None:
        self._model = model
        self._x, self._y = train
        self._optimizer = config.optimizer.make(clip_norm=config.clip_norm)
        self._optimizer.build(model.trainable_variables)
        self.stages = _stages(model)
        active = [stage.active.output for stage in self.stages]
        self._active = keras.Model(model.inputs, active)
        self._variables = [*model.variables, *self._optimizer.variables]
        self._first = [variable.numpy() for variable in self._variables]
        self._rate = math.nan
        chosen = tf.TensorSpec((None,), tf.int32)
        given = [keras.tree.map_structure(_of_any_length, part) for part in train]
        # Asked by its concrete function, for it is called thousands of times with little to do.
        step = tf.function(self._train_step, autograph=False)
        self._step = step.get_concrete_function(chosen)
        self._answer = tf.function(self._loss_and_answers, input_signature=given, autograph=False)
        self._look = tf.function(
            self._put_out, input_signature=keras.tree.flatten(given[0]), autograph=False
        )

    def restore(self) -> None:
        """Puts back everything that training has changed, random generators included."""
        for variable, value in zip(self._variables, self._first, strict=True):
            variable.assign(value)
        self._rate = math.nan

    def step(self, chosen_B: NDArray[np.int32], rate: float) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes a step with some rows; returns their loss and a norm for each stage."""
        if rate != self._rate:
            self._optimizer.learning_rate = self._rate = rate
        return self._step(tf.constant(chosen_B))

    def answers(self, x: Any, y: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """The loss on samples and what the network says of them."""
        return self._answer(x, y)

    def outputs(self, x: tf.Tensor) -> list[tf.Tensor]:
        """What each stage puts out."""
        found = self._look(x)
        return found if isinstance(found, list) else [found]

    def _put_out(self, x: tf.Tensor) -> Any:
        return self._active(x, training=False)

    def _train_step(self, chosen_B: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The step of `keras.Model`, which also tells gradients."""
        gathered = keras.tree.map_structure(lambda part: tf.gather(part, chosen_B), self._x)
        y = tf.gather(self._y, chosen_B)
        variables = self._model.trainable_variables
        with tf.GradientTape() as tape:
            y_pred = self._model(gathered, training=True)
            loss = self._model.compute_loss(x=gathered, y=y, y_pred=y_pred, training=True)
        gradients = tape.gradient(loss, variables)
        self._optimizer.apply_gradients(zip(gradients, variables, strict=True))
        by_path = {one.path: each for one, each in zip(variables, gradients, strict=True)}
        norms = [norm([by_path[one.path] for one in stage.variables]) for stage in self.stages]
        return loss, tf.stack(norms)

    def _loss_and_answers(self, x: Any, y: Any) -> tuple[tf.Tensor, tf.Tensor]:
        y_pred = self._model(x, training=False)
        return self._model.compute_loss(x=x, y=y, y_pred=y_pred, training=False), y_pred


def _layer(
    stage: _Stage, gradient: float, grid: Floats, samples_NU: Floats, side: int
) -> SeenLayer:
    kernel, *bias = (one.numpy() for one in stage.dense.weights)
    flat = stage.flat
    beyond = (
        (samples_NU <= flat.low) | (samples_NU >= flat.high) if flat else samples_NU != samples_NU
    )
    return SeenLayer(
        name=stage.dense.name,
        activation=keras.activations.serialize(stage.active.activation),
        kernel=kernel,
        bias=bias[0] if bias else None,
        gradient=gradient,
        dead=(samples_NU == 0).all(0),
        saturated=beyond.mean(0, dtype=np.float32),
        maps=grid.T.reshape(-1, side, side),
    )


def _stages(model: keras.Model) -> list[_Stage]:
    """The dense layers of a chain, each with what follows it."""
    groups: list[list[keras.layers.Layer]] = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            groups.append([])
        if groups:
            groups[-1].append(layer)
    return [_stage(group) for group in groups]


def _stage(group: list[keras.layers.Layer]) -> _Stage:
    active = [layer for layer in group if hasattr(layer, "activation")][-1]
    variables = tuple(one for layer in group for one in layer.trainable_variables)
    return _Stage(group[0], active, variables, flat_beyond(active))


def _of_any_length(part: tf.Tensor) -> tf.TensorSpec:
    return tf.TensorSpec((None, *part.shape[1:]), part.dtype)


def _tensors(arrays: Arrays) -> Any:
    return keras.tree.map_structure(tf.convert_to_tensor, as_arrays(arrays))


def _closed() -> UsageError:
    return UsageError("this training is closed", "an open one", "start it anew")


def _diverged(loss: float, step: int) -> DivergenceError:
    return DivergenceError(
        f"the loss of step {step} is {loss}",
        "a finite number",
        "reset, with a lower learning rate or another initializer",
    )


def _told(problem: BaseException | None) -> str:
    if problem is None:
        return ""
    if isinstance(problem, DivergenceError):
        return f"{problem.happened}: {problem.fix}"
    return f"the training ended: {problem or type(problem).__name__}"


def _check(model: keras.Model, config: FitConfig) -> None:
    check_compiled(model)
    if isinstance(config.schedule, Plateau) or config.class_weight:
        raise ConfigurationError(
            "the schedule waits for epochs without a better value"
            if isinstance(config.schedule, Plateau)
            else f"class_weight is {config.class_weight!r}",
            "a rate that is known for each step, and classes that count as they come",
            "another schedule, class_weight=None, or gatescope.training.fit",
        )
