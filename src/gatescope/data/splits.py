"""Splits of samples into train, dev and test: by exact shares, by labels, by groups.

Shapes: N = samples, L = labels, G = groups, S = the three splits.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gatescope.errors import DataError, UsageError

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

Share = Annotated[float, Field(ge=0, lt=1)]


class SplitConfig(BaseModel):
    """How samples are split.

    Args:
        dev: The share that models and thresholds are chosen on.
        test: The share that is looked at once. Train gets what is left.
        seed: The same seed splits the same samples the same way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dev: Share
    test: Share
    seed: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _some_left(self) -> Self:
        if self.dev + self.test >= 1:
            raise ValueError(f"dev={self.dev:g} and test={self.test:g} leave nothing for train")
        return self


@dataclass(frozen=True, eq=False)
class Splits:
    """Which sample is in which split.

    Args:
        of: uint8 of shape `(samples,)`: each sample's split, an index into `SPLITS`.
        counts: int64 of shape `(splits, labels)`: how many samples of each label a split has.
    """

    of: NDArray[np.uint8]
    counts: NDArray[np.int64]

    def rows(self, split: Split) -> NDArray[np.intp]:
        """The samples of one split.

        Args:
            split: `"train"`, `"dev"` or `"test"`.

        Returns:
            Their indices, ascending.

        Raises:
            UsageError: There is no split of that name.
        """
        return np.flatnonzero(self.of == split_index(split))


def count_labels(
    of: NDArray[np.uint8], labels: NDArray[np.integer[Any]], label_count: int
) -> NDArray[np.int64]:
    """How many samples of each label each split has.

    Args:
        of: Integers of shape `(samples,)`: indices into `SPLITS`.
        labels: Integers of shape `(samples,)`.
        label_count: How many labels there are.

    Returns:
        int64 of shape `(splits, labels)`.
    """
    counts_SL = np.zeros((len(SPLITS), label_count), np.int64)
    np.add.at(counts_SL, (of, labels), 1)
    return counts_SL


def absent_notes(counts: NDArray[np.int64], classes: Sequence[str]) -> tuple[str, ...]:
    """Says which labels a split lacks.

    Args:
        counts: What `count_labels` returned.
        classes: The labels' names.

    Returns:
        A sentence for each split that has samples, but not of every label.
    """
    return tuple(
        f"no sample of {shown([classes[at] for at in np.flatnonzero(count_L == 0).tolist()])} "
        f"is in {split}"
        for split, count_L in zip(SPLITS, counts, strict=True)
        if count_L.any() and not count_L.all()
    )


def shown(names: Sequence[str], most: int = 5) -> str:
    """The first of some names, and how many more there are.

    Example:
        >>> shown(["a", "b", "c"], most=2)
        "'a', 'b' and 1 more"
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def split_index(split: str) -> int:
    """The place of a split in `SPLITS`.

    Args:
        split: `"train"`, `"dev"` or `"test"`.

    Raises:
        UsageError: There is no split of that name.
    """
    if split not in SPLITS:
        raise UsageError(f"there is no split {split!r}", "train, dev or test", "name one of these")
    return SPLITS.index(split)


def split_samples(
    labels: NDArray[np.integer[Any]],
    config: SplitConfig,
    *,
    groups: Sequence[Hashable] | None = None,
) -> Splits:
    """Splits samples so that every split has each label in the same share.

    Without groups the shares are exact, to one sample a label, and each label is in train. Groups
    (people, speakers, patients) stay whole, so that no split knows another's: the shares are then
    as near as the groups allow.

    Args:
        labels: Integers of shape `(samples,)` from 0 on; all 0 where there are no labels.
        config: The shares.
        groups: For each sample, what it belongs to.

    Returns:
        The splits.

    Raises:
        DataError: There are too few samples, or groups, for a split to get one.

    Example:
        >>> splits = split_samples(np.array([0, 1] * 50), SplitConfig(dev=0.1, test=0.2, seed=0))
        >>> [len(splits.rows(split)) for split in SPLITS]
        [70, 10, 20]
    """
    counts_L = np.bincount(labels, minlength=1)
    if groups is None:
        of_N = Dealer(counts_L, config).deal(labels)
    else:
        places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
        group_N = np.array([places[group] for group in groups], np.intp)
        counts_GL = np.zeros((len(places), len(counts_L)), np.int64)
        np.add.at(counts_GL, (group_N, labels), 1)
        of_N = split_groups(counts_GL, config)[group_N]
    return Splits(of_N, count_labels(of_N, labels, len(counts_L)))


class Dealer:
    """Deals samples into splits as they come by, each label by its exact share.

    Only counts are kept, so it serves streams that do not fit into memory. Every way to deal the
    samples is equally likely, as if they had been shuffled whole.

    Args:
        counts: Integers of shape `(labels,)`: how many samples of each label will come.
        config: The shares.

    Raises:
        DataError: There are too few samples for a split to get one.
    """

    def __init__(self, counts: NDArray[np.integer[Any]], config: SplitConfig) -> None:
        self._random = np.random.default_rng(config.seed)
        self._left_LS = _quotas(np.asarray(counts, np.int64), config, self._random)

    def deal(self, labels: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Deals the next samples.

        Args:
            labels: Their labels, of shape `(samples,)`.

        Returns:
            uint8 of shape `(samples,)`: their splits, indices into `SPLITS`.
        """
        of_N = np.empty(len(labels), np.uint8)
        for label in np.unique(labels):
            rows = np.flatnonzero(labels == label)
            drawn_S = self._random.multivariate_hypergeometric(self._left_LS[label], len(rows))
            self._left_LS[label] -= drawn_S
            of_N[rows] = self._random.permutation(np.repeat(np.arange(len(SPLITS)), drawn_S))
        return of_N


def _quotas(
    counts_L: NDArray[np.int64], config: SplitConfig, random: np.random.Generator
) -> NDArray[np.int64]:
    """How many samples of each label each split gets, of shape `(labels, splits)`."""
    order = random.permutation(len(counts_L))
    dev_L = _shared(counts_L, config.dev, order)
    test_L = _shared(counts_L - dev_L, config.test / (1 - config.dev), order)
    left_L = counts_L - dev_L - test_L
    # What was never trained on cannot be told: the last sample of a rare label goes to train.
    owed_L = (left_L == 0) & (counts_L > 0)
    from_test_L = owed_L & (test_L > 0)
    from_dev_L = owed_L & ~from_test_L
    quotas_LS = np.stack([left_L + owed_L, dev_L - from_dev_L, test_L - from_test_L], axis=1)
    for split in _wanted(config):
        if not quotas_LS[:, SPLITS.index(split)].any():
            raise _too_few(int(counts_L.sum()), split)
    return quotas_LS


def _too_few(samples: int, split: Split) -> DataError:
    return DataError(
        f"of {samples} samples none is left for {split}",
        "at least one sample for each split, and one of each label for train",
        f"add samples, or change the share of {split}",
    )


def _shared(
    counts_L: NDArray[np.int64], share: float, order: NDArray[np.intp]
) -> NDArray[np.int64]:
    """A share of each label's samples, whole numbers whose sum is exact, too.

    Rounding the running total and not each label keeps rare labels from vanishing: of a hundred
    labels with four samples each, a tenth is forty and not nought.
    """
    totals_L = np.cumsum(counts_L[order]) * share
    shared_L = np.empty_like(counts_L)
    shared_L[order] = np.diff(np.floor(totals_L + 0.5).astype(np.int64), prepend=0)
    return shared_L


def split_groups(counts: NDArray[np.integer[Any]], config: SplitConfig) -> NDArray[np.uint8]:
    """Splits whole groups, so that sizes and labels come as near to the shares as they can.

    The largest group chooses first, and each goes where it lessens most how far the splits are,
    relatively and squared, from what they should have of each label.

    Args:
        counts: Integers of shape `(groups, labels)`: how many samples of each label a group has.
        config: The shares.

    Returns:
        uint8 of shape `(groups,)`: their splits, indices into `SPLITS`.

    Raises:
        DataError: There are fewer groups than splits.
    """
    wanted = _wanted(config)
    if len(counts) < len(wanted):
        raise DataError(
            f"{len(counts)} group(s) cannot be split into {' and '.join(wanted)}",
            "at least one group for each split, since a group stays whole",
            "add groups, set a share to 0, or split without groups",
        )
    counts_GL = np.asarray(counts, np.float64)
    places = np.array([SPLITS.index(split) for split in wanted])
    shares = np.array([1 - config.dev - config.test, config.dev, config.test])[places]
    due_SL = shares[:, None] * counts_GL.sum(axis=0)
    due_SL = due_SL[:, due_SL.any(axis=0)]
    counts_GL = counts_GL[:, counts_GL.any(axis=0)]

    shuffled = np.random.default_rng(config.seed).permutation(len(counts_GL))
    order = shuffled[np.argsort(-counts_GL[shuffled].sum(axis=1), kind="stable")]
    have_SL, of_G = np.zeros_like(due_SL), np.empty(len(counts_GL), np.intp)
    for group in order:
        more_SL = have_SL + counts_GL[group]
        gain_S = (((have_SL - due_SL) / due_SL) ** 2 - ((more_SL - due_SL) / due_SL) ** 2).sum(1)
        of_G[group] = np.argmax(gain_S)
        have_SL[of_G[group]] = more_SL[of_G[group]]
    return places[_none_empty(of_G, order, len(places))].astype(np.uint8)


def _none_empty(of_G: NDArray[np.intp], order: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Moves the smallest groups of the split with most groups into splits that have none."""
    for empty in np.setdiff1d(np.arange(count), of_G):
        richest = np.bincount(of_G, minlength=count).argmax()
        smallest = next(group for group in order[::-1] if of_G[group] == richest)
        of_G[smallest] = empty
    return of_G


def _wanted(config: SplitConfig) -> list[Split]:
    shares = {"train": 1.0, "dev": config.dev, "test": config.test}
    return [split for split in SPLITS if shares[split]]
