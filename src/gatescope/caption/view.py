"""Captions as plain data for `report` to draw."""

from __future__ import annotations

from collections.abc import Iterable
from math import exp
from pathlib import Path

import numpy as np

from gatescope.caption.captioner import Caption, Word
from gatescope.data.photos import read_photo
from gatescope.errors import PhotoError
from gatescope.report.captions import CaptionView, WordView, caption_gallery
from gatescope.report.html import Html, join, page, paragraph, section

HOW_TO_READ = (
    "Each coloured word was made by the region of the same colour: point at a word, or tap it, to "
    "see its region alone. The bar is the region's share of the attention. Words without colour "
    "needed no region."
)
READ_WITH_CARE = (
    "Such captions miscount, guess gender and name the wrong object now and then: read them before "
    "they serve as anyone's alt text."
)


def captions_page(captions: Iterable[Caption], title: str) -> str:
    """One self-contained HTML page with every caption and the region of each word."""
    return page(
        title,
        section("Photos and their words", gallery(map(caption_view, captions), name="photos")),
    )


def gallery(views: Iterable[CaptionView], *, name: str) -> Html:
    """Captioned photos with a word on how to read them, for inside a section."""
    photos = caption_gallery(views, name=name)
    return join(paragraph(HOW_TO_READ), photos, paragraph(READ_WITH_CARE, class_="note"))


def caption_view(caption: Caption, name: str = "") -> CaptionView:
    """What `report` draws of one caption; a photo that has gone since leaves a grey one."""
    source, gone = caption.source, ""
    try:
        photo = read_photo(source) if isinstance(source, Path) else source
    except PhotoError as error:
        # One photo that was moved must not cost the page of all the others.
        photo, gone = np.full((90, 120, 3), 128, np.uint8), error.happened
    return CaptionView(
        photo=photo,
        name=name or (str(source) if isinstance(source, Path) else "photo"),
        words=tuple(map(_word_view, caption.words)),
        sure=caption.sure,
        confidence=caption.confidence,
        alternatives=caption.alternatives,
        note=gone,
    )


def _word_view(word: Word) -> WordView:
    return WordView(
        text=word.text,
        box=word.region if word.visual else None,
        weight=word.weight,
        probability=exp(word.logprob),
        entropy=word.entropy,
        hidden=word.proof.masked if word.proof else None,
        hidden_random=word.proof.random if word.proof else None,
    )
