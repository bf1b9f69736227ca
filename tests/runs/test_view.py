"""How runs are shown."""

from __future__ import annotations

import pytest

from gatescope.runs.view import ago


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
