"""Optimizers by name, and one that costs less than Keras' own and takes the same steps."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Self

import keras
import tensorflow as tf
from pydantic import BaseModel, ConfigDict, PositiveFloat, model_validator

from gatescope.catalog.lookup import find
from gatescope.catalog.optimizers import OPTIMIZERS
from gatescope.errors import ConfigurationError, nearest

_OF_OTHERS = ("loss_scale_optimizer", "multi_optimizer")
_NOT_SETTINGS = ("learning_rate", "name", "kwargs", "global_clipnorm")


class OptimizerConfig(BaseModel):
    """An optimizer of Keras and its settings.

    Args:
        name: As the catalog or Keras spells it.
        learning_rate: The highest, where a schedule changes it.
        settings: Whatever else its class takes, under Keras' names.

    Example:
        >>> OptimizerConfig(name="sgd", learning_rate=0.1, settings={"momentum": 0.9}).make()
        <SGD name=SGD>
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "adam"
    learning_rate: PositiveFloat = 0.001
    settings: Mapping[str, float | bool | None] = {}

    def make(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule | None = None,
        clip_norm: float | None = None,
    ) -> keras.Optimizer:
        """A new optimizer.

        Args:
            learning_rate: In the place of the configured one, such as a schedule.
            clip_norm: Largest global norm of a gradient.

        Raises:
            ConfigurationError: Keras refuses a setting.
        """
        rate = self.learning_rate if learning_rate is None else learning_rate
        try:
            return self._kind(learning_rate=rate, global_clipnorm=clip_norm, **self.settings)
        except ValueError as error:
            raise ConfigurationError(
                f"Keras makes no {self.name} of these settings: {error}",
                "settings in the bounds of the catalog",
                f"gatescope catalog optimizer {self.name}",
            ) from error

    @property
    def _kind(self) -> Any:
        row = find("optimizer", self.name)
        return getattr(keras.optimizers, row.keras.rpartition(".")[2])

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        row = find("optimizer", self.name)
        if row.name in _OF_OTHERS:
            raise ConfigurationError(
                f"{row.name} hands gradients to other optimizers and cannot be chosen by name",
                f"one of {', '.join(name for name in OPTIMIZERS if name not in _OF_OTHERS)}",
                "compile the model with it and call model.fit",
            )
        known = [
            one for one in inspect.signature(self._kind).parameters if one not in _NOT_SETTINGS
        ]
        for setting in self.settings:
            if setting not in known:
                raise ConfigurationError(
                    f"{row.name} has no setting {setting!r}",
                    f"one of {', '.join(known)}",
                    nearest(setting, known) or f"gatescope catalog optimizer {row.name}",
                )
        return self


@keras.saving.register_keras_serializable("gatescope")
class FusedAdamW(keras.optimizers.AdamW):
    """AdamW (Loshchilov & Hutter 2019) whose update is one operation a variable.

    Keras writes the update as about ten operations, each of which reads and writes every weight;
    on a CPU memory is what they wait for. Arguments, variables and results, but for rounding,
    are those of `keras.optimizers.AdamW`, so each can go on from the other's state.

    Example:
        >>> optimizer = FusedAdamW(4e-4, weight_decay=0.01)
        >>> optimizer.build(model.trainable_variables)  # doctest: +SKIP
        >>> optimizer.slow_down(backbone.trainable_variables, 0.25)  # doctest: +SKIP
    """

    def slow_down(self, variables: Iterable[keras.Variable], factor: float) -> None:
        """Makes steps on some variables smaller (Howard & Ruder 2018, discriminative rates).

        Args:
            variables: Such as those of a part that was trained before, of those that the
                optimizer was built with.
            factor: Of the learning rate.
        """
        # By place, for Keras hands over its own variables or TensorFlow's, as it likes.
        places = map(self._get_variable_index, variables)
        self._factors.update(dict.fromkeys(places, factor))

    @cached_property
    def _factors(self) -> dict[int, float]:
        return {}

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        place = self._get_variable_index(variable)
        if self.weight_decay is not None and self._use_weight_decay(variable):
            variable.assign_sub(
                variable * tf.cast(self.weight_decay * learning_rate, variable.dtype)
            )
        learning_rate *= self._factors.get(place, 1.0)
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        dtype = variable.dtype
        step = tf.cast(self.iterations.value + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=tf.cast(self.beta_1, dtype) ** step,
            beta2_power=tf.cast(self.beta_2, dtype) ** step,
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.cast(self.beta_1, dtype),
            beta2=tf.cast(self.beta_2, dtype),
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )

    def _apply_weight_decay(self, variables: Sequence[tf.Variable]) -> None:
        """Leaves it to `update_step`: here Keras would ask the schedule anew for each variable."""


@contextmanager
def averaged(optimizer: keras.Optimizer, variables: Sequence[keras.Variable]) -> Iterator[None]:
    """Lends variables the moving averages that an optimizer with `use_ema` keeps of them.

    Args:
        optimizer: Has taken steps on the variables.
        variables: In the order in which it was built with them.
    """
    present = [variable.numpy() for variable in variables]
    optimizer.finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, present, strict=True):
            variable.assign(value)
