"""A steered training: its steps are plain Keras' own, and whoever steers it sees one moment."""

from __future__ import annotations

import math
import threading
import time

import keras
import numpy as np
import pytest
from keras import layers

from gatescope.errors import ConfigurationError, DataError, DivergenceError, UsageError
from gatescope.training.fit import FitConfig, fit
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.plane import InputPlane
from gatescope.training.schedules import Cosine, Plateau
from gatescope.training.steering import SteeredTraining

RNG = np.random.default_rng(4)
X = RNG.normal(size=(70, 2)).astype("float32")
Y = (X[:, 0] * X[:, 1] > 0).astype("int32")
TRAIN, HELD_OUT = (X[:50], Y[:50]), (X[50:], Y[50:])
RATE = 0.05
CONFIG = FitConfig(epochs=4, batch_size=16, optimizer=OptimizerConfig(learning_rate=RATE), seed=3)
STEPS = 4  # an epoch, of which the last has 2 samples


def network(*, dropout=0.0, activation="tanh", inputs=2, **options):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((inputs,), name="numbers"),
            layers.Dense(6, activation, name="dense_1", kernel_regularizer="l2"),
            layers.Dropout(dropout),
            layers.Dense(1, "sigmoid", name="side"),
        ]
    )
    model.compile(loss="binary_crossentropy", **options)
    return model


def steered(model=None, config=CONFIG, train=TRAIN, held_out=HELD_OUT):
    return SteeredTraining(model or network(), train, held_out, config, side=8)


def batch_losses(training, count):
    losses = []
    for _ in range(count):
        training.step()
        losses.append(training.snapshot().batch_loss)
    return losses


class Losses(keras.callbacks.Callback):
    """The loss of each batch, of which Keras tells the running mean of the epoch."""

    def __init__(self):
        super().__init__()
        self.found = []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        self.found.append(logs["loss"])


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_its_steps_are_those_of_fit(dropout):
    with steered(network(dropout=dropout)) as training:
        ours = batch_losses(training, 3 * STEPS)
    seen = Losses()
    config = CONFIG.model_copy(update={"epochs": 3, "precision": "float32"})
    fit(network(dropout=dropout), TRAIN, config, callbacks=[seen])
    np.testing.assert_allclose(ours, seen.found, atol=1e-5)


def test_its_steps_are_those_of_plain_keras_on_the_same_batches():
    with steered() as training:
        ours = batch_losses(training, STEPS)
        weights = [layer.kernel for layer in training.snapshot().layers]
        order = training._order
    theirs, seen = network(optimizer=keras.optimizers.Adam(RATE)), Losses()
    theirs.fit(X[order], Y[order], batch_size=16, shuffle=False, verbose=0, callbacks=[seen])
    np.testing.assert_allclose(ours, seen.found, atol=1e-5)
    for mine, other in zip(weights, theirs.get_weights()[::2], strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)


def test_a_schedule_gives_the_rates_of_fit():
    config = CONFIG.model_copy(update={"schedule": Cosine(warmup=0.2)})
    with steered(config=config) as training:
        ours = batch_losses(training, 4 * STEPS)
    seen = Losses()
    fit(network(), TRAIN, config.model_copy(update={"precision": "float32"}), callbacks=[seen])
    np.testing.assert_allclose(ours, seen.found, atol=1e-5)


def test_what_is_seen_is_what_the_network_says():
    model = network()
    with steered(model) as training:
        training.step(5)
        seen = training.snapshot()
        over = training.plane.points(8)
        hidden, output = seen.layers
        np.testing.assert_allclose(
            output.maps[0].ravel(), model.predict(over, verbose=0)[:, 0], atol=1e-6
        )
        units = np.tanh(over @ hidden.kernel + hidden.bias)
        np.testing.assert_allclose(hidden.maps.reshape(6, -1).T, units, atol=1e-5)
        model.compile(loss="binary_crossentropy")
        assert seen.curve.train[-1] == pytest.approx(model.evaluate(*TRAIN, verbose=0), abs=1e-5)
        held_out = model.evaluate(*HELD_OUT, verbose=0)
        assert seen.curve.held_out[-1] == pytest.approx(held_out, abs=1e-5)
        np.testing.assert_allclose(
            seen.held_out_answers, model.predict(HELD_OUT[0], verbose=0), atol=1e-6
        )
    assert (seen.step, seen.epoch, seen.learning_rate) == (5, 1.25, RATE)


def test_a_gradient_is_the_norm_over_all_weights_of_a_layer():
    rate = 0.5
    config = CONFIG.model_copy(
        update={"optimizer": OptimizerConfig(name="sgd", learning_rate=rate), "batch_size": 64}
    )
    with steered(config=config) as training:
        before = training.snapshot()
        assert all(math.isnan(layer.gradient) for layer in before.layers)
        training.step()
        after = training.snapshot()
    for old, new in zip(before.layers, after.layers, strict=True):
        moved = [new.kernel - old.kernel, new.bias - old.bias]
        length = math.sqrt(sum(float((part**2).sum()) for part in moved)) / rate
        assert new.gradient == pytest.approx(length, rel=1e-4)


def test_dead_and_saturated_units_are_told():
    model = network(activation="relu")
    kernel, bias = model.get_layer("dense_1").get_weights()
    model.get_layer("dense_1").set_weights([kernel, np.array([-99, 0, 0, 0, 0, 99], bias.dtype)])
    with steered(model) as training:
        dead = training.snapshot().layers[0].dead
    assert dead[0] and not dead[5]
    model = network()
    model.get_layer("dense_1").set_weights([kernel, np.array([-99, 0, 0, 0, 0, 99], bias.dtype)])
    with steered(model) as training:
        saturated = training.snapshot().layers[0].saturated
    assert saturated[0] == saturated[5] == 1 and saturated[1] < 1


def test_reset_goes_back_to_the_first_step_random_generators_included():
    with steered(network(dropout=0.5)) as training:
        first = batch_losses(training, 6)
        training.set_learning_rate(1.0)
        training.step(3)
        training.reset()
        again = training.snapshot()
        assert (again.step, again.learning_rate, again.curve.steps) == (0, RATE, (0,))
        assert batch_losses(training, 6) == first


def test_another_rate_is_taken_from_the_next_step_on():
    with steered() as training, steered() as other:
        training.step(2)
        other.step(2)
        other.set_learning_rate(RATE / 10)
        training.step()
        other.step()
        # The loss of a step is from before it moves.
        assert training.snapshot().batch_loss == other.snapshot().batch_loss
        training.step()
        other.step()
        assert training.snapshot().batch_loss != other.snapshot().batch_loss
        assert other.snapshot().learning_rate == RATE / 10


def wait_for(condition):
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)


def test_it_plays_until_it_is_paused():
    with steered() as training:
        training.play()
        wait_for(lambda: training.snapshot().step > 20)
        training.pause()
        step = training.snapshot().step
        time.sleep(0.1)
        assert training.snapshot().step == step and not training.playing
        training.play()
        training.step()  # which stops it, too
        assert not training.playing


def test_a_pace_is_kept_to():
    with steered() as training:
        training.play(pace=20)
        began = time.monotonic()
        time.sleep(0.5)
        training.pause()
        assert training.snapshot().step <= 20 * (time.monotonic() - began) + 2


def test_many_threads_may_steer_it_at_once():
    with steered() as training:
        training.play()
        failures = []

        def steer(number):
            try:
                for _ in range(10):
                    seen = training.snapshot()
                    # All of one moment: the curve ends where the weights are.
                    assert seen.curve.steps[-1] == seen.step
                    training.set_learning_rate(0.001 * (number + 1))
            except Exception as error:  # noqa: BLE001
                failures.append(error)

        threads = [threading.Thread(target=steer, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not failures and training.playing


def test_two_trainings_do_not_touch_each_other():
    with steered() as alone:
        expected = batch_losses(alone, 8)
    with steered() as one, steered(network(activation="relu")) as other:
        other.play()
        assert batch_losses(one, 8) == expected


def test_curves_get_coarser_and_keep_the_last_moment():
    with steered() as training:
        training.step(700)
        curve = training.snapshot().curve
    assert curve.steps[0] == 0 and curve.steps[-1] == 700 and len(curve.steps) < 300
    assert list(curve.steps) == sorted(set(curve.steps))


def test_a_loss_that_is_no_number_ends_it_until_it_is_reset():
    config = CONFIG.model_copy(
        update={"optimizer": OptimizerConfig(name="sgd", learning_rate=1e30)}
    )
    with steered(network(activation="linear"), config) as training:
        with pytest.raises(DivergenceError, match="the loss of step"):
            training.step(50)
        assert "lower learning rate" in training.snapshot().problem
        with pytest.raises(DivergenceError):
            training.play()
        training.reset()
        training.set_learning_rate(0.01)
        training.step(3)
        assert training.snapshot().problem == ""


def test_one_that_dies_while_it_plays_says_why_and_can_be_reset(monkeypatch):
    with steered() as training:

        def killed(*_):
            raise MemoryError("out of memory")

        with monkeypatch.context() as patch:
            patch.setattr(training._network, "step", killed)
            training.play()
            wait_for(lambda: training.snapshot().problem)
        assert "out of memory" in training.snapshot().problem and not training.playing
        training.reset()
        training.step()
        assert training.snapshot().step == 1


def test_a_closed_one_is_refused():
    training = steered()
    training.play()
    training.close()
    training.close()
    for asked in (training.play, training.step, training.reset, training.snapshot):
        with pytest.raises(UsageError, match="closed"):
            asked()


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf])
def test_a_rate_that_is_none_is_refused(rate):
    with steered() as training, pytest.raises(UsageError, match="learning rate"):
        training.set_learning_rate(rate)


def test_what_waits_for_whole_epochs_is_refused():
    with pytest.raises(ConfigurationError, match="waits for epochs"):
        steered(config=CONFIG.model_copy(update={"schedule": Plateau()}))
    with pytest.raises(ConfigurationError, match="class_weight"):
        steered(config=CONFIG.model_copy(update={"class_weight": "balanced"}))
    with pytest.raises(UsageError, match="not compiled"):
        steered(keras.Sequential([keras.Input((2,)), layers.Dense(1)]))


# The plane.


def test_the_plane_of_two_inputs_is_their_own():
    plane = InputPlane.through(X)
    np.testing.assert_allclose(plane.places(X), X)
    points = plane.points(3)
    assert points[0].tolist() == pytest.approx([-plane.reach, -plane.reach])
    assert points[1].tolist() == pytest.approx([0, -plane.reach])
    assert plane.share == 1 and plane.reach > np.abs(X).max()


def test_the_plane_of_many_inputs_is_the_principal_one():
    flat = RNG.normal(size=(40, 2)) @ RNG.normal(size=(2, 5)) + 3
    plane = InputPlane.through(flat.astype("float32"))
    assert plane.share == pytest.approx(1)
    back = plane.middle + plane.places(flat) @ plane.axes
    np.testing.assert_allclose(back, flat, atol=1e-4)


@pytest.mark.parametrize("shape", [(10, 1), (1, 2)])
def test_what_spans_no_plane_is_refused(shape):
    with pytest.raises(DataError, match="no plane"):
        InputPlane.through(np.zeros(shape))
