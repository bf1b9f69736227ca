"""Checks of small data sets with every fault that a check reports."""

import dataclasses
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gatescope.data.captions import load_captions
from gatescope.data.check import CaptionCheck, check_captions, is_garbled
from gatescope.data.view import check_rows
from gatescope.errors import DataError


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path) -> Path:
    """Six photos in two lists: one cut short, one empty, two alike across the splits."""
    photos = {"1": jpeg(1), "2": jpeg(2), "3": jpeg(3)[:400], "4": b"", "5": jpeg(2), "6": jpeg(6)}
    (tmp_path / "images").mkdir()
    for name, content in photos.items():
        (tmp_path / "images" / f"{name}.jpg").write_bytes(content)
    (tmp_path / "images" / "stray.png").write_bytes(jpeg(9))
    captions = {
        "1": ["a dog runs", "a dog", "dog"], "2": ["a cafÃ©", ""], "3": ["the dog"], "4": ["a cat"],
        "5": ["a dog sits"], "6": ["unlisted"], "7": ["a photo without a file"],
    }  # fmt: skip
    tokens = [f"{name}.jpg#0\t{text}" for name, texts in captions.items() for text in texts]
    (tmp_path / "Flickr8k.token.txt").write_text("\n".join(tokens), encoding="utf-8")
    train = "\n".join(f"{name}.jpg" for name in (1, 2, 3, 4, 7, 8))
    (tmp_path / "Flickr_8k.trainImages.txt").write_text(train, encoding="utf-8")
    (tmp_path / "Flickr_8k.devImages.txt").write_text("5.jpg\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def check(folder) -> CaptionCheck:
    return check_captions(folder, tokenize=str.split)


def test_photos_and_captions_are_counted_by_split(check):
    assert check.photos == {"train": 4, "dev": 1, "test": 0}
    assert check.captions == {"train": 6, "dev": 1, "test": 0}
    assert check.captions_per_photo == (1, 1, 3)
    assert check.format == "Flickr token file"


def test_unreadable_photos_are_named_with_the_reason(check):
    reasons = {photo.name: photo.reason for photo in check.unreadable}
    assert set(reasons) == {"images/3.jpg", "images/4.jpg"}
    assert "cannot be decoded: Truncated" in reasons["images/3.jpg"]
    assert "is empty (0 bytes)" in reasons["images/4.jpg"]


def test_photos_without_file_caption_or_split_are_named(check):
    assert check.missing == ("7.jpg",)
    assert check.without_captions == ("images/stray.png", "8.jpg")
    assert check.unlisted == ("6.jpg",)


def test_listed_photo_with_a_file_but_no_caption_is_named_once(folder):
    (folder / "images" / "8.jpg").write_bytes(jpeg(8))
    check = check_captions(folder, tokenize=str.split)
    assert check.without_captions == ("images/8.jpg", "images/stray.png")


def test_same_content_in_two_splits_is_found(check):
    assert check.duplicates == ((("images/2.jpg", "train"), ("images/5.jpg", "dev")),)


def test_same_content_within_a_split_is_no_leak(folder):
    (folder / "images" / "2.jpg").write_bytes(jpeg(1))
    assert check_captions(folder, tokenize=str.split).duplicates == ()


def test_faulty_captions_are_counted(check):
    assert check.empty_captions == 1
    assert check.garbled == ("a cafÃ©",)


@pytest.mark.parametrize(
    ("caption", "garbled"),
    [
        ("a dog", False), ("un café", False), ("naïve façade", False), ("犬が走る", False),
        ("a “dog” — wet", False), ("Straße", False),
        ("un cafÃ©", True), ("a â€œdogâ€\x9d", True), ("StraÃ\x9fe", True), ("caf\ufffd", True),
    ],
)  # fmt: skip
def test_only_wrongly_decoded_captions_are_garbled(caption, garbled):
    assert is_garbled(caption) == garbled


def test_unknown_words_are_those_of_dev_below_the_threshold(check):
    # Train: dog 4, a 4, and 5 words once; dev: "a dog sits".
    assert [(words.threshold, words.vocabulary) for words in check.unknown_words] == [
        (1, 6), (2, 2), (3, 2), (5, 0), (8, 0),
    ]  # fmt: skip
    rates = [words.rate for words in check.unknown_words]
    assert rates == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1, 1])


def test_words_are_those_of_the_given_tokenizer(folder):
    check = check_captions(folder, tokenize=lambda caption: list(caption.replace(" ", "")))
    assert check.unknown_words[0].rate == 1 / 8  # of "adogsits", train lacks "i"


def test_words_are_left_out_where_there_is_no_dev(folder):
    (folder / "Flickr_8k.devImages.txt").unlink()
    (folder / "Flickr_8k.trainImages.txt").rename(folder / "Flickr_8k.testImages.txt")
    assert check_captions(folder, tokenize=str.split).unknown_words == ()


def test_progress_reaches_every_photo_in_order(folder):
    calls = []
    check_captions(folder, tokenize=str.split, progress=lambda *call: calls.append(call))
    assert calls == [(done, 5) for done in range(1, 6)]


def test_interrupted_check_stops(folder):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_captions(folder, tokenize=str.split, progress=interrupt)


def test_loaded_data_set_and_path_give_the_same(folder, check):
    assert check_captions(load_captions(folder), tokenize=str.split) == check


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no "):
        check_captions(tmp_path / "nowhere", tokenize=str.split)


def test_rows_show_every_finding(check):
    rows = dict(check_rows(check))
    assert rows["format"] == "Flickr token file"
    assert rows["train photos"] == "4 with 6 captions"
    assert rows["captions a photo"] == "1 to 3, median 1"
    assert rows["unreadable photos"].startswith("2: images/3.jpg: ")
    assert rows["missing photos"] == "1: 7.jpg"
    assert rows["photos without captions"] == "2: images/stray.png; 8.jpg"
    assert rows["photos in no split list"] == "1: 6.jpg"
    assert rows["photos in several splits"] == "1: images/2.jpg (train) = images/5.jpg (dev)"
    assert rows["empty captions"] == "1"
    assert rows["garbled captions"] == "1: a cafÃ©"
    assert rows["words seen 1+ times"] == "6; 33.33% of the dev captions' words are unknown"


def test_rows_shorten_long_lists(check):
    many = tuple(f"{number}.jpg" for number in range(2000))
    rows = dict(check_rows(dataclasses.replace(check, missing=many)))
    assert rows["missing photos"] == "2,000: 0.jpg; 1.jpg; 2.jpg; and 1,997 more"


def test_rows_hold_no_control_characters(check):
    rows = dict(check_rows(dataclasses.replace(check, missing=("\x1b[31m\n.jpg", "\udcff.jpg"))))
    assert rows["missing photos"] == "2: ?[31m?.jpg; ?.jpg"


def test_data_package_imports_without_tensorflow():
    names = ("photos", "captions", "boxes", "check", "view")
    code = "; ".join(f"import gatescope.data.{name}" for name in names)
    code += "; import sys; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
