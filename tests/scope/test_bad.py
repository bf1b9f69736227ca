"""`Trace.first_bad`: where the first bad number of a network came from."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import gatescope as gs

ONES = np.ones((2, 3), "float32")


def line_of(function, text: str) -> int:
    lines, first = inspect.getsourcelines(function)
    return first + next(place for place, line in enumerate(lines) if text in line)


def model_of(*parts, loss="mse", shape=(3,)):
    model = keras.Sequential([keras.Input(shape), *parts])
    model.compile("sgd", loss)
    return model


def test_a_logarithm_of_zero_is_found_at_its_line():
    class Log(layers.Layer):
        def call(self, x):
            moved = x - 1.0
            return tf.math.log(moved)

    model = model_of(layers.Dense(3, kernel_initializer="identity"), Log(name="log"))
    bad = gs.trace(model, np.array([[1, 2, 3], [2, 1, 4]], "float32"), ONES).first_bad()
    assert (bad.what, bad.gate.op, bad.gate.phase) == ("not finite", "Log", "forward")
    assert bad.gate.layer.endswith("/log") and bad.gate.step == 0
    assert bad.gate.source.file.endswith("test_bad.py")
    assert bad.gate.source.line == line_of(Log, "tf.math.log")
    assert (bad.elements, bad.bad) == (((0, 0), (1, 1)), 2)
    text = str(bad)
    assert "Log (forward), gave what is not finite for finite inputs" in text
    assert "layer sequential/log, step 0" in text or "/log, step 0" in text
    assert "2 elements of 2×3: [0, 0] = -inf, [1, 1] = -inf" in text


@pytest.mark.parametrize("file", ["<ipython-input-3-1f2e>", "<stdin>", "<string>"])
def test_a_line_typed_in_a_notebook_or_a_prompt_is_the_users(file):
    typed = """
class Log(layers.Layer):
    def call(self, x):
        return tf.math.log(x)
"""
    known = {"layers": layers, "tf": tf}
    exec(compile(typed, file, "exec"), known)  # noqa: S102
    bad = gs.trace(model_of(known["Log"]()), -ONES, ONES).first_bad()
    assert str(bad.gate.source) == f"{file}:4 in Log.call"


def test_a_plain_network_that_explodes():
    wide = keras.initializers.Constant(1e6)
    model = model_of(
        *[layers.Dense(3, kernel_initializer=wide, name=f"at_{at}") for at in range(9)]
    )
    bad = gs.trace(model, ONES, ONES).first_bad()
    assert (bad.what, bad.gate.phase) == ("not finite", "forward")
    assert bad.gate.op == "MatMul" and bad.gate.layer.endswith("/at_5")
    assert bad.bad == 6


def test_magnitudes_that_run_away_without_nan():
    wide = keras.initializers.Constant(3e3)
    model = model_of(*[layers.Dense(3, kernel_initializer=wide) for _ in range(4)])
    bad = gs.trace(model, ONES, ONES).first_bad()
    assert bad.what == "ran away" and bad.gate.phase == "forward"
    assert "ran away: up to" in str(bad) and "out of all proportion" in str(bad)
    assert bad.elements[0] == (0, 0)


def test_a_square_root_whose_gradient_is_infinite():
    def length(x):
        return tf.reduce_sum(tf.sqrt(tf.reduce_sum(x * x, axis=1)))

    bad = gs.trace(length, np.array([[3.0, 4.0], [0.0, 0.0]])).first_bad()
    assert (bad.gate.phase, bad.gate.gradient_of.op) == ("backward", "Sqrt")
    assert bad.gate.source.line == line_of(length, "tf.sqrt")
    assert bad.elements == ((1,),)


def test_zero_divided_by_zero():
    bad = gs.trace(lambda x, y: tf.reduce_sum(x / y), np.arange(3.0), np.arange(3.0)).first_bad()
    assert bad.gate.op == "RealDiv" and bad.elements == ((0,),)
    assert "[0] = nan" in str(bad)


def test_nan_in_the_input_is_named():
    x = ONES.copy()
    x[1, 2] = np.nan
    bad = gs.trace(model_of(layers.Dense(2)), x, ONES[:, :2]).first_bad()
    assert (bad.value.kind, bad.value.name, bad.gate) == ("input", "x", None)
    assert bad.elements == ((1, 2),)
    assert str(bad).startswith("the input 'x' is not finite as it comes in")


def test_nan_in_the_targets_is_named():
    y = ONES[:, :2].copy()
    y[0] = np.inf
    bad = gs.trace(model_of(layers.Dense(2)), ONES, y).first_bad()
    assert (bad.value.kind, bad.value.name, bad.bad) == ("input", "y", 2)


def test_nan_in_a_weight_is_named():
    model = model_of(layers.Dense(4, name="one"), layers.Dense(2, name="two"))
    kernel = model.layers[-1].kernel
    kernel.assign(tf.where(np.arange(8).reshape(4, 2) == 5, np.nan, kernel))
    bad = gs.trace(model, ONES, ONES[:, :2]).first_bad()
    assert bad.gate is None and bad.value.name.endswith("two/kernel")
    assert bad.elements == ((2, 1),)
    assert str(bad).startswith(f"the variable {bad.value.name!r} is not finite as it comes in")


def test_float16_that_overflows():
    model = model_of(
        layers.Dense(3, dtype="mixed_float16", kernel_initializer=keras.initializers.Constant(300))
    )
    bad = gs.trace(model, 100 * ONES, ONES).first_bad()
    assert (bad.gate.op, bad.value.dtype, bad.bad) == ("MatMul", "float16", 6)


def test_the_step_of_a_loop_is_told():
    def grow(x):
        for _ in range(5):
            x = tf.exp(x)
        return tf.reduce_sum(x)

    bad = gs.trace(grow, [0.5, -1.0]).first_bad()
    assert (bad.gate.op, bad.gate.step, bad.elements) == ("Exp", 3, ((0,),))
    assert bad.gate.source.line == line_of(grow, "tf.exp")


def test_nan_made_of_a_mask_is_found():
    bad = gs.trace(lambda x: tf.nn.softmax(x + tf.constant([-np.inf, -np.inf])), [1, 2.0])
    bad = bad.first_bad()
    assert bad.gate.op == "Softmax" and "gave NaN for infinite inputs" in str(bad)


def test_complex_nan_is_found_where_it_came_from():
    bad = gs.trace(lambda x: tf.abs(tf.signal.fft(tf.cast(x / x, tf.complex64))), np.arange(2.0))
    assert bad.first_bad().gate.op == "RealDiv"


@pytest.mark.parametrize("hidden", [-1e9, -np.inf])
@pytest.mark.parametrize("targets", [True, False])
def test_masks_are_no_fault(hidden, targets):
    class Masked(layers.Layer):
        def call(self, x):
            allowed = tf.linalg.band_part(tf.ones((3, 3)), -1, 0) > 0
            scores = tf.where(allowed, tf.matmul(x, x, transpose_b=True), tf.constant(hidden))
            return tf.matmul(tf.nn.softmax(scores), x)

    model = model_of(layers.Dense(4), Masked(), shape=(3, 4))
    x = np.random.default_rng(1).normal(size=(2, 3, 4)).astype("float32")
    trace = gs.trace(model, x, x) if targets else gs.trace(model, x)
    assert trace.first_bad() is None


def test_half_precision_masks_are_no_fault():
    inputs = keras.Input((3, 4))
    mask = keras.Input((3,), dtype="bool")
    attention = layers.MultiHeadAttention(1, 4, dtype="mixed_float16")
    model = keras.Model([inputs, mask], attention(inputs, inputs, key_mask=mask))
    x = np.random.default_rng(1).normal(size=(2, 3, 4)).astype("float32")
    known = np.array([[True, True, False], [True, False, False]])
    assert gs.trace(model, [x, known], x, loss="mse").first_bad() is None


def test_losses_that_run_in_logarithms_are_no_fault():
    model = model_of(layers.Dense(5, activation="softmax"), loss=keras.losses.CTC(), shape=(10, 3))
    random = np.random.default_rng(1)
    trace = gs.trace(model, random.random((2, 10, 3)), random.integers(1, 5, (2, 4)))
    assert trace.first_bad() is None and trace.verify().ok


def test_what_is_masked_off_is_no_fault():
    def safe(x):
        return tf.reduce_sum(tf.where(x > 0, tf.math.log(x), x))

    assert gs.trace(safe, np.array([1.0, -2.0, 3.0])).first_bad() is None


def test_large_inputs_are_not_what_ran_away():
    model = model_of(layers.Dense(2))
    assert gs.trace(model, 1e6 * ONES, ONES[:, :2]).first_bad() is None
