"""A run on disk, read while it is written, after it ended, and after its process was killed.

Legend: N rows of a chunk, M metrics, L layers, S statistics.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gatescope.errors import RunError, UsageError, nearest
from gatescope.runs.lock import is_held
from gatescope.runs.schema import APPLICATION, DATABASE, INTEGER, KEPT, METRIC, PROBE, VERSION

if TYPE_CHECKING:
    from gatescope.runs.record import RunWriter

Table = dict[str, NDArray[Any]]
"""Columns by name, all of the same length; `pandas.DataFrame(table)` takes it as it is."""

ResultT = TypeVar("ResultT")


def open_run(path: str | Path | Run | RunWriter) -> Run:
    """Opens the record of a training.

    Args:
        path: The folder of the run, or the `run.sqlite` in it; or what writes it, as `watch.run`.

    Returns:
        The run; what it offers is read anew each time, so it follows a training that goes on.

    Raises:
        UsageError: It is no path.
        RunError: There is no such folder, it is no run, of another version, or damaged.

    Example:
        >>> run = open_run("runs/digits-20260101-120000")  # doctest: +SKIP
        >>> run.metrics["loss"][-1]  # doctest: +SKIP
        0.31
    """
    named = getattr(path, "folder", path)
    if not isinstance(named, str | Path):
        raise UsageError(
            f"{path!r} is no run",
            "the folder of a run, or the run itself",
            'gs.open_run("runs/digits-20260101-120000"), or gs.open_run(watch.run) after a fit',
        )
    folder = Path(named).parent if Path(named).name == DATABASE else Path(named)
    if not folder.exists():
        raise RunError(
            f"there is no {str(folder)!r}",
            "the folder of a run",
            "gatescope runs   lists the runs in ./runs",
        )
    if not (folder / DATABASE).is_file():
        raise RunError(
            f"{str(folder)!r} is no run: it holds no {DATABASE}",
            "a folder that a training with the hood open made",
            "gatescope runs   lists the runs in ./runs",
        )
    run = Run(folder)
    run._check()
    return run


class Run:
    """The record of one training; `open_run` makes one.

    Args:
        folder: Where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._held: sqlite3.Connection | None = None

    def __repr__(self) -> str:
        return f"<Run {self.name!r} {self.status}, {str(self.folder)!r}>"

    @property
    def name(self) -> str:
        """What the training was called."""
        return str(self.fact("name"))

    @property
    def status(self) -> str:
        """`running`, `finished`, `failed` or `interrupted`; `died` where its process is gone."""
        held = is_held(self.folder)  # first, for a run says how it ended before it lets go
        told = str(self.fact("status"))
        return "died" if told == "running" and not held else told

    @property
    def error(self) -> str | None:
        """What ended it, if it failed."""
        return self.fact("error")

    @property
    def started(self) -> float:
        """When it began, in seconds since 1970."""
        return float(self.fact("started"))

    @property
    def seen(self) -> float:
        """When it last wrote anything, in seconds since 1970."""
        return float(self.fact("seen") or self.started)

    @property
    def complete(self) -> bool:
        """Whether all was recorded; not, where a full disk stopped that."""
        return not self.fact("incomplete")

    @property
    def configuration(self) -> dict[str, Any]:
        """What the training was asked to do."""
        return self.fact("configuration") or {}

    @property
    def environment(self) -> dict[str, Any]:
        """Platform, processor, Python, packages and variables of the engine."""
        return self.fact("environment") or {}

    @property
    def structure(self) -> list[dict[str, Any]]:
        """The layers of the model."""
        return self.fact("structure") or []

    @property
    def script(self) -> dict[str, str] | None:
        """`path` and `text` of the script that trained."""
        return self.fact("script")

    @property
    def argv(self) -> list[str]:
        """The script's arguments."""
        return self.fact("argv") or []

    @property
    def kept(self) -> list[Path]:
        """Files kept beside the database."""
        folder = self.folder / KEPT
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def fact(self, name: str) -> Any:
        """What the run says of itself under a name; nothing where it says nothing.

        Args:
            name: Such as `configuration`.
        """
        rows = self._rows("SELECT content FROM facts WHERE name = ?", name)
        return self._whole(lambda: json.loads(rows[0][0])) if rows else None

    @property
    def metrics(self) -> Table:
        """Every recorded step with its metrics: `step`, `epoch`, and a column for each metric.

        A metric that a step lacks, such as `val_loss` within an epoch, is NaN there.
        """
        chunks = self._rows("SELECT names, steps, epochs, numbers FROM metric_chunks ORDER BY id")
        return self._whole(lambda: _metrics(chunks))

    @property
    def metric_names(self) -> list[str]:
        """Names of the metrics, in the order of their first values."""
        rows = self._rows("SELECT names FROM metric_chunks GROUP BY names ORDER BY min(id)")
        return self._whole(
            lambda: list(dict.fromkeys(name for row in rows for name in json.loads(row[0])))
        )

    def metric(self, name: str) -> Table:
        """One metric at the steps that recorded it, where NaN is a value of its own.

        Args:
            name: Its name.

        Returns:
            `step`, `epoch` and `value`.

        Raises:
            RunError: There is no such metric.
        """
        if name not in self.metric_names:
            raise RunError(
                f"{str(self.folder)!r} has no metric {name!r}",
                f"one of {', '.join(self.metric_names) or 'none: nothing was recorded'}",
                nearest(name, self.metric_names) or "choose another metric",
            )
        chunks = self._rows("SELECT names, steps, epochs, numbers FROM metric_chunks ORDER BY id")
        found = self._whole(lambda: _metrics([row for row in chunks if name in json.loads(row[0])]))
        return {"step": found["step"], "epoch": found["epoch"], "value": found[name]}

    @property
    def last_step(self) -> int | None:
        """The latest step of which there are metrics or probes."""
        rows = self._rows(
            "SELECT max(last) FROM metric_chunks UNION ALL SELECT max(last) FROM probe_chunks"
        )
        return max((int(row[0]) for row in rows if row[0] is not None), default=None)

    def last(self, metric: str) -> float | None:
        """The latest value of a metric, found without reading the others.

        Args:
            metric: Its name.
        """
        chunks = self._rows("SELECT max(id), names FROM metric_chunks GROUP BY names")
        ids = [chunk for chunk, names in chunks if metric in json.loads(names)]
        if not ids:
            return None
        found = self._rows(
            "SELECT names, steps, epochs, numbers FROM metric_chunks WHERE id = ?", max(ids)
        )
        return self._whole(lambda: float(_metrics(found)[metric][-1]))

    @property
    def layouts(self) -> list[tuple[int, list[str], list[str]]]:
        """Which layers and statistics were probed together: a number, layers, statistics."""
        rows = self._rows("SELECT id, layers, statistics FROM probe_layouts ORDER BY id")
        return self._whole(
            lambda: [
                (number, json.loads(layers), json.loads(names)) for number, layers, names in rows
            ]
        )

    @property
    def layers(self) -> list[str]:
        """Names of the probed layers."""
        return list(dict.fromkeys(name for _, layers, _ in self.layouts for name in layers))

    @property
    def statistics(self) -> list[str]:
        """Names of the probed statistics."""
        return list(dict.fromkeys(name for _, _, names in self.layouts for name in names))

    @property
    def probes(self) -> Table:
        """Every probed step and layer: `step`, `layer`, and a column for each statistic."""
        parts = []
        for layout, layers, statistics in self.layouts:
            steps_N, numbers_NLS = self._layout(layout, layers, statistics)
            parts.append(_long(steps_N, layers, statistics, numbers_NLS))
        return _joined(parts, ("step", "layer"), np.float32)

    def probe(
        self,
        layer: str,
        statistic: str,
        points: int = 2000,
        between: tuple[int, int] | None = None,
    ) -> Table:
        """One statistic of one layer, thinned so that no peak is lost.

        Args:
            layer: Its name.
            statistic: Its name.
            points: The most rows to return; where there are more, each stands for a stretch.
            between: The first and the last step to look at; all where there are none.

        Returns:
            `step` (the first of the stretch), `minimum`, `maximum`, `mean` of its finite values
            (NaN where there is none) and `nonfinite`, how many are not.

        Raises:
            RunError: There is no such layer or statistic, or `points` is below 1.
        """
        self._known(layer, statistic, points)
        found = [
            self._series(layout, layers.index(layer), statistics.index(statistic), len(statistics))
            for layout, layers, statistics in self.layouts
            if layer in layers and statistic in statistics
        ]
        steps_N, numbers_N = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.argsort(steps_N, kind="stable")
        if between is not None:
            ends = np.searchsorted(steps_N[order], [between[0], between[1] + 1])
            order = order[slice(*ends)]
        return _thinned(steps_N[order], numbers_N[order], points)

    def probed_at(self, step: int) -> Table:
        """What was probed at a step, or at the last before it; quick however long the run is.

        Args:
            step: Of training.

        Returns:
            `step` (where that was), `layer`, and a column for each statistic.
        """
        parts = [self._row(layout, step) for layout in self.layouts]
        return _joined([part for part in parts if part], ("step", "layer"), np.float32)

    def _row(self, layout: tuple[int, list[str], list[str]], step: int) -> Table:
        number, layers, statistics = layout
        chunks = self._rows(
            "SELECT id, steps FROM probe_chunks WHERE layout = ? ORDER BY id", number
        )
        steps_N = _unpacked((row[1] for row in chunks), INTEGER)
        reached = np.flatnonzero(steps_N <= step)
        if not len(reached) or not layers:
            return {}
        last = reached[steps_N[reached] == steps_N[reached].max()][-1]
        ends = np.cumsum([len(row[1]) for row in chunks]) // np.dtype(INTEGER).itemsize
        chunk = int(np.searchsorted(ends, last, "right"))
        inside = last - (ends[chunk - 1] if chunk else 0)
        rows = self._rows(
            "SELECT numbers FROM probe_rows WHERE chunk = ? ORDER BY layer", chunks[chunk][0]
        )
        numbers_LNS = self._whole(
            lambda: _unpacked((row[0] for row in rows), PROBE).reshape(
                len(layers), -1, len(statistics)
            )
        )
        return _long(steps_N[[last]], layers, statistics, numbers_LNS[None, :, inside])

    @property
    def events(self) -> Table:
        """What happened: `time`, `step`, `kind` and `content`, a dict each."""
        rows = self._rows("SELECT time, step, kind, content FROM events ORDER BY id")
        return {
            "time": np.array([row[0] for row in rows], np.float64),
            "step": np.array([row[1] for row in rows], np.int64),
            "kind": _objects([row[2] for row in rows]),
            "content": _objects(self._whole(lambda: [json.loads(row[3]) for row in rows])),
        }

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What the doctor found, oldest first."""
        rows = self._rows("SELECT content FROM findings ORDER BY id")
        return self._whole(lambda: [json.loads(row[0]) for row in rows])

    def _layout(
        self, layout: int, layers: Sequence[str], statistics: Sequence[str]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        chunks = self._rows("SELECT steps FROM probe_chunks WHERE layout = ? ORDER BY id", layout)
        steps_N = _unpacked((row[0] for row in chunks), INTEGER)
        columns = [
            self._numbers(layout, place, len(statistics))[: len(steps_N)]
            for place in range(len(layers))
        ]
        least = min(map(len, columns))  # a commit may have come between two of these queries
        return steps_N[:least], np.stack([column[:least] for column in columns], axis=1)

    def _series(
        self, layout: int, layer: int, statistic: int, statistics: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        query = "SELECT steps FROM probe_chunks WHERE layout = ? ORDER BY id"
        steps_N = _unpacked((row[0] for row in self._rows(query, layout)), INTEGER)
        numbers_N = self._numbers(layout, layer, statistics)[:, statistic]
        return steps_N, numbers_N[: len(steps_N)]

    def _numbers(self, layout: int, layer: int, statistics: int) -> NDArray[np.float32]:
        rows = self._rows(
            "SELECT numbers FROM probe_rows JOIN probe_chunks ON probe_chunks.id = chunk"
            " WHERE layer = ? AND layout = ? ORDER BY chunk",
            layer,
            layout,
        )
        return self._whole(
            lambda: _unpacked((row[0] for row in rows), PROBE).reshape(-1, statistics)
        )

    def _known(self, layer: str, statistic: str, points: int) -> None:
        for kind, name, known in (
            ("layer", layer, self.layers),
            ("statistic", statistic, self.statistics),
        ):
            if name not in known:
                raise RunError(
                    f"no {kind} {name!r} was probed in {str(self.folder)!r}",
                    f"one of {', '.join(known) or 'none: nothing was probed'}",
                    nearest(name, known) or f"choose another {kind}",
                )
        if points < 1:
            raise RunError(f"points is {points}", "1 or more", "leave it out for 2000")

    def _check(self) -> None:
        if missing := _missing(self.folder / DATABASE):
            raise self._damaged(missing)
        application = self._rows("PRAGMA application_id")[0][0]
        version = self._rows("PRAGMA user_version")[0][0]
        if application != APPLICATION:
            raise RunError(
                f"{str(self.folder / DATABASE)!r} was not written by Gatescope",
                "the record of a training",
                "name another folder",
            )
        if version != VERSION:
            raise RunError(
                f"{str(self.folder)!r} is of another version ({version})",
                f"version {VERSION}, which this Gatescope reads",
                "open it with the Gatescope that wrote it"
                if version < VERSION
                else "pip install --upgrade gatescope",
            )
        if self.fact("status") is None:
            raise self._damaged("it does not say how it ended")

    def _rows(self, query: str, *values: object) -> list[Any]:
        try:
            with self._connection() as connection:
                return connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError as cause:
            raise self._damaged(str(cause)) from cause

    def _whole(self, read: Callable[[], ResultT]) -> ResultT:
        """What is read of the rows, if they hold what they should."""
        try:
            return read()
        except (ValueError, TypeError, KeyError, IndexError) as cause:
            raise self._damaged(str(cause)) from cause

    def _damaged(self, why: str) -> RunError:
        return RunError(
            f"{str(self.folder / DATABASE)!r} cannot be read: {why}",
            "a database that is whole",
            f"restore it, or try: sqlite3 {DATABASE} .recover   (the event files are separate)",
        )

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Lets all that is read meanwhile be of one moment, while a training goes on writing.

        Example:
            >>> with run.at_one_moment():  # doctest: +SKIP
            ...     means, spreads = run.probe("dense", "mean"), run.probe("dense", "deviation")
        """
        with self._connection() as connection:
            connection.execute("BEGIN")
            self._held = connection
            try:
                yield
            finally:
                self._held = None

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._held:
            yield self._held
            return
        with closing(self._connect()) as connection:
            yield connection

    def _connect(self) -> sqlite3.Connection:
        """A connection that writes nothing, wherever the run is and whoever writes it."""
        database = self.folder / DATABASE
        if self._copy:
            return _read_only(Path(self._copy.name) / DATABASE)
        log = database.with_name(f"{DATABASE}-wal").exists()
        if not log and not is_held(self.folder):
            return _read_only(database, immutable=True)  # a plain reader would leave files behind
        connection = _read_only(database)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError:
            connection.close()
            return self._connect_copy()
        return connection

    def _connect_copy(self) -> sqlite3.Connection:
        """Where the folder is write-protected: what a killed training left is mended elsewhere."""
        self._copy = tempfile.TemporaryDirectory(prefix="gatescope-")
        for name in (DATABASE, f"{DATABASE}-wal"):
            if (self.folder / name).exists():
                shutil.copyfile(self.folder / name, Path(self._copy.name) / name)
        return _read_only(Path(self._copy.name) / DATABASE)


def _read_only(database: Path, *, immutable: bool = False) -> sqlite3.Connection:
    uri = f"{database.absolute().as_uri()}?mode=ro{'&immutable=1' if immutable else ''}"
    return sqlite3.connect(uri, uri=True, timeout=10)


def _missing(database: Path) -> str:
    """What a file lacks of the pages that its head names; SQLite notices when it reads one."""
    size = database.stat().st_size
    if not size:
        return "it is empty"
    if database.with_name(f"{database.name}-wal").exists():
        return ""  # which may hold pages of its own
    with database.open("rb") as file:
        head = file.read(32)
    page = int.from_bytes(head[16:18], "big")  # 1 stands for 65,536
    promised = int.from_bytes(head[28:32], "big") * (page if page > 1 else 65536)
    if head.startswith(b"SQLite format 3") and promised > size:
        return f"it ends after {size:,} of {promised:,} bytes"
    return ""


def _unpacked(blobs: Iterator[bytes], kind: str) -> NDArray[Any]:
    return np.frombuffer(b"".join(blobs), kind)


def _metrics(chunks: Sequence[tuple[str, bytes, bytes, bytes]]) -> Table:
    parts = []
    for names, steps, epochs, numbers in chunks:
        columns = json.loads(names)
        numbers_NM = np.frombuffer(numbers, METRIC).reshape(-1, len(columns))
        part = {"step": np.frombuffer(steps, INTEGER), "epoch": np.frombuffer(epochs, INTEGER)}
        parts.append({name: numbers_NM[:, place] for place, name in enumerate(columns)} | part)
    return _joined(parts, ("step", "epoch"), np.float64)


def _long(
    steps_N: NDArray[np.int64],
    layers: Sequence[str],
    statistics: Sequence[str],
    numbers_NLS: NDArray[np.float32],
) -> Table:
    numbers_RS = numbers_NLS.reshape(-1, len(statistics))  # R = N × L rows
    keys = {
        "step": np.repeat(steps_N, len(layers)),
        "layer": np.tile(_objects(layers), len(steps_N)),
    }
    return keys | {name: numbers_RS[:, place] for place, name in enumerate(statistics)}


def _joined(parts: Sequence[Mapping[str, NDArray[Any]]], keys: Sequence[str], kind: type) -> Table:
    """Parts below each other, by their steps; a column that a part lacks is NaN there."""
    names = list(dict.fromkeys([*keys, *(name for part in parts for name in part)]))
    if not parts:
        return {name: np.array([], np.int64 if name != "layer" else object) for name in names}
    joined: Table = {}
    order = np.argsort(np.concatenate([part["step"] for part in parts]), kind="stable")
    for name in names:
        columns = [part.get(name, np.full(len(part["step"]), np.nan, kind)) for part in parts]
        joined[name] = np.concatenate(columns)[order]
    return joined


def _thinned(steps_N: NDArray[np.int64], numbers_N: NDArray[np.float32], points: int) -> Table:
    """Equally long stretches with their extremes, by NumPy's `reduceat`."""
    if not len(steps_N):
        return {name: np.array([]) for name in ("step", "minimum", "maximum", "mean", "nonfinite")}
    starts = np.unique(np.linspace(0, len(steps_N), points, endpoint=False).astype(np.int64))
    finite = np.isfinite(numbers_N)
    known_N = np.where(finite, numbers_N, np.nan)
    counts = np.add.reduceat(finite, starts, dtype=np.int64)
    sums = np.add.reduceat(np.where(finite, numbers_N, 0), starts, dtype=np.float64)
    return {
        "step": steps_N[starts],
        "minimum": np.fmin.reduceat(known_N, starts),
        "maximum": np.fmax.reduceat(known_N, starts),
        "mean": np.divide(sums, counts, out=np.full(len(starts), np.nan), where=counts > 0),
        "nonfinite": np.diff(np.append(starts, len(steps_N))) - counts,
    }


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    """An array of Python objects, one each, even where these are sequences themselves."""
    return np.fromiter(values, object, len(values))
