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
            DataError: No caption has a word, or none is used often enough.
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
        first = tuple(known) or SPECIAL_WORDS
        often = {word for word, count in counts.items() if count >= least}
        words = (*first, *sorted(often.difference(first)))
        if len(words) == len(SPECIAL_WORDS):
            raise DataError(
                f"no word is used {least} times in the training captions",
                f"words that are; the commonest is used {max(counts.values())} times",
                "lower it with --set threshold=1",
            )
        return cls(words, splitting)

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def _ids(self) -> dict[str, int]:
        # A caption that spells out "<end>" has said an unknown word, not ended.
        special = len(SPECIAL_WORDS)
        return {word: index for index, word in enumerate(self.words) if index >= special}

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
