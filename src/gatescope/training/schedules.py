"""Learning rates that change while a network trains, told in epochs and shares of the training.

Keras counts in steps, which change with the batch size and the amount of data. Formulas are the
catalog's, schedules Keras'; here one becomes the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, cast, final

import keras
from keras.optimizers.schedules import LearningRateSchedule
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from gatescope.catalog.schedules import SCHEDULES

Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(gt=0, lt=1)]


@final
@dataclass(frozen=True)
class Rates:
    """The learning rate of every step of one training.

    Args:
        name: Of the catalog's schedule.
        settings: Of that schedule, under Keras' names.

    Example:
        >>> rates = Cosine(warmup=0.1).rates(0.1, epochs=10, steps_per_epoch=100)
        >>> [round(rates.at(step), 3) for step in (0, 50, 100, 1000)]
        [0.0, 0.05, 0.1, 0.0]
    """

    name: str
    settings: Mapping[str, float | bool]

    def at(self, step: int) -> float:
        """The rate that a step is taken with, steps counted from 0."""
        return SCHEDULES[self.name].rate(step, **self.settings)

    def keras(self) -> LearningRateSchedule:
        """What an optimizer takes in the place of a number."""
        kind = SCHEDULES[self.name].keras.rpartition(".")[2]
        return getattr(keras.optimizers.schedules, kind)(**self.settings)


class _Config(BaseModel, ABC):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @abstractmethod
    def rates(self, peak: float, *, epochs: int, steps_per_epoch: int) -> Rates | None:
        """The rates of a training.

        Args:
            peak: The highest of them, which is what the optimizer is set to.
            epochs: Of the whole training.
            steps_per_epoch: Batches an epoch.

        Returns:
            The rates; None where they are not known beforehand, or all are the peak.
        """


@final
class Constant(_Config):
    """The same rate in every step."""

    kind: Literal["constant"] = "constant"

    def rates(self, peak: float, *, epochs: int, steps_per_epoch: int) -> None:
        return None


@final
class Step(_Config):
    """Stairs: multiplied by a factor every so many epochs.

    Args:
        epochs: How long a stair is.
        factor: From one to the next.
    """

    kind: Literal["step"] = "step"
    epochs: PositiveInt
    factor: Factor = 0.1

    def rates(self, peak: float, *, epochs: int, steps_per_epoch: int) -> Rates:
        return _exponential(peak, self.epochs * steps_per_epoch, self.factor, staircase=True)


@final
class Exponential(_Config):
    """Falls by the same share in the same time.

    Args:
        epochs: In which it is multiplied by the factor.
        factor: What is left then.
    """

    kind: Literal["exponential"] = "exponential"
    epochs: PositiveFloat
    factor: Factor = 0.5

    def rates(self, peak: float, *, epochs: int, steps_per_epoch: int) -> Rates:
        return _exponential(peak, self.epochs * steps_per_epoch, self.factor, staircase=False)


@final
class Cosine(_Config):
    """Rises from 0 in a line, then falls as half a cosine (Loshchilov & Hutter 2016).

    Args:
        warmup: Share of the training in which it rises.
        end: Share of the peak that it ends at.
    """

    kind: Literal["cosine"] = "cosine"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    end: Share = 0.0

    def rates(self, peak: float, *, epochs: int, steps_per_epoch: int) -> Rates:
        return _rise_and_fall(0.0, peak, self.end, self.warmup, epochs * steps_per_epoch)


@final
class OneCycle(_Config):
    """Rises far, then falls to next to nothing (Smith & Topin 2017, arXiv:1708.07120).

    It rises in a line, as in the paper, and falls as half a cosine, as has become usual since; the
    optimizer's momentum stays what it is. The peak may be several times the rate that would be
    right for all of a training.

    Args:
        start: Share of the peak that it starts at.
        rise: Share of the training in which it rises.
        end: Share of the peak that it ends at.
    """

    kind: Literal["one_cycle"] = "one_cycle"
    start: Share = 0.04
    rise: Annotated[float, Field(gt=0, lt=1)] = 0.3
    end: Share = 4e-6

    def rates(self, peak: float, *, epochs: int, steps_per_epoch: int) -> Rates:
        return _rise_and_fall(
            self.start * peak, peak, self.end, self.rise, epochs * steps_per_epoch
        )


@final
class Plateau(_Config):
    """Lowered whenever what is monitored has stood still.

    Args:
        factor: By which it is multiplied then.
        patience: Epochs without a better value before that.
        least: Rate below which it is never lowered.
    """

    kind: Literal["plateau"] = "plateau"
    factor: Factor = 0.1
    patience: PositiveInt = 10
    least: Annotated[float, Field(ge=0)] = 0.0

    def rates(self, peak: float, *, epochs: int, steps_per_epoch: int) -> None:
        return None

    def callback(self, monitor: str) -> keras.callbacks.ReduceLROnPlateau:
        """What lowers the rate.

        Args:
            monitor: The metric that has to get better.
        """
        return keras.callbacks.ReduceLROnPlateau(
            monitor, factor=self.factor, patience=self.patience, min_lr=self.least
        )


Schedule = Annotated[
    Constant | Step | Exponential | Cosine | OneCycle | Plateau, Field(discriminator="kind")
]


def _exponential(peak: float, steps: float, factor: float, *, staircase: bool) -> Rates:
    settings = {"initial_learning_rate": peak, "decay_steps": steps, "decay_rate": factor}
    return Rates("exponential_decay", {**settings, "staircase": staircase})


def _rise_and_fall(start: float, peak: float, end: float, share: float, steps: int) -> Rates:
    """Keras' cosine with its warm-up; one that rises in no step starts at its peak."""
    rise = min(round(share * steps), steps - 1)
    if not rise:
        return Rates(
            "cosine_decay",
            {"initial_learning_rate": peak, "decay_steps": steps, "alpha": end},
        )
    settings = {
        "initial_learning_rate": start,
        "decay_steps": steps - rise,
        "alpha": end,
        "warmup_target": peak,
        "warmup_steps": rise,
    }
    return Rates("cosine_decay", cast("Mapping[str, float | bool]", settings))
