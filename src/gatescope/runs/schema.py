"""What stands in `run.sqlite`: its tables, how rows are packed, what opens it for writing.

Numbers of a training come in chunks: what was recorded between two commits, with the same names,
is one row of packed little-endian numbers. Legend: N rows of a chunk, M metrics, S statistics.

- `facts`: what holds for the whole run, as JSON under a name.
- `metric_chunks`: `steps` int64 (N,), `epochs` int64 (N,), `numbers` float64 (N, M).
- `probe_chunks`: `steps` int64 (N,), and which layers and statistics (`probe_layouts`).
- `probe_rows`: of one layer in one chunk, float32 (N, S): who reads a layer leaves the others be.
- `events`, `findings`: JSON.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

DATABASE, LOCK, KEPT = "run.sqlite", "run.lock", "kept"
VERSION = 1
APPLICATION = 0x47617465  # "Gate", by which a file is told from any other SQLite file
INTEGER, METRIC, PROBE = "<i8", "<f8", "<f4"

_TABLES = f"""
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
CREATE TABLE facts (name TEXT PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE metric_chunks (
    id INTEGER PRIMARY KEY, names TEXT NOT NULL, count INTEGER NOT NULL, last INTEGER NOT NULL,
    steps BLOB NOT NULL, epochs BLOB NOT NULL, numbers BLOB NOT NULL
);
CREATE TABLE probe_layouts (
    id INTEGER PRIMARY KEY, layers TEXT NOT NULL, statistics TEXT NOT NULL,
    UNIQUE (layers, statistics)
);
CREATE TABLE probe_chunks (
    id INTEGER PRIMARY KEY, layout INTEGER NOT NULL REFERENCES probe_layouts,
    count INTEGER NOT NULL, last INTEGER NOT NULL, steps BLOB NOT NULL
);
CREATE TABLE probe_rows (
    chunk INTEGER NOT NULL REFERENCES probe_chunks, layer INTEGER NOT NULL, numbers BLOB NOT NULL
);
CREATE INDEX probe_rows_of_layer ON probe_rows (layer, chunk);
CREATE TABLE events (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, step INTEGER NOT NULL,
    kind TEXT NOT NULL, content TEXT NOT NULL
);
CREATE TABLE findings (id INTEGER PRIMARY KEY, time REAL NOT NULL, content TEXT NOT NULL);
"""


def create(database: Path) -> None:
    """Makes the empty tables of a new run.

    Raises:
        sqlite3.Error: The folder may not be written, or the disk is full.
    """
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")


def connect(database: Path) -> sqlite3.Connection:
    """Opens a run to write: readers read on meanwhile, and what is committed survives SIGKILL."""
    connection = sqlite3.connect(database, timeout=10, isolation_level=None)
    # NORMAL does not sync each commit: a power cut may take the last ones, never the file.
    connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
    return connection
