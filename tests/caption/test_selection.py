"""Which photos and words are trained with, and what is said of the rest."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from gatescope.caption.selection import Selection, select
from gatescope.caption.vocabulary import SPECIAL_WORDS
from gatescope.errors import DataError

ROWS = [
    ("a.png", "a dog", "train"),
    ("a.png", "the dog", "train"),
    ("b.png", "a cat", "train"),
    ("c.png", "a bird", "train"),
    ("d.png", "a dog", "dev"),
    ("e.png", "a cat", "dev"),
]


@pytest.fixture
def data(tmp_path: Path) -> Callable[..., Path]:
    """Writes photos and the captions that are given."""

    def write(rows: list[tuple[str, str, str]] = ROWS) -> Path:
        for place, name in enumerate(sorted({row[0] for row in rows})):
            pixels = np.full((8, 8, 3), place, np.uint8)
            Image.fromarray(pixels).save(tmp_path / name)
        with (tmp_path / "captions.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("photo", "caption", "split"), *rows])
        return tmp_path

    return write


def _select(data: Path, **changes: object) -> tuple[Selection, list[str]]:
    console = Console(file=io.StringIO(), width=1000)
    asked = {"threshold": 1, "splitting": "ptb", "known": (), "console": console} | changes
    return select(data, **asked), console.file.getvalue().splitlines()


def _names(selection: Selection) -> tuple[str, str]:
    return tuple(
        "".join(photo.path.stem for photo in part) for part in (selection.train, selection.dev)
    )


def test_everything_usable_is_kept_without_a_word(data: Callable[..., Path]) -> None:
    selection, said = _select(data())
    assert _names(selection) == ("abc", "de")
    assert selection.vocabulary.words == (*SPECIAL_WORDS, "a", "bird", "cat", "dog", "the")
    assert said == []


def test_words_of_dev_are_not_learned(data: Callable[..., Path]) -> None:
    selection, _ = _select(data([*ROWS, ("e.png", "a zebra", "dev")]))
    assert "zebra" not in selection.vocabulary.words


def test_known_words_keep_their_ids(data: Callable[..., Path]) -> None:
    known = (*SPECIAL_WORDS, "zebra", "dog")
    selection, _ = _select(data(), known=known)
    assert selection.vocabulary.words == (*known, "a", "bird", "cat", "the")


def test_unreadable_photos_are_left_out_with_a_line_each(data: Callable[..., Path]) -> None:
    folder = data([*ROWS, ("f.png", "a dog", "dev")])
    (folder / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (folder / "d.png").write_bytes(b"")
    selection, said = _select(folder)
    assert _names(selection) == ("ac", "ef")
    assert "cat" not in selection.vocabulary.words
    assert len(said) == 2 and all(line.startswith("left out: ") for line in said)
    assert "b.png" in said[0] and "d.png" in said[1]


def test_captions_without_a_known_word_are_left_out_with_a_line(data: Callable[..., Path]) -> None:
    rows = [*ROWS, ("a.png", "... !", "train"), ("f.png", "zebra", "train"), ("g.png", "?", "dev")]
    selection, said = _select(data(rows), threshold=2)
    assert selection.vocabulary.words == (*SPECIAL_WORDS, "a", "dog")
    assert _names(selection) == ("abc", "deg")  # what people wrote about dev photos stays
    assert selection.train[0].captions == ("a dog", "the dog")
    assert said == [
        "left out: 1 captions of a.png without a known word",
        "left out: 1 captions of f.png without a known word",
    ]


def test_languages_are_split_by_unicode(data: Callable[..., Path]) -> None:
    rows = [(name, "Ein großer Hund läuft über Straßen", split) for name, _, split in ROWS]
    selection, _ = _select(data(rows), splitting="unicode")
    words = ("ein", "großer", "hund", "läuft", "straßen", "über")
    assert selection.vocabulary.words[4:] == words


def test_data_without_a_dev_split_get_one(data: Callable[..., Path]) -> None:
    selection, _ = _select(data([(f"{place}.png", "a dog", "train") for place in range(60)]))
    assert len(selection.dev) >= 2 and len(selection.train) + len(selection.dev) == 60


@pytest.mark.parametrize(
    ("kept", "counts"),
    [
        ("ade", "1 photos to train on and 2 to choose on"),
        ("abd", "2 photos to train on and 1 to choose on"),
        ("abc", "2 photos to train on and 1 to choose on"),  # one of train becomes dev
    ],
)
def test_too_little_data_is_told(data: Callable[..., Path], kept: str, counts: str) -> None:
    folder = data([row for row in ROWS if row[0][0] in kept])
    with pytest.raises(DataError) as error:
        _select(folder)
    assert str(error.value) == (
        f"{folder} has {counts}\n"
        "  expected: at least two of each: CIDEr-D weighs a word by how few of the photos have it\n"
        "  fix: add photos with captions, or give the captions' file a split column with train "
        "and dev"
    )


def test_photos_whose_captions_all_go_may_leave_too_few(data: Callable[..., Path]) -> None:
    rows = [("a.png", "a dog", "train"), ("b.png", "...", "train"), *ROWS[4:]]
    with pytest.raises(DataError, match="has 1 photos to train on and 2 to choose on"):
        _select(data(rows))


def test_captions_without_any_word_are_told(data: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="the training captions hold no word"):
        _select(data([(name, "...", split) for name, _, split in ROWS]))
