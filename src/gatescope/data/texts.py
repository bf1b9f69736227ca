"""Texts by class, one a line: sentences, reviews, titles."""

from __future__ import annotations

import fnmatch
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from gatescope.data.archive import Archive, open_archive
from gatescope.data.splits import (
    Split,
    SplitConfig,
    Splits,
    absent_notes,
    shown,
    split_samples,
)
from gatescope.data.streams import Numbered, Spec
from gatescope.data.words import Vocabulary, VocabularyFit
from gatescope.errors import DataError, UsageError


class TextsConfig(BaseModel):
    """How texts are read.

    Args:
        classes: For each class a pattern of the names of its files, such as `*.pos`.
        split: How texts are split.
        tokens: How many token ids there are at most: padding, unknown and the most frequent words.
        length: Tokens a text: what is longer is cut at its end, what is shorter padded; `None` for
            as many as 19 of 20 training texts need.
        encoding: How the files are encoded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: Mapping[str, str] = Field(min_length=2)
    split: SplitConfig
    tokens: int = Field(default=10_000, ge=3)
    length: PositiveInt | None = None
    encoding: str = "utf-8"


@dataclass(frozen=True, eq=False)
class TextSamples(Numbered):
    """Texts with labels, split and ready for training.

    Args:
        classes: The labels' names in the order of their indices.
        texts: The texts.
        labels: int32 of shape `(texts,)`: indices into `classes`.
        splits: Which text is in which split.
        vocabulary: Turns texts into token ids; learned from training texts alone.
        notes: What should be known, each a sentence.
    """

    classes: tuple[str, ...]
    texts: tuple[str, ...]
    labels: NDArray[np.int32]
    splits: Splits
    vocabulary: Vocabulary
    notes: tuple[str, ...]

    def _rows(self, split: Split) -> NDArray[np.intp]:
        rows = self.splits.rows(split)
        if not len(rows):
            raise UsageError(
                f"the split {split!r} has no texts",
                "a split that was given a share",
                f"give {split} a share, say {split}=0.1",
            )
        return rows

    def _part(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        return self.vocabulary.encode([self.texts[row] for row in rows]), self.labels[rows]

    @property
    def _total(self) -> int:
        return len(self.texts)

    @property
    def element_spec(self) -> Spec:
        words = tf.TensorSpec((None, self.vocabulary.length), tf.int32)
        return words, tf.TensorSpec((None,), tf.int32)


def load_texts(path: str | os.PathLike[str], config: TextsConfig) -> TextSamples:
    """Loads texts by class from files that have one a line.

    A text that stands several times is kept once, so that no split knows another's; one that
    stands under several classes is left out.

    Args:
        path: A folder or a zip.
        config: How texts are read and split.

    Returns:
        The texts; look at their `notes`.

    Raises:
        DataError: There is no such path, no file of a class, a file in another encoding, a class
            without texts, or too few for the splits.

    Example:
        >>> config = TextsConfig(
        ...     classes={"negative": "*.neg", "positive": "*.pos"},
        ...     split=SplitConfig(dev=0.1, test=0.1, seed=0),
        ... )
        >>> load_texts("sentence_polarity.zip", config).classes
        ('negative', 'positive')
    """
    archive = open_archive(path)
    classes = tuple(config.classes)
    labels_of: dict[str, set[int]] = defaultdict(set)
    total = 0
    for label, pattern in enumerate(config.classes.values()):
        for text in texts_of(archive, classes[label], pattern, config.encoding):
            labels_of[text].add(label)
            total += 1

    texts = tuple(text for text, labels in labels_of.items() if len(labels) == 1)
    labels = np.array([min(labels_of[text]) for text in texts], np.int32)
    splits = split_samples(labels, config.split)
    fit = VocabularyFit(config.tokens)
    fit.add([texts[row] for row in splits.rows("train")])
    return TextSamples(
        classes=classes,
        texts=texts,
        labels=labels,
        splits=splits,
        vocabulary=fit.done(config.length),
        notes=(
            *_notes(total, labels_of),
            *absent_notes(splits.counts, classes),
        ),
    )


def texts_of(archive: Archive, name: str, pattern: str, encoding: str) -> Iterator[str]:
    """The texts of a class.

    Args:
        archive: Where its files are.
        name: Of the class.
        pattern: Of the names of its files.
        encoding: Of these.

    Raises:
        DataError: There is no such file, or none with a text, or one in another encoding.
    """
    files = [file for file in archive.names if fnmatch.fnmatch(file, pattern)]
    if not files:
        raise DataError(
            f"no file of {archive.name} is like {pattern!r}, which the class {name!r} has",
            f"a pattern of its files' names: {shown(archive.names)}",
            f"change classes={{{name!r}: ...}}",
        )
    found = False
    for file in files:
        # Not splitlines: there are characters within sentences that it takes for ends of lines.
        for line in _decoded(archive, file, encoding).split("\n"):
            if text := line.strip():
                found = True
                yield text
    if not found:
        raise DataError(
            f"the class {name!r} of {archive.name} has no text",
            f"at least one line in {shown(files)}",
            "download or export them again",
        )


def _decoded(archive: Archive, file: str, encoding: str) -> str:
    content = archive.read(file)
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as cause:
        line = content.count(b"\n", 0, cause.start) + 1
        raise DataError(
            f"{file!r} in {archive.name} is not {encoding}: "
            f"line {line} has the byte {content[cause.start]:#04x}",
            "the encoding that the texts were written in",
            "name it: encoding='latin-1', say",
        ) from cause
    except LookupError as cause:
        raise DataError(
            f"there is no encoding {encoding!r}", "one that Python knows", "encoding='utf-8', say"
        ) from cause


def _notes(total: int, labels_of: Mapping[str, set[int]]) -> Iterator[str]:
    contradictory = [text for text, labels in labels_of.items() if len(labels) > 1]
    again = total - sum(map(len, labels_of.values()))
    if again:
        yield f"{again:,} of {total:,} texts are there more than once and were kept once"
    if contradictory:
        yield (
            f"{len(contradictory):,} texts stand under several classes and were left out: "
            f"{shown([text[:60] for text in contradictory], most=2)}"
        )
