"""What the doctor says of a run, kept in it afterwards."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from gatescope.errors import RunError
from gatescope.runs.plain import to_json
from gatescope.runs.schema import DATABASE, connect


def keep_findings(folder: Path, findings: Sequence[Mapping[str, object]]) -> None:
    """Writes findings into a run, in the place of what an earlier diagnosis found.

    Args:
        folder: The run's folder.
        findings: Each as plain data, the likeliest first.

    Raises:
        RunError: The run may not be written.

    Example:
        >>> keep_findings(run.folder, [{"cause": "learning_rate=1 is too high"}])  # doctest: +SKIP
    """
    rows = [(time.time(), to_json(one)) for one in findings]
    try:
        with closing(connect(folder / DATABASE)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM findings")
            connection.executemany("INSERT INTO findings (time, content) VALUES (?, ?)", rows)
    except sqlite3.Error as cause:
        raise RunError(
            f"findings cannot be written into {str(folder)!r}: {cause}",
            "a run that may be written",
            "check its permissions and the free space; the report itself is not affected",
        ) from cause
