"""Scores of captions: BLEU-1 to 4, ROUGE-L and CIDEr-D, equal to `pycocoevalcap` 1.2 to the bit.

Equal scores need equal words, see `tokenizer`, and the same sums in the same order, which is
why the arithmetic below is spelled out instead of vectorized. For one photo with hypothesis
`h` and references `r`:

- **BLEU-n** (Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine
  translation"): `min(1, exp(1 - |r| / |h|)) * (p_1 * ... * p_n) ** (1 / n)`, where `p_k` is the
  share of the k-grams of `h` found in a reference, each counted at most as often as one
  reference has it, and `|r|` the reference length closest to `|h|`, the shorter on a tie. Over
  many photos counts and lengths are summed first. No smoothing.
- **ROUGE-L** (Lin 2004, "ROUGE: a package for automatic evaluation of summaries"):
  `(1 + b²) P R / (R + b² P)` with `b = 1.2`; precision `P` and recall `R` of the longest common
  subsequence, each the best over the references. Over many photos the mean.
- **CIDEr-D** (Vedantam et al. 2015, "CIDEr: consensus-based image description evaluation"):
  ten times the mean, over n = 1 to 4 and the references, of
  `exp(-(l_h - l_r)² / (2 * 6²)) * sum(min(h_g, r_g) * r_g) / (|h| |r|)`, where `h_g` is the count
  of n-gram `g` times `log(photos / photos with g in a reference)` and `l` counts bigrams. Over
  many photos the mean.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from itertools import chain
from typing import Final, Self, final

import numpy as np

from gatescope.caption.tokenizer import Words, tokenize
from gatescope.errors import UsageError

Tokens = Sequence[Hashable]
NGram = tuple[Hashable, ...]
FourFloats = tuple[float, float, float, float]

_LONGEST: Final = 4  # n-grams
_LENGTHS: Final = range(1, _LONGEST + 1)
_TINY, _SMALL = 1e-15, 1e-9  # keep BLEU's quotients finite
_BETA: Final = 1.2
_SIGMA: Final = 6.0


@dataclass(frozen=True)
class BleuScore:
    """BLEU-1, 2, 3 and 4 of all captions together and of each alone."""

    corpus: FourFloats
    each: tuple[FourFloats, ...]


@dataclass(frozen=True)
class MeanScore:
    """The mean score of all captions and the score of each."""

    corpus: float
    each: tuple[float, ...]


@dataclass(frozen=True)
class Scores:
    """What `score` finds: four BLEUs, ROUGE-L and CIDEr-D, and two signs of trouble.

    Args:
        bleu1, bleu2, bleu3, bleu4: BLEU of all captions together, 0 to 1.
        rouge_l: Mean ROUGE-L, 0 to 1.
        cider: Mean CIDEr-D, 0 to 10.
        bad_endings: Share of captions that break off ("a man with a").
        distinct: Share of captions that differ from all before them.
    """

    bleu1: float
    bleu2: float
    bleu3: float
    bleu4: float
    rouge_l: float
    cider: float
    bad_endings: float
    distinct: float

    def to_dict(self) -> dict[str, float]:
        """Plain data for a JSON file."""
        return asdict(self)


def score(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, words: Words = "ptb"
) -> Scores:
    """Scores captions against what people wrote.

    Equal to the BLEU, ROUGE-L and CIDEr of `pycocoevalcap` on the same captions, if `words` is
    `"ptb"`. Scores on `"unicode"` words are for comparison among themselves only.

    Args:
        hypotheses: One caption a photo.
        references: People's captions of each photo, at least one.
        words: How captions are cut into words, see `tokenize`.

    Raises:
        UsageError: The lengths differ, a photo has no reference, or there are fewer than two
            photos, which CIDEr needs.

    Example:
        >>> said = ["A dog runs.", "A man on a"]
        >>> wrote = [["A dog is running.", "The dog runs."], ["A man on a horse."]]
        >>> scores = score(said, wrote)
        >>> scores.bad_endings, scores.distinct
        (0.5, 1.0)
    """
    spoken = [tokenize(caption, words=words) for caption in hypotheses]
    written = [[tokenize(caption, words=words) for caption in photo] for photo in references]
    # "3 1/2" is one word with a no-break space, which the original's BLEU and CIDEr cut in two.
    spoken_apart = [_apart(tokens) for tokens in spoken]
    written_apart = [[_apart(tokens) for tokens in photo] for photo in written]
    return Scores(
        *bleu(spoken_apart, written_apart).corpus,
        rouge_l=rouge_l(spoken, written).corpus,
        cider=cider_d(spoken_apart, written_apart).corpus,
        bad_endings=sum(map(bad_ending, spoken)) / len(spoken),
        distinct=distinct_share(spoken),
    )


def _apart(tokens: Iterable[str]) -> list[str]:
    return " ".join(tokens).split()


def bleu(hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> BleuScore:
    """BLEU-1 to 4 with the closest reference length and no smoothing (Papineni et al. 2002).

    Args:
        hypotheses: The tokens of one caption a photo. An empty one scores 0.
        references: For each photo the tokens of its references.

    Raises:
        UsageError: The lengths differ, there is no photo, or a photo has no reference.

    Example:
        >>> bleu([["a", "dog", "runs"]], [[["a", "dog", "runs", "fast"]]]).corpus[0]
        0.7165313100961022
    """
    _check(hypotheses, references)
    counts = list(map(_bleu_counts, hypotheses, references))
    total = [sum(column) for column in zip(*counts, strict=True)]
    return BleuScore(_bleu(total), tuple(map(_bleu, counts)))


def _bleu_counts(hypothesis: Tokens, references: Sequence[Tokens]) -> list[int]:
    """Length, closest reference length, n-grams for each n, and those found in a reference."""
    length = len(hypothesis)
    _, closest = min((abs(len(reference) - length), len(reference)) for reference in references)
    most: Counter[NGram] = Counter()
    for reference in references:
        most |= _ngrams(reference)
    found = [0] * _LONGEST
    for ngram, count in _ngrams(hypothesis).items():
        found[len(ngram) - 1] += min(most[ngram], count)
    return [length, closest, *(max(0, length - n) for n in range(_LONGEST)), *found]


def _bleu(counts: Sequence[int]) -> FourFloats:
    length, closest = counts[:2]
    guessed, found = counts[2 : 2 + _LONGEST], counts[2 + _LONGEST :]
    ratio = (length + _TINY) / (closest + _SMALL)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    precision, scores = 1.0, []
    for n in range(_LONGEST):
        precision *= (found[n] + _TINY) / (guessed[n] + _SMALL)
        scores.append(precision ** (1 / (n + 1)) * penalty)
    one, two, three, four = scores
    return one, two, three, four


def rouge_l(hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> MeanScore:
    """ROUGE-L with β = 1.2, best precision and best recall taken separately (Lin 2004).

    Args:
        hypotheses: The tokens of one caption a photo. An empty one scores 0.
        references: For each photo the tokens of its references.

    Raises:
        UsageError: The lengths differ, there is no photo, or a photo has no reference.

    Example:
        >>> rouge_l([["a", "dog", "runs"]], [[["a", "dog", "ran"]]]).corpus
        0.6666666666666666
    """
    _check(hypotheses, references)
    return _mean(map(_rouge_l, hypotheses, references))


def _rouge_l(hypothesis: Tokens, references: Sequence[Tokens]) -> float:
    said = hypothesis or ("",)  # the original reads "no words" as one empty word
    wrote = [reference or ("",) for reference in references]
    common = [_common_length(said, reference) for reference in wrote]
    precision = max(length / len(said) for length in common)
    recall = max(length / len(other) for length, other in zip(common, wrote, strict=True))
    if precision == 0:
        return 0.0
    return ((1 + _BETA**2) * precision * recall) / (recall + _BETA**2 * precision)


def _common_length(first: Tokens, second: Tokens) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for token in first:
        diagonal = 0
        for place, other in enumerate(second, start=1):
            above = row[place]
            row[place] = diagonal + 1 if token == other else max(above, row[place - 1])
            diagonal = above
    return row[-1]


def cider_d(hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> MeanScore:
    """CIDEr-D with σ = 6, rarity counted over the photos scored (Vedantam et al. 2015).

    Args:
        hypotheses: The tokens of one caption a photo. An empty one scores 0.
        references: For each photo the tokens of its references.

    Raises:
        UsageError: The lengths differ, there are fewer than two photos, or a photo has no
            reference.

    Example:
        >>> cider_d([["a", "dog"], ["a", "cat"]], [[["a", "dog"]], [["a", "bird"]]]).each
        (5.0, 0.0)
    """
    _check(hypotheses, references)
    scorer = CiderD.fit(references)
    return _mean(scorer.score_many(hypotheses, range(len(references))))


@dataclass(frozen=True)
class _References:
    """The references of one photo as n-gram vectors, turned inside out for fast look-up.

    Args:
        weights: For each n-gram the references that have it, each with its weight there.
        norms: For each reference its vector's length for each n.
        bigrams: For each reference its number of bigrams.
    """

    weights: Mapping[NGram, Sequence[tuple[int, float]]]
    norms: Sequence[Sequence[float]]
    bigrams: Sequence[int]


@final
class CiderD:
    """Scores captions by CIDEr-D with rarity counted over given photos.

    Evaluation counts over the photos evaluated (`cider_d` does); self-critical training over
    the training captions (Rennie et al. 2017), so that a reward does not depend on the batch.
    Tokens may be anything hashable, so vocabulary ids, with an end token, do as well as words.
    Build it with `fit`.

    Example:
        >>> scorer = CiderD.fit([[[5, 6, 2], [5, 7, 2]], [[8, 9, 2]]])
        >>> scorer.score_many([[5, 6, 2], [5, 6, 2]], photos=[0, 1])
        [4.375000000000001, 0.0]
    """

    def __init__(
        self, frequencies: Mapping[NGram, int], references: Sequence[Sequence[Tokens]]
    ) -> None:
        """See `fit`.

        Args:
            frequencies: In how many photos' references each n-gram stands.
            references: For each photo the tokens of its references.
        """
        # NumPy's logarithm, as in the original: Python's may differ in the last bit. N-grams of
        # one photo weigh as much as unseen ones, so that most need not be kept.
        self._unseen = float(np.log(float(len(references))))
        self._rarity = {
            ngram: self._unseen - float(np.log(float(count)))
            for ngram, count in frequencies.items()
            if count > 1
        }
        # Bounded, so that memory stays flat as photos grow; a batch draws several captions of
        # a photo.
        self._photo = lru_cache(maxsize=1024)(lambda photo: self._vectors(references[photo]))

    @classmethod
    def fit(cls, references: Sequence[Sequence[Tokens]]) -> Self:
        """Counts in how many photos' references each n-gram stands, and keeps the references.

        Args:
            references: For each photo the tokens of its references.

        Raises:
            UsageError: There are fewer than two photos, or a photo has no reference.
        """
        _check_references(references)
        if len(references) < 2:
            raise UsageError(
                "CIDEr cannot score a single photo",
                "at least two photos: CIDEr weighs words by how few of the photos' references "
                "have them, and with one photo, log(1 / 1) = 0, every word weighs nothing",
                "score more photos together, or use BLEU and ROUGE-L for this one",
            )
        frequencies: Counter[NGram] = Counter()
        for photo in references:
            frequencies.update(set(chain.from_iterable(map(_ngrams, photo))))
        return cls(frequencies, references)

    def score(self, hypothesis: Tokens, references: Sequence[Tokens]) -> float:
        """CIDEr-D of one caption against any references.

        Raises:
            UsageError: There is no reference.
        """
        _check_references([references])
        return self._score(hypothesis, self._vectors(references))

    def score_many(self, hypotheses: Sequence[Tokens], photos: Sequence[int]) -> list[float]:
        """CIDEr-D of captions of the photos given to `fit`; thousands a second.

        Args:
            hypotheses: The tokens of captions.
            photos: For each caption the place of its photo among those given to `fit`.

        Raises:
            UsageError: There are not as many captions as photos.
        """
        _check_lengths(len(hypotheses), len(photos))
        return [
            self._score(hypothesis, self._photo(photo))
            for hypothesis, photo in zip(hypotheses, photos, strict=True)
        ]

    def _weigh(self, tokens: Tokens) -> tuple[dict[NGram, float], list[float], int]:
        """The n-grams' weights, the length of their vector for each n, and the bigrams."""
        rarity, unseen = self._rarity, self._unseen
        weights = {
            ngram: count * rarity.get(ngram, unseen) for ngram, count in _ngrams(tokens).items()
        }
        squares = [0.0] * _LONGEST
        for ngram, weight in weights.items():
            squares[len(ngram) - 1] += weight**2
        return weights, list(map(math.sqrt, squares)), max(0, len(tokens) - 1)

    def _vectors(self, references: Sequence[Tokens]) -> _References:
        together: dict[NGram, list[tuple[int, float]]] = {}
        norms, bigrams = [], []
        for index, reference in enumerate(references):
            weights, norm, length = self._weigh(reference)
            for ngram, weight in weights.items():
                together.setdefault(ngram, []).append((index, weight))
            norms.append(norm)
            bigrams.append(length)
        return _References(together, norms, bigrams)

    def _score(self, hypothesis: Tokens, references: _References) -> float:
        weights, norms, bigrams = self._weigh(hypothesis)
        products = [[0.0] * _LONGEST for _ in references.norms]
        for ngram, weight in weights.items():
            for index, other in references.weights.get(ngram, ()):
                products[index][len(ngram) - 1] += min(weight, other) * other
        totals = [0.0] * _LONGEST
        for product, others, length in zip(
            products, references.norms, references.bigrams, strict=True
        ):
            penalty = _length_penalty(bigrams - length)
            for n in range(_LONGEST):
                scale = norms[n] * others[n]
                totals[n] += (product[n] / scale if scale else product[n]) * penalty
        one, two, three, four = totals
        return (one + two + three + four) / _LONGEST / len(products) * 10.0


@cache
def _length_penalty(difference: int) -> float:
    return math.e ** (-(float(difference) ** 2) / (2 * _SIGMA**2))


def _ngrams(tokens: Tokens) -> Counter[NGram]:
    """Counts the 1- to 4-grams of `tokens`, short ones first, each in order of appearance."""
    shifted = [tokens[start:] for start in range(_LONGEST)]
    return Counter(chain.from_iterable(zip(*shifted[:n], strict=False) for n in _LENGTHS))


def _mean(scores: Iterable[float]) -> MeanScore:
    each = tuple(scores)
    return MeanScore(float(np.mean(np.array(each))), each)


# Words that a finished caption does not end in; people's captions of Flickr8k do so in 0.4 %.
_UNFINISHED: Final = re.compile(
    "an?|the|his|its|their|my|your|our|whose|"
    "of|in|on|at|by|for|from|with|without|to|into|onto|upon|near|beside|between|among|through|"
    "across|against|towards?|during|atop|"
    "and|or|but|nor|while|as|than|that|which|who|where|when|because|if|"
    "is|are|was|were|be|been|being|am|has|have|had|will|would|could|should|must"
)


def bad_ending(tokens: Sequence[str]) -> bool:
    """Whether a caption breaks off: ends in an article, a preposition, a conjunction and such.

    Captioners trained for a score learn endings like "a man with a", which cost the score
    little. English only. "Looks on" is a whole phrase and passes.

    Args:
        tokens: Lower-case words; an empty caption has no bad ending.

    Example:
        >>> bad_ending(["a", "man", "with", "a"]), bad_ending(["a", "man", "looks", "on"])
        (True, False)
    """
    if not tokens or not _UNFINISHED.fullmatch(tokens[-1]):
        return False
    return not re.fullmatch("look(s|ing)? on", " ".join(tokens[-2:]))


def distinct_share(captions: Sequence[Tokens]) -> float:
    """The share of captions left when each is kept once; near 0 if every photo gets the same.

    Raises:
        UsageError: There is no caption.

    Example:
        >>> distinct_share([["a", "dog"], ["a", "dog"], ["a", "cat"], ["two", "dogs"]])
        0.75
    """
    if not captions:
        raise _nothing_to_score()
    return len(set(map(tuple, captions))) / len(captions)


def _check(hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> None:
    _check_lengths(len(hypotheses), len(references))
    if not hypotheses:
        raise _nothing_to_score()
    _check_references(references)
    _check_tokens(hypotheses)


def _nothing_to_score() -> UsageError:
    return UsageError(
        "there is no caption to score", "at least one caption", "check which captions are passed"
    )


def _check_lengths(hypotheses: int, photos: int) -> None:
    if hypotheses != photos:
        raise UsageError(
            f"{hypotheses} captions for {photos} photos",
            "one caption a photo, in the same order",
            "pass as many captions as photos",
        )


def _check_references(references: Sequence[Sequence[Tokens]]) -> None:
    for index, photo in enumerate(references):
        if not photo:
            raise UsageError(
                f"photo {index} (counted from 0) has no reference caption",
                "at least one reference a photo",
                "leave the photo out or add a caption",
            )
        _check_tokens(photo)


def _check_tokens(captions: Sequence[Tokens]) -> None:
    text = next((caption for caption in captions if isinstance(caption, str)), None)
    if text is not None:
        raise UsageError(
            f"the caption {text!r} is text, not tokens",
            "a sequence of tokens such as ['a', 'dog']",
            "cut it into words with tokenize, or call score, which does so",
        )
