"""`gatescope train`: what reaches the training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatescope.caption import fitting
from gatescope.caption.bundle import SHIPPED, read_description
from gatescope.training import regions


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """The arguments of each training that was asked for."""
    calls: list[dict[str, Any]] = []

    def fit(recipe: object, data: Path, run: Path, **more: object) -> None:
        calls.append({"recipe": recipe, "data": data, "run": run, **more})

    monkeypatch.setattr(fitting, "fit", fit)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "mine").mkdir()
    return calls


@pytest.fixture
def train(gatescope) -> Callable[..., Any]:
    return lambda *more: gatescope("train", "caption", "--data", "data", "--run", "run", *more)


def test_the_recipe_is_trained_as_it_is(train, fits) -> None:
    from gatescope.recipes.caption import recipe

    assert train().code == 0
    (call,) = fits
    assert (call["recipe"], call["data"], call["run"]) == (recipe(), Path("data"), Path("run"))
    assert (call["resume"], call["start"]) == (False, None)


def test_settings_are_changed_by_name(train, fits) -> None:
    assert train("--set", "words=unicode", "--set", "threshold=2", "--resume").code == 0
    (call,) = fits
    assert (call["recipe"].words, call["recipe"].threshold) == ("unicode", 2)
    assert call["resume"] is True


@pytest.mark.parametrize(("named", "start"), [("shipped", SHIPPED), ("mine", Path("mine"))])
def test_a_training_can_start_from_a_bundle(train, fits, named: str, start: Path) -> None:
    found = json.loads((SHIPPED / "bundle.json").read_text())
    found["decoder"]["units"], found["splitting"] = 64, "unicode"
    Path("mine", "bundle.json").write_text(json.dumps(found))
    assert train("--from", named, "--set", "decoder.dropout=0.25").code == 0
    (call,) = fits
    description = read_description(start)
    assert call["start"] == start
    # What the bundle is made of is not asked for again; what can be changed may be.
    assert call["recipe"].regions == description.regions
    assert call["recipe"].decoder == description.decoder.model_copy(update={"dropout": 0.25})
    assert call["recipe"].words == description.splitting


def test_a_start_that_is_no_bundle_is_told(train, fits) -> None:
    answer = train("--from", "mine")
    assert (answer.code, fits) == (1, [])
    assert answer.err.startswith("Error: mine is not a captioner bundle: it has no bundle.json\n")


def test_an_unknown_setting_is_answered_by_the_nearest(train, fits) -> None:
    answer = train("--set", "tresholds=2")
    assert (answer.code, fits) == (2, [])
    assert answer.err.startswith("Error: there is no setting 'tresholds'\n")
    assert "\n  fix: did you mean 'threshold'" in answer.err


def test_a_wrong_value_is_answered_by_the_type(train, fits) -> None:
    answer = train("--set", "threshold=-1")
    assert (answer.code, fits) == (2, [])
    assert "expected: greater than 0" in answer.err


def test_proposals_are_trained_with_their_settings(
    gatescope, fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[object, ...]] = []

    def train_regions(
        data: Path, run: Path, recipe: regions.RegionRecipe, *, progress: Callable[..., None]
    ) -> None:
        progress("steps", 5, 5)
        calls.append((data, run, recipe.training.steps))

    monkeypatch.setattr(regions, "train_regions", train_regions)
    steps = ("--set", "training.steps=5")
    answer = gatescope("train", "regions", "--data", "data", "--run", "found", *steps)
    assert (answer.code, answer.out) == (0, "proposal network in found\n")
    assert calls == [(Path("data"), Path("found"), 5)]
