"""What probes tell, against NumPy on the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from trainings import Subclassed, given

import gatescope as gs
from gatescope.scope import statistics
from gatescope.scope.instruments import watched_layers

BATCH, FEATURES, RATE = 16, 6, 0.1


class Probed(NamedTuple):
    run: Any
    model: keras.Model
    x: Any
    y: Any
    weights: list[list[Any]]  # before each step

    def of(self, layer: str, statistic: str) -> Any:
        table = self.run.probes
        return table[statistic][table["layer"] == layer]


class Keep(keras.callbacks.Callback):
    def __init__(self, kept: list[Any]) -> None:
        super().__init__()
        self.kept = kept

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.kept.append([np.array(weight) for weight in self.model.get_weights()])


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Probed:
    keras.utils.set_random_seed(0)
    stack = [
        layers.Dense(8, activation="relu", name="first"),
        layers.Dense(5, activation="tanh", kernel_initializer="he_normal", name="second"),
        layers.Dense(3, activation="softmax", name="head"),
    ]
    model = keras.Sequential([keras.Input((FEATURES,)), *stack])
    kernel, bias = model.layers[0].get_weights()
    kernel[:, 2], bias[2] = 0, -1  # a dead unit
    model.layers[0].set_weights([kernel, bias])
    model.layers[1].set_weights([model.layers[1].get_weights()[0] * 4, np.zeros(5)])
    model.compile(keras.optimizers.SGD(RATE), "sparse_categorical_crossentropy", jit_compile=False)
    rng = np.random.default_rng(0)
    x = rng.normal(1, 2, (BATCH * 20, FEATURES)).astype("float32")
    y = rng.integers(0, 3, BATCH * 20)
    opened = gs.watch(model, overhead=10, runs=tmp_path_factory.mktemp("runs"))
    weights: list[Any] = []
    model.fit(x, y, BATCH, 1, 0, [Keep(weights)], shuffle=False)
    return Probed(gs.open_run(opened.run.folder), model, x, y, weights)


@pytest.fixture(scope="module")
def truth(probed: Probed) -> list[dict[str, Any]]:
    """Activations and gradients of each probed step, by a tape."""
    steps = sorted(set(probed.run.probes["step"].tolist()))
    found = []
    for step in steps:
        part = slice(step * BATCH, (step + 1) * BATCH)
        weights = [tf.constant(weight) for weight in probed.weights[step]]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(weights)
            first = tf.nn.relu(probed.x[part] @ weights[0] + weights[1])
            second = tf.tanh(first @ weights[2] + weights[3])
            logits = second @ weights[4] + weights[5]
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(probed.y[part], logits)
            loss = tf.reduce_mean(losses)
        values = {"first": first, "second": second, "head": tf.nn.softmax(logits)}
        passed = dict(zip(values, tape.gradient(loss, [first, second, logits]), strict=True))
        grads = [grad.numpy() for grad in tape.gradient(loss, weights)]
        arrays = {name: value.numpy() for name, value in values.items()}
        found.append({"step": step, "values": arrays, "passed": passed, "grads": grads})
    return found


MEASURES: dict[str, Callable[[Any], float]] = {
    "mean": np.mean,
    "deviation": np.std,
    "minimum": np.min,
    "maximum": np.max,
    "zeros": lambda values: np.mean(values == 0),
    "not_finite": lambda values: np.mean(~np.isfinite(values)),
}


@pytest.mark.parametrize("layer", ["first", "second", "head"])
@pytest.mark.parametrize("name", MEASURES)
def test_activations(layer: str, name: str, probed: Probed, truth: list[dict[str, Any]]) -> None:
    expected = [MEASURES[name](one["values"][layer]) for one in truth]
    np.testing.assert_allclose(probed.of(layer, name), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("place", "layer"), list(enumerate(["first", "second", "head"])))
def test_gradients_and_weights(
    place: int, layer: str, probed: Probed, truth: list[dict[str, Any]]
) -> None:
    def norm(arrays: Any) -> float:
        return float(np.sqrt(sum(np.sum(np.square(one)) for one in arrays)))

    own = slice(2 * place, 2 * place + 2)
    passed = [np.sqrt(np.mean(np.square(one["passed"][layer]))) for one in truth]
    weights = [norm(probed.weights[one["step"]][own]) for one in truth]
    grads = [norm(one["grads"][own]) for one in truth]
    ratios = [RATE * grad / weight for grad, weight in zip(grads, weights, strict=True)]
    np.testing.assert_allclose(probed.of(layer, "gradient"), passed, rtol=1e-3)
    np.testing.assert_allclose(probed.of(layer, "weight"), weights, rtol=1e-4)
    np.testing.assert_allclose(probed.of(layer, "weight_gradient"), grads, rtol=1e-3)
    np.testing.assert_allclose(probed.of(layer, "update_ratio"), ratios, rtol=1e-3)


def test_saturation_is_by_the_activation_s_own_range(
    probed: Probed, truth: list[dict[str, Any]]
) -> None:
    flat = statistics.flat_beyond(probed.model.layers[1])
    assert flat is not None
    expected = [np.mean(np.abs(one["values"]["second"]) >= flat.high) for one in truth]
    np.testing.assert_allclose(probed.of("second", "saturated"), expected, atol=1e-6)
    assert max(expected) > 0
    assert not probed.of("first", "saturated").any()
    assert not probed.of("head", "saturated").any()


def test_a_unit_is_dead_after_some_probes(probed: Probed) -> None:
    dead = probed.of("first", "dead")
    assert not dead[: statistics.IDLE_FOR - 1].any()
    np.testing.assert_allclose(dead[statistics.IDLE_FOR :], 1 / 8)


def test_batches(probed: Probed) -> None:
    table = probed.run.metric("input_mean")
    for step, mean in zip(table["step"], table["value"], strict=True):
        part = probed.x[step * BATCH : (step + 1) * BATCH]
        assert mean == pytest.approx(part.mean(), rel=1e-4)
    targets = probed.run.metric("target_maximum")["value"]
    assert set(targets.tolist()) == {2.0}


def test_xla_sees_the_same(tmp_path: Path, probed: Probed) -> None:
    model = keras.models.clone_model(probed.model)
    model.set_weights(probed.weights[0])
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(RATE), loss, jit_compile=True)
    opened = gs.watch(model, overhead=10, runs=tmp_path)
    model.fit(probed.x, probed.y, BATCH, 1, 0, shuffle=False)
    table, expected = gs.open_run(opened.run.folder).probes, probed.run.probes
    shared = np.intersect1d(table["step"], expected["step"])
    assert len(shared)
    for name in statistics.STATISTICS:
        pairs = [one[name][np.isin(one["step"], shared)] for one in (table, expected)]
        np.testing.assert_allclose(*pairs, rtol=5e-3, atol=1e-4, err_msg=name)


def test_layers_inside_others_are_watched() -> None:
    model = Subclassed()
    names = [name for name, _ in watched_layers(model)]
    assert len(names) == len(set(names)) == 4
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="deep")], name="inner")
    outer = keras.Sequential([keras.Input((3,)), inner, layers.Dense(1, name="last")])
    assert [name for name, _ in watched_layers(outer)] == ["deep", "last"]


def test_a_user_s_tape_sees_none_of_our_variables(tmp_path: Path) -> None:
    class Watchful(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.head = layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.head(x)

        def train_step(self, data: Any) -> dict[str, Any]:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(self(data[0]) - data[1]))
            variables = tape.watched_variables()
            assert len(variables) == 2
            grads = tape.gradient(loss, variables)
            for variable, grad in zip(variables, grads, strict=True):
                variable.assign_sub(0.1 * grad)
            return {"loss": loss}

    model = Watchful()
    model.compile(loss="mse", jit_compile=False)
    opened = gs.watch(model, overhead=10, runs=tmp_path)
    model.fit(**given())
    run = gs.open_run(opened.run.folder)
    assert "batch_loss" not in run.metric_names  # no optimizer was seen at work
    assert run.fact("watch")["lost"] == "losses, gradients of weights and the first bad step"
    assert len(run.probes["step"])
