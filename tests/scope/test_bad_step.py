"""The first step that goes wrong: named rightly, kept whole, and run again from the run alone.

All cases, with and without XLA, are in `benchmarks/first_bad_value.py`; here are those that differ
in how the step is found or kept.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import bad_cases
import keras
import numpy as np
import pytest
from bad_cases import BATCH, CASES, Case

import gatescope as gs
from gatescope.errors import DataError, RunError
from gatescope.scope.replay import unpacked

CHOSEN = [
    "log_of_zero",
    "float16_overflow",
    "nan_target",
    "gradient_of_embedding",
    "gradient_in_a_corner",
    "where_trap",
    "dictionary_of_inputs",
    "large_gradient",
]


def trained(case: Case, runs: Path, jit: bool = False) -> Any:
    case.model.jit_compile = jit
    opened = gs.watch(case.model, runs=runs, overhead=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        case.model.fit(case.x, case.y, batch_size=BATCH, shuffle=False, verbose=0)
    return gs.open_run(opened.run.folder)


def names_it(run: Any, case: Case) -> bool:
    (content,) = run.events["content"]
    if run.events["step"].tolist() != [case.step]:
        return False
    if case.op is None:
        return str(content["told"]).startswith(case.told)
    return content["op"] == case.op and case.layer in content["layer"].split("/")


@pytest.mark.parametrize(
    ("name", "jit"),
    [*((name, False) for name in CHOSEN), ("log_of_zero", True), ("where_trap", True)],
)
def test_layer_and_operation_are_named(name: str, jit: bool, tmp_path: Path) -> None:
    case = CASES[name]()
    assert names_it(trained(case, tmp_path, jit), case)


def state_before(model: keras.Model, x: Any, y: Any, step: int) -> tuple[list[Any], list[Any]]:
    for place in range(step):
        part = slice(place * BATCH, (place + 1) * BATCH)
        model.train_on_batch(x[part], y[part])
    metrics = {id(one) for one in model.metrics_variables}
    own = [np.asarray(one) for one in model.variables if id(one) not in metrics]
    return own, [np.asarray(one) for one in model.optimizer.variables]


def noisy() -> Case:
    """BatchNorm, dropout and Adam before a step that goes wrong in the third batch."""
    keras.utils.set_random_seed(1)
    x = bad_cases.data(c1=-1.0)
    stack = [
        bad_cases.Op(keras.ops.log, name="logarithm"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential([keras.Input((4,)), *stack])
    model.compile("adam", "mse", jit_compile=False)
    return Case(model, x, bad_cases.targets(x), bad_cases.WRONG, "logarithm", "Log")


@pytest.mark.parametrize("jit", [False, True])
def test_all_state_is_kept_as_it_was_before(jit: bool, tmp_path: Path) -> None:
    case = noisy()
    case.model.jit_compile = jit
    own, optimizer = state_before(case.model, case.x, case.y, case.step)
    case = noisy()
    run = trained(case, tmp_path, jit)
    kept = unpacked((run.folder / "kept" / "bad_step.npz").read_bytes())
    part = slice(case.step * BATCH, (case.step + 1) * BATCH)
    np.testing.assert_array_equal(kept.batch[0], case.x[part])
    np.testing.assert_array_equal(kept.batch[1], case.y[part])
    for expected, found in ((own, kept.variables), (optimizer, kept.optimizer)):
        assert len(found) == len(expected)
        for one, other in zip(found.values(), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_another_fit_waits_for_its_own(tmp_path: Path) -> None:
    case = CASES["nan_target"]()
    first = trained(case, tmp_path)
    assert len(first.events["step"]) == 1
    healthy = bad_cases.targets(case.x)
    for variable in case.model.variables:
        variable.assign(keras.ops.ones(variable.shape, variable.dtype))
    case.model.fit(case.x, healthy, batch_size=BATCH, verbose=0)
    runs = sorted(tmp_path.glob("*/run.sqlite"), key=lambda path: path.stat().st_mtime)
    assert not len(gs.open_run(runs[-1]).events["step"])


def drifting() -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(6, name="wide"), keras.layers.Dense(1, name="head")]
    model = keras.Sequential([keras.Input((4,)), *layers], name="drifting")
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
    return model


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    x = bad_cases.data()
    opened = gs.watch(drifting(), runs=tmp_path_factory.mktemp("runs"), overhead=1)
    opened._model.fit(x, bad_cases.targets(x), batch_size=BATCH, verbose=0, epochs=3, shuffle=False)
    return gs.open_run(opened.run.folder)


def test_a_run_alone_is_enough_to_replay(drifted: Any) -> None:
    found = gs.replay(drifted.folder)
    (step,), (told,) = drifted.events["step"], drifted.events["content"]
    bad = found.trace.first_bad()
    assert found.step == step
    assert str(bad) == told["told"]
    assert bad is not None and bad.gate is not None
    assert bad.gate.op == told["op"]


def test_the_drift_before_is_told(drifted: Any) -> None:
    drift = gs.replay(drifted.folder).drift
    assert drift is not None
    steps = [point.step for point in drift.points]
    assert steps == sorted(steps)
    assert drift.points[-1].output > 100 * drift.points[0].output
    assert drift.to_dict() == drifted.events["content"][0]["drift"]
    assert "before it: output × " in str(drift)


def test_a_model_that_is_given_stays_as_it_was(drifted: Any) -> None:
    model = drifting()
    before = model.get_weights()
    found = gs.replay(drifted.folder, model)
    assert found.trace.first_bad() is not None
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_model_is_refused(drifted: Any) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6), keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    with pytest.raises(DataError, match=r"has shape .*\n  expected: the model that was trained"):
        gs.replay(drifted.folder, model)


def test_code_of_one_s_own_is_asked_for(tmp_path: Path) -> None:
    case = CASES["layer_of_ones_own"]()
    run = trained(case, tmp_path)
    with pytest.raises(DataError, match=r"(?s)cannot be made .*fix: gs\.replay\(.*, model\)"):
        gs.replay(run)
    bad = gs.replay(run, case.model).trace.first_bad()
    assert bad is not None and bad.gate is not None
    assert bad.gate.op == "RealDiv"


class Within(keras.Model):
    """A model of which Keras cannot write what it was made with."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner, self.head = inner, keras.layers.Dense(1)

    def call(self, x: Any) -> Any:
        return self.head(self.inner(x))


def test_why_a_model_has_no_configuration_is_told(tmp_path: Path) -> None:
    model = Within(lambda x: x)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    opened = gs.watch(model, runs=tmp_path, name="within")
    model.fit(np.full((4, 2), np.nan), np.ones(4), verbose=0)
    with pytest.raises(DataError) as caught:
        gs.replay(opened.run)
    happened, _, fix = str(caught.value).splitlines()
    assert happened.endswith(
        "cannot be made by its configuration: Keras cannot write it (Object Within was created by "
        "passing non-serializable argument values in `__init__()`, and therefore the object must "
        "override `get_config()` in order to be serializable)"
    )
    assert fix.startswith("  fix: gs.replay(")
    assert gs.replay(opened.run, model).step == 0


def test_a_healthy_run_has_none(tmp_path: Path) -> None:
    case = CASES["nan_target"]()
    opened = gs.watch(case.model, runs=tmp_path)
    case.model.fit(case.x[:BATCH], case.y[:BATCH], verbose=0)
    with pytest.raises(RunError, match=r"has no bad step.* which is good\n  expected"):
        gs.replay(opened.run.folder)


def test_a_damaged_file_is_told(drifted: Any, tmp_path: Path) -> None:
    file = drifted.folder / "kept" / "bad_step.npz"
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:300])
        with pytest.raises(RunError, match=r"bad_step.npz' is damaged: .*\n  expected"):
            gs.replay(drifted)
    finally:
        file.write_bytes(whole)


def test_the_command(
    drifted: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from gatescope.cli import main

    monkeypatch.setenv("COLUMNS", "200")
    page = tmp_path / "page.html"
    arguments = ["replay", str(drifted.folder), "--html", str(page)]
    monkeypatch.setattr("sys.argv", ["gatescope", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    told = capsys.readouterr().out
    assert "drifting  Sequential" in told
    assert "gave what is not finite for finite inputs" in told
    assert "before it: output × " in told
    assert page.read_text("utf-8").startswith("<!doctype html>")
