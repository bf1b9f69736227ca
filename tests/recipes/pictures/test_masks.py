"""Dropout left on while predicting, images shifted, gradients on their way back."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from gatescope.data.bundled import Bundled
from gatescope.data.datasets import Part
from gatescope.models.dense import DenseConfig
from gatescope.models.heads import NumbersInput, OutputConfig
from gatescope.models.network import Depth
from gatescope.recipes.kinds.network import NetworkRecipe, Trained
from gatescope.recipes.pictures.gradients import alike_behind_layers, first_gradients
from gatescope.recipes.pictures.masks import entropy, votes
from gatescope.recipes.pictures.shifts import shifted
from gatescope.training.fit import FitConfig


def half(units: int) -> keras.Model:
    """Says the share of ones that dropout leaves, and the rest."""
    x = keras.Input((64,), name="x")
    kept = keras.layers.Dropout(0.5)(x)
    mean = keras.layers.GlobalAveragePooling1D(data_format="channels_first")(
        keras.layers.Reshape((1, 64))(kept)
    )
    said = keras.ops.concatenate([mean / 2, 1 - mean / 2], -1)
    return keras.Model([x], said if units == 2 else mean / 2)


@pytest.mark.parametrize("units", [2, 1])
def test_votes_differ_and_their_mean_is_what_the_network_says(units: int) -> None:
    ones = Part({"x": np.ones((300, 64), np.float32)}, {})
    found = votes(half(units), ones, passes=30)
    assert found.shape == (30, 300, 2)
    assert found.std(0).min() > 0
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(found.mean(), 0.5, atol=1e-6)
    assert abs(found[..., 0].mean() - 0.5) < 0.01


def test_entropy_lies_between_certain_and_all_alike() -> None:
    said = np.random.default_rng(0).dirichlet(np.ones(5), 100)
    assert ((entropy(said) > 0) & (entropy(said) < np.log(5))).all()
    np.testing.assert_allclose(entropy(np.full((1, 5), 0.2)), np.log(5))
    assert entropy(np.eye(5)).tolist() == [0] * 5


@pytest.mark.parametrize("pixels", [0, 1, 3])
def test_a_shifted_image_has_its_columns_further_right(pixels: int) -> None:
    images = np.random.default_rng(0).normal(size=(2, 4, 5, 1))
    found = shifted(images, pixels)
    assert found.shape == images.shape
    assert (found[:, :, :pixels] == 0).all()
    assert (found[:, :, pixels:] == images[:, :, : 5 - pixels]).all()


def begun(depth: int = 12, **settings) -> Trained:
    data = Bundled(name="digits", flat=True)
    network = DenseConfig(
        inputs=(NumbersInput(name="numbers", size=64, normalize=False),),
        hidden=Depth(depth=depth, width=16),
        outputs=(OutputConfig(kind="classes", name="digit", units=10),), **settings,
    )  # fmt: skip
    recipe = NetworkRecipe(
        data=data, network=network, training=FitConfig(epochs=1), baselines=(), expected={}
    )
    return Trained("it", recipe, data.load(), None, None, {}, {}, 0.0)


def gradients(**settings) -> np.ndarray:
    return np.array(first_gradients(begun(activation="sigmoid", **settings)))


def test_gradients_fade_through_sigmoids_and_not_past_them() -> None:
    plain, residual = gradients(), gradients(residual=True, normalization="layer")
    assert len(plain) == len(residual) == 13
    assert plain[0] < 1e-6 * plain[-1]
    assert residual[0] > 0.05 * residual[-1]


def test_gradients_are_those_of_the_network_as_it_began() -> None:
    np.testing.assert_allclose(gradients(), gradients(), rtol=1e-6)


def test_samples_become_alike_layer_by_layer_unless_they_are_carried_on() -> None:
    relu = alike_behind_layers(begun(60))
    residual = alike_behind_layers(begun(60, residual=True, normalization="layer"))
    assert len(relu) == 60 and len(residual) == 59
    assert relu[0] < 0.9 and relu[-1] > 0.99
    assert residual[-1] < 0.97
