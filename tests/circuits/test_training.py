"""Training a circuit, and the losses that it trains with."""

from __future__ import annotations

import math

import keras
import pytest
import tensorflow as tf

import gatescope as gs
from gatescope.circuits.losses import LOSSES, loss
from gatescope.errors import GateError, UsageError


def test_the_output_comes_near_the_target() -> None:
    circuit = gs.circuit("a*x", a=4, x=5, train=["a"])
    steps = circuit.train(toward=50, learning_rate=0.01, steps=10)
    assert [step.number for step in steps] == list(range(11))
    assert f"{steps[-1].outputs[0]:.2f}" == "49.97"
    assert steps[0].loss == 900.0 and steps[0].gradients == {"a": -300.0}
    assert circuit.inputs["x"].value == 5.0


def test_wires_end_with_the_gradient_of_the_loss() -> None:
    circuit = gs.circuit("a*x", a=4, x=5, train=["a"])
    circuit.train(toward=50, steps=0)
    assert [wire.gradient for wire in circuit.wires] == [-300.0, -240.0, -60.0]


def test_the_history_of_all_trainings_is_kept() -> None:
    circuit = gs.circuit("a*x", a=4, x=5, train=["a"])
    circuit.train(toward=50, steps=2)
    circuit.train(toward=50, steps=1)
    assert [step.number for step in circuit.history] == [0, 1, 2, 2, 3]
    assert circuit.history[1].parameters == {"a": 7.0}


def test_several_outputs_have_a_target_each() -> None:
    circuit = gs.circuit("a*x, b*x", a=0, b=0, x=1, train=["a", "b"])
    circuit.train(toward=[1, -2], learning_rate=0.1, steps=100)
    assert circuit.forward() == (pytest.approx(1), pytest.approx(-2))
    with pytest.raises(UsageError, match="1 targets for 2 outputs"):
        circuit.train(toward=1)


def test_a_rate_too_high_names_the_gate_and_keeps_the_steps() -> None:
    circuit = gs.circuit("a*x", a=4, x=5, train=["a"])
    with pytest.raises(GateError, match="larger than any float: the gate 'pow' in"):
        circuit.train(toward=50, learning_rate=10, steps=1000)
    assert 40 < len(circuit.history) < 100
    assert circuit.failure is not None


@pytest.mark.parametrize(
    ("arguments", "happened"),
    [
        ({"toward": 1, "loss": "squarred"}, "there is no loss 'squarred'"),
        ({"toward": float("nan")}, "the target is 'nan'"),
        ({"toward": 1, "steps": -1}, "steps is -1"),
        ({"toward": 1, "steps": 1.5}, "steps is 1.5"),
        ({"toward": 1, "learning_rate": math.inf}, "learning_rate is 'inf'"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(
    arguments: dict[str, object], happened: str
) -> None:
    circuit = gs.circuit("a*x", a=4, x=5, train=["a"])
    with pytest.raises(UsageError) as told:
        circuit.train(**arguments)
    assert told.value.happened == happened
    assert circuit.history == []


def test_training_needs_parameters() -> None:
    with pytest.raises(UsageError, match="the circuit has no parameters"):
        gs.circuit("a*x", a=4, x=5).train(toward=50)


KERAS = {
    "squared": lambda t, p: keras.losses.mean_squared_error(t, p),
    "absolute": lambda t, p: keras.losses.mean_absolute_error(t, p),
    "huber": lambda t, p: keras.losses.huber(t, p),
    "log_loss": lambda t, p: keras.losses.binary_crossentropy(t, p),
    "hinge": lambda t, p: keras.losses.hinge(t, p),
}
POINTS = {
    "log_loss": [(0.2, 0.0), (0.2, 1.0), (0.9, 0.3)],
    "hinge": [(0.5, 1.0), (0.5, -1.0), (2.0, 1.0), (1.0, 1.0), (-1.0, -1.0)],
    # Kinks are among them: no miss at all, and a miss of just 1.
    None: [(3.0, 3.0), (3.0, 2.0), (2.0, 3.0), (3.25, 3.0), (-4.0, 3.0)],
}


@pytest.mark.parametrize(
    ("name", "prediction", "target"),
    [(name, *point) for name in LOSSES for point in POINTS.get(name, POINTS[None])],
)
def test_losses_are_those_of_keras(name: str, prediction: float, target: float) -> None:
    circuit = gs.circuit(loss(name, gs.wire("p", prediction), target))
    value = circuit.forward()
    circuit.backward()
    p, t = tf.constant([prediction], tf.float64), tf.constant([target], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(p)
        theirs = tf.reduce_sum(KERAS[name](t, p))
    assert value == pytest.approx(float(theirs), rel=1e-6)
    expected = float(tape.gradient(theirs, p)[0])
    assert circuit.inputs["p"].gradient == pytest.approx(expected, rel=1e-5)


def test_every_loss_is_compared() -> None:
    assert KERAS.keys() == LOSSES.keys()


def test_a_loss_may_have_its_target_on_a_wire() -> None:
    circuit = gs.circuit(loss("squared", gs.wire("p", 3), gs.wire("t", 1)))
    assert circuit.forward() == 4.0
    circuit.backward()
    assert circuit.inputs["t"].gradient == -4.0
