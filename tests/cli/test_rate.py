"""`gatescope rate` and `gatescope sweep`, as they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatescope.recipes.running import sweep as sweeps
from gatescope.recipes.running.trial import Outcome, write_outcome


def test_a_rate_is_suggested_drawn_and_said_how_to_use(gatescope, tmp_path: Path) -> None:
    run = tmp_path / "rate"
    answer = gatescope(
        "rate", "learning-rate", "--variant", "0.1", "--run", run, "--steps", 60,
        "--set", "training.batch_size=32",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert "loss over learning rate" in answer.out and "1e−06" in answer.out
    (line,) = (line for line in answer.out.splitlines() if line.startswith("gatescope train"))
    assert line.startswith(
        "gatescope train learning-rate --variant 0.1 --set training.batch_size=32 "
        "--set training.optimizer.learning_rate="
    )
    assert 1e-4 < float(line.rpartition("=")[2]) < 10
    page = (run / "rate.html").read_text()
    assert "<svg" in page and "Learning-rate range test" in page and line.split()[-1] in page


def test_a_sweep_shows_the_best_and_how_to_train_it(gatescope, tmp_path, monkeypatch) -> None:
    def run(self, *, workers, ray):
        assert (workers, ray) == (2, False)
        for place, trial in enumerate(self.left()):
            trial.folder.mkdir()
            outcome = Outcome(dev=0.5 + place / 10, history={"val_loss": (1.0, 0.5)}, seconds=1)
            write_outcome(outcome, trial.folder)
            yield trial, outcome

    monkeypatch.setattr(sweeps.Sweep, "run", run)
    given = ("sweep", "hidden", "training.learning_rate=1e-3..1", "--trials", 4, "--workers", 2)
    answer = gatescope(*given, "--run", tmp_path / "s", "--set", "training.epochs=3")
    assert answer.code == 0, answer.err
    assert "from 0.001 to 1, by equal factors" in answer.out and "4 of 4" in answer.out
    assert answer.out.splitlines()[-1] == (
        "gatescope train hidden --variant 'no hidden layer' --set training.epochs=3 "
        "--set training.optimizer.learning_rate=1"
    )
    again = gatescope(*given, "--run", tmp_path / "s", "--set", "training.epochs=3")
    assert again.code == 0 and "4 of 4 trials are done already" in again.out


def test_a_sweep_of_which_nothing_came_fails(gatescope, tmp_path, monkeypatch) -> None:
    def run(self, *, workers, ray):
        for trial in self.left():
            yield trial, Outcome(failure="its process ended with code 1")

    monkeypatch.setattr(sweeps.Sweep, "run", run)
    answer = gatescope("sweep", "hidden", "training.learning_rate=1,2", "--run", tmp_path / "s")
    assert answer.code == 1 and "its process ended with code 1" in answer.out


def test_machines_train_one_network_together(gatescope, tmp_path, monkeypatch) -> None:
    cluster = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": %d}}'
    for index in (0, 1):
        monkeypatch.setenv("TF_CONFIG", cluster % index)
        answer = gatescope("train", "hidden", "--workers", 2, "--run", tmp_path / "run")
        assert answer.code == 2 and "the recipe trains 4 networks in turn" in answer.err
        assert "fix: name it: --variant 'no hidden layer'" in answer.err
    more = ("--variant", "one", "--workers", 3, "--run", tmp_path / "run")
    answer = gatescope("train", "hidden", *more)
    assert answer.code == 2 and "TF_CONFIG names 2 workers, and 3 are asked for" in answer.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rate", "gate"), "the recipe 'gate' trains no network"),
        (("rate", "hiden"), "did you mean 'hidden'"),
        (("rate", "hidden", "--low", "2", "--high", "1"), "the range is from 2.0 to 1.0"),
        (("rate", "hidden", "--variant", "tow"), "there is no variant 'tow'"),
        (("sweep", "hidden"), "missing argument"),
        (("sweep", "hidden", "training.learning_rat=1,2"), "there is no setting"),
        (("sweep", "hidden", "training.learning_rate=1,2", "--ray", "--workers", "2"), "Ray knows"),
        (("train", "gate", "--workers", "2"), "the recipe 'gate' trains no network"),
        (("train", "gate", "--variant", "a"), "the recipe 'gate' trains no network"),
        (("train", "hidden", "--workers", "0"), "greater than 0"),
    ],
)
def test_what_cannot_be_done_is_said(gatescope, tmp_path, monkeypatch, arguments, said) -> None:
    monkeypatch.chdir(tmp_path)
    answer = gatescope(*arguments)
    assert answer.code == 2 and said in answer.err.replace("Missing", "missing"), answer.err
    assert "fix: " in answer.err
