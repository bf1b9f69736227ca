"""Texts as characters: split in pieces, numbered by what the training part has."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from gatescope.data.characters import UNKNOWN, Corpus, load_characters
from gatescope.data.splits import SplitConfig
from gatescope.errors import DataError

TENTHS = SplitConfig(dev=0.1, test=0.1, seed=0)
TEXT = "".join(f"Sentence {number} is here. " for number in range(1_000))


def corpus(path: Path | None = None, **more) -> Corpus:
    return Corpus(path=path, split=TENTHS, **more)


def put(path: Path, text: str = TEXT) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_this_package_has_a_text_of_its_own() -> None:
    found = load_characters(corpus())
    assert len(found.train) > 100_000 and len(found.alphabet) <= 128
    assert "Args:" in found.written(found.train[:5_000].tolist())


def test_parts_are_the_text_and_the_seed_alone_deals_them(tmp_path: Path) -> None:
    found = load_characters(corpus(put(tmp_path / "a.txt")))
    parts = (found.train, found.dev, found.test)
    assert sum(map(len, parts)) == len(TEXT)
    shares = [len(part) / len(TEXT) for part in parts]
    assert np.allclose(shares, (0.8, 0.1, 0.1), atol=0.06)
    assert found.written(found.test[:20].tolist()) in TEXT
    again = load_characters(corpus(put(tmp_path / "a.txt")))
    np.testing.assert_array_equal(found.train, again.train)


def test_rare_characters_are_one(tmp_path: Path) -> None:
    found = load_characters(corpus(put(tmp_path / "a.txt"), symbols=5))
    assert len(found.alphabet) == 5 and found.alphabet[0] == UNKNOWN
    assert (found.train == 0).mean() > 0.3
    assert found.read("e§").tolist() == [found.alphabet.index("e"), 0]


def test_a_folder_gives_what_its_zip_does(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    put(tmp_path / "b" / "1.txt")
    put(tmp_path / "b" / "2.md", TEXT.upper())
    put(tmp_path / "b" / "3.bin", "not read")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as packed:
        for name in ("1.txt", "2.md"):
            packed.write(tmp_path / "b" / name, name)
    of_folder, of_zip = (load_characters(corpus(tmp_path / name)) for name in ("b", "b.zip"))
    np.testing.assert_array_equal(of_folder.train, of_zip.train)


@pytest.mark.parametrize(
    ("content", "happened"),
    [
        (b"too short", "has 9 characters"),
        (b"", "has 0 characters"),
        ("Größe\n".encode("latin-1") * 5_000, "is not UTF-8: line 1 has the byte 0xf6"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, happened: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=happened) as caught:
        load_characters(corpus(tmp_path / "a.txt"))
    assert caught.value.expected and caught.value.fix


def test_a_path_to_nothing_and_a_folder_without_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no"):
        load_characters(corpus(tmp_path / "no.txt"))
    with pytest.raises(DataError, match="has no text"):
        load_characters(corpus(tmp_path))
