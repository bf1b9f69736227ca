"""A caption with all that it was made of: regions, looks, what else could have been said.

Axes: K regions, T words, V words of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gatescope.caption.bundle import Bundle
from gatescope.caption.caption import Caption
from gatescope.caption.decoding import Hypotheses
from gatescope.caption.faithfulness import Proof, prove_words
from gatescope.caption.vocabulary import SPECIAL
from gatescope.models.regions import Regions


class Choice(NamedTuple):
    """A word that could come next; `<end>` ends the caption, `<unk>` is any unknown word."""

    text: str
    probability: float


class Alternative(NamedTuple):
    """A caption that was found by the search.

    `score` is its log probability over a power of its length, by which captions are ranked;
    `logprob` is its log probability, the end included. Both are natural logarithms.
    """

    text: str
    score: float
    logprob: float


class Change(NamedTuple):
    """What other regions do to a word that was said without them.

    `probability` and `entropy` (of the attention, in bits) are given before and after; `weight`
    is what the asked region gets of the attention.
    """

    text: str
    probability: tuple[float, float]
    entropy: tuple[float, float]
    weight: float


class _Reading(NamedTuple):
    """What the decoder makes of words that it is told to say."""

    probabilities: NDArray[np.float32]  # (T, V): of every word of the vocabulary
    weights: NDArray[np.float32]  # (T, K + 1): regions, then the sentinel


@final
class Inspection:
    """A photo's caption and what it was made of, as `Captioner.inspect` gives it.

    Args:
        bundle: The captioner.
        caption: What it says.
        pixels: The photo, squashed to the bundle's size, `(size, size, 3)`.
        regions: Of this photo, as a batch of one.
        found: All captions of the search, the best first.

    Attributes:
        caption: The same as `Captioner.caption` gives.
        boxes: Regions `(K, 4)`, `(y0, x0, y1, x1)` relative to the photo: the proposed ones, the
            best first, or those that were given; then the whole photo and the coarse grid.
        objectness: Of each region, `(K,)`, in [0, 1]; 0 where none was asked.
        proposed: How many regions come before the whole photo.
        weights: Shares of the attention, `(T, K + 1)`: a row a word, the sentinel last.
        alternatives: All captions of the search, this one first.
    """

    def __init__(
        self,
        bundle: Bundle,
        caption: Caption,
        pixels: NDArray[np.uint8],
        regions: Regions,
        found: Hypotheses,
    ) -> None:
        self.caption, self._bundle, self._pixels = caption, bundle, pixels
        self._regions, self._ids = regions, found.words[0]
        self.boxes: NDArray[np.float32] = regions.boxes[0].numpy()
        self.objectness: NDArray[np.float32] = regions.scores[0].numpy()
        self.proposed = len(self.boxes) - len(bundle.detector.config.fallback())
        self.weights: NDArray[np.float32] = found.weights[0][: len(caption.words)]
        self.alternatives = tuple(
            Alternative(bundle.vocabulary.decode(words), float(score), float(logprobs.sum()))
            for words, score, logprobs in zip(
                found.words, found.scores, found.logprobs, strict=True
            )
            if words.any()
        )

    @property
    def proposals(self) -> NDArray[np.float32]:
        """The proposed regions, or those that were given, `(P, 4)`, but for any without area."""
        boxes = self.boxes[: self.proposed]
        return boxes[(boxes[:, :2] < boxes[:, 2:]).all(1)]

    @property
    def most_entropy(self) -> float:
        """The entropy of attention that looks nowhere in particular, in bits."""
        return float(np.log2(len(self.boxes) + 1))

    def next_words(self, place: int, most: int = 10) -> tuple[Choice, ...]:
        """What could be said at a place of the caption, the likeliest first.

        Args:
            place: From 0; after the last word is where the caption ends.
            most: How many words.
        """
        row = self._reading.probabilities[place]
        words = self._bundle.vocabulary.words
        return tuple(Choice(words[id_], float(row[id_])) for id_ in np.argsort(-row)[:most])

    @cached_property
    def proofs(self) -> tuple[Proof | None, ...]:
        """For each word, what masking its region did; None where it needed no region.

        The same as `Captioner.caption(…, prove=True)` tells.
        """
        words = self.caption.words
        asked = [place for place, word in enumerate(words) if word.visual]
        regions = [words[place].region for place in asked]
        proved = prove_words(self._bundle, self._pixels, self.boxes, self._ids, asked, regions)
        found = dict(zip(asked, proved, strict=True))
        return tuple(found.get(place) for place in range(len(words)))

    def changes(self, other: Inspection, region: int = 0) -> tuple[Change, ...]:
        """What the regions of another inspection do to this caption, were it said there as well.

        Args:
            other: Of the same photo by the same captioner, such as with a region of one's own.
            region: Of the other's, whose share of the attention is asked.
        """
        before, after = self._reading, other._read(self._ids)
        return tuple(
            Change(
                word.text,
                (float(before.probabilities[place, id_]), float(after.probabilities[place, id_])),
                (entropy(before.weights[place]), entropy(after.weights[place])),
                float(after.weights[place, region]),
            )
            for place, (word, id_) in enumerate(zip(self.caption.words, self._ids, strict=False))
        )

    @cached_property
    def _reading(self) -> _Reading:
        return self._read(self._ids)

    def _read(self, ids: Sequence[int] | NDArray[np.int32]) -> _Reading:
        """Says the given words, end token included, in place of the likeliest."""
        ids = np.asarray(ids)
        words = np.concatenate([[SPECIAL.start], ids[ids != SPECIAL.pad]])[:-1].astype(np.int32)
        decoder = self._bundle.decoder
        memory = decoder.remember(self._regions.features, self._regions.boxes)
        step = decoder.teach(memory, tf.constant(words[None, None]))
        return _Reading(tf.nn.softmax(step.logits)[0, 0].numpy(), step.weights[0, 0].numpy())


def entropy(weights: NDArray[np.float32]) -> float:
    """Entropy in bits of shares that add up to 1.

    Args:
        weights: The shares, `(K,)`.

    Example:
        >>> entropy(np.full(4, 0.25, np.float32))
        2.0
    """
    return abs(float((weights * np.log2(np.maximum(weights, 1e-12))).sum()))
