"""Scores come from the captions that the captioner gives, of every photo that can be read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from gatescope.caption import evaluation
from gatescope.caption.metrics import score
from gatescope.errors import DataError, UsageError


@pytest.fixture
def data(photos, tmp_path, tiny_bundle, monkeypatch) -> Path:
    """Photos of the same name in two folders, a photo that is none, and one of another split."""
    monkeypatch.setattr(evaluation, "load_bundle", lambda folder: tiny_bundle)
    rows = []
    for place, photo in enumerate(photos):
        file = tmp_path / f"folder{place % 2}" / f"{place // 2}.png"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(photo.read_bytes())
        rows.append((file, "train" if place == 5 else "dev"))
    (tmp_path / "bad.png").write_bytes(b"no photo")
    rows.append((tmp_path / "bad.png", "dev"))
    with (tmp_path / "captions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("photo", "caption", "split"))
        for path, split in rows:
            name = path.relative_to(tmp_path).as_posix()
            writer.writerow((name, "a black dog runs in grass", split))
            writer.writerow((name, "a cat on red", split))
    return tmp_path


def test_a_split_is_captioned_and_scored(data, tiny_captioner):
    steps: list[tuple[int, int]] = []
    found = evaluation.evaluate(
        data / "bundle", data, beam=2, progress=lambda *step: steps.append(step)
    )
    wanted = {
        f"folder{place % 2}/{place // 2}.png": tiny_captioner.caption(
            data / f"folder{place % 2}/{place // 2}.png", beam=2
        ).text
        for place in range(5)
    }
    assert found.captions == wanted
    assert found.unreadable == ("bad.png",)
    assert (found.split, found.photos, found.beam) == ("dev", 5, 2)
    references = [["a black dog runs in grass", "a cat on red"]] * 5
    assert found.scores == score(list(found.captions.values()), references, words="ptb")
    assert steps == [(done, 6) for done in range(1, 7)]
    assert json.loads(json.dumps(found.to_dict()))["captions"] == wanted


def test_a_split_without_photos_is_told(data):
    with pytest.raises(DataError) as told:
        evaluation.evaluate(data / "bundle", data, split="test")
    assert str(told.value) == (
        f"{data} has no readable photo in the split 'test'\n"
        "  expected: a split with photos and captions\n"
        "  fix: choose another one with --split train, dev or test"
    )


def test_a_split_of_one_photo_is_told_before_it_is_captioned(data):
    with pytest.raises(DataError) as told:
        evaluation.evaluate(data / "bundle", data, split="train", progress=pytest.fail)
    assert str(told.value) == (
        f"{data} has one photo in the split 'train'\n"
        "  expected: at least two, for CIDEr weighs words by how few of the photos have them\n"
        "  fix: add photos, or choose another split with --split train, dev or test"
    )


def test_a_beam_that_means_nothing_is_told(data):
    with pytest.raises(UsageError, match="beam=0"):
        evaluation.evaluate(data / "bundle", data, beam=0)
