"""Splits: exact shares, labels in the same share everywhere, groups whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gatescope.data.splits import (
    SPLITS,
    Dealer,
    SplitConfig,
    absent_notes,
    split_groups,
    split_samples,
)
from gatescope.errors import DataError, UsageError

TENTHS = SplitConfig(dev=0.1, test=0.1, seed=0)
LABELS = st.lists(st.integers(0, 6), min_size=40, max_size=300).map(np.array)
SHARES = st.floats(0.05, 0.45)


def sizes(splits):
    return [len(splits.rows(split)) for split in SPLITS]


@settings(deadline=None)
@given(LABELS, SHARES, SHARES, st.integers(0, 9))
def test_every_label_is_in_train_and_its_share_is_exact_to_one_sample(labels, dev, test, seed):
    splits = split_samples(labels, SplitConfig(dev=dev, test=test, seed=seed))
    assert len(splits.of) == len(labels)
    for label in np.unique(labels):
        of = splits.of[labels == label]
        assert (of == 0).any()
        # One for rounding dev, which shifts what test is a share of; one for a rare label's train.
        assert abs((of == 1).sum() - dev * len(of)) < 2
        assert abs((of == 2).sum() - test * len(of)) < 2.5


def test_rare_labels_do_not_make_a_share_vanish():
    splits = split_samples(np.repeat(np.arange(100), 4), TENTHS)
    assert sizes(splits) == [320, 40, 40]


def test_the_seed_alone_decides():
    labels = np.arange(200) % 3
    once, again = split_samples(labels, TENTHS), split_samples(labels, TENTHS)
    np.testing.assert_array_equal(once.of, again.of)
    other = split_samples(labels, SplitConfig(dev=0.1, test=0.1, seed=1))
    assert (once.of != other.of).any()


def test_each_sample_is_as_likely_as_another_to_be_in_dev():
    labels = np.zeros(20, int)
    drawn = sum(
        split_samples(labels, SplitConfig(dev=0.25, test=0.25, seed=seed)).of == 1
        for seed in range(2000)
    )
    # 500 expected, standard deviation 19: five of them.
    assert np.abs(drawn - 500).max() < 97


@settings(deadline=None)
@given(LABELS, st.integers(1, 50))
def test_dealing_in_chunks_keeps_the_shares(labels, chunk):
    counts = np.bincount(labels)
    dealer = Dealer(counts, TENTHS)
    dealt = [dealer.deal(labels[at : at + chunk]) for at in range(0, len(labels), chunk)]
    whole = Dealer(counts, TENTHS).deal(labels)
    np.testing.assert_array_equal(np.bincount(np.concatenate(dealt)), np.bincount(whole))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=200),
    SHARES,
    st.integers(0, 9),
)
def test_no_group_is_in_two_splits_and_no_split_is_empty(pairs, dev, seed):
    groups, labels = zip(*pairs, strict=True)
    config = SplitConfig(dev=dev, test=0.2, seed=seed)
    if len(set(groups)) < 3:
        with pytest.raises(DataError, match="cannot be split into train and dev and test"):
            split_samples(np.array(labels), config, groups=groups)
        return
    splits = split_samples(np.array(labels), config, groups=groups)
    of = {group: set() for group in groups}
    for group, split in zip(groups, splits.of.tolist(), strict=True):
        of[group].add(split)
    assert all(len(found) == 1 for found in of.values())
    assert all(sizes(splits))


def test_groups_come_near_the_shares_and_the_labels():
    random = np.random.default_rng(0)
    groups = random.integers(0, 100, 5000)
    labels = (random.random(5000) < 0.3).astype(int)
    splits = split_samples(labels, TENTHS, groups=groups.tolist())
    for split, share in zip(SPLITS, (0.8, 0.1, 0.1), strict=True):
        rows = splits.rows(split)
        assert abs(len(rows) / 5000 - share) < 0.02
        assert abs(labels[rows].mean() - 0.3) < 0.03


def test_six_speakers_are_four_one_and_one():
    of = split_groups(np.full((6, 10), 50), TENTHS)
    assert np.bincount(of).tolist() == [4, 1, 1]


def test_a_share_of_nought_is_no_split():
    splits = split_samples(np.zeros(10, int), SplitConfig(dev=0.2, test=0, seed=0))
    assert sizes(splits) == [8, 2, 0]
    grouped = split_groups(np.full((2, 1), 5), SplitConfig(dev=0.2, test=0, seed=0))
    assert sorted(grouped.tolist()) == [0, 1]


def test_labels_that_a_split_lacks_are_said():
    splits = split_samples(np.array([0] * 20 + [1]), TENTHS)
    assert splits.counts.tolist() == [[16, 1], [2, 0], [2, 0]]
    assert absent_notes(splits.counts, ("cat", "dog")) == (
        "no sample of 'dog' is in dev",
        "no sample of 'dog' is in test",
    )


def test_a_split_that_is_not_wanted_lacks_nothing_worth_saying():
    splits = split_samples(np.array([0, 1] * 10), SplitConfig(dev=0.2, test=0, seed=0))
    assert absent_notes(splits.counts, ("cat", "dog")) == ()


def test_too_few_samples_are_refused():
    with pytest.raises(DataError) as caught:
        split_samples(np.zeros(4, int), TENTHS)
    assert caught.value.happened == "of 4 samples none is left for dev"
    assert caught.value.fix == "add samples, or change the share of dev"


def test_an_unknown_split_is_refused():
    splits = split_samples(np.zeros(10, int), TENTHS)
    with pytest.raises(UsageError, match="there is no split 'valid'"):
        splits.rows("valid")


def test_shares_leave_something_to_train_on():
    with pytest.raises(ValidationError, match=r"dev=0\.5 and test=0\.5 leave nothing for train"):
        SplitConfig(dev=0.5, test=0.5, seed=0)
