"""Captions into words: the Penn Treebank words that published scores count, or Unicode words."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final, Literal

from gatescope.caption.treebank import treebank_words
from gatescope.errors import UsageError

Words = Literal["ptb", "unicode"]


def tokenize(text: str, *, words: Words = "ptb") -> list[str]:
    r"""Cuts one caption into lower-case words without punctuation.

    `"ptb"` is for English and for scores that can be compared with published ones: Penn
    Treebank words, as `pycocoevalcap` 1.2 gives them for a caption that another one follows.
    `"unicode"` is for every other language: letters, digits and the marks on them make words,
    an apostrophe between letters belongs to the word, all else separates. Chinese characters
    and Japanese kana are a word each, since no spaces part their words; Thai, Lao, Khmer and
    Burmese have none either, so put spaces between their words first.

    Captions are cut one at a time, so nothing in one can shift the words of another. Line
    breaks inside a caption (`\r`, `\n`, `\v`, `\f`, U+0085, U+2028, U+2029) separate words,
    where the original begins a new caption at most of them and so shifts all that follow.

    Args:
        text: One caption.
        words: `"ptb"` or `"unicode"`.

    Returns:
        The words, in order. Empty if the caption holds nothing but punctuation.

    Raises:
        UsageError: `words` is something else.

    Example:
        >>> tokenize("Two dogs can't share the man's red T-shirt.")
        ['two', 'dogs', 'ca', "n't", 'share', 'the', 'man', "'s", 'red', 't-shirt']
        >>> tokenize("Deux chiens, un os !", words="unicode")
        ['deux', 'chiens', 'un', 'os']
    """
    if words == "ptb":
        return treebank_words(text)
    if words == "unicode":
        return _unicode_words(text)
    raise UsageError(
        f"no way to split words is called {words!r}",
        "'ptb' (English, comparable with published scores) or 'unicode' (any language)",
        "pass words='ptb' or words='unicode'",
    )


def _unicode_words(text: str) -> list[str]:
    """The Unicode words of `text`, composed (NFC) so that equal letters are equal strings."""
    spaced = "".join(map(_spelled, unicodedata.normalize("NFC", text.lower())))
    words = (word.strip(_JOINERS) for word in spaced.split())
    return [word for word in words if any(map(str.isalnum, word))]


_JOINERS: Final = "'\u200c\u200d"  # stand inside words, never around them
_UNSPACED: Final = ("CJK ", "HIRAGANA ", "KATAKANA", "HALFWIDTH KATAKANA ")


@cache
def _spelled(character: str) -> str:
    """What a character becomes before the caption is cut at white space."""
    if character == "’":
        return "'"
    if unicodedata.name(character, "").startswith(_UNSPACED):
        return f" {character} "
    if unicodedata.category(character)[0] in "LMN" or character in _JOINERS:
        return character
    return " "
