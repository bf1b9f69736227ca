"""What is learned from training rows in chunks, against scikit-learn on all of them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from gatescope.data.encoding import EncoderFit, Plan, input_names

NUMBERS = st.floats(-1e6, 1e6).map(lambda number: round(number, 3))


def plan(**more):
    nothing = {"numbers": (), "dates": {}, "categories": (), "texts": ()}
    return Plan(**{**nothing, "decimal": ".", "tokens": 100, **more})


@settings(deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=40), st.integers(1, 9))
def test_scaling_in_chunks_is_scaling_at_once(rows, chunk):
    fit = EncoderFit(plan(numbers=("a", "b")))
    cells = {"a": [repr(a) for a, _ in rows], "b": [repr(b) for _, b in rows]}
    for at in range(0, len(rows), chunk):
        fit.add({name: column[at : at + chunk] for name, column in cells.items()})
    scaler = StandardScaler().fit(rows)
    encoder = fit.done()
    np.testing.assert_allclose(encoder.mean, scaler.mean_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(encoder.deviation, scaler.scale_, rtol=1e-6, atol=1e-9)
    encoded = encoder.encode(cells)["numbers"]
    np.testing.assert_allclose(encoded, scaler.transform(rows), rtol=1e-4, atol=1e-4)


def test_chunks_without_a_value_do_not_count():
    fit = EncoderFit(plan(numbers=("a",)))
    for chunk in (["", ""], ["1", "3"], [""], ["5"]):
        fit.add({"a": chunk})
    encoder = fit.done()
    np.testing.assert_allclose(encoder.mean, 3)
    np.testing.assert_allclose(encoder.deviation, np.std([1, 3, 5]))


def test_a_column_without_a_value_in_training_is_nought_and_flagged():
    fit = EncoderFit(plan(numbers=("a",)))
    fit.add({"a": ["", "NA"]})
    encoded = fit.done().encode({"a": ["", "5"]})["numbers"]
    np.testing.assert_array_equal(encoded, [[0, 1], [5, 0]])


def test_a_missing_category_that_training_never_lacked_is_unseen():
    fit = EncoderFit(plan(categories=("c",)))
    fit.add({"c": ["x", "y"]})
    assert fit.done().encode({"c": ["y", "", "z"]})["c"].tolist() == [2, 0, 0]


def test_names_of_inputs_are_plain_and_differ():
    assert input_names(("a b", "a-b", "größe", "numbers", "%")) == {
        "a b": "a_b",
        "a-b": "a_b_2",
        "größe": "gr_e",
        "numbers": "numbers_2",
        "%": "column",
    }
