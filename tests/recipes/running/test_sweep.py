"""Sweeps: trials in processes of their own, what is left of them, and what they are compared by."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gatescope.errors import ConfigurationError, UsageError
from gatescope.recipes.kinds.lessons import lesson, read_lesson
from gatescope.recipes.running import runners
from gatescope.recipes.running.runners import on_ray
from gatescope.recipes.running.sweep import Sweep, prepare, ranked, rows_of, write_sweep
from gatescope.recipes.running.trial import Outcome, write_outcome

TINY = ("training.epochs=2", "data.samples=60")


def planned(folder: Path, *swept: str, variant: str | None = "one", **more: object) -> Sweep:
    asked = {"trials": None, "seed": 1, "found": lesson("hidden"), "settings": TINY, **more}
    found, settings = asked.pop("found"), asked.pop("settings")
    return prepare(found, {}, settings, variant, swept, folder=folder, **asked)


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Sweep:
    """Two trials, of which one comes to nothing."""
    sweep = planned(tmp_path_factory.mktemp("sweep"), "training.learning_rate=0.01,1e30")
    assert len(list(sweep.run(workers=2, ray=False))) == 2
    return sweep


def test_a_trial_that_fails_does_not_end_the_others(swept: Sweep) -> None:
    (good, bad) = (outcome for _, outcome in swept.results())
    assert good.failure is None and 0 <= good.dev <= 1 and len(good.history["val_loss"]) == 2
    assert bad.dev is None and "of epoch 1 is nan" in bad.failure
    assert swept.left() == []


def test_a_trial_is_the_training_that_train_does(swept: Sweep, tmp_path: Path) -> None:
    from gatescope.recipes.kinds.network import train
    from gatescope.recipes.running.loading import load_recipe

    recipe = load_recipe(lesson("hidden"), {}, TINY).recipe.first()
    settings = ["network.hidden=[16]", "training.optimizer.learning_rate=0.01"]
    trained = train("one", recipe.first(settings), tmp_path / "run", resume=False, console=None)
    outcome = swept.results()[0][1]
    assert outcome.dev == pytest.approx(trained.scores["dev"])
    assert outcome.history["loss"] == pytest.approx(trained.fitted.history["loss"], abs=1e-5)


def test_it_goes_on_with_what_is_left(swept: Sweep) -> None:
    (swept.trials[1].folder / "outcome.json").unlink()
    again = planned(swept.folder, "training.learning_rate=0.01,1e30")
    assert [trial.folder.name for trial in again.left()] == ["trial-2"]
    write_outcome(Outcome(failure="loss of epoch 1 is nan"), again.trials[1].folder)
    with pytest.raises(ConfigurationError, match="was started with another recipe"):
        planned(swept.folder, "training.learning_rate=0.02,0.03")


def test_the_best_on_dev_is_first_and_the_page_shows_all(swept: Sweep) -> None:
    results = ranked(swept.results()[::-1])
    assert [trial.folder.name for trial, _ in results] == ["trial-1", "trial-2"]
    rows, columns = rows_of(swept, results)
    assert columns == ["", "learning_rate", "dev", "dev loss", "best epoch", "seconds"]
    assert rows[0][:2] == ["trial-1", "0.01"] and "nan" in str(rows[1][4])
    page = write_sweep(swept, results, "gatescope train hidden").read_text()
    assert "learning_rate 0.01" in page and "<svg" in page and "of epoch 1 is nan" in page


def test_of_equal_scores_the_lower_loss_is_first() -> None:
    made = [
        Outcome(dev=0.9, history={"val_loss": (0.5, 0.4)}),
        Outcome(failure="died"),
        Outcome(dev=0.9, history={"val_loss": (0.3, 0.6)}),
        Outcome(dev=0.95, history={"val_loss": (0.9,)}),
    ]
    order = [outcome for _, outcome in ranked([(None, one) for one in made])]
    assert order == [made[3], made[2], made[0], made[1]]


def test_more_curves_than_colours_stand_in_grey(tmp_path: Path) -> None:
    sweep = planned(tmp_path, "training.learning_rate=1e-4..1", trials=9)
    for place, trial in enumerate(sweep.trials):
        trial.folder.mkdir()
        line = (1.0, 1e9 if place == 8 else 1 - place / 10)
        write_outcome(Outcome(dev=place / 10, history={"val_loss": line}), trial.folder)
    page = write_sweep(sweep, ranked(sweep.results()), "").read_text()
    assert "3 more in grey" in page and page.count('"series behind"') == 3
    assert "Score by training.optimizer.learning_rate" in page


def test_a_process_that_dies_is_said_and_tried_again(tmp_path: Path, monkeypatch) -> None:
    dying = tmp_path / "python"
    dying.write_text("#!/bin/sh\nkill -9 $$\n")
    dying.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dying))
    sweep = planned(tmp_path / "sweep", "training.learning_rate=0.1,0.2,0.3")
    came = [outcome for _, outcome in sweep.run(workers=2, ray=False)]
    assert len(came) == 3 and all("killed by SIGKILL; see" in one.failure for one in came)
    assert len(sweep.left()) == 3


def test_what_a_setting_does_not_accept_is_said_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"learning_rate=-1\b"):
        planned(tmp_path, "training.learning_rate=-1,1")
    assert not (tmp_path / "sweep.json").exists()
    with pytest.raises(UsageError, match=r"there is no variant 'tow'[\s\S]*did you mean 'two'"):
        planned(tmp_path, "training.learning_rate=1,2", variant="tow")
    with pytest.raises(UsageError, match="the recipe 'gate' trains no network"):
        planned(tmp_path, "steps=1,2", variant=None, found=lesson("gate"), settings=())


def test_without_ray_it_is_said_what_to_install(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    sweep = planned(tmp_path, "training.learning_rate=0.1,0.2")
    with pytest.raises(UsageError, match=r"pip install 'gatescope\[ray\]'"):
        next(on_ray(sweep.trials))


def test_a_ray_cluster_runs_trials(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    sweep = planned(tmp_path, "training.learning_rate=0.01,1e30")
    outcomes = {trial.folder.name: outcome for trial, outcome in sweep.run(workers=1, ray=True)}
    assert outcomes["trial-1"].dev is not None and "nan" in outcomes["trial-2"].failure
    assert sweep.left() == []


def test_a_recipe_of_the_users_is_found_from_anywhere(tmp_path: Path, monkeypatch) -> None:
    source = lesson("hidden").file.read_text()
    (tmp_path / "mine.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    own = read_lesson(Path("mine.py"))
    sweep = planned(tmp_path / "sweep", "training.learning_rate=1,2", found=own)
    monkeypatch.chdir("/")
    assert sweep.trials[1].asked.network().training.optimizer.learning_rate == 2
    assert runners.threads_of(workers=10_000) == 1
