"""What a script under the open hood comes to."""

from __future__ import annotations

import time

import pytest

from gatescope.scope.session import Session
from gatescope.scope.sitting import Settings


def test_time_is_counted_from_when_a_training_first_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    session = Session(Settings(seconds=5), "script")
    now = 200.0
    assert session.deadline == 205
    now = 300.0
    assert session.deadline == 205
    assert Session(Settings(), "script").deadline is None
