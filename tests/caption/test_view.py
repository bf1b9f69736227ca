from __future__ import annotations

import dataclasses
import re
import weakref
from pathlib import Path

import numpy as np
import pytest

from gatescope.caption.caption import Caption, Word
from gatescope.caption.faithfulness import Proof
from gatescope.caption.view import caption_view, captions_page
from gatescope.data.photos import read_photo


@pytest.fixture(scope="module")
def captions(tiny_captioner, photos):
    return list(tiny_captioner.caption_all(photos[:3], prove=True))


@pytest.fixture(scope="module")
def page(captions):
    return captions_page(captions, "Six photos")


def test_the_page_asks_for_nothing_else(page):
    assert page.startswith("<!doctype html>")
    links = re.findall(r'(?:href|src)="([^"]*)"', page)
    assert links
    assert all(link.startswith(("data:image/", "#")) for link in links)
    assert "://" not in page
    assert "@import" not in page
    assert re.findall(r"url\((?!data:)", page) == []
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_the_page_has_every_photo_and_every_word(page, captions):
    assert page.count("<article") == len(captions)
    for caption in captions:
        assert caption.path.name in page
        for word in caption.words:
            assert f">{word.text}<" in page or f" {word.text} " in page
        for other in caption.alternatives:
            assert other in page


def test_the_view_holds_the_photo_and_what_is_known_of_each_word(captions):
    for caption in captions:
        view = caption_view(caption)
        np.testing.assert_array_equal(view.photo, read_photo(caption.path))
        assert view.name == str(caption.path)
        assert view.text == caption.text
        assert view.sure == caption.sure
        assert view.confidence == caption.confidence
        for shown, word in zip(view.words, caption.words, strict=True):
            assert shown.box == (word.region if word.visual else None)
            assert shown.probability == pytest.approx(np.exp(word.logprob))
            assert shown.weight == word.weight
            if word.visual:
                assert shown.hidden == word.proof.masked
                assert shown.hidden_random == word.proof.random


def test_pixels_and_strange_text_are_shown_too():
    word = Word("<b>", (0.0, 0.0, 1.0, 1.0), 0.5, -0.1, 1.0, True, Proof(0.9, 0.1, 0.8))
    pixels = np.full((20, 30, 3), 90, np.uint8)
    caption = Caption(pixels, "<b>", (word,), 0.2, False, ("<script>alert()</script>",))
    assert caption_view(caption).name == "photo"
    assert caption_view(caption, "mine").name == "mine"
    page = captions_page([caption], "a & b")
    assert "<b>&lt;b&gt;</b>" in page
    assert "<script" not in page
    assert "not sure" in page


def test_a_photo_that_has_gone_does_not_cost_the_page(captions, tmp_path):
    gone = dataclasses.replace(captions[0], source=tmp_path / "gone.jpg")
    page = captions_page([gone, captions[1]], "Photos")
    assert page.count("<article") == 2
    assert "gone.jpg&#x27; cannot be opened: No such file or directory" in page


def test_photos_are_opened_one_at_a_time(captions, monkeypatch):
    """A page of a thousand photos must not hold them all."""
    held: list[weakref.ref[np.ndarray]] = []

    def counted(path: Path) -> np.ndarray:
        assert sum(photo() is not None for photo in held) <= 1
        held.append(weakref.ref(photo := np.zeros((50, 50, 3), np.uint8)))
        return photo

    monkeypatch.setattr("gatescope.caption.view.read_photo", counted)
    captions_page(captions * 4, "Photos")
    assert len(held) == 12


def test_no_captions_make_an_empty_page():
    assert captions_page([], "None").count("<article") == 0
