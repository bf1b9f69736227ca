"""Which photos and words of a data set a captioner is trained with."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rich.console import Console

from gatescope.caption.tokenizer import Words
from gatescope.caption.vocabulary import SPECIAL, Vocabulary
from gatescope.data.captions import CaptionedPhoto, load_captions
from gatescope.data.photos import read_photo
from gatescope.errors import DataError, PhotoError


@dataclass(frozen=True)
class Selection:
    """Photos that can be read, captions that tell something, and the words to tell it in.

    Args:
        train: Photos to train on.
        dev: Photos to choose on.
        vocabulary: Words of the training captions.
    """

    train: tuple[CaptionedPhoto, ...]
    dev: tuple[CaptionedPhoto, ...]
    vocabulary: Vocabulary


def select(
    data: Path,
    *,
    threshold: int | Literal["auto"],
    splitting: Words,
    known: Sequence[str],
    console: Console,
) -> Selection:
    """Chooses what of a data set can be trained on.

    Args:
        data: Photos with captions, in any format that `load_captions` knows.
        threshold: Least count of a word; `auto` grows with the number of captions.
        splitting: How text is split into words.
        known: Words of another vocabulary, kept with their ids.
        console: Where is said what had to be left out.

    Raises:
        DataError: The data cannot be loaded, or too little of them is left.
    """
    dataset = load_captions(data)
    train, dev = (_readable(dataset.split(split), console) for split in ("train", "dev"))
    _check_enough(data, train, dev)
    vocabulary = Vocabulary.from_captions(
        (caption for photo in train for caption in photo.captions),
        threshold=threshold,
        splitting=splitting,
        known=known,
    )
    train = _telling(train, vocabulary, console)
    _check_enough(data, train, dev)
    return Selection(train, dev, vocabulary)


def _check_enough(data: Path, train: Sequence[object], dev: Sequence[object]) -> None:
    if len(train) < 2 or len(dev) < 2:
        raise DataError(
            f"{data} has {len(train)} photos to train on and {len(dev)} to choose on",
            "at least two of each: CIDEr-D weighs a word by how few of the photos have it",
            "add photos with captions, or give the captions' file a split column with train "
            "and dev",
        )


def _readable(photos: Sequence[CaptionedPhoto], console: Console) -> tuple[CaptionedPhoto, ...]:
    """Drops photos that cannot be read, each with a line that says so."""
    with ThreadPoolExecutor(2) as pool:
        errors = list(pool.map(_read_error, photos))
    for error in filter(None, errors):
        console.print(f"left out: {error.happened}", style="yellow", markup=False)
    return tuple(photo for photo, error in zip(photos, errors, strict=True) if not error)


def _read_error(photo: CaptionedPhoto) -> PhotoError | None:
    try:
        read_photo(photo.path, size=32)
    except PhotoError as error:
        return error
    return None


def _telling(
    photos: Sequence[CaptionedPhoto], vocabulary: Vocabulary, console: Console
) -> tuple[CaptionedPhoto, ...]:
    """Drops captions in which no word is known: they would teach to say nothing."""
    kept = []
    for photo in photos:
        telling = tuple(text for text in photo.captions if _tells(text, vocabulary))
        if telling != photo.captions:
            silent = len(photo.captions) - len(telling)
            console.print(
                f"left out: {silent} captions of {photo.path.name} without a known word",
                style="yellow",
                markup=False,
            )
        kept.append(replace(photo, captions=telling))
    return tuple(photo for photo in kept if photo.captions)


def _tells(text: str, vocabulary: Vocabulary) -> bool:
    return any(word != SPECIAL.unknown for word in vocabulary.encode(text))
