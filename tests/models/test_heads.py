"""Inputs and outputs: what configurations refuse, losses and metrics, means and deviations."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from gatescope.errors import ConfigurationError, DataError
from gatescope.models.building import adapt
from gatescope.models.dense import DenseConfig, dense
from gatescope.models.heads import InputConfig, NumbersInput, OutputConfig, compile_arguments

NUMBERS = NumbersInput(name="x", size=3, normalize=True)


def test_the_kind_of_an_input_decides_what_it_needs():
    adapter = TypeAdapter(InputConfig)
    found = adapter.validate_python(
        {"kind": "category", "name": "c", "categories": 4, "embedding": 2}
    )
    assert type(found).__name__ == "CategoryInput"
    with pytest.raises(ValidationError, match="'numbers', 'category', 'image', 'text', 'sequence'"):
        adapter.validate_python({"kind": "sound", "name": "s"})
    with pytest.raises(ValidationError, match="should match pattern"):
        NumbersInput(name="hours per week", size=1, normalize=False)


@pytest.mark.parametrize(
    ("kind", "activation", "loss"),
    [
        ("number", "linear", "mean_squared_error"),
        ("numbers", "linear", "mean_squared_error"),
        ("binary", "sigmoid", "binary_crossentropy"),
        ("classes", "softmax", "sparse_categorical_crossentropy"),
        ("labels", "sigmoid", "binary_crossentropy"),
    ],
)
def test_the_kind_of_an_output_decides_activation_and_loss(kind, activation, loss):
    units = 3 if kind in ("numbers", "classes", "labels") else 1
    assert OutputConfig(kind=kind, name="y", units=units).pair[:2] == (activation, loss)


def test_a_loss_of_ones_own_brings_its_activation_and_may_be_spelled_in_short():
    output = OutputConfig(kind="number", name="visits", loss="Poisson")
    assert (output.loss, output.pair.activation) == ("poisson", "exponential")
    assert OutputConfig(kind="number", name="y", loss="MAE").loss == "mean_absolute_error"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"kind": "number", "units": 2}, "'number' has units=1; for more take 'numbers'"),
        ({"kind": "binary", "units": 2}, "'binary' has units=1; for more take 'labels'"),
        ({"kind": "classes", "units": 1}, "'classes' needs units of 2 or more"),
        ({"kind": "classes", "units": 3, "loss": "mse"}, "mean_squared_error is no loss for 'cla"),
        ({"kind": "number", "loss": "huberr"}, "did you mean 'huber'"),
        ({"kind": "number", "loss": "ctc"}, "ctc is no loss for 'number', but mean_squared_error"),
    ],
)
def test_an_output_that_contradicts_itself_is_refused(options, told):
    with pytest.raises(ValidationError, match=told):
        OutputConfig(name="y", **options)


def test_compile_arguments_go_by_the_names_of_outputs():
    outputs = (
        OutputConfig(kind="number", name="price", weight=0.5),
        OutputConfig(kind="classes", name="kind", units=3, metrics=("accuracy", "AUC")),
    )
    found = compile_arguments(outputs)
    assert found["loss"] == {
        "price": "mean_squared_error",
        "kind": "sparse_categorical_crossentropy",
    }
    assert found["loss_weights"] == {"price": 0.5, "kind": 1.0}
    kinds = {name: [type(one).__name__ for one in some] for name, some in found["metrics"].items()}
    assert kinds["kind"] == ["SparseCategoricalAccuracy", "AUC"]
    assert len(kinds["price"]) == 1


@pytest.mark.parametrize(
    ("options", "predicted", "target", "accuracy"),
    [
        # Of labels Keras' own guess is the accuracy of one class of several.
        ({"kind": "labels", "units": 2}, [[0.9, 0.9], [0.1, 0.9]], [[1, 1], [1, 1]], 0.75),
        ({"kind": "binary"}, [[0.4], [0.6]], [[0], [0]], 0.5),
        ({"kind": "binary", "loss": "hinge"}, [[0.4], [-0.4]], [[1], [0]], 1.0),
        ({"kind": "classes", "units": 2}, [[0.9, 0.1], [0.2, 0.8]], [0, 0], 0.5),
        (
            {"kind": "classes", "units": 2, "loss": "categorical_crossentropy"},
            [[0.9, 0.1], [0.2, 0.8]],
            [[1, 0], [0, 1]],
            1.0,
        ),
    ],
)
def test_accuracy_is_that_of_the_kind(options, predicted, target, accuracy):
    (metric,) = compile_arguments([OutputConfig(name="y", **options)])["metrics"]["y"]
    metric.update_state(np.array(target), np.array(predicted, np.float32))
    assert float(metric.result()) == accuracy


def test_metrics_that_are_none_are_refused():
    with pytest.raises(ConfigurationError, match="Keras has no metric 'Precison'") as caught:
        compile_arguments([OutputConfig(kind="binary", name="y", metrics=("Precison",))])
    assert "did you mean 'Precision'" in caught.value.fix
    with pytest.raises(ConfigurationError, match="'y' of kind 'number' is to have an accuracy"):
        compile_arguments([OutputConfig(kind="number", name="y", metrics=("accuracy",))])


def test_a_model_that_normalizes_learns_means_and_deviations_of_training_data():
    config = DenseConfig(inputs=(NUMBERS,), outputs=(OutputConfig(kind="number", name="y"),))
    model = dense(config)
    x = np.random.default_rng(0).normal(5, 3, (500, 3))
    adapt(model, {"x": x})
    scaled = keras.ops.convert_to_numpy(model.get_layer("x_normalization")(x))
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(0), 1, atol=1e-5)
    with pytest.raises(DataError, match="no data for the input 'x', which the model normalizes"):
        adapt(model, {"z": x})
