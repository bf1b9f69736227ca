"""Paths that a user names, checked before the work starts."""

from __future__ import annotations

import os
from pathlib import Path

from gatescope.errors import UsageError, nearest


def existing(path: Path, expected: str) -> Path:
    """Returns a path that exists.

    Args:
        path: What the user named.
        expected: What it should have been.

    Raises:
        UsageError: There is no such file or folder; names like it are offered.
    """
    if path.exists():
        return path
    raise UsageError(
        f"there is no {str(path)!r}",
        expected,
        _names_like(path) or f"check the path; this folder is {os.getcwd()!r}",
    )


def writable(path: Path) -> Path:
    """Returns a path where a file can be written, found out before hours of work and not after.

    Raises:
        UsageError: It is a folder, or its folder is missing or write-protected.
    """
    folder = path.absolute().parent
    if path.is_dir():
        raise UsageError(f"{str(path)!r} is a folder", "a file to write", "name a file in it")
    if not folder.is_dir():
        raise UsageError(
            f"{str(path)!r} cannot be written: there is no folder {str(folder)!r}",
            "a file in a folder that exists",
            f"mkdir -p '{folder}'",
        )
    if not os.access(folder, os.W_OK):
        raise UsageError(
            f"{str(path)!r} cannot be written: {str(folder)!r} is write-protected",
            "a folder of your own",
            "name another file",
        )
    return path


def _names_like(path: Path) -> str:
    folder = path.absolute().parent
    names = os.listdir(folder) if folder.is_dir() else []
    # Most names of a folder have an ending in common, which alone makes them rather alike.
    return nearest(path.name, names, lambda name: str(path.with_name(name)), least=0.7)
