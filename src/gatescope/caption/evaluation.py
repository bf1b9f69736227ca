"""Scores a captioner on a split, from the same photos and by the same path as captioning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gatescope.caption.bundle import Bundle, load_bundle
from gatescope.caption.decoder import CaptionDecoder
from gatescope.caption.decoding import Decoding, Hypotheses, beam_search
from gatescope.caption.features import BATCH, read_photos
from gatescope.caption.metrics import Scores, score
from gatescope.caption.training import step_function
from gatescope.caption.vocabulary import SPECIAL, Vocabulary
from gatescope.data.captions import CaptionedPhoto, load_captions
from gatescope.errors import DataError

Search = Callable[[tf.Tensor, tf.Tensor], Hypotheses]


@dataclass(frozen=True)
class Evaluation:
    """Scores of one captioner on one split.

    Args:
        split: `train`, `dev` or `test`.
        photos: How many were captioned.
        beam: Beam size.
        scores: Of the captions.
        captions: The captions by photo name.
    """

    split: str
    photos: int
    beam: int
    scores: Scores
    captions: dict[str, str]

    def to_dict(self) -> dict[str, object]:
        """Plain data for a JSON file."""
        return asdict(self)


def compiled_search(decoder: CaptionDecoder, decoding: Decoding) -> Search:
    """Compiles beam search over a decoder, `(features, boxes) -> Hypotheses`."""

    @tf.function(reduce_retracing=True)
    def search(features_BKF: tf.Tensor, boxes_BK4: tf.Tensor) -> Hypotheses:
        memory = decoder.remember(features_BKF, boxes_BK4)
        places = features_BKF.shape[1] + 1
        step = step_function(decoder, memory)
        return beam_search(step, memory.states, places, decoding, SPECIAL)

    return search


def best_captions(
    search: Search,
    vocabulary: Vocabulary,
    batches: Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]],
) -> list[str]:
    """The best caption of every photo, from batches of features and boxes."""
    best = (search(*batch).words[:, 0].numpy() for batch in batches)
    return [vocabulary.decode(words) for part in best for words in part]


def evaluate(
    folder: Path,
    data: Path,
    *,
    split: str = "dev",
    beam: int = 3,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Captions every photo of a split with a bundle and scores the captions.

    Args:
        folder: The bundle.
        data: Photos with captions, in any format that `load_captions` knows.
        split: Which photos.
        beam: Beam size.
        progress: Called with photos done and photos in all.

    Raises:
        BundleError: The bundle cannot be used.
        DataError: The data set lacks the split or cannot be read.
    """
    photos = load_captions(data).split(split)
    if not photos:
        raise DataError(
            f"{data} has no photo in the split {split!r}",
            "a split with photos and captions",
            "choose another one with --split train, dev or test",
        )
    bundle = load_bundle(folder)
    decoding = bundle.description.decoding.model_copy(update={"beam": beam})
    search = compiled_search(bundle.decoder, decoding)
    captions = best_captions(search, bundle.vocabulary, _regions(bundle, photos, progress))
    references = [photo.captions for photo in photos]
    scores = score(captions, references, words=bundle.vocabulary.splitting)
    named = {photo.path.name: text for photo, text in zip(photos, captions, strict=True)}
    return Evaluation(split, len(photos), beam, scores, named)


def _regions(
    bundle: Bundle,
    photos: Sequence[CaptionedPhoto],
    progress: Callable[[int, int], None] | None,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    files = [photo.path for photo in photos]
    for index, pixels in enumerate(read_photos(files, bundle.description.regions.photo_size)):
        regions = bundle.detector.regions(pixels)
        yield regions.features, regions.boxes
        if progress:
            progress(min(len(files), (index + 1) * BATCH), len(files))
