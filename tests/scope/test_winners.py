from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from gatescope.scope.trace import trace
from gatescope.scope.winners import pooling_winners

layers = keras.layers


@pytest.mark.parametrize(
    ("layer", "shape", "op"),
    [
        (layers.MaxPooling2D(2), (6, 8, 3), "MaxPool"),
        (layers.MaxPooling2D(3, strides=2, padding="same"), (7, 6, 2), "MaxPool"),
        (layers.MaxPooling1D(2), (9, 3), "MaxPool"),
        (layers.GlobalMaxPooling2D(), (5, 4, 3), "Max"),
        (layers.GlobalMaxPooling1D(keepdims=True), (5, 4), "Max"),
    ],
)
def test_winners_are_where_the_gradient_goes(layer: Any, shape: tuple[int, ...], op: str) -> None:
    """The gradient of a maximum goes to the winner alone: TensorFlow's own word on who that is."""
    model = keras.Sequential([keras.Input(shape), layer])
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    (gate,) = (gate for gate in trace(model, x).gates if gate.op == op)
    places = pooling_winners(gate)
    assert places is not None and places.shape == gate.outputs[0].shape
    np.testing.assert_array_equal(x.ravel()[places], gate.outputs[0].array)
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        output = model(tensor)
    won = np.asarray(tape.gradient(output, tensor)).ravel()
    np.testing.assert_array_equal(np.bincount(places.ravel(), minlength=x.size), won)


def test_of_equal_numbers_the_first_wins() -> None:
    model = keras.Sequential([keras.Input((2, 2, 1)), layers.MaxPooling2D()])
    (gate,) = trace(model, np.zeros((1, 2, 2, 1), "float32")).find(op="MaxPool")
    assert pooling_winners(gate).ravel().tolist() == [0]


def test_an_average_has_no_winner() -> None:
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.AveragePooling2D(2)])
    (gate,) = trace(model, np.zeros((1, 4, 4, 1), "float32")).find(op="AvgPool")
    assert pooling_winners(gate) is None
