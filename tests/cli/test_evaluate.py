"""`gatescope evaluate`: a run knows its bundle and its data, a bundle has to be told."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gatescope.caption import baseline, evaluation
from gatescope.caption.evaluation import Evaluation
from gatescope.caption.metrics import Scores
from gatescope.errors import DataError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[object]:
    """What the evaluation was asked for, which it answers with fixed scores."""
    calls: list[object] = []

    def nearest_photo(
        train: Sequence[object],
        dev: Sequence[object],
        *,
        words: str,
        progress: Callable[[int, int], None],
    ) -> Scores:
        progress(4, 4)
        if len(dev) < 2:
            raise DataError("there is 1 photo", "two", "add one")
        cider = {"ptb": 0.25, "unicode": 0.35}[words]
        return Scores(0.5, 0.3, 0.2, 0.1, 0.4, cider, 0.0, len(train) / len(dev))

    def evaluate(
        bundle: Path, data: Path, *, split: str, beam: int, progress: Callable[[int, int], None]
    ) -> Evaluation:
        calls.extend([bundle, data, split, beam])
        progress(2, 2)
        scores = Scores(0.6, 0.4, 0.3, 0.2, 0.45, 0.675, 0.01, 0.9)
        return Evaluation(split, 1000, beam, scores, {"a.jpg": "a dog"}, ("b.jpg",))

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    monkeypatch.setattr(baseline, "nearest_photo", nearest_photo)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    rows = ["photo,caption,split"]
    for name, split in (("a", "train"), ("b", "train"), ("c", "dev"), ("d", "dev"), ("e", "test")):
        (tmp_path / "data" / f"{name}.jpg").touch()
        rows.append(f"{name}.jpg,a photo,{split}")
    (tmp_path / "data" / "captions.csv").write_text("\n".join(rows))
    (tmp_path / "run" / "bundle").mkdir(parents=True)
    (tmp_path / "run" / "bundle" / "bundle.json").write_text('{"splitting": "ptb"}')
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
    rows = {line.rsplit(maxsplit=2)[0].strip(): line.split()[-2:] for line in lines[3:]}
    assert [float(cell) for cell in rows["CIDEr-D"]] == [0.675, 0.25]
    assert [float(cell) for cell in rows["BLEU-4"]] == [0.2, 0.1]
    assert [float(cell) for cell in rows["bad endings"]] == [0.01, 0.0]


def test_scores_on_other_than_english_words_are_labelled(gatescope, asked) -> None:
    Path("run/bundle/bundle.json").write_text('{"splitting": "unicode"}')
    answer = gatescope("evaluate", "run")
    assert answer.out.splitlines()[0].strip() == "dev, 1,000 photos, beam 3, unicode words"
    saved = json.loads(Path("run/scores.json").read_text("utf-8"))
    assert (saved["words"], saved["baseline"]["cider"]) == ("unicode", 0.35)


def test_scores_and_captions_are_saved(gatescope, asked) -> None:
    gatescope("evaluate", "run", "--out", "out.json")
    saved = json.loads(Path("out.json").read_text("utf-8"))
    assert (saved["split"], saved["photos"], saved["beam"]) == ("dev", 1000, 3)
    assert saved["scores"]["cider"] == 0.675
    assert saved["captions"] == {"a.jpg": "a dog"}
    assert saved["baseline"]["cider"] == 0.25


@pytest.mark.parametrize("option", ["--no-baseline", "--split=train", "--split=test"])
def test_the_baseline_is_left_out_where_it_means_nothing(gatescope, asked, option: str) -> None:
    answer = gatescope("evaluate", "run", option)
    assert answer.code == 0
    assert "nearest photo" not in answer.out
    assert json.loads(Path("run/scores.json").read_text("utf-8"))["baseline"] is None


def test_scores_are_saved_before_the_baseline_is_made(
    gatescope, asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> Scores:
        raise KeyboardInterrupt

    monkeypatch.setattr(baseline, "nearest_photo", interrupted)
    assert gatescope("evaluate", "run").code == 130
    assert json.loads(Path("run/scores.json").read_text("utf-8"))["scores"]["cider"] == 0.675


def test_nothing_is_saved_where_the_command_was_typed(gatescope, asked) -> None:
    answer = gatescope("evaluate", "run")
    assert "saved in run/scores.json" in answer.out and not Path("scores.json").exists()


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
    (tmp_path / "data").rename(tmp_path / "moved")
    answer = gatescope("evaluate", "run")
    assert answer.code == 2
    assert f"there is no {str(tmp_path / 'data')!r}" in answer.err


def test_a_run_without_a_bundle_is_told(gatescope, asked, tmp_path: Path) -> None:
    (tmp_path / "run" / "bundle").rename(tmp_path / "elsewhere")
    answer = gatescope("evaluate", "run")
    assert answer.code == 2
    assert "the bundle of a run whose first stage is finished" in answer.err
