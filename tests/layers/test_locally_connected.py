"""Locally connected layers against convolutions with equal weights everywhere; within 1e-5."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from gatescope.layers.locally_connected import LocallyConnected1D, LocallyConnected2D

KINDS = {1: (LocallyConnected1D, keras.layers.Conv1D), 2: (LocallyConnected2D, keras.layers.Conv2D)}


def image(axes: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, *(7, 6)[:axes], 3)).astype(np.float32)


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("size", "stride"), [(1, 1), (3, 1), (2, 2), (3, 2), (2, 3)])
def test_with_equal_weights_everywhere_it_is_a_convolution(axes, padding, size, stride):
    own, keras_own = KINDS[axes]
    options = {"strides": stride, "padding": padding, "activation": "tanh"}
    local, shared = own(4, size, **options), keras_own(4, size, **options)
    x = image(axes)
    local.build(x.shape)
    expected = shared(x)
    kernel, bias = shared.get_weights()
    positions = local.kernel.shape[0]
    flat = kernel.reshape(-1, 4)
    local.set_weights([np.tile(flat, (positions, 1, 1)), np.tile(bias, (positions, 1))])
    np.testing.assert_allclose(local(x), expected, atol=1e-5)


def test_each_position_has_weights_of_its_own():
    layer = LocallyConnected2D(2, 3)
    x = tf.constant(image(2))
    layer.build(x.shape)
    with tf.GradientTape() as tape:
        one = tf.reduce_sum(layer(x)[:, 1, 2])
    gradient = tape.gradient(one, layer.kernel.value).numpy()
    touched = np.flatnonzero(np.abs(gradient).sum((1, 2)))
    assert touched.tolist() == [1 * 4 + 2]


def test_the_kernel_of_each_position_is_drawn_as_that_of_a_dense_layer():
    keras.utils.set_random_seed(0)
    layer = LocallyConnected2D(16, 3, kernel_initializer="he_normal")
    layer.build((None, 12, 12, 8))
    kernel = layer.kernel.numpy()
    assert abs(kernel.std() / np.sqrt(2 / (9 * 8)) - 1) < 0.02
    assert not np.array_equal(kernel[0], kernel[1])


def test_it_comes_back_from_its_file(tmp_path):
    inputs = keras.Input((7, 6, 3))
    options = {"padding": "same", "activation": "relu", "kernel_regularizer": "l2"}
    model = keras.Model(inputs, LocallyConnected2D(2, 3, 2, **options)(inputs))
    model.save(tmp_path / "model.keras")
    back = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(image(2)), back(image(2)))
    assert float(model.losses[0]) == float(back.losses[0])
