"""Cells with their input product taken out, against Keras' own cells with the same weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gatescope.layers.recurrence import Cell, GRUCell, LSTMCell

UNITS, FEATURES, CAPTIONS, STEPS = 5, 3, 4, 6


def twins(kind: str, seed: int) -> tuple[Cell, keras.Layer, np.ndarray]:
    """Our cell, Keras' with the same random weights, and the input kernel of both."""
    rng = np.random.default_rng(seed)
    ours = {"lstm": LSTMCell, "gru": GRUCell}[kind](UNITS)
    theirs = {"lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}[kind](UNITS)
    ours.build()
    theirs.build((CAPTIONS, FEATURES))
    weights = [rng.normal(size=weight.shape).astype(np.float32) for weight in theirs.weights]
    if kind == "gru":
        weights[2][0] = 0  # Keras' second bias, of the input product, which has no twin
    theirs.set_weights(weights)
    kernel, recurrent, bias = weights
    ours.recurrent_kernel.assign(recurrent)
    ours.bias.assign(bias[1] if kind == "gru" else bias)
    return ours, theirs, kernel


def states_of(ours: Cell, seed: int) -> tuple[tf.Tensor, ...]:
    rng = np.random.default_rng(seed)
    return tuple(
        tf.constant(rng.normal(size=(CAPTIONS, UNITS)), tf.float32) for _ in range(ours.STATES)
    )


def sequence(
    layer: Cell, projected: tf.Tensor, states: tuple[tf.Tensor, ...]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Captions of equal length; outputs and last states, `(captions, steps, units)`."""
    rows = tf.reshape(projected, (-1, projected.shape[-1]))
    after = layer.ragged(rows, tf.fill((CAPTIONS,), STEPS), states)
    output, last = (tf.reshape(part, (CAPTIONS, STEPS, UNITS)) for part in (after[0], after[-1]))
    return output, last


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_step_is_that_of_keras_cell(kind):
    ours, theirs, kernel = twins(kind, seed=0)
    inputs = np.random.default_rng(1).normal(size=(CAPTIONS, FEATURES)).astype(np.float32)
    states = states_of(ours, seed=2)
    found = ours(inputs @ kernel, states)
    _, wanted = theirs(inputs, list(states))
    assert len(found) == ours.STATES
    for mine, his in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine, his, atol=1e-5)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_sequence_is_that_of_keras_rnn(kind):
    ours, theirs, kernel = twins(kind, seed=3)
    inputs = np.random.default_rng(4).normal(size=(CAPTIONS, STEPS, FEATURES)).astype(np.float32)
    states = states_of(ours, seed=5)
    outputs, lasts = sequence(ours, tf.constant(inputs @ kernel), states)
    layer = keras.layers.RNN(theirs, return_sequences=True, return_state=True)
    wanted, *final = layer(inputs, initial_state=list(states))
    np.testing.assert_allclose(outputs, wanted, atol=1e-5)
    np.testing.assert_allclose(lasts[:, -1], final[-1], atol=1e-5)


@pytest.mark.parametrize("cell", [LSTMCell, GRUCell])
def test_gradients_reach_the_first_step_through_all_the_others(cell):
    layer = cell(UNITS)
    projected = tf.random.stateless_normal((CAPTIONS, STEPS, layer.GATES * UNITS), (0, 1))
    layer.build()
    with tf.GradientTape() as tape:
        tape.watch(projected)
        outputs, _ = sequence(layer, projected, states_of(layer, seed=6))
        last = tf.reduce_sum(outputs[:, -1] ** 2)
    gradient = tape.gradient(last, projected)
    assert (np.abs(gradient).sum((0, 2)) > 0).all()
    assert tf.reduce_all(tf.math.is_finite(gradient))


def test_the_forget_gate_starts_open():
    layer = LSTMCell(UNITS)
    layer.build()
    assert layer.bias.numpy().reshape(4, UNITS).tolist() == [
        [0] * UNITS, [1] * UNITS, [0] * UNITS, [0] * UNITS,
    ]  # fmt: skip


@pytest.mark.parametrize("cell", [LSTMCell, GRUCell])
def test_cells_are_rebuilt_from_their_configuration(cell):
    rebuilt = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(cell(7)))
    assert type(rebuilt) is cell
    assert rebuilt.units == 7


LENGTHS = [2, 5, 1, 3]


def plain_recurrence(
    layer: Cell, projected: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, *states: tf.Tensor
) -> list[tf.Tensor]:
    """Every caption by itself, word by word, as the definition of the recurrence says."""
    found = []
    for caption, length in enumerate(LENGTHS):
        row = tuple(state[caption : caption + 1] for state in states)
        for word in range(sum(LENGTHS[:caption]), sum(LENGTHS[:caption]) + length):
            row = layer.gate(projected[word : word + 1], row[0] @ kernel + bias, row)
            found.append(row)
    return [tf.concat(parts, 0) for parts in zip(*found, strict=True)]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_captions_of_different_lengths_run_each_by_itself(kind, compiled):
    layer, _, _ = twins(kind, seed=7)
    rng = np.random.default_rng(8)
    shape = (sum(LENGTHS), layer.GATES * UNITS)
    projected = tf.constant(rng.normal(size=shape), tf.float32)
    kernel, bias = layer.recurrent_kernel.value, layer.bias.value
    sources = (projected, kernel, bias, *states_of(layer, seed=9))
    weights = [rng.normal(size=(shape[0], UNITS)).astype(np.float32) for _ in range(layer.STATES)]

    def told(run):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            after = run()
            loss = sum(tf.reduce_sum(part * w) for part, w in zip(after, weights, strict=True))
        return [*after, *map(tf.convert_to_tensor, tape.gradient(loss, sources))]

    def ragged():
        return told(lambda: layer.ragged(projected, tf.constant(LENGTHS), sources[3:]))

    wanted = told(lambda: plain_recurrence(layer, *sources))
    for mine, his in zip((tf.function(ragged) if compiled else ragged)(), wanted, strict=True):
        np.testing.assert_allclose(mine, his, rtol=1e-4, atol=1e-5)
