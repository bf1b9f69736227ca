"""`gatescope trace`: what it shows, writes and refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from gatescope.caption.bundle import SHIPPED
from gatescope.data.samples import sample_photos


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models and batches, whole and broken."""
    folder = tmp_path_factory.mktemp("saved")
    keras.utils.set_random_seed(0)
    layers = [keras.layers.LSTM(4, name="lstm"), keras.layers.Dense(1, name="head")]
    model = keras.Sequential([keras.Input((5, 3)), *layers], name="words")
    model.save(folder / "plain.keras")
    model.compile("adam", "mse")
    model.save(folder / "model.keras")
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    joined = keras.layers.Concatenate()([a, b])
    heads = [keras.layers.Dense(1, name=name)(joined) for name in ("left", "right")]
    two = keras.Model([a, b], heads)
    two.compile("sgd", "mse")
    two.save(folder / "two.keras")
    keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x)]).save(
        folder / "lambda.keras"
    )

    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    keras.Sequential([keras.Input((3,)), Mine()]).save(folder / "mine.keras")
    whole = (folder / "model.keras").read_bytes()
    (folder / "cut.keras").write_bytes(whole[:700] + b"xxxx" + whole[704:])
    (folder / "no.keras").write_text("no")
    (folder / "model.h5").write_text("no")
    save_batches(folder)
    return folder


def save_batches(folder: Path) -> None:
    x = np.random.default_rng(0).random((2, 5, 3))
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", x[:, 0, :1])
    np.save(folder / "nan.npy", np.where(x == x.max(), np.nan, x))
    np.save(folder / "long.npy", x[0])
    np.save(folder / "one.npy", np.float32(1))
    np.save(folder / "pickled.npy", np.array([{}, 1], object), allow_pickle=True)
    (folder / "cut.npy").write_bytes((folder / "x.npy").read_bytes()[:-9])
    (folder / "text.npy").write_text("no")
    np.savez(folder / "x.npz", x)
    np.savez(folder / "ab.npz", a=x[:, 0], b=x[:, 0, :2], c=x)
    np.savez(folder / "abb.npz", a=x[:, 0], bb=x[:, 0, :2])
    np.savez(folder / "targets.npz", left=x[:, 0, :1], right=x[:, 1, :1])


@pytest.fixture
def traced(gatescope, saved: Path, monkeypatch: pytest.MonkeyPatch):
    """The command in the folder of models."""
    monkeypatch.chdir(saved)
    return lambda *arguments: gatescope("trace", *arguments)


MODEL = ["model.keras", "--input", "x.npy"]


def test_forward_only(traced) -> None:
    answer = traced(*MODEL)
    assert (answer.code, answer.err) == (0, "")
    assert "words  Sequential" in answer.out and "lstm_cell × 5" in answer.out
    assert "backward" not in answer.out and "loss" not in answer.out
    assert answer.out.endswith("every value is finite, and none ran away\n")
    assert "\x1b" not in answer.out


def test_with_targets_there_are_loss_and_gradients_and_verification(traced) -> None:
    answer = traced(*MODEL, "--target", "y.npy", "--verify")
    assert (answer.code, answer.err) == (0, "")
    assert "; loss 0." in answer.out and "‖gradient‖" in answer.out
    assert "all agree" in answer.out and "gates not computed again: stateful" in answer.out


def test_a_loss_may_be_named(traced) -> None:
    answer = traced("plain.keras", "--input", "x.npz", "--target", "y.npy", "--loss", "mae")
    assert answer.code == 0 and "MeanAbsoluteError" in answer.out


def test_samples_are_the_first_of_the_batch(traced) -> None:
    assert "1×1" in traced(*MODEL, "--samples", "1").out


def test_several_inputs_and_outputs_by_name(traced) -> None:
    answer = traced("two.keras", "--input", "ab.npz", "--target", "targets.npz")
    assert answer.code == 0
    assert "left  Dense" in answer.out and "right  Dense" in answer.out


def test_a_layer_with_its_gates(traced) -> None:
    answer = traced(*MODEL, "--layer", "head", "--ops")
    assert answer.code == 0
    assert "ReadVariableOp kernel" in answer.out and "lstm" not in answer.out


def test_gates_of_an_operation_and_step_are_listed(traced) -> None:
    answer = traced(*MODEL, "--op", "MatMul", "--step", "3")
    assert answer.code == 0
    head, *rows = answer.out.partition("\n\n")[0].splitlines()
    assert head.split()[0] == "gate" and len(rows) == 2
    assert all("MatMul" in row and "lstm_cell" in row for row in rows)


def test_one_gate_is_told_in_full(traced) -> None:
    for answer in (
        traced(*MODEL, "--gate", "0"),
        traced(*MODEL, "--layer", "head", "--op", "MatMul"),
    ):
        assert answer.code == 0
        assert answer.out.startswith("gate ") and "least … most" in answer.out


def test_the_first_bad_value_is_told(traced) -> None:
    answer = traced("model.keras", "--input", "nan.npy")
    assert answer.code == 0
    assert (
        "the first bad value: the input 'x' is not finite" in answer.out and "= nan" in answer.out
    )


def test_json_and_page_at_once(traced, tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    answer = traced(*MODEL, "--target", "y.npy", "--json", "--verify", "--html", page)
    assert (answer.code, answer.err) == (0, f"drawn in {page}\n")
    told = json.loads(answer.out)
    assert told["first_bad"] is None and told["loss"] > 0
    assert told["verification"]["mismatches"] == [] and told["verification"]["recomputed"] > 100
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_a_budget_leaves_summaries(traced) -> None:
    assert "as summaries only" in traced(*MODEL, "--memory-budget", "0").out


def test_what_verification_finds_wrong_is_a_failure(traced, monkeypatch) -> None:
    from gatescope.scope.verification import Verification

    wrong = Verification(1, 0, {}, {}, ("a mismatch",))
    monkeypatch.setattr("gatescope.scope.trace.Trace.verify", lambda self: wrong)
    answer = traced(*MODEL, "--verify")
    assert answer.code == 1 and "a mismatch" in answer.out


@pytest.mark.parametrize(
    ("typed", "code", "happened", "fix"),
    [
        ([], 2, "there is nothing to trace", "gatescope trace model.keras --input x.npy"),
        (["model.keras"], 2, "there is no --input", "gatescope trace model.keras --input x.npy"),
        ([*MODEL, "--caption", "x.jpg"], 2, "both a model and --caption", "gatescope trace"),
        (["--caption", "x.jpg", "--input", "x.npy"], 2, "--caption goes with no batch", "leave"),
        ([*MODEL, "--bundle", "b"], 2, "--bundle goes with no model", "leave --bundle out"),
        ([*MODEL, "--loss", "mse"], 2, "--loss stands alone", "--target y.npy"),
        ([*MODEL, "--target", "y.npy", "--loss", "mes"], 2, "there is no loss 'mes'", "did you"),
        (["modl.keras", "--input", "x.npy"], 2, "there is no 'modl.keras'", "did you mean"),
        (["model.keras", "--input", "z.npy"], 2, "there is no 'z.npy'", "did you mean"),
        (["no.keras", "--input", "x.npy"], 2, "'no.keras' is no .keras file", "load it"),
        (["model.h5", "--input", "x.npy"], 2, "'model.h5' is no .keras file", "load it"),
        (["cut.keras", "--input", "x.npy"], 1, "'cut.keras' cannot be loaded", "save the model"),
        (["lambda.keras", "--input", "x.npy"], 1, "'lambda.keras' holds Python code", "trace it"),
        (["mine.keras", "--input", "x.npy"], 1, "'mine.keras' needs 'Mine'", "trace it in Python"),
        (["model.keras", "--input", "pickled.npy"], 1, "'pickled.npy' holds pickled", "np.save"),
        (["model.keras", "--input", "cut.npy"], 1, "'cut.npy' is damaged", "save it anew"),
        (["model.keras", "--input", "text.npy"], 2, "'text.npy' is no file of NumPy's", "np.save"),
        (["model.keras", "--input", "one.npy"], 2, "'one.npy' is one number", "np.save"),
        (["model.keras", "--input", "long.npy"], 1, "the model 'words' failed", "x is (5, "),
        (["plain.keras", "--input", "x.npy", "--target", "y.npy"], 2, "'plain.keras' has no", "--"),
        (["two.keras", "--input", "x.npy"], 2, "'x.npy' has no array for the input", "np."),
        (["two.keras", "--input", "abb.npz"], 2, "'abb.npz' has no array", "did you mean 'bb'"),
        (["model.keras", "--input", "ab.npz"], 2, "'ab.npz' has no array", "np.savez"),
        ([*MODEL, "--layer", "lstm_cel"], 2, "no layer 'lstm_cel' ran", "did you mean 'lstm_cell'"),
        ([*MODEL, "--op", "MatMull"], 2, "no operation 'MatMull' ran", "did you mean 'MatMul'"),
        ([*MODEL, "--step", "5"], 2, "there is no step 5", "step=4"),
        ([*MODEL, "--gate", "9999"], 2, "there is no gate 9999", "trace.tree(ops=True)"),
        ([*MODEL, "--html", "nowhere/o.html"], 2, "'nowhere/o.html' cannot be written", "mkdir -p"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(
    traced, typed: list[str], code: int, happened: str, fix: str
) -> None:
    answer = traced(*typed)
    assert (answer.code, answer.out) == (code, "")
    first, expected, how = answer.err.splitlines()
    assert first.startswith(f"Error: {happened}")
    assert expected.startswith("  expected: ")
    assert how.startswith(f"  fix: {fix}")


def test_wrong_options_are_told_without_an_engine(fresh) -> None:
    answer = fresh("trace", "model.keras")
    assert answer.code == 2 and "there is no --input" in answer.err


@pytest.mark.skipif(
    not (SHIPPED / "bundle.json").exists(), reason="the shipped bundle is not there"
)
def test_the_shipped_captioner_in_a_process_of_its_own(tmp_path: Path) -> None:
    Image.fromarray(sample_photos()["cat"]).save(tmp_path / "photo.jpg")
    code = "from gatescope.cli import main; main()"
    typed = ["trace", "--caption", "photo.jpg", "--verify", "--html", "out.html"]
    done = subprocess.run(
        [sys.executable, "-c", code, *typed],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert (done.returncode, done.stderr) == (0, "drawn in out.html\n")
    lines = done.stdout.splitlines()
    assert len(lines) < 200  # of thousands of gates
    for part in (
        "trunk",
        "proposal_network",
        "region_proposal",
        "ro_i_align",
        "loop × ",
        "cell × ",
    ):
        assert any(part in line for line in lines)
    assert "all agree" in done.stdout and "every value is finite" in done.stdout
    assert (tmp_path / "out.html").stat().st_size < 10e6
