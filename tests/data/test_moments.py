"""Moments in chunks, against NumPy on all rows."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gatescope.data.moments import Moments

NUMBERS = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6).map(lambda number: round(number, 3)))


@settings(deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=40), st.integers(1, 9))
def test_chunks_do_not_matter(rows, chunk):
    """Chunks without any value in a column are among them."""
    numbers = np.array(rows)
    moments = Moments(2)
    for at in range(0, len(rows), chunk):
        moments.add(numbers[at : at + chunk])
    for column in range(2):
        known = numbers[~np.isnan(numbers[:, column]), column]
        assert moments.count[column] == len(known)
        if not len(known) or np.ptp(known) == 0:
            assert moments.deviation[column] == 1
            continue
        np.testing.assert_allclose(moments.mean[column], known.mean(), rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(moments.deviation[column], known.std(), rtol=1e-6, atol=1e-6)


def test_a_small_deviation_beside_a_large_mean_is_kept():
    moments = Moments(1)
    for number in (1e9, 1e9 + 1, 1e9 + 2):
        moments.add(np.array([[number]]))
    np.testing.assert_allclose(moments.deviation, np.std([0, 1, 2]))


def test_one_tenth_over_and_over_does_not_vary():
    moments = Moments(1)
    for _ in range(1000):
        moments.add(np.full((7, 1), 0.1))
    assert moments.deviation == 1
