"""A text as characters to learn from: of a file or folder, or what this package says of itself."""

from __future__ import annotations

import ast
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from gatescope.data.archive import open_archive
from gatescope.data.splits import SPLITS, SplitConfig, split_samples
from gatescope.errors import DataError

UNKNOWN = "\ufffd"
_SUFFIXES = (".txt", ".md", ".rst", ".tex", ".html", ".csv", ".srt", ".py")
_HOME = Path(__file__).parents[1]  # the package, which every installation has
_FEWEST = 10_000  # characters


class Corpus(BaseModel):
    """A text, and how it is split.

    Args:
        path: A text file, or a folder or zip of such; None for the docstrings of this package,
            which every installation has.
        split: The shares; pieces of the text are dealt, so that no sentence is in two parts but
            where a piece ends.
        piece: Characters of a piece.
        symbols: Different characters at most; rarer ones become one that stands for all of them.
        longest: Characters that are read at most, from the beginning on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path | None = None
    split: SplitConfig
    piece: PositiveInt = 2_000
    symbols: int = Field(default=128, ge=2, le=256)
    longest: PositiveInt = 3_000_000


class Characters(NamedTuple):
    """A text as numbers of its characters.

    Args:
        alphabet: The characters in order of their numbers; 0 is any other.
        train: int32 of shape `(characters,)`: what is learned from.
        dev: What choices are made by.
        test: What is judged by.
    """

    alphabet: str
    train: NDArray[np.int32]
    dev: NDArray[np.int32]
    test: NDArray[np.int32]

    def written(self, numbers: Sequence[int]) -> str:
        """Numbers as text."""
        return "".join(self.alphabet[number] for number in numbers)

    def read(self, text: str) -> NDArray[np.int32]:
        """Text as numbers."""
        place = {symbol: number for number, symbol in enumerate(self.alphabet)}
        return np.array([place.get(symbol, 0) for symbol in text], np.int32)


def load_characters(corpus: Corpus) -> Characters:
    """Reads a text, splits it, and numbers its characters as the training part has them.

    Args:
        corpus: What to read.

    Raises:
        DataError: There is no such path, no text in it, one that is not UTF-8, or too little.

    Example:
        >>> load_characters(Corpus(split=SplitConfig(dev=0.1, test=0.1, seed=0))).alphabet[0]
        '\ufffd'
    """
    text = (_own_text() if corpus.path is None else _text_of(corpus.path))[: corpus.longest]
    if len(text) < _FEWEST:
        raise DataError(
            f"{str(corpus.path)!r} has {len(text):,} characters",
            f"at least {_FEWEST:,} to learn from",
            "name a longer text, or a folder of several",
        )
    size = min(corpus.piece, len(text) // 20)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    dealt = split_samples(np.zeros(len(pieces), np.intp), corpus.split)
    train, dev, test = ("".join(pieces[row] for row in dealt.rows(part)) for part in SPLITS)
    frequent = [symbol for symbol, _ in Counter(train).most_common(corpus.symbols - 1)]
    known = Characters(UNKNOWN + "".join(sorted(frequent)), *[np.zeros(0, np.int32)] * 3)
    return known._replace(train=known.read(train), dev=known.read(dev), test=known.read(test))


def _text_of(path: Path) -> str:
    if path.is_file() and not zipfile.is_zipfile(path):
        return _decoded(path.read_bytes(), repr(str(path)))
    archive = open_archive(path)
    names = [name for name in archive.names if name.lower().endswith(_SUFFIXES)]
    if not names:
        raise DataError(
            f"{archive.name} has no text",
            f"files that end in {', '.join(_SUFFIXES)}",
            "name a text file, or a folder with some",
        )
    return "\n\n".join(_decoded(archive.read(name), repr(name)) for name in names)


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as cause:
        line = content.count(b"\n", 0, cause.start) + 1
        raise DataError(
            f"{name} is not UTF-8: line {line} has the byte {content[cause.start]:#04x}",
            "text in UTF-8",
            f"save it as UTF-8, say: iconv -f windows-1252 -t utf-8 {name} > new",
        ) from cause


def _own_text() -> str:
    return "\n\n".join(
        text
        for file in sorted(_HOME.rglob("*.py"))
        for text in _docstrings(file.read_text(encoding="utf-8"))
    )


def _docstrings(source: str) -> Iterator[str]:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, documented) and (text := ast.get_docstring(node)):
            yield text
