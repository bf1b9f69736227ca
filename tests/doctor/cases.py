"""Evidence to test rules with, made by hand: a network that is right, and ways to spoil it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gatescope.doctor.evidence import (
    Curve,
    Evidence,
    Layer,
    Sample,
    Training,
    Weight,
)
from gatescope.doctor.finding import Finding
from gatescope.doctor.outcome import Outcome
from gatescope.doctor.rules import RULES

RNG = np.random.default_rng(0)
FAILS, FINE, UNKNOWN = Outcome(0.0, 0.0, 0.9), Outcome(0.95, 0.97, 0.9), None


def dense(name: str, units: int, fan_in: int, activation: str = "linear", **more: Any) -> Layer:
    size = float(np.sqrt(2 / (fan_in + units)))
    weights = (
        Weight("kernel", (fan_in, units), True, 0.0, size, 2 * size, False),
        Weight("bias", (units,), True, 0.0, 0.0, 0.0, False),
    )
    config = {"units": units, "activation": activation, "use_bias": True}
    return Layer(
        name, "Dense", config, (None, fan_in), (None, units), activation,
        weights=more.pop("weights", weights), **more,
    )  # fmt: skip


def classes(outcome: Outcome | None = FAILS, **more: Any) -> Evidence:
    """Three classes of 200 samples in 8 columns, as they should be."""
    y = RNG.integers(0, 3, 200)
    x = (RNG.normal(size=(200, 8)) + y[:, None]).astype(np.float32)
    layers = (dense("hidden", 16, 8, "relu"), dense("out", 3, 16, "softmax"))
    return replace(
        Evidence(
            layers=layers,
            outputs=("out",),
            training=training("sparse_categorical_crossentropy"),
            sample=Sample((x,), (y,)),
            losses=falling(200),
            outcome=outcome,
        ),
        **more,
    )


def numbers(outcome: Outcome | None = FAILS, **more: Any) -> Evidence:
    """A regression of 200 samples in 8 columns, as it should be."""
    x = RNG.normal(size=(200, 8)).astype(np.float32)
    y = x[:, 0] + 0.1 * RNG.normal(size=200)
    layers = (dense("hidden", 16, 8, "relu"), dense("out", 1, 16))
    return replace(
        Evidence(
            layers=layers,
            outputs=("out",),
            training=training("mean_squared_error"),
            sample=Sample((x,), (y,)),
            losses=falling(200),
            outcome=outcome,
        ),
        **more,
    )


def training(loss: str, **more: Any) -> Training:
    settings = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
    fit = {"epochs": 20, "batch_size": 32, "samples": 200}
    return replace(
        Training("Adam", more.pop("settings", settings), loss, fit=more.pop("fit", fit)), **more
    )


def falling(count: int) -> Curve:
    steps = np.arange(count)
    return Curve("batch loss", steps, np.exp(-steps / 20) + 0.1)


def curve(*values: float) -> Curve:
    return Curve("", np.arange(len(values)), np.array(values, float))


def with_last(case: Evidence, **changes: Any) -> Evidence:
    """Another last layer."""
    *rest, last = case.layers
    return replace(case, layers=(*rest, replace(last, **changes)))


def with_loss(case: Evidence, loss: str, **more: Any) -> Evidence:
    return replace(case, training=training(loss, **more))


def found(rule: str, case: Evidence) -> list[Finding]:
    """What one rule finds."""
    (known,) = (one for one in RULES if one.name == rule)
    return list(known.check(case))
