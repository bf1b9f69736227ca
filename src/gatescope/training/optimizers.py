"""Optimizers that cost less than Keras' own, with the same variables and the same steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import keras
import tensorflow as tf


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
