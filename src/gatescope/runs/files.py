"""Files that are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import glob
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def atomic_write(path: Path, data: bytes | Callable[[BinaryIO], None]) -> None:
    """Replaces a file in one step: a reader sees the old content or all of the new.

    The content goes to a hidden file in the same folder, is synced, then renamed. When anything
    fails, a full disk say, `path` is untouched and the hidden file is removed; when the process
    is killed, the hidden file stays and `remove_unfinished` finds it.

    Args:
        path: The file to write; its folder must exist.
        data: The content, or a function that writes it to the binary file it is given.

    Raises:
        OSError: The folder is missing or may not be written, or the disk is full.

    Example:
        >>> atomic_write(Path("history.json"), b"{}")  # doctest: +SKIP
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.unfinished")
    try:
        with unfinished.open("xb") as file:
            if isinstance(data, bytes):
                file.write(data)
            else:
                data(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    _sync_folder(path.parent)


def remove_unfinished(path: Path) -> None:
    """Deletes what killed writers of `path` left; only for a file that one process writes."""
    for unfinished in path.parent.glob(f".{glob.escape(path.name)}.*.unfinished"):
        unfinished.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Makes a rename in `folder` survive a power cut; Windows cannot open folders for this."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
