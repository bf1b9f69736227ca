"""Remedies on a copy: the network as it is written down, compile arguments, data."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from gatescope.doctor.changes import NotApplicable, Specimen, apply
from gatescope.doctor.evidence import Sample
from gatescope.doctor.finding import Change


def specimen(*, functional: bool = False) -> Specimen:
    parts = [
        keras.layers.Dense(4, name="first"),
        keras.layers.Dropout(0.9, name="drop"),
        keras.layers.Dense(3, activation="softmax", name="last"),
    ]
    model: Any = keras.Sequential([keras.Input((5,)), *parts])
    if functional:
        inputs = keras.Input((5,))
        x = inputs
        for part in parts:
            x = part(x)
        model = keras.Model(inputs, x)
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = np.arange(100.0).reshape(20, 5), np.arange(20) % 3
    config = keras.saving.serialize_keras_object(model)
    return Specimen(config, model.get_compile_config(), {"batch_size": 32}, Sample((x,), (y,)))


def rebuilt(made: Specimen) -> Any:
    told = {name: part for name, part in made.model.items() if name != "compile_config"}
    return keras.saving.deserialize_keras_object(told)


@pytest.mark.parametrize("functional", [False, True])
def test_layers_are_set_and_taken_out(functional: bool) -> None:
    changes = (
        Change("set", "layer:first.activation", "relu"),
        Change("set", "layer:last.units", 7),
        Change("remove", "layer:drop"),
    )
    original = specimen(functional=functional)
    model = rebuilt(apply(original, changes))
    assert model.get_layer("first").activation.__name__ == "relu"
    assert model.output_shape == (None, 7)
    assert "drop" not in [layer.name for layer in model.layers]
    assert model(np.zeros((2, 5))).shape == (2, 7)
    assert "drop" in [layer.name for layer in rebuilt(original).layers]


def test_the_last_layer_of_a_functional_model_is_taken_out() -> None:
    inputs = keras.Input((5,))
    x = keras.layers.Dense(3, name="last")(inputs)
    model = keras.Model(inputs, keras.layers.Dropout(0.5, name="drop")(x))
    made = Specimen(keras.saving.serialize_keras_object(model), {}, {}, Sample((), ()))
    assert rebuilt(apply(made, (Change("remove", "layer:drop"),))).output.name.startswith(
        ("keras_tensor", "last")
    )


def test_compile_arguments_are_set() -> None:
    made = apply(
        specimen(),
        (
            Change("set", "optimizer.learning_rate", 0.5),
            Change("set", "loss", "mean_squared_error"),
            Change("set", "fit.batch_size", 8),
        ),
    )
    assert made.compile["optimizer"]["config"]["learning_rate"] == 0.5
    assert made.compile["loss"] == "mean_squared_error"
    assert made.fit["batch_size"] == 8


def test_data_is_changed_by_what_the_training_part_tells() -> None:
    x, held = np.array([[0.0], [2.0]]), np.array([[4.0]])
    made = Specimen({}, {}, {}, Sample((x,), (np.array([0, 1]),), (held,), (np.array([1]),)))
    scaled = apply(made, (Change("set", "data.x", "standardize"),)).sample
    assert np.allclose(scaled.x[0].ravel(), [-1, 1], atol=1e-5)
    assert np.allclose(scaled.x_val[0], 3, atol=1e-5)
    assert apply(made, (Change("set", "data.y", "one_hot"),)).sample.y[0].tolist() == [
        [1, 0],
        [0, 1],
    ]


@pytest.mark.parametrize(
    "change",
    [
        Change("set", "layer:none.units", 3),
        Change("set", "call:3.training", False),
        Change("set", "data.x", "magic"),
    ],
)
def test_what_a_copy_does_not_have_is_said(change: Change) -> None:
    with pytest.raises(NotApplicable, match=r"copy"):
        apply(specimen(), (change,))
