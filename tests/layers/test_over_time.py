"""Means, maxima and attention over time, by hand; results agree within 1e-6."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from gatescope.layers.over_time import AttentionOverTime, MaxOverTime, MeanOverTime

KINDS = [MeanOverTime, MaxOverTime, AttentionOverTime]
STEPS = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32) - 5
MASK = np.array([[True, True, False, False], [True, True, True, True]])


def test_mean_and_maximum_are_those_of_steps_that_are_not_padding():
    for kind, function in ((MeanOverTime, np.mean), (MaxOverTime, np.max)):
        np.testing.assert_allclose(kind()(STEPS), function(STEPS, 1), rtol=1e-6)
        expected = [function(STEPS[0, :2], 0), function(STEPS[1], 0)]
        np.testing.assert_allclose(kind()(STEPS, mask=MASK), expected, rtol=1e-6)


def test_attention_is_a_mean_with_weights_that_add_up_to_one():
    keras.utils.set_random_seed(0)
    layer = AttentionOverTime()
    said = layer(STEPS, mask=MASK)
    weights = layer.weights_of(STEPS, MASK).numpy()
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    assert (weights[0, 2:] == 0).all()
    scores = np.tanh(STEPS @ layer.kernel.numpy() + layer.bias.numpy()) @ layer.query.numpy()
    exponents = np.exp(scores) * MASK[..., None]
    expected = exponents / exponents.sum(1, keepdims=True)
    np.testing.assert_allclose(weights, expected, atol=1e-6)
    np.testing.assert_allclose(said, (STEPS * expected).sum(1), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_padding_alone_becomes_zeros_and_not_nan(kind, dtype):
    said = kind(dtype=dtype)(STEPS, mask=np.zeros((2, 4), bool))
    np.testing.assert_array_equal(said, np.zeros((2, 3)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_with_it_comes_back_from_its_file(kind, tmp_path):
    ids = keras.Input((4,), dtype="int32")
    steps = keras.layers.Embedding(5, 3, mask_zero=True)(ids)
    model = keras.Model(ids, kind()(steps))
    model.save(tmp_path / "model.keras")
    x = np.array([[1, 2, 0, 0], [3, 4, 1, 2]])
    back = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict(x, verbose=0), back.predict(x, verbose=0))
