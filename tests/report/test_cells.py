import math

import numpy as np
import pytest

from gatescope.report.cells import check_rows, format_column


def test_numbers_of_a_column_share_their_decimals():
    assert format_column([0.5, 12, 1234.5]) == (["0.500", "12.000", "1,234.500"], True)


def test_whole_numbers_stay_whole():
    assert format_column([5, 12000, np.int64(7)]) == (["5", "12,000", "7"], True)


def test_a_small_number_keeps_its_digits():
    assert format_column([0.0004, 0.5])[0] == ["0.0004", "0.5"]


def test_gaps_become_dashes_and_leave_a_column_numeric():
    assert format_column([None, math.nan, np.float32(0.25)]) == (["–", "–", "0.250"], True)


def test_text_truth_values_and_infinities_are_shown_as_they_are():
    assert format_column(["a", 1.5, True, math.inf]) == (["a", "1.500", "True", "inf"], False)


def test_a_column_without_any_number_is_text():
    assert format_column([None, None]) == (["–", "–"], False)


def test_a_row_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="row 1 has 1 cells, but there are 2 columns"):
        check_rows([("a", 1), ("b",)], ("name", "count"))


def test_large_numbers_beside_small_ones_are_written_out():
    assert format_column([0.004, 10250.4, 0.9])[0] == ["0.004", "10,250", "0.9"]
