"""Unigrams and trigrams of characters: what a network that writes must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 30


def ngram_bits(
    train: NDArray[np.int32], dev: NDArray[np.int32], test: NDArray[np.int32],
    *, symbols: int, order: int,
) -> float:  # fmt: skip
    """Bits per character of an interpolated n-gram (Jelinek & Mercer 1980).

    The probability of a character is a mean of what contexts of every length up to `order - 1`
    say, and of all being equally likely; the weights are those that suit the dev text best.

    Args:
        train: Numbers of characters, of which n-grams are counted.
        dev: Those that the weights are chosen on.
        test: Those that are scored, after the first `order - 1`.
        symbols: How many characters there are.
        order: Characters of an n-gram.

    Example:
        >>> same = np.zeros(1000, np.int32)
        >>> round(ngram_bits(same, same, same, symbols=2, order=1), 3)
        0.0
    """
    counts = [_counted(train, symbols, length) for length in range(1, order + 1)]
    weights = np.full(order + 1, 1 / (order + 1))
    of_dev = _told(dev, counts, symbols)
    for _ in range(_ROUNDS):  # of expectation and maximization
        shares = weights[:, None] * of_dev
        weights = (shares / shares.sum(0)).mean(1)
    return float(-np.log2(weights @ _told(test, counts, symbols)).mean())


def _counted(text: NDArray[np.int32], symbols: int, length: int) -> NDArray[np.int64]:
    """How often each n-gram stands in a text, of shape `(contexts, symbols)`."""
    found = np.bincount(_codes(text, symbols, length), minlength=symbols**length)
    return found.reshape(-1, symbols)


def _codes(text: NDArray[np.int32], symbols: int, length: int) -> NDArray[np.int64]:
    """The number of each n-gram of a text."""
    stop = len(text) - length + 1
    codes = np.zeros(stop, np.int64)
    for place in range(length):
        codes = codes * symbols + text[place : place + stop]
    return codes


def _told(
    text: NDArray[np.int32], counts: list[NDArray[np.int64]], symbols: int
) -> NDArray[np.float64]:
    """What each order says of each character, `(orders + 1, characters)`, chance being first."""
    stop = len(text) - len(counts) + 1
    told = [np.full(stop, 1 / symbols)]
    for length, found in enumerate(counts, 1):
        codes = _codes(text[len(counts) - length :], symbols, length)
        context, symbol = np.divmod(codes, symbols)
        seen = found.sum(1)[context]
        share = found[context, symbol] / np.maximum(seen, 1)
        told.append(np.where(seen > 0, share, 1 / symbols))
    return np.stack(told)
