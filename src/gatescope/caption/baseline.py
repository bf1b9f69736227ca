"""The captions of the nearest training photo: what a captioner has to beat to be worth training.

After Devlin et al. 2015, "Exploring nearest neighbor approaches for image captioning".

Suffixes: N photos, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from gatescope.caption.features import BATCH, RegionCache
from gatescope.caption.metrics import CiderD, Scores, score
from gatescope.caption.tokenizer import Words, tokenize
from gatescope.data.captions import CaptionedPhoto
from gatescope.data.photos import read_photo
from gatescope.errors import DataError, PhotoError
from gatescope.models.efficientnet_lite import HEAD_CHANNELS, classifier

PHOTO_SIZE = 224


def nearest_neighbour(
    cache: RegionCache,
    train: Sequence[CaptionedPhoto],
    dev: Sequence[CaptionedPhoto],
    *,
    words: Words = "ptb",
) -> Scores:
    """Scores the captions of training photos whose mean region is nearest.

    Args:
        cache: Regions of the training photos, then of the dev photos.
        train: Photos whose captions are said.
        dev: Photos that they are said of.
        words: How text is split into words.

    Returns:
        Scores on dev.

    Raises:
        DataError: There are fewer than two photos in a split.
    """
    parts = _batches(cache.features[0, : len(train) + len(dev)])
    features_NF = np.concatenate([part.astype(np.float32).mean(1) for part in parts])
    return _score(features_NF, train, dev, words)


def nearest_photo(
    train: Sequence[CaptionedPhoto],
    dev: Sequence[CaptionedPhoto],
    *,
    words: Words = "ptb",
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Scores the captions of training photos that look most alike to an ImageNet classifier.

    Needs no training and no cache: every photo goes once through EfficientNet-Lite0, about 90 a
    second on two cores.

    Args:
        train: Photos whose captions are said; those that cannot be read are left out.
        dev: Photos that they are said of; likewise.
        words: How text is split into words.
        progress: Called with photos done and photos in all.

    Returns:
        Scores on dev.

    Raises:
        DataError: There are fewer than two photos in a split that can be read.

    Example:
        >>> data = load_captions("flickr8k")  # doctest: +SKIP
        >>> nearest_photo(data.split("train"), data.split("dev")).cider  # doctest: +SKIP
    """
    photos = (*train, *dev)
    features_NF, read_N = _pooled([photo.path for photo in photos], progress)
    read = iter(read_N)
    train, dev = ([photo for photo in part if next(read)] for part in (train, dev))
    return _score(features_NF[read_N], train, dev, words)


def central(captions: Sequence[str], scorer: CiderD, words: Words = "ptb") -> str:
    """The caption that agrees most with the others, by CIDEr-D; the first one on a tie.

    Args:
        captions: Of one photo, at least one.
        scorer: Knows how rare words are.
        words: How text is split into words.
    """
    tokens = [tokenize(caption, words=words) for caption in captions]
    agreement = [
        scorer.score(own, [*tokens[:place], *tokens[place + 1 :]]) if len(tokens) > 1 else 0.0
        for place, own in enumerate(tokens)
    ]
    return captions[agreement.index(max(agreement))]


def _score(
    features_NF: NDArray[np.float32],
    train: Sequence[CaptionedPhoto],
    dev: Sequence[CaptionedPhoto],
    words: Words,
) -> Scores:
    if len(train) < 2 or len(dev) < 2:
        raise DataError(
            f"there are {len(train)} training photos and {len(dev)} dev photos to compare",
            "at least two of each",
            "add photos, or mend those that cannot be read",
        )
    scorer = CiderD.fit([[tokenize(text, words=words) for text in p.captions] for p in train])
    said = [
        central(train[place].captions, scorer, words)
        for place in _nearest(features_NF[len(train) :], features_NF[: len(train)])
    ]
    return score(said, [photo.captions for photo in dev], words=words)


def _nearest(asked_NF: NDArray[np.float32], known_NF: NDArray[np.float32]) -> list[int]:
    """For each asked vector the place of the known one at the smallest angle."""
    known_NF = known_NF / np.linalg.norm(known_NF, axis=1, keepdims=True).clip(1e-12)
    # A part at a time, or the matrix of all similarities would outgrow memory.
    return [int(place) for part in _batches(asked_NF) for place in (part @ known_NF.T).argmax(1)]


def _batches(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return (array[start : start + BATCH] for start in range(0, len(array), BATCH))


def _pooled(
    photos: Sequence[Path], progress: Callable[[int, int], None] | None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The classifier's pooled features of every photo, and whether it could be read."""
    network = classifier(PHOTO_SIZE)
    pool = keras.Model(network.input, network.get_layer("pool").output)
    features_NF = np.zeros((len(photos), HEAD_CHANNELS), np.float32)
    read_N = np.zeros(len(photos), bool)
    with ThreadPoolExecutor(2) as threads:
        for start in range(0, len(photos), BATCH):
            pixels = list(threads.map(_try_read, photos[start : start + BATCH]))
            place = [start + index for index, found in enumerate(pixels) if found is not None]
            if place:
                batch = np.stack([found for found in pixels if found is not None])
                features_NF[place] = pool.predict_on_batch(batch)
                read_N[place] = True
            if progress:
                progress(min(len(photos), start + BATCH), len(photos))
    return features_NF, read_N


def _try_read(path: Path) -> NDArray[np.uint8] | None:
    try:
        return read_photo(path, size=PHOTO_SIZE)
    except PhotoError:
        return None
