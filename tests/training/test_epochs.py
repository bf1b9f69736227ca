"""The order of data is a function of seed and epoch, and every row comes once an epoch."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from gatescope.errors import DataError
from gatescope.training.epochs import (
    ArrayEpochs,
    EpochDataset,
    as_arrays,
    in_memory,
    shapes,
    weighted,
)


def order(seed, epoch, count=23, size=5):
    make = ArrayEpochs(as_arrays((np.arange(count),)), batch_size=size, seed=seed)
    return [batch[0].numpy().tolist() for batch in make(epoch)]


@given(st.integers(0, 2**32 - 1), st.integers(0, 1000), st.integers(1, 40), st.integers(1, 12))
@settings(max_examples=20, deadline=None)
def test_every_row_comes_once_in_full_batches_but_the_last(seed, epoch, count, size):
    batches = order(seed, epoch, count, size)
    assert sorted(row for batch in batches for row in batch) == list(range(count))
    assert {len(batch) for batch in batches[:-1]} <= {size}


def test_the_order_is_a_function_of_seed_and_epoch():
    assert order(3, 7) == order(3, 7)
    assert len({str(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_rows_of_all_parts_stay_together():
    x, y = np.arange(30), np.arange(30) * 2
    for (a, (b, c)), target in ArrayEpochs(as_arrays(((x, [x, x]), y)), batch_size=7, seed=1)(0):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(2 * a, target)


def test_an_epoch_is_made_once_and_passed_through_once():
    made = []

    def make(epoch):
        made.append(epoch)
        return tf.data.Dataset.range(epoch, epoch + 2)

    dataset = EpochDataset(make)
    assert iter(dataset) is iter(dataset)  # of which Keras asks for two
    assert list(map(int, dataset)) == [0, 1] and list(map(int, dataset)) == []
    dataset.begin(0)
    assert list(map(int, dataset)) == [0, 1]
    dataset.begin(5)
    assert list(map(int, dataset)) == [5, 6]
    assert made == [0, 5] and int(dataset.cardinality()) == 2


def test_memory_holds_what_a_dataset_gave():
    data = as_arrays(({"a": np.arange(11.0)}, np.arange(11)))
    x, y = in_memory(ArrayEpochs(data, batch_size=4, seed=None)(0))
    np.testing.assert_array_equal(x["a"], np.arange(11.0))
    np.testing.assert_array_equal(y, np.arange(11))
    with pytest.raises(DataError, match="the dataset has no batch"):
        in_memory(tf.data.Dataset.range(0))


def test_doubles_become_the_floats_that_keras_computes_with():
    x, y = as_arrays((np.zeros((2, 3)), np.zeros(2, int)))
    assert shapes((x, y)) == "(2, 3) float32, (2,) int64"


@pytest.mark.parametrize(
    "targets",
    [
        np.repeat([0, 1], [6, 2]),
        np.repeat([[0.0], [1.0]], [6, 2], axis=0),
        np.repeat(np.eye(2), [6, 2], axis=0),
    ],
    ids=["classes", "column of floats", "one-hot"],
)
def test_classes_weigh_the_same_whatever_their_form(targets):
    _, _, weights = weighted((np.zeros(8), targets), "balanced")
    np.testing.assert_allclose(weights, np.repeat([8 / 12, 8 / 4], [6, 2]), rtol=1e-6)


def test_weights_of_rows_are_multiplied():
    _, _, weights = weighted((np.zeros(4), np.array([0, 0, 1, 1]), np.arange(4.0)), "balanced")
    np.testing.assert_allclose(weights, np.arange(4.0))
