"""Texts as rows of token ids, by a vocabulary learned from the training split alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from gatescope.data.reader import Arrays, Reader, Takes

PADDING, UNKNOWN = 0, 1

_LONG_ENOUGH = 0.95  # of the training texts fit whole
_LONGEST = 256


class VocabularyFit:
    """Learns a vocabulary from texts as they come by.

    Words are what white space divides, in lower case and without punctuation, as Keras'
    `TextVectorization` has it.

    Args:
        tokens: How many ids there are at most: the most frequent words, padding and unknown.
    """

    def __init__(self, tokens: int) -> None:
        self._layer = keras.layers.TextVectorization(tokens)
        self._lengths = np.zeros(_LONGEST + 1, np.int64)

    def add(self, texts: Sequence[str]) -> None:
        """Looks at the next texts."""
        if texts:
            self._layer.update_state(np.array(texts, object))
            lengths = [min(len(text.split()), _LONGEST) for text in texts]
            self._lengths += np.bincount(lengths, minlength=len(self._lengths))

    def done(self, length: int | None = None) -> Vocabulary:
        """What was learned.

        Args:
            length: Ids a text; `None` for as many as 19 of 20 training texts need.

        Returns:
            The vocabulary.
        """
        self._layer.finalize_state()
        if length is None:
            whole = np.cumsum(self._lengths) / max(self._lengths.sum(), 1)
            length = max(int((whole < _LONG_ENOUGH).sum()), 1)
        return Vocabulary(tuple(self._layer.get_vocabulary()), length)


class Vocabulary:
    """Turns texts into rows of token ids.

    Args:
        words: The word of each id: padding first, then the unknown word.
        length: Ids a text: what is longer is cut at its end, what is shorter padded.

    Example:
        >>> Vocabulary(("", "[UNK]", "good", "bad"), length=3).encode(["A good film", "Bad!"])
        array([[1, 2, 1],
               [3, 0, 0]], dtype=int32)
    """

    def __init__(self, words: Sequence[str], length: int) -> None:
        self.words, self.length = tuple(words), length
        self._layer = keras.layers.TextVectorization(
            output_sequence_length=length, vocabulary=list(self.words)
        )

    def encode(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Turns texts into ids.

        Args:
            texts: The texts.

        Returns:
            int32 of shape `(texts, length)`.
        """
        if not texts:
            return np.zeros((0, self.length), np.int32)
        return np.asarray(self._layer(np.array(texts, object)), np.int32)


def words_of(ids: Sequence[int], words: Sequence[str]) -> str:
    """Token ids as text again, as far as the vocabulary knows it.

    Args:
        ids: Of one text.
        words: The word of each id.

    Example:
        >>> words_of([2, 1, 3, 0], ("", "[UNK]", "good", "film"))
        'good … film'
    """
    return " ".join("…" if one == UNKNOWN else words[one] for one in ids if one != PADDING)


class TextsReader(Reader):
    """Texts as rows of token ids.

    Args:
        input: The name of the network's input.
        words: The word of each id: padding first, then the unknown word.
        length: Ids a text.
    """

    takes: ClassVar[Takes] = "texts"
    kind: Literal["texts"] = "texts"
    input: str
    words: tuple[str, ...]
    length: int

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self.words, self.length)

    def read(self, given: Sequence[str]) -> Arrays:
        return {self.input: self._vocabulary.encode(given)}

    def notes(self, given: Sequence[str]) -> list[list[str]]:
        unknown = np.all(self._vocabulary.encode(given) <= UNKNOWN, axis=1)
        note = "no word of it was in training: each is read as unknown"
        return [[note] if nothing else [] for nothing in unknown]

    def told(self, x: Mapping[str, NDArray[Any]]) -> list[str]:
        return [words_of(ids, self.words) for ids in x[self.input].tolist()]
