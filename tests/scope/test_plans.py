"""What `gs.trace` takes, and what it says of what it does not take."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from networks import NETWORKS

import gatescope as gs
from gatescope.errors import TraceError, UsageError

X, Y = np.ones((4, 5), "float32"), np.ones((4, 1), "float32")


def model_of(compiled: bool = True, name: str = "small") -> keras.Model:
    model = keras.Sequential([keras.Input((5,)), layers.Dense(1)], name=name)
    if compiled:
        model.compile("sgd", "mse")
    return model


def told(error) -> tuple[str, str, str]:
    return error.value.happened, error.value.expected, error.value.fix


def test_a_model_that_is_not_built():
    with pytest.raises(TraceError) as error:
        gs.trace(keras.Sequential([layers.Dense(2)], name="new"), X)
    assert told(error) == (
        "the model 'new' is not built: it has no weights yet",
        "a model whose input shape is known",
        "call it on a batch first, model(x), or begin it with keras.Input(shape)",
    )


def test_a_batch_of_the_wrong_shape():
    with pytest.raises(TraceError) as error:
        gs.trace(model_of(), X[:, :3], Y)
    happened, expected, fix = told(error)
    assert happened.startswith("the model 'small' failed on this batch: ")
    assert "to have value 5, but received input with shape (4, 3)" in happened
    assert expected == "inputs of shape (None, 5)"
    assert fix == "x is (4, 3) float32: compare it with what the model takes"
    assert "\x1b" not in str(error.value)


def test_targets_of_the_wrong_shape():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy")
    with pytest.raises(TraceError, match=r"the loss of the model .* failed on this batch") as error:
        gs.trace(model, X, np.ones((4, 7), "float32"))
    _, expected, fix = told(error)
    assert expected == "targets, and sample weights if any, that fit: y_pred is (4, 3) float32"
    assert fix.startswith("y is (4, 7) float32; `gatescope catalog loss NAME`")


def test_sample_weights_of_the_wrong_shape():
    with pytest.raises(TraceError, match="the loss of the model 'small' failed on this batch"):
        gs.trace(model_of(), X, Y, sample_weight=np.ones(3))


@pytest.mark.parametrize("loss", ["hubber", {"one": "hubber"}])
def test_a_loss_that_does_not_exist(loss):
    with pytest.raises(UsageError) as error:
        gs.trace(model_of(), X, Y, loss=loss)
    happened, _, fix = told(error)
    assert happened == "there is no loss 'hubber'" and fix == "did you mean 'huber'?"


@pytest.mark.parametrize(
    "x", [np.array([["a"] * 5]), [[1.0, 2.0], [3.0]], np.array([[{}]], object)]
)
def test_what_is_no_array_of_numbers(x):
    with pytest.raises(TraceError, match=r"no array of numbers|not supported"):
        gs.trace(model_of(), x)


def test_a_data_set_is_not_a_batch():
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(2)
    with pytest.raises(TraceError, match="BatchDataset holds many batches") as error:
        gs.trace(model_of(), data)
    assert told(error)[2] == "x, y = next(iter(data)); gs.trace(model, x, y)"


class Frame:
    """What a table of pandas is to NumPy."""

    def __array__(self, dtype=None, copy=None):
        return np.asarray(X, dtype)


def test_what_can_become_an_array():
    assert gs.trace(model_of(), Frame()).outputs[0].shape == (4, 1)


@pytest.mark.parametrize("budget", [-1, "1GB", float("nan"), None])
def test_a_budget_that_is_none(budget):
    with pytest.raises(UsageError) as error:
        gs.trace(model_of(), X, memory_budget=budget)
    assert told(error)[0] == f"memory_budget is {budget!r}"


def test_inside_a_graph_there_are_no_numbers():
    model = model_of()
    with tf.Graph().as_default(), pytest.raises(TraceError, match="only draws a graph"):
        gs.trace(model, X)


def test_a_class_is_no_model():
    with pytest.raises(TraceError, match="the class Sequential cannot be traced"):
        gs.trace(keras.Sequential, X)


def test_a_model_without_a_loss():
    with pytest.raises(TraceError) as error:
        gs.trace(model_of(compiled=False), X, Y)
    happened, expected, fix = told(error)
    assert happened == "the model 'small' has no loss" and expected == "a compiled model, or a loss"
    assert 'gs.trace(model, x, y, loss="mse")' in fix


@pytest.mark.parametrize("batch", [(), (X, Y, Y)])
def test_too_many_parts_or_none(batch):
    with pytest.raises(TraceError) as error:
        gs.trace(model_of(), *batch)
    assert told(error) == (
        f"gs.trace got {len(batch)} parts of a batch for a model",
        "the batch x, or x and the targets y",
        "gs.trace(model, x, y); several inputs go into one list: gs.trace(model, [a, b], y)",
    )


def test_what_cannot_be_called():
    with pytest.raises(TraceError, match="ndarray cannot be traced") as error:
        gs.trace(X, Y)
    assert told(error)[2] == "gs.trace(model, x, y), or gs.trace(function, *arguments)"


def test_a_functions_own_error_comes_through():
    def function(x):
        return 1 // 0 + x

    with pytest.raises(ZeroDivisionError):
        gs.trace(function, X)


@pytest.mark.parametrize(
    "loss", ["mse", keras.losses.MeanSquaredError(), keras.losses.mean_squared_error, ["mse"]]
)
def test_losses_of_every_form(loss):
    trace = gs.trace(model_of(compiled=False), X, Y, loss=loss)
    model = model_of()
    assert trace.losses and trace.verify().ok
    plain = model_of(compiled=False)
    plain.set_weights(model.get_weights())
    assert gs.trace(plain, X, Y, loss=loss).loss == gs.trace(model, X, Y).loss


def test_a_loss_for_each_output_by_name():
    network = NETWORKS["several_inputs_and_outputs"]()
    loss = {"price": "huber", "kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    clone = keras.models.clone_model(network.model)
    trace = gs.trace(clone, network.x, network.y, loss=loss)
    assert len(trace.losses) == 1 and trace.verify().ok


def test_a_given_loss_keeps_what_layers_add():
    network = NETWORKS["regularized"]()
    trace = gs.trace(network.model, network.x, network.y, loss="mse")
    assert trace.loss == gs.trace(network.model, network.x, network.y).loss


def test_weights_of_samples():
    model, weight = model_of(), np.array([0.0, 1.0, 2.0, 0.0])
    trace = gs.trace(model, X, Y, sample_weight=weight)
    assert trace.loss == pytest.approx(model.test_on_batch(X, Y, sample_weight=weight))
    assert "sample_weight" in {value.name for value in trace.values}


@pytest.mark.parametrize("kind", ["float64", "int64", "uint8", "bool"])
def test_arrays_of_every_kind(kind):
    model = model_of()
    trace = gs.trace(model, X.astype(kind), Y.astype(kind))
    assert trace.loss == gs.trace(model, X, Y).loss
    assert trace.verify().ok


def test_plain_lists_are_batches():
    model = model_of()
    assert gs.trace(model, X.tolist(), Y.tolist()).loss == gs.trace(model, X, Y).loss


def test_inputs_by_name_in_another_order():
    network = NETWORKS["several_inputs_and_outputs"]()
    turned = dict(reversed(network.x.items()))
    one, other = (gs.trace(network.model, x, network.y).loss for x in (network.x, turned))
    assert one == other


def test_one_sample_and_an_empty_batch():
    assert gs.trace(model_of(), X[:1], Y[:1]).verify().ok
    assert gs.trace(model_of(), X[:0]).verify().ok


def test_functions_of_nothing_and_of_structures():
    assert gs.trace(lambda: tf.constant(2.0) * 3).gates[0].op == "Mul"
    trace = gs.trace(lambda pair: tf.reduce_sum(pair["a"] * pair["b"][0]), {"a": X, "b": [X]})
    assert {"pair[a]", "pair[b][0]"} <= {value.name for value in trace.values}


def test_layers_and_bound_methods_are_functions():
    layer = layers.Dense(2, name="dense")
    layer.build((None, 5))
    assert gs.trace(layer, X).find("dense")
    assert gs.trace(tf.Variable(X).read_value).gates[0].op == "ReadVariableOp"
