"""How runs are shown."""

from __future__ import annotations

import pytest

from gatescope.runs.compare import Difference
from gatescope.runs.view import ago, difference_rows, finding_lines, settings


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (90000, "25 h ago"),
        (172800, "2 days ago"),
    ],
)
def test_how_long_ago(seconds: float, told: str) -> None:
    assert ago(seconds) == told


def test_a_number_that_was_float32_is_shown_as_it_was_typed() -> None:
    told = {"rate": 0.009999999776482582, "momentum": 0.1, "clip": float("inf"), "big": 1e300}
    assert [value for _, value in settings(told)] == ["0.01", "0.1", "inf", "1e+300"]


def test_a_difference_that_is_not_shown_otherwise_is_shown_whole() -> None:
    rows = difference_rows([Difference("rate", 0.01, 0.009999999776482582)])
    assert rows == [("rate", "0.01", "0.009999999776482582")]


def test_a_finding_is_told_in_whole_lines_without_its_diff() -> None:
    remedy = "set it to 0.001, " * 20
    finding = {
        "remedy": remedy, "cause": "the rate is too high", "diff": "@@ -5,3 +5,3 @@\n-a\n+b",
        "confidence": 0.9, "stands": True, "proved": False, "where": "train.py:8", "rule": "x",
    }  # fmt: skip
    assert finding_lines(finding).splitlines() == [
        "cause: the rate is too high",
        "where: train.py:8",
        f"remedy: {remedy}",
        "verdict: a fault, confidence 90%",
    ]
    assert finding_lines(finding | {"proved": True}).endswith("verdict: proved")
    assert finding_lines(finding | {"stands": False}).endswith("verdict: possible, confidence 90%")
