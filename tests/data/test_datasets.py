"""Parts of data in memory."""

import numpy as np
import pytest

from gatescope.data.datasets import Part


@pytest.mark.parametrize(
    ("nbytes", "sizes"), [(1, [1] * 7), (3 * 20, [3, 3, 1]), (7 * 20, [7]), (10**9, [7])]
)
def test_pieces_are_all_samples_in_their_order_and_no_copies(nbytes, sizes):
    x = {"a": np.arange(28, dtype=np.float32).reshape(7, 4), "b": np.arange(7, dtype=np.int32)}
    part = Part(x, {"y": np.arange(7)})
    pieces = list(part.pieces(nbytes))
    assert [len(piece) for piece in pieces] == sizes
    for name, array in (x | part.y).items():
        got = [{**piece.x, **piece.y}[name] for piece in pieces]
        np.testing.assert_array_equal(np.concatenate(got), array)
        assert all(np.shares_memory(each, array) for each in got)


def test_nothing_has_no_pieces():
    assert not list(Part({"a": np.zeros((0, 4))}, {"y": np.zeros(0)}).pieces(100))
