"""Optimizers that cost less than Keras' own, with the same variables and the same steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gatescope")
class FusedAdamW(keras.optimizers.AdamW):
    """AdamW (Loshchilov & Hutter 2019) whose update is one operation a variable.

    Keras writes the update as about ten operations, each of which reads and writes every weight;
    on a CPU memory is what they wait for. Arguments, variables and results, but for rounding,
    are those of `keras.optimizers.AdamW`, so each can go on from the other's state.
    """

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        place = self._get_variable_index(variable)
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
