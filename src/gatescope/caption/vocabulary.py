"""Words and their ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from gatescope.caption.decoding import SpecialTokens
from gatescope.caption.tokenizer import Words, tokenize
from gatescope.errors import DataError

SPECIAL = SpecialTokens()
SPECIAL_WORDS = ("<pad>", "<start>", "<end>", "<unk>")

# (captions, threshold): a word must be seen this often to be worth a vector. Measured on
# Flickr8k: 5 leaves 3 % of the dev words unknown; a few hundred captions cannot afford that.
THRESHOLDS = ((20_000, 5), (5_000, 3), (1_000, 2), (0, 1))


@dataclass(frozen=True)
class Vocabulary:
    """The words that a captioner can read and say.

    Args:
        words: Special tokens first, then words; a word's place is its id.
        splitting: How text is split into words: `ptb` for English, `unicode` for any language.

    Example:
        >>> vocabulary = Vocabulary.from_captions(["A dog runs.", "A cat."], threshold=1)
        >>> vocabulary.encode("a dog")
        [4, 6]
        >>> vocabulary.decode([4, 6, 2, 0])
        'a dog'
    """

    words: tuple[str, ...]
    splitting: Words = "ptb"

    @classmethod
    def from_captions(
        cls,
        captions: Iterable[str],
        *,
        threshold: int | Literal["auto"] = "auto",
        splitting: Words = "ptb",
        known: Sequence[str] = (),
    ) -> Vocabulary:
        """Collects the words that captions use at least `threshold` times.

        Args:
            captions: The training captions.
            threshold: Least count of a word; `auto` grows with the number of captions.
            splitting: How text is split into words.
            known: Words of another vocabulary, kept with their ids; new ones come after them.

        Raises:
            DataError: No caption has a word.
        """
        tokens = [tokenize(caption, words=splitting) for caption in captions]
        automatic = next(least for many, least in THRESHOLDS if len(tokens) >= many)
        least = automatic if threshold == "auto" else threshold
        counts = Counter(word for words in tokens for word in words)
        if not counts:
            raise DataError(
                "the training captions hold no word",
                "captions with words that the splitting knows",
                "check the captions' file; for a language other than English add "
                "--set words=unicode",
            )
        kept = sorted(word for word, count in counts.items() if count >= least)
        first = tuple(known) or SPECIAL_WORDS
        return cls((*first, *(word for word in kept if word not in set(first))), splitting)

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: index for index, word in enumerate(self.words)}

    def encode(self, caption: str) -> list[int]:
        """Ids of a caption's words; an unknown word becomes `<unk>`."""
        tokens = tokenize(caption, words=self.splitting)
        return [self._ids.get(token, SPECIAL.unknown) for token in tokens]

    def spell(self, ids: Iterable[int]) -> list[str]:
        """Words of ids up to the end token, padding and start left out."""
        words = []
        for index in ids:
            if index == SPECIAL.end:
                break
            if index not in (SPECIAL.pad, SPECIAL.start):
                words.append(self.words[index])
        return words

    def decode(self, ids: Iterable[int]) -> str:
        """The caption that ids spell."""
        return " ".join(self.spell(ids))
