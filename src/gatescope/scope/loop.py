"""One model that a script trains in a loop of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import tensorflow as tf

from gatescope.runs.record import RunWriter, start_run
from gatescope.scope.bad_step import beside_graphs
from gatescope.scope.budget import Budget, in_words
from gatescope.scope.crash import calling_line, describe_crash, main_script
from gatescope.scope.description import (
    cut_by,
    describe_layers,
    describe_model,
    describe_optimizer,
)
from gatescope.scope.instruments import RING, Instruments
from gatescope.scope.keeping import keep_model
from gatescope.scope.statistics import STATISTICS

if TYPE_CHECKING:
    from gatescope.scope.sitting import Sitting

_READ_EVERY = 0.5  # seconds
_CAP = 32 * 2**20  # bytes of a kept model
_LOST = (
    "validation, metrics and epochs: they are the script's own",
    "a sample of the data, and the batch of a first bad step",
)
_LOST_LAYERS = "layers: no keras.Model was called under the tape, or another one's weights changed"
_LOST_IN_GRAPH = "the cost of single steps: in a tf.function only whole calls can be timed"


class _NoModel:
    """Stands where weights are no model's."""

    name = "loop"
    layers = variables = trainable_variables = non_trainable_variables = metrics_variables = ()


@final
class Loop:
    """Looks at the steps of one model.

    Args:
        session: The script.
        model: The model; None for weights that are no model's.

    Attributes:
        instruments: What looks into its steps.
        run: The record; None before the first step.
    """

    def __init__(self, session: Sitting, model: Any) -> None:
        self._session, self._model = session, model if model is not None else _NoModel()
        self.instruments = Instruments(self._model, static=True)
        self.instruments.gate = self._gate
        self._budget = Budget(session.settings.overhead)
        self._due = tf.Variable(True, trainable=False)
        self._looks, self._in_graph = True, False
        self._shadows: dict[int, tf.Variable] = {}
        self._losses: list[Any] = []
        self._optimizer: Any = None
        self._steps = self._probed = self._read_to = 0
        self._ended_at = self._read_at = time.perf_counter()
        self.run: RunWriter | None = None

    @property
    def layers(self) -> list[Any]:
        """The layers that are looked at."""
        return self.instruments.layers

    def share_of(self, wanted: set[int]) -> int:
        """How many of some variables, by identity, are the model's."""
        return len(wanted & set(map(id, self._model.trainable_variables)))

    def tap(self, layer: Any, outputs: Any) -> None:
        """Takes note of a layer's outputs, where this step is looked at."""
        place = self.instruments.place_of(layer)
        if place is not None and (self._looks or not tf.executing_eagerly()):
            self.instruments.tap(place, outputs)

    def before_update(self, optimizer: Any, loss: Any, variables: Sequence[Any]) -> None:
        """Takes note of the loss, and of the weights as they are."""
        self._optimizer = optimizer
        if self.run is None:
            with tf.init_scope():
                self._begin(optimizer)
        if tf.executing_eagerly():
            self._losses.append(loss)
        else:
            self._in_graph = True
            self.instruments.write_loss(_number(loss), tf.cast(optimizer.learning_rate, tf.float32))
        self._make_shadows(variables)
        self._when_due(lambda: self._shadow(variables))

    def after_update(self, grads: Sequence[Any], variables: Sequence[Any]) -> None:
        """Takes note of what the update came to, and counts the step."""
        before = [self._shadows[id(variable)] for variable in variables]
        self._when_due(lambda: self.instruments.write_updates(grads, variables, before))
        if not tf.executing_eagerly():
            self.instruments.steps.assign_add(1)
            return
        now = time.perf_counter()
        if self._looks:
            self._take_rows(self._steps)
        self._steps += 1
        self._budget.account(self._looks, time.perf_counter() - self._ended_at, 1)
        self._looks = self._budget.is_due()
        if now - self._read_at > _READ_EVERY:
            self._read(now)
        self._ended_at = time.perf_counter()

    def before_function(self) -> None:
        """Switches what looks on or off, for the next call of the script's `tf.function`."""
        looks = self._budget.is_due()
        if looks != self._looks:
            self._due.assign(looks)
        self._looks = looks

    def after_function(self, seconds: float) -> None:
        """Takes over what waits in the graph, when it is time."""
        began = time.perf_counter()
        if self._looks:
            self._take_rows(int(self.instruments.steps.numpy()) - 1)
        if began - self._read_at > _READ_EVERY or self._budget.steps - self._read_to > RING // 2:
            self._read(began)
        self._budget.account(self._looks, seconds + time.perf_counter() - began, 1)

    def end(self, error: BaseException | None) -> None:
        """Finishes the run."""
        if self.run is None or not self.run.recording:
            return
        self._read(time.perf_counter())
        seconds, cost = self._budget.since((0.0, 0.0))
        counts = {"steps": self._steps, "probed": self._probed, "seconds": seconds, "cost": cost}
        self.run.fact("watch", counts)
        self.run.fact("lost", self._lost())
        cut = cut_by(self._session.deadline, epochs=1)
        if cut:
            self.run.fact("cut", cut)
        if error is None:
            self.run.finish("finished")
            return
        self.run.fact("crash", describe_crash(error))
        self.run.__exit__(type(error), error, None)

    def line(self, path: Callable[[Path], str]) -> str:
        """Where the run is and what it cost; nothing where there was no step."""
        if self.run is None or not self.run.begun:
            return ""
        steps = f"{self._steps} step{'s' * (self._steps != 1)}"
        return (
            f"{path(self.run.folder)}: {steps} of a loop of its own, "
            f"{self._probed} probed, at a cost of {in_words(*self._budget.since((0.0, 0.0)))}"
        )

    def _begin(self, optimizer: Any) -> None:
        settings = self._session.settings
        self.run = start_run(
            settings.runs,
            settings.name or f"{self._session.name}-{self._model.name}",
            configuration={"loop": "own", "optimizer": describe_optimizer(optimizer)},
            structure=describe_layers(self._model),
            script=main_script(),
            argv=sys.argv,
        )
        self.run.fact("called", calling_line())
        with suppress(Exception):  # a model that cannot be described is watched all the same
            self.run.fact("model", describe_model(self._model))
        if settings.keep_data and not isinstance(self._model, _NoModel):
            self.run.fact("kept", {"model": keep_model(self.run, self._model, _CAP)})

    def _lost(self) -> list[str]:
        lost = [*_LOST]
        if not self.instruments.names:
            lost.append(_LOST_LAYERS)
        if self._in_graph:
            lost.append(_LOST_IN_GRAPH)
        return lost

    def _make_shadows(self, variables: Sequence[Any]) -> None:
        new = [one for one in variables if id(one) not in self._shadows]
        if new:
            shadows = beside_graphs(partial(_zeros_like, new))
            self._shadows |= zip(map(id, new), shadows, strict=True)

    def _shadow(self, variables: Sequence[Any]) -> None:
        for variable in variables:
            self._shadows[id(variable)].assign(tf.convert_to_tensor(variable))

    def _when_due(self, work: Callable[[], object]) -> None:
        if not tf.executing_eagerly() or self._looks:
            self._gate(work)

    def _gate(self, work: Callable[[], object]) -> None:
        """Does something at once; in a graph, when the switch is on."""
        if tf.executing_eagerly():
            work()
            return

        def worked() -> tf.Tensor:
            work()
            return tf.constant(0)

        tf.cond(self._due, worked, lambda: tf.constant(0))

    def _take_rows(self, step: int) -> None:
        if self.run and self.instruments.names:
            rows = self.instruments.rows()
            self.run.probes([step], self.instruments.names, STATISTICS, rows[None])
        self._probed += 1

    def _read(self, now: float) -> None:
        """Hands the losses that wait to the record."""
        if self.run is None:
            return
        if self._in_graph:
            self._steps = int(self.instruments.steps.numpy())
            first = max(self._read_to, self._steps - RING)
            losses = list(self.instruments.losses(first, self._steps)[:, 0])
        else:
            first, losses = self._read_to, [_number(loss) for loss in self._losses]
            self._losses.clear()
        rate = float(self._optimizer.learning_rate)
        for step, loss in enumerate(losses, first):
            values = {"batch_loss": float(loss), "learning_rate": rate}
            self.run.metrics(step, 0, values)
        self._read_to, self._read_at = self._steps, now


def _zeros_like(variables: Sequence[Any]) -> list[tf.Variable]:
    return [tf.Variable(tf.zeros(one.shape, one.dtype), trainable=False) for one in variables]


def _number(loss: Any) -> tf.Tensor:
    """A loss as one number; zero where there is none, or it is of another graph."""
    parts = [part for part in tf.nest.flatten(loss) if isinstance(part, tf.Tensor)]
    here = tf.executing_eagerly()
    usable = [part for part in parts if tf.is_symbolic_tensor(part) is not here]
    if not usable:
        return tf.constant(float("nan"))
    return tf.add_n([tf.cast(tf.reduce_sum(part), tf.float32) for part in usable])
