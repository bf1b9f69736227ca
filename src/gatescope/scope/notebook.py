"""The open hood of a notebook: `%load_ext gatescope`, and `%unload_ext gatescope` to shut it."""

from __future__ import annotations

import sys

from gatescope.scope.arrival import on_import
from gatescope.scope.session import Session
from gatescope.scope.sitting import Settings

_OPEN: list[Session] = []


def open_hood(settings: Settings | None = None) -> None:
    """Watches whatever is trained from now on; where the hood is open, nothing changes.

    Args:
        settings: How; by the defaults where there are none.
    """
    if _OPEN:
        return
    session = Session(settings or Settings(), "notebook")
    _OPEN.append(session)
    on_import("keras", session.keras_is_here)


def shut_hood() -> None:
    """Watches no more, and says where the runs are."""
    if _OPEN:
        _OPEN.pop().close(_say)


def _say(line: str) -> None:
    sys.stderr.write(f"Gatescope: {line}\n")
