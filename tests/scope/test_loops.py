"""Loops of one's own around a tape: which model a step is of, and what is recorded of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from gatescope.runs.open import Run, open_run
from gatescope.scope.loops import Loops
from gatescope.scope.session import Session
from gatescope.scope.sitting import Settings

STEPS = 6
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 3)).astype(np.float32), RNG.normal(size=(8, 1)).astype(np.float32)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(Settings(tmp_path, overhead=10), "script")


def runs_in(folder: Path) -> list[Run]:
    return [open_run(file.parent) for file in sorted(folder.glob("*/run.sqlite"))]


def network(name: str, seed: int = 0) -> keras.Model:
    kernel = keras.initializers.GlorotUniform(seed=seed)
    layers = [keras.layers.Dense(4, "tanh", kernel_initializer=kernel, name=f"{name}_hidden"),
              keras.layers.Dense(1, kernel_initializer=kernel, name=f"{name}_out")]  # fmt: skip
    return keras.Sequential([keras.Input((3,)), *layers], name=name)


def train(model: keras.Model, *, in_graph: bool, steps: int = STEPS) -> list[float]:
    optimizer = keras.optimizers.SGD(0.1)

    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(X, training=True) - Y) ** 2)
        grads = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))
        return loss

    run = tf.function(step) if in_graph else step
    return [float(run()) for _ in range(steps)]


def watched(session: Session, work: Any) -> tuple[Any, list[Run]]:
    loops = Loops(session, lambda: False, lambda: None)
    with loops.open():
        result = work()
    loops.end()
    return result, runs_in(session.settings.runs)


@pytest.mark.parametrize("in_graph", [False, True])
def test_losses_and_layers_of_a_loop_are_recorded(session: Session, in_graph: bool) -> None:
    alone = train(network("one"), in_graph=in_graph)
    losses, (run,) = watched(session, lambda: train(network("one"), in_graph=in_graph))
    # In a graph a linear layer and the tanh after it are one operation until a look comes between.
    np.testing.assert_allclose(losses, alone, rtol=1e-5 if in_graph else 0)
    np.testing.assert_allclose(run.metric("batch_loss")["value"], losses, rtol=1e-6)
    assert set(run.layers) == {"one_hidden", "one_out"}
    table = run.probes
    assert (table["weight_gradient"][table["layer"] == "one_out"] > 0).all()


def test_two_models_are_two_runs_with_their_own_losses(session: Session) -> None:
    def both() -> list[list[float]]:
        return [train(network(name, seed), in_graph=False) for seed, name in enumerate("ab", 1)]

    losses, runs = watched(session, both)
    assert {run.name for run in runs} == {"script-a", "script-b"}
    for run, own in zip(sorted(runs, key=lambda run: run.name), losses, strict=True):
        np.testing.assert_allclose(run.metric("batch_loss")["value"], own, rtol=1e-6)


def test_weights_that_are_no_models_are_a_run_without_layers(session: Session) -> None:
    weight = keras.Variable([1.0, -1.0])

    def descend() -> None:
        optimizer = keras.optimizers.SGD(0.5)
        for _ in range(3):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(weight.value**2)
            optimizer.apply(tape.gradient(loss, [weight.value]), [weight])

    _, (run,) = watched(session, descend)
    np.testing.assert_allclose(run.metric("batch_loss")["value"], [2, 0, 0], atol=1e-6)
    assert list(run.layers) == []


def test_an_error_ends_the_run_as_failed(session: Session) -> None:
    loops = Loops(session, lambda: False, lambda: None)
    with loops.open():
        train(network("one"), in_graph=False)
    assert loops.crashed(ValueError("my own"))
    (run,) = runs_in(session.settings.runs)
    assert run.status == "failed" and "my own" in str(run.error)
    assert not loops.crashed(ValueError("again"))


def test_what_is_patched_is_put_back(session: Session) -> None:
    before = (tf.GradientTape.gradient, keras.Layer.__call__, keras.Optimizer.apply)
    watched(session, lambda: train(network("one"), in_graph=False, steps=1))
    assert (tf.GradientTape.gradient, keras.Layer.__call__, keras.Optimizer.apply) == before
