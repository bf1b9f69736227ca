"""Steps in a loop of TensorFlow's come to what the steps of Keras come to."""

import keras
import numpy as np
import pytest
from keras import layers

import gatescope as gs
from gatescope.training import in_graph
from gatescope.training.epochs import ArrayEpochs, as_arrays
from gatescope.training.fit import FitConfig, fit
from gatescope.training.in_graph import recurrences_written_out
from gatescope.training.optimizers import OptimizerConfig

RNG = np.random.default_rng(3)
X = RNG.normal(size=(53, 6)).astype(np.float32)  # no whole number of batches
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)
CONFIG = FitConfig(epochs=3, batch_size=8, restore_best=False)


class KerasSteps(keras.Model):
    """Makes its functions by itself, as far as fit can see."""

    def make_train_function(self, force=False):
        return super().make_train_function(force)


class Doubled(keras.Model):
    """Says something of its own about each step."""

    def train_step(self, data):
        x, y = data
        logs = super().train_step((x, y))
        return {"twice": 2 * logs["loss"], "rows": keras.ops.shape(x)[0]}


def network(kind=keras.Model):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    hidden = layers.Dropout(0.3)(layers.Dense(16, "relu")(inputs))
    model = kind(inputs, layers.Dense(2, "softmax")(hidden))
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def history(model, config=CONFIG, **more):
    return fit(model, (X, Y), config, validation=(X[:21], Y[:21]), **more).history


@pytest.mark.parametrize("at_once", [1, 3, "auto"])
def test_metrics_and_weights_are_those_of_keras_own_loop(at_once):
    config = CONFIG.model_copy(update={"steps_per_execution": at_once})
    ours, theirs = network(), network(KerasSteps)
    mine, others = history(ours, config), history(theirs, config)
    for name in others:
        np.testing.assert_allclose(mine[name], others[name], rtol=1e-5)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_step_of_the_users_own_is_taken_and_its_last_words_are_told():
    told = history(network(Doubled))
    assert {"twice", "rows", "val_loss"} <= set(told)
    assert told["rows"] == [53 % 8] * 3


def test_each_execution_is_told_to_callbacks():
    seen = []
    look = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: seen.append(step))
    history(network(), CONFIG.model_copy(update={"steps_per_execution": 3}), callbacks=[look])
    assert seen == [2, 5, 8] * 3


def test_afterwards_keras_trains_and_scores_other_data():
    model = network()
    history(model)
    assert model.train_function is None and model.test_function is None
    model.fit(X[:10], Y[:10], verbose=0)
    assert np.isfinite(model.evaluate(X[:9], Y[:9], verbose=0)).all()


def test_after_an_error_they_do_too():
    def fail(epoch, logs):
        raise RuntimeError("enough")

    model = network()
    with pytest.raises(RuntimeError, match="enough"):
        history(model, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=fail)])
    assert model.train_function is None
    model.fit(X[:10], Y[:10], verbose=0)


def test_an_open_hood_sees_the_same_training(tmp_path):
    ours, watched = network(), network()
    watch = gs.watch(watched, runs=tmp_path)
    mine, others = history(ours), history(watched)
    watch.close()
    assert watch.steps == 3 * 7 and watch.probed
    for name in mine:
        np.testing.assert_allclose(mine[name], others[name], rtol=1e-5)


def recurrent(times, wrapped=False):
    keras.utils.set_random_seed(0)
    one = layers.LSTM(5)
    inputs = keras.Input((times, 2))
    layer = layers.Bidirectional(one) if wrapped else one
    model = keras.Model(inputs, layers.Dense(1)(layer(inputs)))
    model.compile(loss="mse")
    return model, [layer.forward_layer, layer.backward_layer] if wrapped else [one]


@pytest.mark.parametrize("wrapped", [False, True])
def test_short_recurrences_are_written_out_while_it_lasts(wrapped):
    model, recurrences = recurrent(6, wrapped)
    with pytest.raises(KeyError), recurrences_written_out(model):
        assert all(layer.unroll for layer in recurrences)
        raise KeyError
    assert not any(layer.unroll for layer in recurrences)


@pytest.mark.parametrize("times", [17, None])
def test_long_and_unknown_ones_are_not(times):
    model, (layer,) = recurrent(times)
    with recurrences_written_out(model):
        assert not layer.unroll


@pytest.mark.parametrize("earned", [0, 10**9])
def test_written_out_ones_learn_the_same(earned, monkeypatch):
    monkeypatch.setattr(in_graph, "_EARNED", earned)  # a function for full batches, or none
    x = RNG.normal(size=(40, 6, 2)).astype(np.float32)
    data = x, x.sum((1, 2))[:, None]
    sgd = OptimizerConfig(name="sgd", learning_rate=0.1)
    ours, theirs = (recurrent(6)[0] for _ in range(2))
    fit(ours, data, FitConfig(epochs=2, batch_size=30, optimizer=sgd))
    theirs.compile(keras.optimizers.SGD(0.1), loss="mse")
    for epoch in range(2):
        order = ArrayEpochs(as_arrays(data), batch_size=30, seed=1).order(epoch).numpy()
        for chosen in (order[:30], order[30:]):
            theirs.train_on_batch(x[chosen], data[1][chosen])
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
