"""From a model or a run to findings, their order, proofs and how they are shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from cases import FAILS, FINE, classes, dense, falling, training

import gatescope as gs
from gatescope.doctor import bench, proof
from gatescope.doctor.bench import trial
from gatescope.doctor.changes import _DATA, Specimen
from gatescope.doctor.diagnosis import (
    Diagnosis,
    concluded,
    diagnose_run,
    examine,
    grouped,
    ranked,
)
from gatescope.doctor.evidence import Crash, Evidence, Sample
from gatescope.doctor.finding import Change, Finding, Proof
from gatescope.doctor.outcome import Outcome
from gatescope.doctor.proof import Result, compared, in_words
from gatescope.doctor.script import Script
from gatescope.doctor.view import html, verdict
from gatescope.errors import UsageError
from gatescope.runs.open import open_run


def finding(confidence: float = 0.5, **more: object) -> Finding:
    return Finding("cause", "symptom", "remedy", confidence, **more)  # type: ignore[arg-type]


def improved(gain: float) -> Proof:
    return Proof("improved", "it did", {"gain": gain})


def test_what_was_proved_comes_first_and_what_failed_last() -> None:
    proved, sure = finding(0.3, proof=improved(0.5)), finding(0.95)
    refuted = finding(0.9, proof=Proof("not improved", "it did not"))
    assert ranked([refuted, sure, proved]) == [proved, sure, refuted]
    assert proved.stands and sure.stands and not refuted.stands


def test_a_symptom_is_told_with_the_cause_whose_remedy_it_shares() -> None:
    change = (Change("set", "optimizer.learning_rate", 0.001),)
    cause = finding(0.9, rule="learning_rate_too_high", changes=change, proof=improved(0.5))
    symptom = replace(cause, cause="the loss swings", rule="oscillation", proof=improved(0.1))
    other = replace(symptom, rule="wrong_loss", changes=(Change("set", "loss", "mse"),))
    (first, second) = grouped([cause, symptom, other])
    assert first.evidence == ("seen with it: the loss swings",) and second == other
    unproved = replace(cause, proof=None)
    apart = replace(symptom, changes=(Change("set", "loss", "mse"),), proof=None)
    assert grouped([unproved, apart]) == [unproved, apart]
    assert len(grouped([cause, apart])) == 1  # what is mended shows no symptoms


def test_the_same_remedy_is_told_once() -> None:
    change = (Change("set", "layer:out.activation", "linear"),)
    first = finding(0.95, rule="targets_out_of_reach", changes=change)
    again = replace(first, cause="the output may die", rule="relu_as_last_activation")
    (told,) = grouped([first, again])
    assert told.evidence == ("seen with it: the output may die",)


CRASHED = Crash("RuntimeError", "my bug\nmore of it", 1)


def test_a_crash_that_no_rule_knows_is_told_in_its_own_words() -> None:
    case = classes(FINE, crash=CRASHED, script=Script("train.py", "boom()\n"))
    told = concluded("train", case, None)
    (fault,) = told.standing
    assert fault.cause == "the script ends with RuntimeError: my bug"
    assert fault.where is not None and fault.where.text == "boom()"
    assert not told.healthy and verdict(told) == "train: 1 fault, none proved"


def test_what_a_training_came_to_goes_before_a_crash_after_it() -> None:
    crash = finding(0.8, kind="crash")
    proved, sure = finding(0.5, proof=improved(0.2)), finding(0.95)
    assert ranked([crash, sure, proved]) == [proved, sure, crash]
    inside = finding(0.82, kind="crash")
    assert ranked([proved, sure, inside])[0] == inside
    later = replace(CRASHED, later=True)
    told = {one.rule: one for one in examine(classes(crash=later))}
    assert told["crash"].confidence < 0.82 and told["crash"].stands


OLD = """from keras.layers.core import Dense
model.add(Dense(output_dim=3, init="uniform"))
model.compile(loss="mse", optimizer=SGD(lr=0.1))
model.fit(x, y, nb_epoch=3, show_accuracy=True)
train(lr=0.1, p=0.5)
"""


def test_old_spellings_are_mended_all_at_once() -> None:
    crash = Crash("ModuleNotFoundError", "No module named 'keras.layers.core'", 1)
    told = concluded("old", Evidence(crash=crash, script=Script("old.py", OLD)), None)
    (fault,) = told.standing
    assert fault.rule == "old_modules" and len(fault.evidence) == 6
    assert fault.evidence[-1].startswith("seen with it: the script ends with ModuleNotFoundError")
    new = [line[1:] for line in fault.diff.splitlines()[2:] if line.startswith("+")]
    assert new == [
        "from keras.layers import Dense",
        'model.add(Dense(units=3, kernel_initializer="uniform"))',
        'model.compile(loss="mse", optimizer=SGD(learning_rate=0.1))',
        "model.fit(x, y, epochs=3)",
    ]
    other = Evidence(crash=replace(crash, line=5), script=Script("old.py", OLD))
    assert [one.kind for one in concluded("old", other, None).standing] == ["crash"]


def test_a_gain_within_the_noise_of_seeds_is_none() -> None:
    change = (Change("set", "optimizer.learning_rate", 0.001),)
    base = Result((0.10, 0.12, 0.11), (2.30, 2.31, 2.29), 200)
    better = Result((0.90, 0.92, 0.91), (0.41, 0.44, 0.38), 200)
    told = compared(change, base, better, fine=False)
    assert told.verdict == "improved"
    assert told.sentence == (
        "with learning_rate=0.001, after 200 steps the loss is 0.41 ± 0.03 instead of 2.3 ± 0.01 "
        "and the skill on held-out data is 0.91 ± 0.01 instead of 0.11 ± 0.01"
    )
    assert not told.series
    drawn = compared(change, replace(base, curve=((1, 2.3), (2, 2.2))), better, fine=False).series
    assert [(one.label, one.x, one.y) for one in drawn] == [("as it was", (1, 2), (2.3, 2.2))]
    lost = Result((-1.0, -1.0, -1.0), (float("nan"),) * 3, 200)
    guesses = Result((-0.1, 0.0, -0.1), (9.0, 9.1, 9.0), 200)
    told = compared(change, lost, guesses, fine=False)
    assert told.verdict == "unclear" and "instead of not finite" in told.sentence
    assert finding(0.97, proof=told).stands and not finding(0.5, proof=told).stands
    scattered = Result((0.95, 0.32, 0.41), (), 200)  # each far above each of the original's
    assert compared(change, base, scattered, fine=False).verdict == "improved"
    noisy = Result((0.0, 0.5, 0.1), (), 200)
    assert compared(change, base, noisy, fine=False).verdict == "not improved"
    slightly = Result((0.16, 0.17, 0.18), (), 200)
    assert compared(change, base, slightly, fine=False).verdict == "improved"
    assert compared(change, base, slightly, fine=True).verdict == "not improved"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change("set", "layer:dense.activation", "relu"), "dense.activation=relu"),
        (Change("remove", "layer:drop"), "no drop"),
        (Change("set", "data.x", "standardize"), "standardized inputs"),
        (
            Change("set", "optimizer", {"name": "adam", "learning_rate": 0.001}),
            "optimizer=adam(learning_rate=0.001)",
        ),
        (Change("set", "loss", "mse"), "loss=mse"),
    ],
)
def test_changes_in_words(change: Change, words: str) -> None:
    assert in_words(change) == words


def test_every_change_of_data_has_words() -> None:
    assert proof._DATA_IN_WORDS.keys() == _DATA.keys()


def test_healthy_is_an_answer_with_its_evidence() -> None:
    told = concluded("digits", replace(classes(), outcome=FINE), None)
    assert told.healthy and not told.possible
    assert str(told).startswith("digits: healthy, as far as was looked")
    assert "skill 0.95 of 1" in str(told) and "rules" in str(told)


def test_a_finding_names_line_and_diff() -> None:
    text = (
        'm = keras.Sequential([Dense(16, activation="relu"), Dense(3)])\nm.compile("adam", "mse")\n'
    )
    case = replace(
        classes(),
        layers=(dense("hidden", 16, 8, "relu"), dense("out", 3, 16)),
        script=Script("train.py", text),
    )
    (first, *_) = concluded("digits", case, None).findings
    assert first.rule == "logits_taken_for_probabilities"
    assert first.where and (first.where.line, first.layer) == (1, "out")
    assert 'Dense(3, activation="softmax")])' in first.diff


def test_a_diagnosis_as_json_and_as_a_page() -> None:
    case = replace(classes(), training=training("mean_squared_error"))
    told = concluded("<digits>", case, None)
    plain = json.loads(json.dumps(told.told, default=str))
    assert plain["schema"] == 1 and plain["healthy"] is False
    assert {"rule", "cause", "symptom", "remedy", "confidence", "evidence", "changes", "layer",
            "step", "where", "diff", "proof", "stands", "proved", "rank"} <= set(
        plain["findings"][0]
    )  # fmt: skip
    page = html(told)
    assert "&lt;digits&gt;" in page and "<digits>" not in page and "<script" not in page
    assert told.findings[0].cause.split("'")[0][:20] in page


def test_the_loss_of_a_copy_is_that_of_fit_without_penalties() -> None:
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(
                1, activation="sigmoid", kernel_regularizer=keras.regularizers.L2(9)
            ),
        ]
    )
    model.compile("sgd", "binary_crossentropy")
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(50, 3)), rng.integers(0, 2, 50)  # labels without an axis of their own
    model.fit(x, y, verbose=0)
    p = model.predict(x, verbose=0)[:, 0]
    expected = -np.mean(np.where(y == 1, np.log(p), np.log(1 - p)))
    assert bench._loss_of(model, (x,), (y,)) == pytest.approx(expected, rel=1e-4)


def test_a_training_that_was_cut_short_is_not_blamed_for_what_it_had_no_time_for() -> None:
    told = training("sparse_categorical_crossentropy", fit={"epochs": 2, "samples": 200})
    whole = classes(FAILS, training=told, losses=falling(20))
    assert "too_few_epochs" in {one.rule for one in examine(whole)}
    cut = replace(whole, cut="--seconds")
    assert not cut.fails and "too_few_epochs" not in {one.rule for one in examine(cut)}
    (note,) = concluded("it", cut, None).notes
    assert note == "it was cut short (--seconds): what it would have learned later is not known"


def test_a_network_that_fails_for_no_known_reason_is_not_called_healthy() -> None:
    told = Diagnosis("digits", (), classes().outcome)
    assert verdict(told) == "digits: it does not learn well, and no rule knows why for sure"
    nothing = Diagnosis("digits", (), Outcome(-0.03, 0.5, 0.0))
    assert verdict(nothing) == (
        "digits: it learns nothing, nor does a simple model: look at the data"
    )
    assert not told.healthy and not nothing.healthy


def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return (x / 16).astype("float32"), y


def _model(rate: float) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies have time for all of their steps, however busy the machine is."""
    monkeypatch.setattr(proof, "_SECONDS", 300.0)
    monkeypatch.setattr(proof, "_QUICK", 0.0)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, patient: None) -> None:
    """Copies train fewer steps."""
    monkeypatch.setattr(proof, "STEPS", 120)


@pytest.mark.usefixtures("short")
def test_a_model_with_its_data_is_diagnosed_and_the_remedy_proved() -> None:
    model = _model(1.0)
    before = [np.array(one) for one in model.get_weights()]
    told = gs.diagnose(model, *_digits(), seconds=600)
    first = told.findings[0]
    assert (first.rule, first.proved) == ("learning_rate_too_high", True), str(told)
    assert first.proof and "with learning_rate=0.001, after" in first.proof.sentence
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.usefixtures("patient")
def test_a_healthy_model_is_healthy() -> None:
    told = gs.diagnose(_model(1e-3), *_digits(), seconds=600)
    assert told.healthy, str(told)
    assert told.outcome and told.outcome.fine


@pytest.mark.usefixtures("short")
def test_a_run_is_diagnosed_and_proved_from_what_it_kept(tmp_path: Path) -> None:
    model = _model(1e-8)
    watch = gs.watch(model, runs=tmp_path)
    model.fit(*_digits(), epochs=3, verbose=0)
    watch.close()
    (folder,) = tmp_path.iterdir()
    told = diagnose_run(open_run(folder), seconds=600)
    assert told.findings[0].rule == "learning_rate_too_low", str(told)
    assert told.findings[0].proved, str(told)
    before, after = told.findings[0].proof.series
    assert (before.label, after.label) == ("as it was", "with the remedy")
    assert before.y[-1] > 0.9 * before.y[0] and after.y[-1] < 0.7 * after.y[0]
    assert html(told).count("two copies while they were trained") >= 1


def test_a_curve_is_of_the_losses_of_the_steps_where_keras_tells_their_mean_since_the_start() -> (
    None
):
    limit = bench._Limit(200, {"seconds": 60, "quick": 60, "enough": 200})
    losses = np.random.default_rng(0).uniform(0, 3, 150)
    ended = limit.bind(keras.Sequential())
    for step in range(150):
        ended(step, {"loss": losses[: step + 1].mean()})
    steps, told = zip(*limit.curve, strict=True)
    assert len(steps) == 60 and steps[-1] == 150
    stretches = np.split(losses, steps[:-1])
    np.testing.assert_allclose(told, [each.mean() for each in stretches], rtol=1e-9)
    ended(150, {"loss": float("nan")})
    assert len(limit.curve) == 59  # the stretch that is not finite is left out


def test_a_model_of_a_class_of_the_users_is_looked_at_without_copies() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.out = keras.layers.Dense(10, activation="softmax")

        def call(self, x):
            return self.out(x)

    model = Own()
    model.compile(keras.optimizers.Adam(5.0), "sparse_categorical_crossentropy")
    told = gs.diagnose(model, *_digits())
    assert "a subclassed model needs its class" in told.notes[0]
    assert "learning_rate_too_high" in [one.rule for one in told.findings]


def test_data_that_the_model_cannot_take_is_a_fault() -> None:
    x, y = _digits()
    told = gs.diagnose(_model(1e-3), x[:, :60], y, prove=False)
    (fault,) = told.standing
    assert fault.kind == "crash" and "the input has another number of columns" in fault.cause
    assert "expected axis -1" in fault.evidence[0] and "\x1b" not in str(told)
    with pytest.raises(UsageError, match="x has 1,797 samples and y has 10\n  expected: a target"):
        gs.diagnose(_model(1e-3), x, y[:10])


def test_what_cannot_be_diagnosed_is_said() -> None:
    with pytest.raises(UsageError, match="a model alone says little"):
        gs.diagnose(_model(0.1))
    with pytest.raises(UsageError, match="is neither a run nor a compiled Keras model"):
        gs.diagnose(keras.Sequential([keras.layers.Dense(1)]), *_digits())


def test_a_functional_copy_can_be_trained_more_than_once() -> None:
    inputs = keras.Input((64,))
    model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(inputs))
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = _digits()
    config = keras.saving.serialize_keras_object(model)
    sample = Sample((x[:100],), (y[:100],), (x[100:150],), (y[100:150],))
    fit = {"epochs": 1, "batch_size": 32}
    specimen = Specimen(config, model.get_compile_config(), fit, sample)
    asked = {"changes": [], "seed": 0, "steps": 3, "seconds": 60, "quick": 60, "enough": 3}
    first, again = trial(specimen, asked), trial(specimen, asked)
    assert first["steps"] == again["steps"] == 3 and not first["cut"]
    assert first["loss"] == pytest.approx(again["loss"], rel=1e-4)
