"""Initializers, schedules and optimizers: what the rows compute is what Keras does."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from gatescope.catalog import schedules
from gatescope.catalog.initializers import INITIALIZERS
from gatescope.catalog.optimizers import OPTIMIZERS
from gatescope.catalog.rows import Initializer, Optimizer
from gatescope.catalog.schedules import SCHEDULES
from gatescope.circuits.circuit import circuit

FAN_IN, FAN_OUT = 300, 200
CUT = 0.8796256610342398
by_name = {"ids": lambda entry: entry.name}
DRAWN = [entry for entry in INITIALIZERS.values() if entry.circuit]
RULED = [entry for entry in OPTIMIZERS.values() if entry.update]


@pytest.mark.parametrize("entry", DRAWN, **by_name)
def test_weights_deviate_as_stated_and_have_the_stated_shape(entry: Initializer) -> None:
    made = circuit(entry.circuit)
    values = {**entry.values, "fan_in": FAN_IN, "fan_out": FAN_OUT}
    stated = made.forward(**{name: values[name] for name in made.inputs})
    draw = getattr(keras.initializers, entry.keras.rpartition(".")[2])(seed=7)
    weights = np.asarray(draw((FAN_IN, FAN_OUT)))
    assert weights.std() == pytest.approx(stated, rel=0.01)
    assert abs(weights.mean()) < 0.02 * stated
    furthest = np.abs(weights).max() / stated
    if entry.shape == "uniform":
        assert furthest == pytest.approx(math.sqrt(3), rel=0.001)
    elif entry.shape == "truncated normal":
        assert furthest == pytest.approx(2 / CUT, rel=0.001)
    else:
        assert furthest > 3.5


def test_what_is_not_drawn_is_as_stated() -> None:
    get = keras.initializers
    assert (np.asarray(get.Zeros()((3, 3))) == 0).all()
    assert (np.asarray(get.Ones()((3, 3))) == 1).all()
    assert (np.asarray(get.Constant(0.5)((3, 3))) == 0.5).all()
    assert (np.asarray(get.Identity(gain=2.0)((3, 3))) == 2 * np.eye(3)).all()
    n = 8
    time, frequency = np.arange(n)[:, None], np.arange(n // 2 + 1)[None]
    window = np.hanning(n + 1)[:n][:, None]
    scale = np.sqrt((window**2).sum())
    for side, wave in (("real", np.cos), ("imag", lambda x: -np.sin(x))):
        theirs = np.asarray(get.STFT(side=side, periodic=True)((n, 1, n // 2 + 1)))[:, 0]
        ours = window * wave(2 * np.pi * frequency * time / n) / scale
        np.testing.assert_allclose(theirs, ours, atol=1e-6)


EXPONENTIAL = {"initial_learning_rate": 0.1, "decay_steps": 100, "decay_rate": 0.9}
LINEAR = {"initial_learning_rate": 0.1, "decay_steps": 100}
RESTARTS = {"initial_learning_rate": 0.1, "first_decay_steps": 100}
CASES = [
    ("exponential_decay", EXPONENTIAL),
    ("exponential_decay", {**EXPONENTIAL, "staircase": True}),
    ("inverse_time_decay", EXPONENTIAL),
    ("inverse_time_decay", {**EXPONENTIAL, "staircase": True}),
    ("piecewise_constant_decay", {"boundaries": [50, 120], "values": [0.1, 0.03, 0.01]}),
    ("piecewise_constant_decay", {"boundaries": [50], "values": [0.1, 0.03]}),
    ("polynomial_decay", LINEAR),
    ("polynomial_decay", {**LINEAR, "end_learning_rate": 0.01, "power": 0.5}),
    ("polynomial_decay", {**LINEAR, "power": 2.0, "cycle": True}),
    ("cosine_decay", LINEAR),
    ("cosine_decay", {**LINEAR, "alpha": 0.1, "warmup_target": 0.3, "warmup_steps": 40}),
    ("cosine_decay", {**LINEAR, "warmup_steps": 40}),
    ("cosine_decay_restarts", RESTARTS),
    ("cosine_decay_restarts", {**RESTARTS, "t_mul": 1.0, "m_mul": 0.8, "alpha": 0.05}),
    ("cosine_decay_restarts", {**RESTARTS, "t_mul": 1.5, "m_mul": 0.5}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_schedules_give_the_rate_of_keras_at_every_step(name: str, options: dict) -> None:
    theirs = getattr(keras.optimizers.schedules, SCHEDULES[name].keras.rpartition(".")[2])(
        **options
    )
    ours = getattr(schedules, name)
    # Every 7th step from 1: at the very step of a restart, float32 decides by its last digit.
    for step in [0, *range(1, 400, 7)]:
        assert ours(step, **options) == pytest.approx(float(theirs(step)), rel=2e-4, abs=1e-7)


def test_every_schedule_is_compared() -> None:
    assert {name for name, _ in CASES} == set(SCHEDULES)
    for name, entry in SCHEDULES.items():
        assert getattr(entry.rate, "func", entry.rate) is getattr(schedules, name)


VARIED = {
    "sgd": [{"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "rmsprop": [{"momentum": 0.9, "rho": 0.8}],
    "adam": [{"beta_1": 0.5, "epsilon": 1e-3}],
    "adamw": [{"weight_decay": 0.1}],
    "ftrl": [{"l1_regularization_strength": 0.2, "l2_regularization_strength": 0.1, "beta": 0.1}],
    "adafactor": [{"clip_threshold": 0.5}],
    "schedule_free_adamw": [{"beta_1": 0.7}],
}
RULES = [(entry, options) for entry in RULED for options in [{}, *VARIED.get(entry.name, [])]]


@pytest.mark.parametrize(("entry", "options"), RULES)
def test_update_rules_take_the_steps_of_keras(entry: Optimizer, options: dict) -> None:
    for rate in ({}, {"learning_rate": 0.25}):
        made = getattr(keras.optimizers, entry.keras.rpartition(".")[2])(**options, **rate)
        variable = keras.Variable(1.5, dtype="float64")
        made.build([variable])
        w, state = 1.5, entry.start
        for step, g in enumerate([0.7, -0.2, 1.3, 0.0, 0.4, -2.0], 1):
            made.apply([keras.ops.convert_to_tensor(g, "float64")], [variable])
            w, state = entry.update(w, g, state, step=step, **options, **rate)
            # Keras rounds settings to float32, which leaves 1 − 0.999 five digits.
            assert w == pytest.approx(float(variable), rel=1e-4)
