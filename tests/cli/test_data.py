"""`gatescope data check`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gatescope.caption import baseline
from gatescope.caption.metrics import Scores
from gatescope.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    lines = ["photo,caption,split"]
    for name, split in (("a", "train"), ("b", "train"), ("c", "dev"), ("d", "dev")):
        Image.fromarray(rng.integers(0, 255, (20, 30, 3), np.uint8)).save(tmp_path / f"{name}.png")
        lines.append(f"{name}.png,a {name} dog's café,{split}")
    (tmp_path / "captions.csv").write_text("\n".join(lines), "utf-8")
    return tmp_path


@pytest.fixture(autouse=True)
def nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The baseline without its CNN, which has tests of its own."""

    def nearest_photo(
        train: Sequence[object],
        dev: Sequence[object],
        *,
        words: str,
        progress: Callable[[int, int], None],
    ) -> Scores:
        if len(dev) < 2:
            raise DataError(f"there are {len(dev)} dev photos", "two", "add one")
        progress(3, 3)
        return Scores(0.5, 0.3, 0.2, 0.1, 0.4, {"ptb": 0.25, "unicode": 0.35}[words], 0.0, 1.0)

    monkeypatch.setattr(baseline, "nearest_photo", nearest_photo)


def rows(text: str) -> dict[str, str]:
    cells = (line.strip().split("  ", 1) for line in text.splitlines() if "  " in line.strip())
    return {label.strip(): found.strip() for label, found in cells}


def test_what_is_there_is_told(gatescope, folder: Path) -> None:
    answer = gatescope("data", "check", folder)
    assert answer.code == 0
    found = rows(answer.out)
    assert found["train photos"] == "2 with 2 captions"
    assert found["dev photos"] == "2 with 2 captions"
    assert found["unreadable photos"] == "0"


def test_a_photo_that_cannot_be_read_is_told(gatescope, folder: Path) -> None:
    (folder / "b.png").write_bytes(b"no photo")
    assert rows(gatescope("data", "check", folder).out)["unreadable photos"].startswith("1: ")


def test_the_splitting_of_words_can_be_chosen(gatescope, folder: Path) -> None:
    (ptb,), (unicode,) = (
        [
            found
            for label, found in rows(
                gatescope("data", "check", folder, "--words", words).out
            ).items()
            if label == "words seen 1+ times"
        ]
        for words in ("ptb", "unicode")
    )
    assert ptb != unicode


@pytest.mark.parametrize(("words", "score"), [("ptb", 0.25), ("unicode", 0.35)])
def test_the_score_to_beat_is_told(gatescope, folder: Path, words: str, score: float) -> None:
    answer = gatescope("data", "check", folder, "--words", words)
    assert "to beat on dev, 2 photos" in answer.out
    assert float(rows(answer.out)["CIDEr-D"]) == score


def test_too_few_photos_for_a_score_are_no_failure(gatescope, folder: Path) -> None:
    (folder / "d.png").unlink()
    answer = gatescope("data", "check", folder)
    assert answer.code == 0
    assert answer.out.endswith("no score to beat: there are 1 dev photos\n")


def test_a_folder_without_captions_is_told(gatescope, tmp_path: Path) -> None:
    answer = gatescope("data", "check", tmp_path)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("Error: there is no caption file in")
