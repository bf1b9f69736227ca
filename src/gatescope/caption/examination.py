"""Examines a captioner on dev: what it says, how that scores, and whether it looks at photos.

Suffixes: B photos, K regions, F features, G captions of a photo, T time steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gatescope.caption.decoder import CaptionDecoder
from gatescope.caption.decoding import Decoding
from gatescope.caption.metrics import Scores, cider_d, score
from gatescope.caption.search import compiled_search
from gatescope.caption.tokenizer import tokenize
from gatescope.caption.training import encode_captions
from gatescope.caption.vocabulary import SPECIAL, Vocabulary


@dataclass(frozen=True, eq=False)
class Examination:
    """What a captioner said of photos, and how well.

    Args:
        captions: One a photo.
        logprobs: Mean log probability a word of each caption, the end token included.
        scores: Of all captions.
        accuracy: Share of next words guessed right beside the right photo.
        shuffled: The same beside another photo.
    """

    captions: tuple[str, ...]
    logprobs: NDArray[np.float64]
    scores: Scores
    accuracy: float
    shuffled: float


class Examiner:
    """Examines one decoder on the same photos again and again; its graphs are compiled once.

    Args:
        decoder: What is examined.
        vocabulary: Its words.
        decoding: How captions are searched.
        captions: What people wrote about each photo.
    """

    def __init__(
        self,
        decoder: CaptionDecoder,
        vocabulary: Vocabulary,
        decoding: Decoding,
        captions: Sequence[Sequence[str]],
    ) -> None:
        self.vocabulary, self.captions = vocabulary, captions
        self._words = encode_captions(captions, vocabulary, count=1, longest=decoding.longest)
        self._search = compiled_search(decoder, decoding)
        self._right = _compiled_guesses(decoder)

    def examine(self, regions: Iterable[tuple[tf.Tensor, tf.Tensor]]) -> Examination:
        """Captions all photos and guesses every next word, in one pass.

        Args:
            regions: Features `(photos, regions, features)` and boxes `(photos, regions, 4)`,
                batch by batch, in the order of `captions`.
        """
        # One place on, no photo keeps its words.
        words_B2T = np.concatenate([self._words, np.roll(self._words, -1, axis=0)], 1)
        ids, logprobs, right, done = [], [], [], 0
        for features, boxes in regions:
            part = slice(done, done := done + len(features))
            found = self._search(features, boxes)
            ids.append(found.words[:, 0].numpy())
            logprobs.append(found.logprobs[:, 0].numpy())
            right.append(self._right(features, boxes, words_B2T[part]).numpy())
        said = np.concatenate(ids)
        captions = tuple(map(self.vocabulary.decode, said))
        accuracy, shuffled = np.sum(right, 0) / (self._words[..., 1:] != SPECIAL.pad).sum()
        return Examination(
            captions,
            np.concatenate(logprobs).sum(-1) / (said != SPECIAL.pad).sum(-1),
            score(captions, self.captions, words=self.vocabulary.splitting),
            float(accuracy),
            float(shuffled),
        )

    def quality(self, examination: Examination) -> tuple[float, ...]:
        """CIDEr-D of each caption."""
        said, *wrote = (
            [tokenize(caption, words=self.vocabulary.splitting) for caption in captions]
            for captions in (examination.captions, *self.captions)
        )
        return cider_d(said, wrote).each


def _compiled_guesses(
    decoder: CaptionDecoder,
) -> Callable[[tf.Tensor, tf.Tensor, NDArray[np.int32]], tf.Tensor]:
    """Counts next words that the decoder, told all before, holds for the likeliest, `(G,)`."""

    @tf.function(reduce_retracing=True)
    def right(features_BKF: tf.Tensor, boxes_BK4: tf.Tensor, words_BGT: tf.Tensor) -> tf.Tensor:
        asked = words_BGT[..., 1:]
        guessed = tf.argmax(decoder(features_BKF, boxes_BK4, words_BGT[..., :-1]), -1, tf.int32)
        return tf.math.count_nonzero((guessed == asked) & (asked != SPECIAL.pad), axis=(0, 2))

    return right
