"""What a number sees is proved by changing the input: outside nothing happens, inside it does."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from gatescope.errors import TraceError
from gatescope.scope.receptive import Field, receptive_fields
from gatescope.scope.trace import trace

layers = keras.layers


def image_model() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((20, 18, 2), name="photo"),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="first"),
            layers.BatchNormalization(name="normal"),
            layers.DepthwiseConv2D(3, dilation_rate=2, name="deep"),
            layers.MaxPooling2D(2, strides=1, padding="same", name="pool"),
            layers.Conv2D(3, (1, 2), padding="valid", activation="gelu", name="last"),
        ]
    )


def model_with_a_shortcut() -> keras.Model:
    keras.utils.set_random_seed(0)
    photo = keras.Input((14, 14, 1), name="photo")
    x = layers.ZeroPadding2D(1)(photo)
    x = layers.Conv2D(2, 3, activation="relu")(x)
    x = layers.Add()([x, layers.SeparableConv2D(2, 5, padding="same")(photo)])
    return keras.Model(photo, layers.AveragePooling2D(2, name="last")(x))


def sequence_model() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((30, 3), name="sequence"),
            layers.Conv1D(4, 3, dilation_rate=2, padding="causal", activation="relu"),
            layers.MaxPooling1D(2),
            layers.Conv1D(2, 2, name="last"),
        ]
    )


def field_of(model: keras.Model, x: Any, index: tuple[int, ...]) -> Field:
    (found,) = receptive_fields(trace(model, x).neuron("last", index).element)
    return found


@pytest.mark.parametrize("build", [image_model, model_with_a_shortcut, sequence_model])
def test_what_is_seen_is_all_that_can_change_the_number(build: Any) -> None:
    model, random = build(), np.random.default_rng(1)
    for weight in model.trainable_weights:  # so that nothing cancels, and no rectifier is shut
        weight.assign(random.uniform(0.1, 1, weight.shape))
    x = random.uniform(0.1, 1, (1, *model.input_shape[1:])).astype("float32")
    shape = model.compute_output_shape(x.shape)
    for index in ((0, *(size // 2 for size in shape[1:])), (0, *(0 for _ in shape[1:]))):
        seen = field_of(model, x, index).seen
        assert seen.shape == x.shape and 0 < seen.sum() < seen.size
        number = float(model(x)[index])
        outside = np.where(seen, x, 100 * random.uniform(size=x.shape)).astype("float32")
        assert float(model(outside)[index]) == number
        # Every element that is seen does something, once large enough to win a maximum.
        for place in np.argwhere(seen)[:: max(1, seen.sum() // 40)]:
            changed = x.copy()
            changed[tuple(place)] += 1_000
            assert float(model(changed)[index]) != number


@pytest.mark.parametrize("build", [image_model, model_with_a_shortcut, sequence_model])
def test_gradients_are_those_of_a_tape(build: Any) -> None:
    model = build()
    x = np.random.default_rng(2).normal(size=(1, *model.input_shape[1:])).astype("float32")
    index = (0, *(size // 2 for size in model.compute_output_shape(x.shape)[1:]))
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        number = model(tensor)[index]
    expected = np.asarray(tape.gradient(number, tensor))
    np.testing.assert_allclose(field_of(model, x, index).gradient, expected, rtol=1e-4, atol=1e-6)


def test_the_box_of_two_convolutions_is_what_arithmetic_says() -> None:
    model = keras.Sequential(
        [keras.Input((16, 16, 1)), layers.Conv2D(2, 5), layers.Conv2D(2, 3, name="last")]
    )
    found = field_of(model, np.ones((1, 16, 16, 1), "float32"), (0, 4, 2, 1))
    assert found.box == ((0, 0), (4, 10), (2, 8), (0, 0))  # 5 + 3 − 1 = 7 wide


def test_words_of_a_text_are_seen_through_their_embedding() -> None:
    model = keras.Sequential(
        [
            keras.Input((9,), dtype="int32"),
            layers.Embedding(20, 4),
            layers.Conv1D(2, 3, name="last"),
        ]
    )
    found = field_of(model, np.arange(9)[None], (0, 4, 1))
    assert found.seen[0].tolist() == [4 <= place <= 6 for place in range(9)]
    kernel = np.asarray(model.get_layer("last").kernel)[..., 1]
    np.testing.assert_allclose(found.gradient[0, 4:7], np.abs(kernel).sum(1), rtol=1e-5)


def test_pixels_may_be_bytes() -> None:
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1), dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(2, 3, name="last"),
        ]
    )
    x = np.arange(36, dtype="uint8").reshape(1, 6, 6, 1)
    found = field_of(model, x, (0, 2, 1, 0))
    assert found.box == ((0, 0), (2, 4), (1, 3), (0, 0))
    kernel = np.asarray(model.get_layer("last").kernel)[..., 0, 0]
    np.testing.assert_allclose(found.gradient[0, 2:5, 1:4, 0], kernel / 255, rtol=1e-5)


def test_each_input_has_its_own_field() -> None:
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    first = layers.Dense(4, name="first")(a)
    model = keras.Model([a, b], layers.Dense(1, name="last")(layers.Concatenate()([first, b])))
    x = {"a": np.ones((1, 3), "float32"), "b": np.ones((1, 2), "float32")}
    traced = trace(model, x)
    found = receptive_fields(traced.neuron("last", (0, 0)).element)
    assert sorted(one.seen.size for one in found) == [2, 3]
    (alone,) = receptive_fields(traced.neuron("first", (0, 0)).element)
    assert alone.seen.shape == (1, 3)


def test_a_summary_is_refused() -> None:
    model = image_model()
    x = np.ones((1, 20, 18, 2), "float32")
    element = trace(model, x).neuron("last", (0, 1, 1, 1)).element
    element.value.gate.inputs[0].keep_summary_only()
    with pytest.raises(TraceError, match="only a summary"):
        receptive_fields(element)
