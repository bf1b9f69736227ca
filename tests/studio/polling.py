"""Waiting for what Playwright's own `expect` cannot ask."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

_MILLISECONDS, _SECONDS = 50, 45.0


def settled(page: Any, wanted: Callable[[], bool]) -> None:
    """Waits until something holds.

    Args:
        page: Whose events go on meanwhile.
        wanted: What has to hold.
    """
    ends = time.monotonic() + _SECONDS
    while not wanted():
        if time.monotonic() > ends:
            pytest.fail(f"it never came, on {page.url}")
        page.wait_for_timeout(_MILLISECONDS)
