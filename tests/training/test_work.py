"""Estimates of work against counts by hand."""

import keras
from keras import layers

from gatescope.training.work import convolves, multiply_adds, steps_at_once


def test_weights_count_once_for_each_place_where_they_are_used():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(10)]
    )
    assert multiply_adds(model, "Conv") == (3 * 3 * 3 * 4 + 4) * 8 * 8
    assert multiply_adds(model, "Dense") == 6 * 6 * 4 * 10 + 10
    assert convolves(model)


def test_a_recurrent_layer_uses_its_weights_in_every_step():
    model = keras.Sequential([keras.Input((20, 5)), layers.SimpleRNN(4)])
    assert multiply_adds(model) == 20 * (5 * 4 + 4 * 4 + 4)
    assert not convolves(model)


def test_inner_models_and_unknown_sizes_count():
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    model = keras.Sequential([keras.Input((6,)), inner])
    assert multiply_adds(model) == 6 * 3 + 3
    open_ended = keras.Sequential([keras.Input((None, 5)), layers.Dense(4)])
    assert multiply_adds(open_ended) == 5 * 4 + 4


def test_many_short_steps_are_taken_at_once():
    small = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    large = keras.Sequential([keras.Input((2000,)), layers.Dense(2000)])
    assert steps_at_once(small, 32) == 64
    assert 1 < steps_at_once(large, 32) < 64 and steps_at_once(large, 1024) == 1
