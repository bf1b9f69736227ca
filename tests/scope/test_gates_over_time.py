"""The gates come to what Keras' own layers say, whatever their settings are."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from gatescope.scope.gates_over_time import SHOWS, gates_over_time, is_recurrent
from gatescope.scope.trace import trace

layers = keras.layers
WHOLE = {"return_sequences": True}


def made(layer: Any, x: Any) -> Any:
    layer.build(x.shape)
    random = np.random.default_rng(1)
    for weight in layer.weights:  # biases too, which begin at 0
        weight.assign(random.normal(size=weight.shape))
    return layer


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (layers.LSTM(3, **WHOLE), ["input", "forget", "output", "candidate", "cell", "hidden"]),
        (layers.LSTM(3, use_bias=False, recurrent_activation="hard_sigmoid", **WHOLE), None),
        (layers.GRU(3, **WHOLE), ["update", "reset", "candidate", "hidden"]),
        (layers.GRU(3, reset_after=False, **WHOLE), None),
        (layers.GRU(3, use_bias=False, activation="relu", **WHOLE), None),
        (layers.SimpleRNN(3, **WHOLE), ["hidden"]),
        (layers.SimpleRNN(3, use_bias=False, **WHOLE), None),
        (layers.RNN(layers.LSTMCell(3), **WHOLE), None),
    ],
)
def test_the_state_is_what_the_layer_says(layer: Any, names: list[str] | None) -> None:
    x = np.random.default_rng(0).normal(size=(2, 7, 4)).astype("float32")
    (course,) = gates_over_time(made(layer, x), x)
    assert is_recurrent(layer) and (names is None or list(course.gates) == names)
    assert all(values.shape == (2, 7, 3) for values in course.gates.values())
    assert set(course.gates) <= set(SHOWS)
    np.testing.assert_allclose(course.gates["hidden"], layer(x), atol=1e-5)


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_masked_steps_are_skipped(kind: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")
    mask = np.array(
        [[True, True, False, True, False, False], [False, True, True, True, True, True]]
    )
    layer = made(kind(3, **WHOLE), x)
    (course,) = gates_over_time(layer, x, mask)
    np.testing.assert_allclose(course.gates["hidden"], layer(x, mask=mask), atol=1e-5)
    first = next(iter(course.gates))
    if first != "hidden":
        np.testing.assert_array_equal(np.isnan(course.gates[first]).all(-1), ~mask)


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_both_directions_stand_in_the_order_of_the_input(kind: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")
    mask = np.arange(6) < np.array([[4], [6]])
    layer = made(layers.Bidirectional(kind(3, **WHOLE)), x)
    assert is_recurrent(layer)
    forward, backward = gates_over_time(layer, x, mask)
    said = np.asarray(layer(x, mask=mask))
    np.testing.assert_allclose(forward.gates["hidden"], said[..., :3], atol=1e-5)
    np.testing.assert_allclose(backward.gates["hidden"], said[..., 3:], atol=1e-5)


def test_gates_are_those_of_the_trace() -> None:
    """In a trace Keras' own lines compute them; here they are told by what they are assigned to."""
    model = keras.Sequential([keras.Input((5, 4), name="x"), layers.LSTM(3, name="lstm")])
    x = np.random.default_rng(0).normal(size=(1, 5, 4)).astype("float32")
    (course,) = gates_over_time(model.get_layer("lstm"), x)
    traced = trace(model, x)
    last = traced.calls_of("lstm_cell")[-1].outputs[0].array
    np.testing.assert_allclose(course.gates["hidden"][:, -1], last, atol=1e-6)
    sigmoids = traced.find("lstm_cell", "Sigmoid", step=4)
    shown = [course.gates[name][:, 4] for name in ("input", "forget", "output")]
    for gate in sigmoids:
        array = gate.outputs[0].array
        assert any(np.allclose(array, one, atol=1e-6) for one in shown)


def test_other_layers_have_no_gates() -> None:
    assert not is_recurrent(layers.Dense(3))
    assert not is_recurrent(layers.RNN(layers.StackedRNNCells([layers.GRUCell(3)])))
