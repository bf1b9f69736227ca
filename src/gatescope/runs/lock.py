"""One training a folder: a lock that the system frees when its process dies, however it dies."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gatescope.errors import RunError
from gatescope.runs.schema import LOCK


class Lock:
    """The sole right to write into the folder of a run, until `release` or the process's death.

    An empty SQLite database that is locked and never written: SQLite locks files on every system,
    and forked children do not inherit the lock.

    Args:
        folder: The folder of the run.

    Raises:
        RunError: Another training writes into it.
        sqlite3.Error: The folder may not be written.

    Example:
        >>> lock = Lock(Path("runs/digits"))  # doctest: +SKIP
    """

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(
            folder / LOCK, timeout=0.2, isolation_level=None, check_same_thread=False
        )
        try:
            self._connection.execute("PRAGMA journal_mode = MEMORY")  # no second file
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as cause:
            self._connection.close()
            if cause.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise RunError(
                f"another training writes into {str(folder)!r}",
                "a folder for each training",
                "wait until it has ended, or name another folder",
            ) from cause

    def release(self) -> None:
        """Lets others write into the folder."""
        self._connection.close()


def is_held(folder: Path) -> bool:
    """Whether a living process writes into a folder; it need not be writable to find out."""
    if not (folder / LOCK).exists():
        return False
    uri = f"{(folder / LOCK).absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=0)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode == sqlite3.SQLITE_BUSY
    finally:
        connection.close()
    return False
