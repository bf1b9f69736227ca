"""Recurrent cells whose input product is taken out of the loop.

Over a whole caption the product of inputs and kernel is one large matrix product; only the
recurrent product has to wait for the step before. Keras' cells do both inside the loop.

Suffixes: M captions, T time steps, U units.
"""

from __future__ import annotations

import keras
import tensorflow as tf


class Cell(keras.layers.Layer):
    """One step of a recurrence on inputs that are projected already.

    Args:
        units: Size of the output and of each state.

    Input shape: projected input `(captions, gates * units)` and states `(captions, units)`.
    Output shape: `(captions, units)` for each state, the output first.
    """

    GATES: int
    STATES: int

    def __init__(self, units: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: tuple[int | None, ...] | None = None) -> None:
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, self.GATES * self.units),
            initializer="orthogonal",
            name="recurrent_kernel",
        )
        self.bias = self.add_weight(
            shape=(self.GATES * self.units,), initializer=self._bias, name="bias"
        )
        self.built = True

    def _bias(self, shape: tuple[int, ...], dtype: str | None = None) -> tf.Tensor:
        return tf.zeros(shape, dtype or "float32")

    def call(self, projected: tf.Tensor, states: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
        raise NotImplementedError

    def sequence(
        self, projected_MTG: tf.Tensor, states: tuple[tf.Tensor, ...]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs all steps; returns outputs and last states, each `(M, T, U)`."""
        steps = tf.transpose(projected_MTG, (1, 0, 2))
        count = tf.shape(steps)[0]
        shape = (projected_MTG.shape[0], self.units)
        outputs, lasts = (tf.TensorArray(steps.dtype, count, element_shape=shape) for _ in range(2))

        def body(
            t: tf.Tensor,
            states: tuple[tf.Tensor, ...],
            outputs: tf.TensorArray,
            lasts: tf.TensorArray,
        ) -> tuple[object, ...]:
            states = self(steps[t], states)
            return t + 1, states, outputs.write(t, states[0]), lasts.write(t, states[-1])

        first = (tf.constant(0), states, outputs, lasts)
        _, _, outputs, lasts = tf.while_loop(lambda t, *_: t < count, body, first)
        return tf.transpose(outputs.stack(), (1, 0, 2)), tf.transpose(lasts.stack(), (1, 0, 2))


@keras.saving.register_keras_serializable("gatescope")
class LSTMCell(Cell):
    """Hochreiter & Schmidhuber 1997 with a forget gate (Gers et al. 2000), its bias at 1."""

    GATES, STATES = 4, 2

    def _bias(self, shape: tuple[int, ...], dtype: str | None = None) -> tf.Tensor:
        quarter = tf.zeros(self.units, dtype or "float32")
        return tf.concat([quarter, quarter + 1, quarter, quarter], 0)

    def call(self, projected: tf.Tensor, states: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
        output, memory = states
        gates = projected + tf.matmul(output, self.recurrent_kernel) + self.bias
        enter, keep, candidate, leave = tf.split(gates, 4, -1)
        memory = tf.sigmoid(keep) * memory + tf.sigmoid(enter) * tf.tanh(candidate)
        return tf.sigmoid(leave) * tf.tanh(memory), memory


@keras.saving.register_keras_serializable("gatescope")
class GRUCell(Cell):
    """Cho et al. 2014, with the reset after the recurrent product as in Keras."""

    GATES, STATES = 3, 1

    def call(self, projected: tf.Tensor, states: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
        (output,) = states
        recurrent = tf.matmul(output, self.recurrent_kernel) + self.bias
        update, reset, candidate = tf.split(projected, 3, -1)
        update_r, reset_r, candidate_r = tf.split(recurrent, 3, -1)
        kept = tf.sigmoid(update + update_r)
        new = tf.tanh(candidate + tf.sigmoid(reset + reset_r) * candidate_r)
        return (kept * output + (1 - kept) * new,)
