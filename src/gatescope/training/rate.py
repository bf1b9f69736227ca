"""The learning-rate range test: one short training at a rate that rises (Smith 2017).

Source: Cyclical learning rates for training neural networks, arXiv:1506.01186.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import keras
import numpy as np
from numpy.typing import NDArray

from gatescope.errors import DataError, UsageError
from gatescope.report.html import Html
from gatescope.report.plots import line_chart
from gatescope.report.series import Series
from gatescope.training.epochs import Data, EpochDataset
from gatescope.training.fit import FitConfig, epochs_of
from gatescope.training.in_graph import build_rest
from gatescope.training.precision import computing_in
from gatescope.training.schedules import Rates

_DIVERGED = 4.0  # times the lowest loss
_WIDTH = 0.03  # of the bell that smooths, as a share of the steps
_ONSET = 0.1  # of the whole fall; before it a slope is noise
_LEAST_FALL = 0.05  # of the first loss, below which nothing was learned


@final
@dataclass(frozen=True)
class RangeTest:
    """What a range test found.

    Args:
        rates: Of each step, rising by the same factor.
        losses: Of each step's batch, before its update.
        smoothed: Means of those that are near.
        suggestion: A rate to train with; None where none can be told.
        reason: Why that one, or why none.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float | None
    reason: str

    def chart(self) -> Html:
        """Loss against rate, on a logarithmic axis."""
        found = "" if self.suggestion is None else f": {self.suggestion:.1e} suggested"
        return line_chart(
            [
                Series("smoothed", self.rates, self.smoothed),
                Series("each batch", self.rates, self.losses),
            ],
            title=f"Learning-rate range test{found}",
            x_label="learning rate",
            y_label="loss",
            log_x=True,
        )


def range_test(
    model: keras.Model,
    data: Data,
    config: FitConfig,
    *,
    low: float = 1e-7,
    high: float = 10.0,
    steps: int = 100,
) -> RangeTest:
    """Trains for some steps at a rate that rises, until the loss diverges.

    Args:
        model: Compiled with its loss, built; it is left as it was.
        data: As `fit` takes it.
        config: How it is going to be trained, which tells optimizer, batches, weights of classes,
            precision and seed; its learning rate, schedule and epochs are not used.
        low: The first rate.
        high: The last rate.
        steps: From the first to the last.

    Raises:
        UsageError: The model is not compiled or not built, or the range is none.
        DataError: The first loss is not finite.

    Example:
        >>> found = range_test(model, (x, y), FitConfig(epochs=9))  # doctest: +SKIP
        >>> found.suggestion  # doctest: +SKIP
        0.0021
    """
    _check(model, low, high, steps)
    dataset = EpochDataset(epochs_of(data, config))
    settings = {"initial_learning_rate": low, "decay_steps": steps - 1, "decay_rate": high / low}
    rates = Rates("exponential_decay", settings)
    watch = _Watch()
    with _untouched(model), computing_in(model, config.precision):
        compiled = model._compile_config.config | {
            "optimizer": config.optimizer.make(rates.keras(), config.clip_norm),
            "steps_per_execution": 1,
        }
        keras.Model.compile(model, **compiled)
        turn = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _: dataset.begin(epoch))
        watch.most = steps
        if dataset.arrays is not None:
            build_rest(model, dataset.arrays)
        model.fit(dataset, epochs=steps, shuffle=False, verbose=0, callbacks=[turn, watch])
    if not watch.losses or not math.isfinite(watch.losses[0]):
        raise DataError(
            f"the loss of the first batch is {watch.losses[0] if watch.losses else 'missing'}",
            "a finite number before anything is trained",
            "look for NaN in the data, or trace the model: gatescope trace",
        )
    return read_range(tuple(map(rates.at, range(len(watch.losses)))), tuple(watch.losses))


def read_range(rates: tuple[float, ...], losses: tuple[float, ...]) -> RangeTest:
    """Suggests a rate by the losses of a range test.

    The steepest fall of the loss, over the logarithm of the rate, is where learning is fastest;
    a tenth of the rate of the lowest loss keeps away from where it diverges. The lower one counts.

    Args:
        rates: Of each step.
        losses: Of each step.
    """
    smoothed_N = _smoothed(np.asarray(losses))
    told = (rates, losses, tuple(smoothed_N.tolist()))
    lowest = int(np.argmin(smoothed_N))
    first, least = smoothed_N[0], smoothed_N[lowest]
    if lowest < 2 or first - least < _LEAST_FALL * abs(first):
        return RangeTest(
            *told,
            None,
            f"the loss hardly fell, from {first:.3g} to {least:.3g}: no rate is better than "
            "another; take more steps, or ask gatescope doctor why nothing is learned",
        )
    slope_N = np.gradient(smoothed_N, np.log(rates))[: lowest + 1]
    begun = np.flatnonzero(smoothed_N[:lowest] > first - _ONSET * (first - least))[-1]
    steepest = rates[begun + int(np.argmin(slope_N[begun:]))]
    tenth = rates[lowest] / 10
    if steepest <= tenth:
        reason = f"there the loss falls fastest; it is lowest at {rates[lowest]:.1e}"
    else:
        reason = (
            f"a tenth of {rates[lowest]:.1e}, where the loss is lowest; "
            f"it falls fastest at {steepest:.1e}, too near to that"
        )
    return RangeTest(*told, min(steepest, tenth), reason)


@final
class _Watch(keras.callbacks.Callback):
    """Keeps the loss of each batch, and ends the training when it diverges or is long enough."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []
        self.most = 0

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self.model.reset_metrics()  # or the loss would be the mean of all batches so far

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        loss = float((logs or {})["loss"])
        finite = math.isfinite(loss)
        if finite or not self.losses:
            self.losses.append(loss)
        low = min(self.losses, default=loss)
        diverged = not finite or (loss > _DIVERGED * low > 0 and len(self.losses) > 1)
        self.model.stop_training = diverged or len(self.losses) == self.most


@contextmanager
def _untouched(model: keras.Model) -> Iterator[None]:
    """Gives a model back its variables and all that `compile` has set, and the global generator."""
    generator = keras.src.random.seed_generator.global_seed_generator().state
    variables = [*model.variables, generator]
    values = [variable.numpy() for variable in variables]
    attributes = dict(vars(model))
    try:
        yield
    finally:
        vars(model).clear()
        vars(model).update(attributes)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _smoothed(losses_N: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of what is near, weighted by a bell: unlike a moving average it never lags."""
    steps_N = np.arange(len(losses_N))
    width = max(1.0, _WIDTH * len(losses_N))
    weights_NN = np.exp(-(((steps_N[:, None] - steps_N) / width) ** 2) / 2)
    return weights_NN @ losses_N / weights_NN.sum(1)


def _check(model: keras.Model, low: float, high: float, steps: int) -> None:
    if not (model.compiled and model.built):
        raise UsageError(
            f"the model {model.name!r} is not {'built' if model.compiled else 'compiled'}",
            "a model with a loss, that has weights",
            "call model.compile(loss=...) and give it keras.Input first",
        )
    if not (0 < low < high and steps > 2):
        raise UsageError(
            f"the range is from {low} to {high} in {steps} steps",
            "rates above 0, the second above the first, in 3 steps or more",
            "low=1e-7, high=10, steps=100 suit most models",
        )
