"""`gs.watch`: the hood stays open while `fit` trains."""

from __future__ import annotations

import inspect
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import keras
import tensorflow as tf

from gatescope.errors import UsageError
from gatescope.runs.callers import warn
from gatescope.runs.record import RunWriter, Status, start_run
from gatescope.scope.budget import Budget, in_words
from gatescope.scope.crash import calling_line, describe_crash, main_script
from gatescope.scope.description import (
    cut_by,
    describe_layers,
    describe_model,
    describe_training,
)
from gatescope.scope.instruments import RING, Instruments
from gatescope.scope.keeping import Passing, keep_asked, keep_passed, keep_start
from gatescope.scope.muting import Muting, muted
from gatescope.scope.replay import keep_bad_step
from gatescope.scope.statistics import STATISTICS

_READ_EVERY = 0.5  # seconds


def watch(
    model: keras.Model,
    *,
    overhead: float = 0.05,
    runs: Path | str = "runs",
    name: str | None = None,
    keep_data: bool = True,
) -> Watch:
    """Opens the hood of a model: what its layers do is recorded while `fit` trains it.

    In some steps, as many as the budget allows, each layer's output, gradient, weights and updates
    are looked at inside the training step. In every step the loss is kept, and the first step whose
    loss or gradients are not finite is kept whole. `fit`, `train_on_batch` and their results stay
    what they were.

    Args:
        model: A compiled model.
        overhead: What it may cost, as a share of the time of a step.
        runs: The folder that runs are recorded in, each `fit` as one.
        name: What the runs are called; the model's name by default.
        keep_data: Whether a run keeps the model before training and a sample of the data.

    Returns:
        The watch; `close()` shuts the hood.

    Raises:
        UsageError: The model is not compiled, is watched already, or the budget is no share.

    Example:
        >>> watch = gs.watch(model)
        >>> model.fit(x, y, epochs=3)
        >>> print(watch)
        watched 'digits': 94 of 282 steps probed, at a cost of 0.21 s (3.1%)
    """
    if not isinstance(model, keras.Model):
        raise UsageError(
            f"{model!r} is no Keras model",
            "a compiled keras.Model",
            "gs.watch(model), before model.fit",
        )
    if not isinstance(overhead, int | float) or not 0 < overhead <= 10:
        raise UsageError(
            f"overhead is {overhead!r}",
            "a share of the time of a step, above 0",
            "overhead=0.05 allows five percent",
        )
    if not model.compiled:
        raise UsageError(
            f"the model {model.name!r} is not compiled",
            "a model that fit can train",
            "call model.compile(optimizer, loss) first",
        )
    if "make_train_function" in vars(model):
        raise UsageError(
            f"the model {model.name!r} is watched already",
            "one watch a model",
            "keep what gs.watch returned, and close() it before another",
        )
    made = Watch(model, overhead, Path(runs), name or model.name, keep_data=keep_data)
    model.fit = partial(made.fit, type(model).fit)
    model.train_on_batch = partial(made.train_on_batch, type(model).train_on_batch)
    return made


@dataclass
class Ran:
    """A training that was watched, or is.

    Attributes:
        run: Its record.
        watch: What watches it; None when it has ended, so that the model can be freed.
        steps: How many steps it had.
        probed: How many of them were looked at.
        seconds: What that took.
        cost: The same, as a share of the time without it.
    """

    run: RunWriter
    watch: Watch | None
    steps: int = 0
    probed: int = 0
    seconds: float = 0.0
    cost: float = 0.0


@final
class Watch:
    """The open hood of one model; see `watch`.

    Attributes:
        run: The record of the present or last training; None before the first.
        ran: All trainings so far.
        fitting: Whether `fit` is running.
        compiled_at: The line of the script that compiled the model, if that is known.
        heard: What the model was asked after its last training: `evaluate`, `predict`.
        deadline: When trainings are to end, by `time.monotonic`; None lets them.
    """

    def __init__(
        self,
        model: keras.Model,
        overhead: float,
        runs: Path,
        name: str,
        *,
        keep_data: bool = True,
        deadline: float | None = None,
        ran: list[Ran] | None = None,
    ) -> None:
        self._model, self._runs, self._name = model, runs, name
        self.run: RunWriter | None = None
        self._described: RunWriter | None = None
        self.ran: list[Ran] = [] if ran is None else ran
        self.deadline = deadline
        self.fitting = False
        self.compiled_at: object = None
        self.heard: set[str] = set()
        self._began = (0, 0, (0.0, 0.0))  # steps, probed ones and seconds before this training
        self._keeps = keep_data
        self._passing: Passing | None = None
        self._passes = False
        self._kept: dict[str, object] = {}
        self._budget = Budget(overhead)
        self._instruments: Instruments | None = None
        self._shut: Callable[[Any], Any] = _not_made
        self._plain: Callable[[Any], Any] = _not_made
        self._looking: Callable[[Any], Any] = _not_made
        self._muting = Muting()
        self._read_at, self._read_to, self._epoch, self._asked = 0.0, 0, 0, 1
        self._written, self._refused = 0.0, False
        self._lost = ""
        self._callback = keras.callbacks.LambdaCallback(on_epoch_end=self._end_of_epoch)
        self._before = 0  # steps of train functions that were made anew since
        model.make_train_function = self._make
        model.train_function = None

    def close(self) -> None:
        """Shuts the hood: the model trains as if it had never been open."""
        self.end("finished")
        for name in ("make_train_function", "fit", "train_on_batch"):
            vars(self._model).pop(name, None)
        self._model.train_function = None

    @property
    def steps(self) -> int:
        """How many steps were trained under the open hood."""
        return self._budget.steps

    @property
    def probed(self) -> int:
        """How many of them were looked at."""
        return self._budget.probed

    @property
    def cost(self) -> float:
        """What looking took, as a share of the time that training took without it."""
        return self._budget.cost

    def __str__(self) -> str:
        return (
            f"watched {self._name!r}: {self.probed} of {self.steps} steps probed, "
            f"at a cost of {in_words(*self._budget.since((0.0, 0.0)))}"
            + (f"; its own train_step hides {self._lost}" if self._lost else "")
        )

    def _make(self, force: bool = False) -> None:
        """In place of the model's `make_train_function`: two steps, one that looks at all."""
        model = self._model
        if self.run and self._described is not self.run:
            self._described = self.run
            self._harmless(self._describe)
        if model.train_function is not None and not force:
            return
        type(model).make_train_function(model, force=True)
        self._shut = model.train_function
        if model.distribute_strategy.num_replicas_in_sync > 1:
            self._give_up(NotImplementedError("training on several devices is not watched"))
            return
        self._harmless(self._make_two)
        model.train_function = self._train

    def _make_two(self) -> None:
        model = self._model
        compiled = bool(model.jit_compile) and not model.run_eagerly
        self._before, self._read_to, self._refused = self.steps, 0, False
        self._passing = Passing() if self._passes else None
        self._instruments = Instruments(model, static=compiled)
        self._budget.build_again()
        self._plain, self._looking = (self._function(looks, compiled) for looks in (False, True))

    def _describe(self) -> None:
        if self.run:
            self.run.fact("model", describe_model(self._model))

    def _function(self, probing: bool, compiled: bool) -> Callable[[Any], Any]:
        """Keras' own loop around a step of ours; what XLA compiles is inside."""
        model = self._model
        try:
            model.train_step = self._step(probing, compiled)
            model._jit_compile = False
            return model._make_function(model.train_step)
        finally:
            vars(model).pop("train_step", None)
            model._jit_compile = compiled

    def _step(self, probing: bool, compiled: bool) -> Callable[[Any], Any]:
        original, instruments = self._model.train_step, self._instruments
        if instruments is None:
            return original

        def instrumented(data: Any) -> Any:
            with instruments.inside(probing=probing), self._muting.tracing(probing, data):
                return original(data)

        run = (
            tf.function(instrumented, jit_compile=True, reduce_retracing=True)
            if compiled
            else instrumented
        )

        def step(data: Any) -> Any:
            if self._passing:
                instruments.safely(partial(self._passing.see, data))
            with instruments.around(data, probing=probing):
                return run(data)

        return step

    def _train(self, iterator: Any) -> Any:
        """In place of the model's `train_function`: takes the step that looks when it is due."""
        if self._instruments is None:
            return self._shut(iterator)
        looks, failure = self._budget.is_due(), None
        began = time.perf_counter()
        try:
            logs = (self._looking if looks else self._plain)(iterator)
        except StopIteration:
            raise
        except Exception as error:
            if not self._may_be_ours(looks, error):
                raise
            failure = error
        if failure:  # outside of `except`, or an error of the model's own would have this behind it
            return self._without_hood(iterator, failure)
        done = time.perf_counter()
        self._harmless(partial(self._take_over, looks, began))
        ended = time.perf_counter()
        steps = max(1, self._model.steps_per_execution)
        self._budget.account(looks, ended - began, steps, ended - done, self._written_aside())
        if self.deadline is not None and time.monotonic() > self.deadline:
            self._model.stop_training = True
        return logs

    def _written_aside(self) -> float:
        """Seconds that the record's own thread has worked since this was last asked."""
        written = self.run.seconds if self.run else 0.0
        aside, self._written = max(0.0, written - self._written), written
        return aside

    def _may_be_ours(self, looks: bool, error: Exception) -> bool:
        """Whether an error may come from what we put into a graph.

        While that is built nothing tells, but no batch is lost yet; what XLA refuses is told only
        when it runs. An operation that fails later tells who made it.
        """
        if self._model.run_eagerly or self._refused:
            return False
        if isinstance(error, tf.errors.OpError) and not self._model.jit_compile:
            return _is_of_ours(error)
        return self._budget.is_first(looks)

    def _without_hood(self, iterator: Any, error: Exception) -> Any:
        """Trains on as the model does by itself; if it is not to blame, says what we missed."""
        self._refused = True  # a graph that could not be built once is never built as if anew
        with muted():  # the model's Python has run, and printed, before
            logs = self._shut(iterator)
        self._give_up(error)
        return logs

    def _harmless(self, work: Callable[[], None]) -> None:
        """Does what must not end a training if it fails."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the training is worth more
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._instruments = None
        warn(
            f"the hood of {self._name!r} is shut, its training goes on: "
            f"{type(error).__name__}: {error}"
        )

    def _take_over(self, looked: bool, began: float) -> None:
        """Takes over what waits in the graph, when it is time."""
        if self.run is None or self._instruments is None:
            return
        if self._instruments.failure:
            raise self._instruments.failure
        if looked:
            self._budget.tell(self._instruments.seconds)
            rows = self._instruments.rows()
            step = self._before + int(self._instruments.steps.numpy()) - 1
            self.run.probes([step], self._instruments.names, STATISTICS, rows[None])
            self.run.metrics(step, self._epoch, self._instruments.batch())
        done = self.steps - self._before
        waiting = done + 2 * self._model.steps_per_execution - self._read_to
        if began - self._read_at > _READ_EVERY or waiting >= RING:
            self._read(began)

    def _read(self, now: float, *, broke: bool = False) -> None:
        if self.run is None or self._instruments is None:
            return
        done = int(self._instruments.steps.numpy())
        if broke and self._model.steps_per_execution == 1:
            done = min(done, self.steps - self._before)  # the step that broke has no loss
        first = max(self._read_to, done - RING)
        if self._instruments.sees_loss:
            told = self._instruments.losses(first, done)
            for step, (loss, rate) in zip(range(first, done), told.tolist(), strict=True):
                values = {"batch_loss": loss, "learning_rate": rate}
                self.run.metrics(self._before + step, self._epoch, values)
        self._read_to, self._read_at = done, now

    def fit(self, fit: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """In place of the model's `fit`: a run around it, and a callback in it."""
        try:
            given = inspect.signature(fit).bind(self._model, *args, **kwargs)
        except TypeError:
            return fit(self._model, *args, **kwargs)  # which says better what is wrong
        self._harmless(partial(self._begin, given.arguments))
        callbacks = given.arguments.get("callbacks")
        given.arguments["callbacks"] = _with(callbacks, self._callback)
        self.fitting = True
        with self._recorded():
            return fit(*given.args, **given.kwargs)

    def asked(self, name: str, given: Mapping[str, Any], told: Mapping[str, object]) -> None:
        """Adds to the last run what the model was asked about after it, and what it told.

        Args:
            name: `evaluate` or `predict`.
            given: The arguments of that.
            told: What came of it, and where it was asked.
        """
        if self.run is None:
            return
        first = name not in self.heard
        self.heard.add(name)
        kept = keep_asked(self.run, name, given) if first and self._keeps else None
        if first or name == "evaluate":
            content = {**told, **({"kept": kept} if kept else {})}
            self.run.add_late(name, max(0, self.steps - 1), content)

    def train_on_batch(self, train: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """In place of the model's `train_on_batch`: all of them are one run, until `end`."""
        if self.run is None or not self.run.recording:
            self._harmless(partial(self._begin, {}))
        try:
            return train(self._model, *args, **kwargs)
        except BaseException as error:
            self.end("failed", error)
            raise

    def end(self, status: Status, error: BaseException | None = None) -> None:
        """Ends the run that `train_on_batch` began, if it still goes on.

        Args:
            status: How it ended.
            error: What ended it, if it failed.
        """
        if self.run is None or not self.run.recording:
            return
        self._harmless(partial(self._end_of_training, broke=error is not None))
        if error is None:
            self.run.finish(status)
        else:
            self.run.fact("crash", describe_crash(error))
            self.run.__exit__(type(error), error, None)
            with suppress(AttributeError):
                error._gatescope_recorded = True  # type: ignore[attr-defined]
        for ran in self.ran:
            if ran.watch is self:
                ran.watch = None

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """Ends the run with what is in it."""
        try:
            yield
        except BaseException as error:
            self.end("failed", error)
            raise
        else:
            self.end("finished")
        finally:
            self.fitting = False

    def _begin(self, given: Mapping[str, Any]) -> None:
        """Starts a run."""
        self.end("finished")
        self._epoch = int(given.get("initial_epoch", 0))
        self._asked = int(given.get("epochs", 1))
        self.run = start_run(
            self._runs,
            self._name,
            configuration=describe_training(self._model, given),
            structure=describe_layers(self._model),
            script=main_script(),
            argv=sys.argv,
        )
        self._began = (self.steps, self.probed, self._budget.mark)
        self._budget.begin()
        self.heard.clear()
        self.ran.append(Ran(self.run, self))
        self.run.fact("called", {"compile": self.compiled_at, "training": calling_line()})
        if self._model.built:  # what is not is described when its first step is made
            self._described = self.run
            self._harmless(self._describe)
        if self._instruments:
            self._instruments.begin()
        if self._keeps:
            self._keep(self.run, given)

    def _keep(self, run: RunWriter, given: Mapping[str, Any]) -> None:
        try:
            self._kept = keep_start(run, self._model, given)
        except Exception as error:  # noqa: BLE001 - a model or data that is strange in some way
            self._kept = {"why": f"{type(error).__name__}: {error}"}
        self._passes = "training" not in self._kept
        if self._passing:
            self._passing.restart(self._passes)
        elif self._passes:
            self._model.train_function = None  # to be made anew, with what keeps batches

    def _end_of_epoch(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._harmless(partial(self._record_epoch, epoch, logs or {}))

    def _record_epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        self._read(time.perf_counter())
        if self.run:
            self.run.metrics(max(0, self._before + self._read_to - 1), epoch, logs)
        self._epoch = epoch + 1

    def _count(self) -> dict[str, float]:
        """Counts the steps of the present training."""
        steps, probed, mark = self._began
        seconds, cost = self._budget.since(mark)
        counts = {
            "steps": self.steps - steps,
            "probed": self.probed - probed,
            "seconds": seconds,
            "cost": cost,
        }
        for ran in self.ran:
            if ran.run is self.run:
                vars(ran).update(counts)
        return counts

    def _end_of_training(self, *, broke: bool) -> None:
        self._read(time.perf_counter(), broke=broke)
        if self._instruments:  # an execution may have had fewer steps than it could
            self._budget.steps = self._before + self._read_to
        counts = self._count()
        if not self.run or not self._instruments:
            return
        cut = cut_by(self.deadline, self._asked)
        if cut:
            self.run.fact("cut", cut)
        self._lost = self._instruments.lost
        self.run.fact("watch", counts | ({"lost": self._lost} if self._lost else {}))
        if self._passing and self._passes:
            self._kept["training"] = keep_passed(self.run, "training", self._passing.arrays())
        if self._keeps:
            self.run.fact("kept", self._kept)
        bad = self._instruments.bad_step.kept()
        if bad:
            with muted():
                keep_bad_step(self.run, self._model, bad._replace(step=self._before + bad.step))


def _is_of_ours(error: tf.errors.OpError) -> bool:
    """Whether the operation that failed was made by a line of ours, the innermost that is told."""
    made_at = re.findall(r'File "([^"]+)", line \d+', error.message)
    return bool(made_at) and Path(made_at[-1]).parent == Path(__file__).parent


def _not_made(iterator: Any) -> Any:
    raise RuntimeError("a watched step ran before it was made")


def _with(callbacks: Any, more: keras.callbacks.Callback) -> Any:
    """The callbacks that `fit` was given, and one more."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        if more not in callbacks.callbacks:  # a list may serve several fits
            callbacks.callbacks.append(more)
        return callbacks
    return [*keras.tree.flatten(callbacks or []), more]
