"""`gatescope doctor`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from written_runs import fill, record

from gatescope.doctor import diagnosis
from gatescope.doctor.finding import Proof
from gatescope.runs.findings import keep_findings
from gatescope.runs.open import Run, open_run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run whose learning rate is far too high."""
    monkeypatch.chdir(tmp_path)
    optimizer = {"name": "Adam", "learning_rate": 10.0}
    with record(Path("runs"), "digits", configuration={"optimizer": optimizer}) as writer:
        fill(writer)
    return writer.folder.name


def test_a_run_is_diagnosed_by_its_name(gatescope, run: str) -> None:
    answer = gatescope("doctor", run, "--no-prove")
    assert answer.code == 0 and answer.out.startswith("digits:")
    assert "the learning rate 10 is too high" in answer.out


def test_json_and_a_page(gatescope, run: str, tmp_path: Path) -> None:
    answer = gatescope("doctor", run, "--json", "--html", "page.html")
    told = json.loads(answer.out)
    assert told["schema"] == 1
    assert told["findings"][0]["rule"] == "learning_rate_too_high"
    assert told["notes"] == ["no proofs: the run kept no model and no data"]
    assert "wrote page.html" in answer.err
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


SCRIPT = """
import keras, sys
from sklearn.datasets import load_digits
keras.utils.set_random_seed(1)
x, y = load_digits(return_X_y=True)
model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "relu"),
                          keras.layers.Dense(10, "softmax")])
optimizer = keras.optimizers.Adam(learning_rate=3.0)
model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x / 16, y, epochs=3, verbose=0)
print("done", sys.argv[1:])
sys.exit(3)
"""


def test_a_script_is_run_and_its_training_diagnosed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "gatescope", "run", "--doctor", "train.py", "--doctor"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (3, "done ['--doctor']\n"), done.stderr
    *_, where, _, verdict = done.stderr[: done.stderr.index("\n\n1. ")].splitlines()
    assert where.startswith("Gatescope: runs/train-sequential-")
    assert re.fullmatch(r"train-sequential: \d faults?, \d proved", verdict)
    assert "-optimizer = keras.optimizers.Adam(learning_rate=3.0)" in done.stderr
    (folder,) = Path("runs").iterdir()
    kept = open_run(folder).findings[0]
    assert (kept["rule"], kept["proved"]) == ("learning_rate_too_high", True)
    assert kept["where"].endswith("train.py:8")


def test_a_diagnosis_without_proofs_leaves_one_with_them_in_the_run(gatescope, run: str) -> None:
    folder = Path("runs") / run
    assert gatescope("doctor", run, "--no-prove").err == ""
    assert [one["rule"] for one in open_run(folder).findings] == ["learning_rate_too_high"]
    proved = {"cause": "it is", "proof": "the loss is 0.1 in place of 2"}
    keep_findings(folder, [proved])
    answer = gatescope("doctor", run, "--no-prove")
    assert "not kept in the run: an earlier diagnosis with proofs stays there" in answer.err
    assert open_run(folder).findings == [proved]


@pytest.mark.parametrize("seconds", ["0.5", "-1", "nan"])
def test_too_little_time_for_proofs_is_refused(gatescope, run: str, seconds: str) -> None:
    answer = gatescope("doctor", run, "--seconds", seconds)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        f"Error: --seconds is {seconds}\n"
        "  expected: 1 or more, or --no-prove for no proofs at all\n"
        "  fix: leave --seconds out for 60\n"
    )


def test_check_passes_without_proved_faults(gatescope, run: str) -> None:
    assert gatescope("doctor", run, "--check").code == 0
    answer = gatescope("doctor", run, "--check", "--no-prove")
    assert answer.code == 2 and "--no-prove proves none" in answer.err


def test_check_fails_with_a_proved_fault(
    gatescope, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def proved(run: Run, **asked: object) -> diagnosis.Diagnosis:
        found = diagnose_run(run, **asked)
        first, *others = found.findings
        proof = Proof("improved", "the loss is 0.1 in place of 2", {"gain": 0.5})
        return replace(found, findings=(replace(first, proof=proof), *others))

    diagnose_run = diagnosis.diagnose_run
    monkeypatch.setattr(diagnosis, "diagnose_run", proved)
    answer = gatescope("doctor", run, "--check")
    assert answer.code == 1 and answer.out.startswith("digits: 1 fault, 1 proved")
    assert gatescope("doctor", run).code == 0


def test_what_is_no_run_is_said(gatescope, run: str) -> None:
    answer = gatescope("doctor", "digit")
    assert answer.code == 2 and "there is no 'runs/digit'" in answer.err
