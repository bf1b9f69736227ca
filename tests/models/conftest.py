"""What the tests of all three builders compare and draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from gatescope.models.blueprint import Blueprint
from gatescope.models.building import build
from gatescope.models.heads import (
    CategoryInput,
    ImageInput,
    InputConfig,
    NumbersInput,
    OutputConfig,
    SequenceInput,
    TextInput,
    compile_arguments,
)
from gatescope.models.network import NetworkConfig

SAMPLES = 12


def _check(blueprint: Blueprint) -> keras.Model:
    """Builds a blueprint, and compares each shape and each count with those of Keras."""
    model = build(blueprint)
    for row in blueprint.rows:
        layer = model.get_layer(row.name)
        assert tuple(layer.output.shape[1:]) == row.shape, row.name
        assert layer.count_params() == row.parameters, row.name
        assert sum(int(np.prod(w.shape)) for w in layer.trainable_weights) == row.trainable
    assert model.count_params() == blueprint.parameters
    assert len(model.layers) == len(blueprint.rows)
    return model


def _array(config: InputConfig, rng: np.random.Generator) -> NDArray[Any]:
    match config:
        case NumbersInput():
            return rng.normal(5, 3, (SAMPLES, config.size))
        case CategoryInput():
            return rng.integers(0, config.categories, SAMPLES)
        case ImageInput():
            shape = (SAMPLES, config.height, config.width, config.channels)
            return rng.integers(0, 256, shape, np.uint8)
        case TextInput():
            ids = rng.integers(0, config.tokens, (SAMPLES, config.length))
            ids[0] = 0  # an empty text
            return ids
        case SequenceInput():
            steps = rng.normal(size=(SAMPLES, config.length or 7, config.features))
            steps[0] = 0
            return steps


def _targets(config: OutputConfig, rng: np.random.Generator) -> NDArray[Any]:
    match config.kind:
        case "number":
            return rng.normal(size=SAMPLES)
        case "numbers":
            return rng.normal(size=(SAMPLES, config.units))
        case "binary":
            return rng.integers(0, 2, SAMPLES)
        case "classes":
            return rng.integers(0, config.units, SAMPLES)
        case "labels":
            return rng.integers(0, 2, (SAMPLES, config.units))


def _train(config: NetworkConfig) -> list[float]:
    """Losses of three epochs on random data at seed 0, the model checked against its blueprint."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = _check(config.blueprint())
    x = {each.name: _array(each, rng) for each in config.inputs}
    y = [_targets(each, rng) for each in config.outputs]
    model.compile("adam", **compile_arguments(config.outputs))
    before = [weight.numpy() for weight in model.trainable_weights]
    losses = model.fit(x, y if len(y) > 1 else y[0], epochs=3, verbose=0).history["loss"]
    after = model.trainable_weights
    moved = [(old != new.numpy()).any() for old, new in zip(before, after, strict=True)]
    assert all(moved), "a weight gets no gradient"
    return losses


@pytest.fixture
def check() -> Callable[[Blueprint], keras.Model]:
    return _check


@pytest.fixture
def train() -> Callable[[NetworkConfig], list[float]]:
    return _train


@pytest.fixture
def array() -> Callable[[InputConfig, np.random.Generator], NDArray[Any]]:
    return _array
