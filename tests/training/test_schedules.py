"""Rates against Keras' schedules (1e-6 relative, float32) and against what the papers say."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from gatescope.training.schedules import (
    Constant,
    Cosine,
    Exponential,
    OneCycle,
    Plateau,
    Rates,
    Schedule,
    Step,
)

KNOWN = [
    Step(epochs=2),
    Step(epochs=1, factor=0.5),
    Exponential(epochs=0.5),
    Cosine(),
    Cosine(warmup=0.2, end=0.01),
    OneCycle(),
    OneCycle(start=0.0, rise=0.45, end=0.0),
]


class Holder(BaseModel):
    schedule: Schedule


@pytest.mark.parametrize("schedule", KNOWN, ids=repr)
@given(
    peak=st.floats(1e-5, 10), epochs=st.integers(1, 20), steps=st.integers(1, 50), data=st.data()
)
@settings(max_examples=15, deadline=None)
def test_the_formula_and_keras_agree_in_every_step(schedule, peak, epochs, steps, data):
    rates = schedule.rates(peak, epochs=epochs, steps_per_epoch=steps)
    step = data.draw(st.integers(0, epochs * steps))
    assert float(rates.keras()(step)) == pytest.approx(rates.at(step), rel=1e-4, abs=1e-6 * peak)


@pytest.mark.parametrize("schedule", KNOWN, ids=repr)
def test_no_rate_is_above_the_peak_and_some_step_reaches_it(schedule):
    rates = schedule.rates(0.3, epochs=5, steps_per_epoch=20)
    every = [rates.at(step) for step in range(100)]
    assert max(every) == pytest.approx(0.3)
    assert min(every) >= 0


def test_stairs_hold_for_their_epochs():
    rates = Step(epochs=2, factor=0.1).rates(1.0, epochs=6, steps_per_epoch=5)
    assert [rates.at(step) for step in (0, 9, 10, 19, 20)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_exponential_is_the_same_share_in_the_same_time():
    rates = Exponential(epochs=3, factor=0.25).rates(1.0, epochs=9, steps_per_epoch=4)
    assert [rates.at(step) for step in (0, 6, 12, 24)] == pytest.approx([1, 0.5, 0.25, 0.0625])


def test_a_cosine_warms_up_and_ends_where_it_is_told():
    rates = Cosine(warmup=0.1, end=0.02).rates(0.5, epochs=10, steps_per_epoch=10)
    assert [rates.at(step) for step in (0, 5, 10, 55, 100)] == pytest.approx(
        [0, 0.25, 0.5, 0.5 * 0.51, 0.01]
    )


def test_one_cycle_rises_in_a_line_and_falls_below_its_start():
    rates = OneCycle().rates(1.0, epochs=10, steps_per_epoch=10)
    rising = np.array([rates.at(step) for step in range(31)])
    assert np.allclose(np.diff(rising), 0.96 / 30)
    assert rates.at(30) == 1.0
    assert rates.at(100) == pytest.approx(4e-6)
    assert rates.at(0) == pytest.approx(0.04)


def test_a_training_of_one_step_is_taken_at_the_peak():
    for schedule in (Cosine(warmup=0.9), OneCycle()):
        assert schedule.rates(0.1, epochs=1, steps_per_epoch=1).at(0) == 0.1


def test_what_is_not_known_beforehand_has_no_rates():
    for schedule in (Constant(), Plateau()):
        assert schedule.rates(0.1, epochs=2, steps_per_epoch=3) is None


def test_a_plateau_is_keras_own_callback():
    callback = Plateau(factor=0.5, patience=3, least=1e-4).callback("val_loss")
    assert type(callback) is keras.callbacks.ReduceLROnPlateau
    assert (callback.monitor, callback.factor, callback.patience) == ("val_loss", 0.5, 3)
    assert callback.min_lr == 1e-4


@pytest.mark.parametrize("schedule", [*KNOWN, Constant(), Plateau()], ids=repr)
def test_a_schedule_survives_json_by_its_kind(schedule):
    text = Holder(schedule=schedule).model_dump_json()
    assert Holder.model_validate_json(text).schedule == schedule


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "cosine", "warmup": 1.0},
        {"kind": "step"},
        {"kind": "step", "epochs": 0},
        {"kind": "exponential", "epochs": 1, "factor": 1.0},
        {"kind": "one_cycle", "rise": 0.0},
        {"kind": "cosine", "warm_up": 0.1},
        {"kind": "cyclic"},
    ],
    ids=str,
)
def test_what_means_nothing_is_refused(wrong):
    with pytest.raises(ValidationError):
        Holder(schedule=wrong)


def test_the_name_of_a_schedule_is_the_catalogs():
    rates = Rates("polynomial_decay", {"initial_learning_rate": 1.0, "decay_steps": 10.0})
    assert isinstance(rates.keras(), keras.optimizers.schedules.PolynomialDecay)
    assert rates.at(5) == pytest.approx(0.50005)
