"""Looks a data set of captions over: what is in it, and what is wrong with it."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from gatescope.data.captions import CaptionDataset, CaptionedPhoto, load_captions
from gatescope.data.folder import PhotoFolder
from gatescope.data.photos import content_key, read_photo, walk_photos
from gatescope.errors import PhotoError

_THRESHOLDS = (1, 2, 3, 5, 8)

# Decoders of Windows-1252 leave bytes that it lacks, and those of Latin-1 all of these, as control
# characters; a surrogate is how Python encodes a character as the byte that it was.
_AS_BYTES = {byte: 0xDC00 + byte for byte in range(0x80, 0xA0)}


@dataclass(frozen=True)
class UnreadablePhoto:
    """A photo that cannot be read.

    Args:
        name: The photo's path within the data set's folder.
        reason: What is wrong with it.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class UnknownWords:
    """What a vocabulary threshold costs.

    Args:
        threshold: How often a word must stand in the train captions to be in the vocabulary.
        vocabulary: The number of such words.
        rate: The share of the dev captions' words that are not among them, in [0, 1].
    """

    threshold: int
    vocabulary: int
    rate: float


@dataclass(frozen=True)
class CaptionCheck:
    """What is in a data set of captions, and what is wrong with it.

    Photos are named by their paths within `root`, photos without a file as the data set has them.

    Args:
        root: The data set's folder.
        format: The caption files' format, in words.
        split_source: Where the splits come from, in words.
        photos: Number of photos in each split.
        captions: Number of captions in each split.
        captions_per_photo: Minimum, median and maximum.
        unreadable: Photos that cannot be read.
        missing: Photos that have captions but no file.
        without_captions: Photos that are listed, or lie in the folder, but have no caption.
        unlisted: Photos that have captions but are in none of the split lists.
        duplicates: Photos with the same content in different splits: for each content, pairs of
            the photo and its split.
        empty_captions: How many captions held nothing but white space.
        garbled: Captions that show a wrong decoding, such as `cafÃ©`.
        unknown_words: One entry a threshold; none where train or dev has no words.
    """

    root: Path
    format: str
    split_source: str
    photos: dict[str, int]
    captions: dict[str, int]
    captions_per_photo: tuple[int, float, int]
    unreadable: tuple[UnreadablePhoto, ...]
    missing: tuple[str, ...]
    without_captions: tuple[str, ...]
    unlisted: tuple[str, ...]
    duplicates: tuple[tuple[tuple[str, str], ...], ...]
    empty_captions: int
    garbled: tuple[str, ...]
    unknown_words: tuple[UnknownWords, ...]


def check_captions(
    dataset: CaptionDataset | str | os.PathLike[str],
    *,
    tokenize: Callable[[str], list[str]],
    progress: Callable[[int, int], None] | None = None,
) -> CaptionCheck:
    """Looks a data set of captions over: every photo is opened, every caption is split into words.

    Args:
        dataset: The data set, or a path for `load_captions`.
        tokenize: Splits a caption into words, as the captioner will.
        progress: Called after each photo with the number of photos done and of all photos.

    Returns:
        What was found.

    Raises:
        DataError: `load_captions` could not load the path.

    Example:
        >>> check = check_captions("flickr8k", tokenize=str.split)
        >>> check.photos
        {'train': 5997, 'dev': 1000, 'test': 0}
    """
    if not isinstance(dataset, CaptionDataset):
        dataset = load_captions(dataset)
    splits = {name: dataset.split(name) for name in ("train", "dev", "test")}
    keys = _open_all(dataset.photos, progress)
    counts = [len(photo.captions) for photo in dataset.photos]
    captions = (text for photo in dataset.photos for text in photo.captions)
    return CaptionCheck(
        root=dataset.root,
        format=dataset.format,
        split_source=dataset.split_source,
        photos={name: len(photos) for name, photos in splits.items()},
        captions={name: len(_captions(photos)) for name, photos in splits.items()},
        captions_per_photo=(min(counts), median(counts), max(counts)),
        unreadable=tuple(
            UnreadablePhoto(_within(photo.path, dataset), key.happened)
            for photo, key in zip(dataset.photos, keys, strict=True)
            if isinstance(key, PhotoError)
        ),
        missing=dataset.missing,
        without_captions=_without_captions(dataset),
        unlisted=dataset.unlisted,
        duplicates=_across_splits(dataset, keys),
        empty_captions=dataset.empty_captions,
        garbled=tuple(filter(is_garbled, captions)),
        unknown_words=_unknown_words(splits["train"], splits["dev"], tokenize),
    )


def is_garbled(caption: str) -> bool:
    """Whether a caption shows that its text was once decoded wrongly.

    Args:
        caption: The caption.

    Returns:
        True where it holds U+FFFD, or reads as UTF-8 that was taken for Windows-1252 or Latin-1.

    Example:
        >>> is_garbled("a cafÃ© in Paris"), is_garbled("a café in Paris")
        (True, False)
    """
    if caption.isascii():
        return False
    try:
        caption.translate(_AS_BYTES).encode("cp1252", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return "\ufffd" in caption
    return True


def _open_all(
    photos: tuple[CaptionedPhoto, ...], progress: Callable[[int, int], None] | None
) -> list[str | PhotoError]:
    """The content key of each photo, or the error where it cannot be read."""
    results = []
    pool = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1))
    try:
        for result in pool.map(_open_one, [photo.path for photo in photos]):
            results.append(result)
            if progress is not None:
                progress(len(results), len(photos))
    finally:
        # Without this, an interrupted check would go on to open all other photos first.
        pool.shutdown(cancel_futures=True)
    return results


def _open_one(path: Path) -> str | PhotoError:
    try:
        read_photo(path, size=64)
        return content_key(path)
    except PhotoError as error:
        return error


def _across_splits(
    dataset: CaptionDataset, keys: list[str | PhotoError]
) -> tuple[tuple[tuple[str, str], ...], ...]:
    same: dict[str, list[CaptionedPhoto]] = defaultdict(list)
    for photo, key in zip(dataset.photos, keys, strict=True):
        if isinstance(key, str):
            same[key].append(photo)
    return tuple(
        tuple((_within(photo.path, dataset), photo.split) for photo in photos)
        for photos in same.values()
        if len({photo.split for photo in photos}) > 1
    )


def _without_captions(dataset: CaptionDataset) -> tuple[str, ...]:
    """The photos in the folder that no caption is about, and the listed ones without a file."""
    folder = PhotoFolder(dataset.root)
    captioned = {photo.path for photo in dataset.photos}
    captioned.update(filter(None, map(folder.find, dataset.unlisted)))
    uncaptioned = sorted(set(walk_photos(dataset.root)) - captioned)
    without_file = [name for name in dataset.without_captions if folder.find(name) is None]
    return (*(_within(path, dataset) for path in uncaptioned), *without_file)


def _within(path: Path, dataset: CaptionDataset) -> str:
    return str(path.relative_to(dataset.root))


def _captions(photos: Iterable[CaptionedPhoto]) -> list[str]:
    return [caption for photo in photos for caption in photo.captions]


def _unknown_words(
    train: Iterable[CaptionedPhoto],
    dev: Iterable[CaptionedPhoto],
    tokenize: Callable[[str], list[str]],
) -> tuple[UnknownWords, ...]:
    known = Counter(word for caption in _captions(train) for word in tokenize(caption))
    words = Counter(word for caption in _captions(dev) for word in tokenize(caption))
    if not known or not words:
        return ()
    return tuple(
        UnknownWords(
            threshold=threshold,
            vocabulary=sum(count >= threshold for count in known.values()),
            rate=sum(n for word, n in words.items() if known[word] < threshold) / words.total(),
        )
        for threshold in _THRESHOLDS
    )
