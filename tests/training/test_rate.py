"""The range test on losses that are known, and on a network that is left as it was."""

import keras
import numpy as np
import pytest
from keras import layers

from gatescope.errors import DataError, UsageError
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.rate import range_test, read_range

RNG = np.random.default_rng(1)
X = RNG.normal(size=(256, 4)).astype("float32")
Y = X @ np.float32([[1], [-2], [3], [0.5]])
RATES = tuple(np.geomspace(1e-6, 10, 141))
SGD = FitConfig(epochs=1, optimizer=OptimizerConfig(name="sgd"), precision="float32")


def linear():
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((4,)), layers.Dropout(0.1), layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    return model


def test_a_steep_fall_far_from_the_lowest_loss_is_taken():
    logs = np.log10(RATES)
    losses = 1 / (1 + np.exp(4 * (logs + 4))) + 0.1 + 0.005 * (logs - 1) ** 2
    found = read_range(RATES, tuple(losses))
    assert found.suggestion == pytest.approx(1e-4, rel=0.2)
    assert "falls fastest" in found.reason


def test_a_steep_fall_next_to_the_lowest_loss_is_kept_away_from():
    losses = np.where(np.log10(RATES) < 0, 1 / (1 + np.exp(10 * (np.log10(RATES) + 0.5))), 3) + 0.1
    found = read_range(RATES, tuple(losses))
    lowest = RATES[int(np.argmin(found.smoothed))]
    assert found.suggestion == pytest.approx(lowest / 10)
    assert "a tenth of" in found.reason and "too near" in found.reason


def test_a_loss_that_does_not_fall_suggests_nothing():
    found = read_range(RATES, tuple(np.linspace(1, 2, len(RATES))))
    assert found.suggestion is None and "hardly fell, from 1" in found.reason


def test_a_network_of_known_curvature_gets_a_rate_below_its_limit():
    """Plain gradient descent on mse diverges above 2 / (2 λ), λ being near 1 here."""
    found = range_test(linear(), (X, Y), SGD, steps=80, high=100.0)
    assert 1e-3 < found.suggestion < 1.0
    assert len(found.rates) == len(found.losses) == len(found.smoothed) < 80
    assert found.rates[0] == pytest.approx(1e-7)
    assert found.rates[1] / found.rates[0] == pytest.approx(1e9 ** (1 / 79))


def test_the_model_is_left_as_it_was():
    model = linear()
    model.fit(X, Y, verbose=0)
    optimizer, function = model.optimizer, model.train_function
    variables = [*model.variables, *optimizer.variables]
    before = [variable.numpy() for variable in variables]
    range_test(model, (X, Y), SGD, steps=20)
    assert model.optimizer is optimizer and model.train_function is function
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    first = model.fit(X, Y, shuffle=False, verbose=0).history
    again = linear()
    again.fit(X, Y, verbose=0)
    assert set(again.fit(X, Y, shuffle=False, verbose=0).history) == set(first)


def test_its_chart_has_powers_of_ten():
    drawn = str(range_test(linear(), (X, Y), SGD, steps=30, low=1e-5).chart())
    assert "suggested" in drawn and "learning rate" in drawn
    assert ">1e-05<" in drawn and ">0.01<" in drawn


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(UsageError, match=r"the range is from 1 to 0\.1 in 100 steps"):
        range_test(linear(), (X, Y), SGD, low=1, high=0.1)
    bare = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    with pytest.raises(UsageError, match="is not compiled"):
        range_test(bare, (X, Y), SGD)
    with pytest.raises(DataError, match="the loss of the first batch is nan"):
        range_test(linear(), (X * np.nan, Y), SGD)
