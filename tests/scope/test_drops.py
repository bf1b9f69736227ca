from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from gatescope.scope.drops import dropout_mask, drops

layers = keras.layers


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Dropout(0.3), (2, 40)),
        (layers.Dropout(0.5, noise_shape=(None, 1, 6)), (2, 5, 6)),
        (layers.SpatialDropout2D(0.5), (2, 4, 4, 8)),
        (layers.SpatialDropout1D(0.5), (2, 4, 8)),
    ],
)
def test_the_mask_is_what_the_layer_does_at_that_seed(layer: Any, shape: tuple[int, ...]) -> None:
    same = type(layer).from_config({**layer.get_config(), "seed": 7})
    x = np.random.default_rng(0).uniform(1, 2, shape).astype("float32")
    mask = dropout_mask(layer, shape, seed=7)
    np.testing.assert_allclose(x * mask, same(x, training=True), rtol=1e-6)
    np.testing.assert_array_equal(mask, dropout_mask(layer, shape, seed=7))
    assert (mask != dropout_mask(layer, shape, seed=8)).any()


def test_the_layers_own_stream_stays_where_it_is() -> None:
    layer = layers.Dropout(0.5, seed=1)
    before = np.asarray(layer.seed_generator.state)
    dropout_mask(layer, (1, 9), seed=3)
    np.testing.assert_array_equal(np.asarray(layer.seed_generator.state), before)


def test_what_drops() -> None:
    assert drops(layers.Dropout(0.5)) and drops(layers.SpatialDropout2D(0.1))
    assert not drops(layers.Dropout(0.0)) and not drops(layers.Dense(3))
