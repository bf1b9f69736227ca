"""Curves as text: their size, their numbers, their gaps."""

from __future__ import annotations

import subprocess
import sys
from math import inf, nan

import pytest

from gatescope.report.curves import side_by_side, text_plot
from gatescope.report.series import Series

RAMP = Series("ramp", [0, 1, 2, 3], [0, 1, 2, 3])


def test_a_rising_line_rises() -> None:
    assert text_plot(Series("x", [0, 1], [0, 1]), width=12, height=2) == [
        "  x         ",
        "1 ┤    ⢀⡠⠤⠒⠉",
        "0 ┤⣀⠤⠒⠊⠁┈┈┈┈",
        "  └─────────",
        "   0       1",
    ]


@pytest.mark.parametrize("width", [16, 40, 80])
def test_all_lines_are_as_wide_as_asked_for(width: int) -> None:
    drawn = text_plot(RAMP, width=width, height=6)
    assert len(drawn) == 6 + 3
    assert {len(row) for row in drawn} == {width}


def test_what_is_not_finite_leaves_a_gap() -> None:
    drawn = text_plot(Series("gap", [0, 1, 2, 3, 4], [1, nan, inf, 1, 1]), width=20, height=3)
    top = drawn[1].partition("┤")[2]
    assert top[0] != " " and top[5:10].strip() == "" and top[-1] != " "


def test_zero_lines_show_where_0_is() -> None:
    drawn = text_plot(Series("x", [-1, 1], [-1, 1]), width=24, height=7)
    assert any("┈" in row for row in drawn)
    assert sum("┊" in row for row in drawn) >= 4


def test_a_flat_line_is_drawn_too() -> None:
    for height in (0.0, 2.0, -3.0):
        assert len(text_plot(Series("flat", [0, 1], [height, height]))) == 13


def test_blocks_stand_beside_each_other() -> None:
    assert side_by_side(["ab", "c"], ["d"], gap=1) == "ab d\nc"


def test_as_many_x_as_y() -> None:
    with pytest.raises(ValueError, match="series 'x' has 2 x but 1 y"):
        Series("x", [0, 1], [0])


def test_drawing_in_a_terminal_loads_no_third_party() -> None:
    code = """
import sys, gatescope.report.curves, gatescope.report.series
assert not {"matplotlib", "numpy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_positions_can_be_powers_of_ten() -> None:
    line = Series("loss", [1e-4, 1e-2, 1], [0.0, 1.0, 0.0])
    drawn = text_plot(line, width=31, height=5, log_x=True)
    assert drawn[-1].split() == ["0.0001", "1"]
    dots = [place for place, letter in enumerate(drawn[1]) if 0x2800 < ord(letter) < 0x2900]
    assert sum(dots) / len(dots) == pytest.approx(3 + 28 / 2, abs=1.5)  # half of the way by factors
