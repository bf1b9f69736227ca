"""Captions as plain data for `report` to draw."""

from __future__ import annotations

from collections.abc import Iterable
from math import exp
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gatescope.caption.caption import Caption, Word
from gatescope.caption.inspection import Inspection
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
FLAT = 0.9
"""From this share of the largest entropy on, attention says nothing of where a word came from."""
_LEAST_LOOK = 0.02  # of the attention; less is not drawn


class Look(NamedTuple):
    """A region by its place, and its share of a word's attention."""

    region: int
    weight: float


def looks(inspection: Inspection, place: int, most: int = 6) -> list[Look]:
    """The regions that a word looked at, the largest share first; at least one.

    Args:
        inspection: A caption.
        place: Of the word, from 0.
        most: How many.
    """
    weights = inspection.weights[place, :-1]
    order = np.argsort(-weights, kind="stable")[:most]
    drawn = [Look(int(region), float(weights[region])) for region in order]
    return [look for look in drawn if look.weight >= _LEAST_LOOK] or drawn[:1]


def flatness(inspection: Inspection, place: int) -> float:
    """A word's entropy of the attention as a share of the largest possible, in [0, 1].

    Args:
        inspection: A caption.
        place: Of the word, from 0.
    """
    return inspection.caption.words[place].entropy / inspection.most_entropy


def look_told(inspection: Inspection, place: int) -> str:
    """Where a word looked, in sentences.

    Args:
        inspection: A caption.
        place: Of the word, from 0.
    """
    word, drawn = inspection.caption.words[place], looks(inspection, place)
    sentinel, regions = float(inspection.weights[place, -1]), len(inspection.boxes)
    shares = ", ".join(_percent(look.weight) for look in drawn)
    rest = max(1 - sentinel - sum(look.weight for look in drawn), 0.0)
    told = [
        f"“{word.text}”: {shares} of the attention on the marked regions, {_percent(rest)} on the "
        f"other {regions - len(drawn)}, {_percent(sentinel)} on none (the sentinel).",
        f"Entropy {word.entropy:.2f} of at most {inspection.most_entropy:.2f} bits.",
    ]
    if flatness(inspection, place) >= FLAT:
        told.append("That is nearly flat: it looks nowhere in particular; no region explains it.")
    elif not word.visual:
        told.append("The sentinel outweighs all regions: this word needed no look at the photo.")
    return " ".join(told)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


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
