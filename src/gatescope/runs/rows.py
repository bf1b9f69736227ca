"""What waits to be written, and how a batch of it becomes rows.

Legend: N rows, M metrics, L layers, S statistics.
"""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gatescope.runs.plain import to_json
from gatescope.runs.schema import INTEGER, METRIC


class Metrics(NamedTuple):
    """Metrics of one step."""

    step: int
    epoch: int
    names: tuple[str, ...]
    numbers: tuple[float, ...]

    @property
    def size(self) -> int:
        """Bytes of memory, roughly."""
        return 200 + 40 * len(self.numbers)


class Probes(NamedTuple):
    """Statistics of the layers in some steps; `steps` (N,) int64, `numbers` (N, L, S) float32."""

    steps: NDArray[np.int64]
    layers: tuple[str, ...]
    statistics: tuple[str, ...]
    numbers: NDArray[np.float32]

    @property
    def size(self) -> int:
        """Bytes of memory, roughly."""
        return 300 + self.steps.nbytes + self.numbers.nbytes


class Event(NamedTuple):
    """Something that happened in a step; `content` is JSON."""

    step: int
    kind: str
    content: str
    time: float

    @property
    def size(self) -> int:
        """Bytes of memory, roughly."""
        return 300 + len(self.content)


class Fact(NamedTuple):
    """Something that holds for the whole run; `content` is JSON."""

    name: str
    content: str

    @property
    def size(self) -> int:
        """Bytes of memory, roughly."""
        return 300 + len(self.content)


Row = Metrics | Probes | Event | Fact
RowT = TypeVar("RowT", Metrics, Probes)


def write_rows(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Commits rows, all or none.

    Raises:
        sqlite3.Error: They cannot be written: the disk is full, say.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        _write(connection, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def write_facts(connection: sqlite3.Connection, facts: Iterable[Fact]) -> None:
    """Writes facts in the place of those of the same names."""
    connection.executemany(
        "INSERT OR REPLACE INTO facts VALUES (?, ?)", [(fact.name, fact.content) for fact in facts]
    )


def alike(rows: Iterable[RowT]) -> list[list[RowT]]:
    """Groups the rows that go into one chunk, those of the same names; each keeps its order."""
    groups: defaultdict[object, list[RowT]] = defaultdict(list)
    for row in rows:
        groups[_names(row)].append(row)
    return list(groups.values())


def _names(row: Metrics | Probes) -> object:
    return row.names if isinstance(row, Metrics) else (row.layers, row.statistics)


def _write(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    for metrics in alike(row for row in rows if isinstance(row, Metrics)):
        _write_metrics(connection, metrics)
    for probes in alike(row for row in rows if isinstance(row, Probes)):
        _write_probes(connection, probes)
    connection.executemany(
        "INSERT INTO events (time, step, kind, content) VALUES (?, ?, ?, ?)",
        [(row.time, row.step, row.kind, row.content) for row in rows if isinstance(row, Event)],
    )
    facts = [row for row in rows if isinstance(row, Fact)]
    write_facts(connection, [Fact("seen", str(time.time())), *facts])


def _write_metrics(connection: sqlite3.Connection, rows: Sequence[Metrics]) -> None:
    steps_N = np.array([row.step for row in rows], INTEGER)
    epochs_N = np.array([row.epoch for row in rows], INTEGER)
    numbers_NM = np.array([row.numbers for row in rows], METRIC)
    connection.execute(
        "INSERT INTO metric_chunks (names, count, last, steps, epochs, numbers)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            to_json(rows[0].names),
            len(rows),
            int(steps_N[-1]),
            steps_N.tobytes(),
            epochs_N.tobytes(),
            numbers_NM.tobytes(),
        ),
    )


def _write_probes(connection: sqlite3.Connection, rows: Sequence[Probes]) -> None:
    steps_N = np.concatenate([row.steps for row in rows])
    numbers_NLS = np.concatenate([row.numbers for row in rows])
    chunk = connection.execute(
        "INSERT INTO probe_chunks (layout, count, last, steps) VALUES (?, ?, ?, ?)",
        (_layout(connection, rows[0]), len(steps_N), int(steps_N[-1]), steps_N.tobytes()),
    ).lastrowid
    connection.executemany(
        "INSERT INTO probe_rows VALUES (?, ?, ?)",
        [(chunk, layer, numbers_NLS[:, layer].tobytes()) for layer in range(len(rows[0].layers))],
    )


def _layout(connection: sqlite3.Connection, row: Probes) -> int:
    names = (to_json(row.layers), to_json(row.statistics))
    connection.execute(
        "INSERT OR IGNORE INTO probe_layouts (layers, statistics) VALUES (?, ?)", names
    )
    return connection.execute(
        "SELECT id FROM probe_layouts WHERE layers = ? AND statistics = ?", names
    ).fetchone()[0]
