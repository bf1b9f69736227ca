"""Recurrent cells whose large matrix products are taken out of the loop, and that skip padding.

Over whole captions the product of inputs and kernel is one large matrix product, and so is the
gradient of the recurrent kernel; only the recurrent product has to wait for the step before.
Keras' cells do all three inside the loop. Captions that have ended leave it: longer ones come
first, and each step runs the first few.

Suffixes: M captions, T time steps, N words of all captions, U units, G gates · units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

States = tuple[tf.Tensor, ...]


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

    def call(self, projected: tf.Tensor, states: States) -> States:
        recurrent = tf.matmul(states[0], self.recurrent_kernel) + self.bias
        new: States = self.gate(*_cast((projected, recurrent, states), tf.float32))
        return _cast(new, self.compute_dtype)

    def gate(self, projected: tf.Tensor, recurrent: tf.Tensor, states: States) -> States:
        """The step after its matrix product: element by element, in float32.

        Half precision would gain nothing here, and states would lose digits at every step.
        """
        raise NotImplementedError

    def ragged(self, projected_NG: tf.Tensor, lengths_M: tf.Tensor, states: States) -> States:
        """Runs captions of different lengths, with no work for padding.

        Args:
            projected_NG: Inputs of every word, caption after caption, as `tf.RaggedTensor` keeps
                its values.
            lengths_M: Words of each caption, at least one.
            states: First states, `(M, U)` each.

        Returns:
            States after every word, `(N, U)` each, the output first, in the order of the inputs.
        """
        order = _Order.of(lengths_M)
        weights = (tf.cast(part, self.compute_dtype) for part in (self.recurrent_kernel, self.bias))
        first = (tf.gather(state, order.captions) for state in _cast(states, tf.float32))

        @tf.custom_gradient
        def run(
            projected_NG: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, *first: tf.Tensor
        ) -> tuple[States, Callable[..., States]]:
            inputs_NG = tf.cast(tf.gather(projected_NG, order.words), tf.float32)
            recurrent_NG, after = self._forward(order, inputs_NG, kernel, bias, first)

            def gradient(*after_grads: tf.Tensor) -> States:
                grads = tuple(tf.gather(grad, order.words) for grad in after_grads)
                before = tuple(
                    tf.gather(tf.concat(parts, 0), order.before)
                    for parts in zip(first, after, strict=True)
                )
                inputs_grad, recurrent_grad, first_grads = self._backward(
                    order, (inputs_NG, recurrent_NG, before), grads, kernel
                )
                said, grad = _cast((before[0], recurrent_grad), kernel.dtype)
                return (
                    tf.cast(tf.gather(inputs_grad, order.places), projected_NG.dtype),
                    tf.matmul(said, grad, transpose_a=True),
                    tf.cast(tf.reduce_sum(recurrent_grad, 0), bias.dtype),
                    *first_grads,
                )

            return tuple(tf.gather(part, order.places) for part in after), gradient

        return _cast(run(projected_NG, *weights, *first), self.compute_dtype)

    def _forward(
        self,
        order: _Order,
        inputs_NG: tf.Tensor,
        kernel: tf.Tensor,
        bias: tf.Tensor,
        first: States,
    ) -> tuple[tf.Tensor, States]:
        """Recurrent products, and the states after every word, step after step."""

        def body(
            t: tf.Tensor,
            states: States,
            recurrents: tf.TensorArray,
            after: tuple[tf.TensorArray, ...],
        ) -> tuple[object, ...]:
            states = tuple(state[: order.sizes[t]] for state in states)
            product = tf.matmul(tf.cast(states[0], kernel.dtype), kernel) + bias
            recurrent = tf.cast(product, tf.float32)
            states = self.gate(inputs_NG[order.step(t)], recurrent, states)
            after = tuple(array.write(t, state) for array, state in zip(after, states, strict=True))
            return t + 1, states, recurrents.write(t, recurrent), after

        arrays = tuple(map(order.array, first))
        start = (tf.constant(0), first, order.array(inputs_NG), arrays)
        _, _, recurrents, after = _loop(lambda t, *_: t < order.steps, body, start)
        return recurrents.concat(), tuple(array.concat() for array in after)

    def _backward(
        self,
        order: _Order,
        inputs: tuple[tf.Tensor, tf.Tensor, States],
        grads: States,
        kernel: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, States]:
        """Gradients of the arguments that `gate` had, and of the first states."""

        def body(
            t: tf.Tensor,
            later: States,
            input_grads: tf.TensorArray,
            recurrent_grads: tf.TensorArray,
        ) -> tuple[object, ...]:
            step, size = order.step(t), order.sizes[t]
            upstream = tuple(
                grad[step] + more[:size] for grad, more in zip(grads, later, strict=True)
            )
            had = tf.nest.map_structure(lambda rows: rows[step], inputs)
            with tf.GradientTape() as tape:
                tape.watch(had)
                new = self.gate(*had)
            input_grad, recurrent_grad, (output_grad, *rest) = tape.gradient(
                new, had, upstream, unconnected_gradients="zero"
            )
            through = tf.matmul(tf.cast(recurrent_grad, kernel.dtype), kernel, transpose_b=True)
            earlier = (output_grad + tf.cast(through, tf.float32), *rest)
            # Captions that end before this step have no gradient here.
            ended = [[0, captions - size], [0, 0]]
            return (
                t - 1,
                tuple(tf.pad(grad, ended) for grad in earlier),
                input_grads.write(t, input_grad),
                recurrent_grads.write(t, recurrent_grad),
            )

        captions = tf.size(order.captions)
        none = tuple(tf.zeros((captions, self.units)) for _ in grads)
        start = (order.steps - 1, none, *map(order.array, inputs[:2]))
        _, first, input_grads, recurrent_grads = _loop(lambda t, *_: t >= 0, body, start)
        return input_grads.concat(), recurrent_grads.concat(), first


class _Order(NamedTuple):
    """The order in which a loop reads words: step after step, longer captions first."""

    captions: tf.Tensor  # (M,): the captions, longest first
    words: tf.Tensor  # (N,): the words, step after step
    places: tf.Tensor  # (N,): where each word went
    before: tf.Tensor  # (N,): the state before each, in first states followed by states after
    starts: tf.Tensor  # (T,): words read in all steps before
    sizes: tf.Tensor  # (T,): words read in each step

    @classmethod
    def of(cls, lengths_M: tf.Tensor) -> _Order:
        captions = tf.argsort(lengths_M, direction="DESCENDING", stable=True)
        present_MT = tf.sequence_mask(tf.gather(lengths_M, captions))
        step_N, row_N = tf.unstack(tf.where(tf.transpose(present_MT)), axis=1)
        starts_M = tf.gather(tf.cumsum(lengths_M, exclusive=True), captions)
        words = tf.gather(starts_M, row_N) + tf.cast(step_N, tf.int32)
        sizes = tf.reduce_sum(tf.cast(present_MT, tf.int32), 0)
        starts = tf.cumsum(sizes, exclusive=True)
        befores_T = tf.concat([[0], starts[:-1] + tf.size(lengths_M)], 0)
        before = tf.gather(befores_T, step_N) + tf.cast(row_N, tf.int32)
        places = tf.math.invert_permutation(words)
        return cls(captions, words, places, before, starts, sizes)

    @property
    def steps(self) -> tf.Tensor:
        return tf.size(self.sizes)

    def step(self, t: tf.Tensor) -> slice:
        """Where the words of step `t` are."""
        return slice(self.starts[t], self.starts[t] + self.sizes[t])

    def array(self, rows: tf.Tensor) -> tf.TensorArray:
        """For rows like these, as many a step as the step has words."""
        shape = (None, rows.shape[-1])
        return tf.TensorArray(rows.dtype, self.steps, infer_shape=False, element_shape=shape)


def _cast(parts: Any, dtype: tf.DType | str) -> Any:
    return tf.nest.map_structure(lambda part: tf.cast(part, dtype), parts)


def _loop(
    condition: Callable[..., tf.Tensor],
    body: Callable[..., tuple[object, ...]],
    start: tuple[object, ...],
) -> tuple[Any, ...]:
    """`tf.while_loop` whose tensors may change their number of rows."""

    def shape(part: tf.Tensor | tf.TensorArray) -> tf.TensorShape:
        if isinstance(part, tf.TensorArray):
            return tf.TensorShape(None)
        return tf.TensorShape((None, part.shape[-1]) if part.shape.rank else ())

    invariants = tf.nest.map_structure(shape, start)
    found: tuple[Any, ...] = tf.while_loop(condition, body, start, shape_invariants=invariants)
    return found


@keras.saving.register_keras_serializable("gatescope")
class LSTMCell(Cell):
    """Hochreiter & Schmidhuber 1997 with a forget gate (Gers et al. 2000), its bias at 1."""

    GATES, STATES = 4, 2

    def _bias(self, shape: tuple[int, ...], dtype: str | None = None) -> tf.Tensor:
        quarter = tf.zeros(self.units, dtype or "float32")
        return tf.concat([quarter, quarter + 1, quarter, quarter], 0)

    def gate(self, projected: tf.Tensor, recurrent: tf.Tensor, states: States) -> States:
        _, memory = states
        enter, keep, candidate, leave = tf.split(projected + recurrent, 4, -1)
        memory = tf.sigmoid(keep) * memory + tf.sigmoid(enter) * tf.tanh(candidate)
        return tf.sigmoid(leave) * tf.tanh(memory), memory


@keras.saving.register_keras_serializable("gatescope")
class GRUCell(Cell):
    """Cho et al. 2014, with the reset after the recurrent product as in Keras."""

    GATES, STATES = 3, 1

    def gate(self, projected: tf.Tensor, recurrent: tf.Tensor, states: States) -> States:
        (output,) = states
        update, reset, candidate = tf.split(projected, 3, -1)
        update_r, reset_r, candidate_r = tf.split(recurrent, 3, -1)
        kept = tf.sigmoid(update + update_r)
        new = tf.tanh(candidate + tf.sigmoid(reset + reset_r) * candidate_r)
        return (kept * output + (1 - kept) * new,)
