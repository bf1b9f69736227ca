"""`gatescope evaluate`: a run knows its bundle and its data, a bundle has to be told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gatescope.caption import evaluation
from gatescope.caption.evaluation import Evaluation
from gatescope.caption.metrics import Scores


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[object]:
    """What the evaluation was asked for, which it answers with fixed scores."""
    calls: list[object] = []

    def evaluate(
        bundle: Path, data: Path, *, split: str, beam: int, progress: Callable[[int, int], None]
    ) -> Evaluation:
        calls.extend([bundle, data, split, beam])
        progress(2, 2)
        scores = Scores(0.6, 0.4, 0.3, 0.2, 0.45, 0.675, 0.01, 0.9)
        return Evaluation(split, 1000, beam, scores, {"a.jpg": "a dog"}, ("b.jpg",))

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "run" / "bundle").mkdir(parents=True)
    recipe = json.dumps({"data": str(tmp_path / "data")})
    (tmp_path / "run" / "recipe.json").write_text(recipe)
    return calls


def test_a_run_is_scored_on_its_own_data(gatescope, asked, tmp_path: Path) -> None:
    answer = gatescope("evaluate", "run")
    assert answer.code == 0
    assert asked == [Path("run/bundle"), tmp_path / "data", "dev", 3]


def test_a_bundle_is_scored_on_the_data_that_is_named(gatescope, asked) -> None:
    answer = gatescope("evaluate", "run/bundle", "--data", "data", "--split", "test", "--beam", 5)
    assert answer.code == 0
    assert asked == [Path("run/bundle"), Path("data"), "test", 5]


def test_the_table_names_split_photos_and_beam(gatescope, asked) -> None:
    lines = gatescope("evaluate", "run").out.splitlines()
    assert lines[0].strip() == "dev, 1,000 photos, beam 3"
    rows = {line.rsplit(maxsplit=1)[0].strip(): line.split()[-1] for line in lines if line.strip()}
    assert float(rows["CIDEr-D"]) == 0.675
    assert float(rows["BLEU-4"]) == 0.2
    assert float(rows["bad endings"]) == 0.01


def test_scores_and_captions_are_saved(gatescope, asked) -> None:
    gatescope("evaluate", "run", "--out", "out.json")
    saved = json.loads(Path("out.json").read_text("utf-8"))
    assert (saved["split"], saved["photos"], saved["beam"]) == ("dev", 1000, 3)
    assert saved["scores"]["cider"] == 0.675
    assert saved["captions"] == {"a.jpg": "a dog"}


def test_a_bundle_without_data_is_told(gatescope, asked) -> None:
    answer = gatescope("evaluate", "run/bundle")
    assert answer.code == 2
    assert answer.err.splitlines() == [
        "Error: there is nothing to score 'run/bundle' on",
        "  expected: photos with captions; the folder of a captioner's run knows its own",
        "  fix: name them with --data",
    ]


@pytest.mark.parametrize("content", ["{}", "[]", "{not json", '{"data": 3}'])
def test_a_run_that_names_no_data_is_told(gatescope, asked, content: str) -> None:
    Path("run/recipe.json").write_text(content)
    answer = gatescope("evaluate", "run")
    assert (answer.code, asked) == (2, [])
    assert "there is nothing to score 'run' on" in answer.err


def test_photos_that_were_left_out_are_told(gatescope, asked) -> None:
    answer = gatescope("evaluate", "run")
    assert "left out, for it cannot be read: b.jpg" in answer.err.splitlines()


def test_a_run_whose_data_have_moved_is_told(gatescope, asked, tmp_path: Path) -> None:
    (tmp_path / "data").rmdir()
    answer = gatescope("evaluate", "run")
    assert answer.code == 2
    assert f"there is no {str(tmp_path / 'data')!r}" in answer.err


def test_a_run_without_a_bundle_is_told(gatescope, asked, tmp_path: Path) -> None:
    (tmp_path / "run" / "bundle").rmdir()
    answer = gatescope("evaluate", "run")
    assert answer.code == 2
    assert "the bundle of a run whose first stage is finished" in answer.err
