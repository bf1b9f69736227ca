"""The record of a training, written while it goes on and never in its way.

What is recorded waits in memory and a thread of its own commits it twice a second: SIGKILL loses
that half second. When anything fails, a full disk say, recording stops with one warning and the
training goes on.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import sqlite3
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from functools import wraps
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Literal, ParamSpec, Self, TypeVar

import numpy as np

from gatescope.runs.callers import warn
from gatescope.runs.environment import environment
from gatescope.runs.files import atomic_write
from gatescope.runs.lock import Lock
from gatescope.runs.mirror import Mirror
from gatescope.runs.plain import Plain, to_json
from gatescope.runs.rows import Event, Fact, Metrics, Probes, Row, write_facts, write_rows
from gatescope.runs.schema import DATABASE, KEPT, connect, create

Status = Literal["running", "finished", "failed", "interrupted"]

KEEP_CAP = 64 * 2**20
"""Bytes that a file kept beside the database may have, unless the caller says otherwise."""

_COMMIT_SECONDS = 0.5
_MOST_WAITING = 256 * 2**20  # bytes; a disk that is slower than that is as good as full
_LONGEST_NAME = 60
_LONGEST_SCRIPT = 2**20  # letters
_INCOMPLETE = Fact("incomplete", "true")
_PATIENCE = 30.0  # seconds that the last commit may take
_NOT_BEGUN: dict[Path, str] = {}

P = ParamSpec("P")
T = TypeVar("T")


def start_run(
    root: Path,
    name: str,
    *,
    configuration: Mapping[str, object],
    script: Path | None = None,
    argv: Sequence[str] = (),
    structure: Sequence[Mapping[str, object]] = (),
    tensorboard: bool = True,
) -> RunWriter:
    """Starts the record of a training in a folder of its own, `root/NAME-YYYYMMDD-HHMMSS[-n]`.

    Where nothing can be written, it warns once and returns a writer that records nothing.

    Args:
        root: Where runs are kept; made if it is not there.
        name: What to call it; what cannot stand in the name of a folder becomes a dash.
        configuration: What the training was asked to do.
        script: The script that trains; its text is kept.
        argv: The arguments of the script.
        structure: The layers of the model, each with at least a `name`.
        tensorboard: Whether to write an event file for TensorBoard, too.

    Returns:
        The writer, best used in a `with` block, which finishes the run whatever happens in it.

    Example:
        >>> with start_run(Path("runs"), "digits", configuration={}) as run:  # doctest: +SKIP
        ...     run.metrics(step=0, epoch=0, values={"loss": 2.3})
    """
    writer = RunWriter(Path(root), tensorboard=tensorboard)
    writer._begin(name, lambda: _facts(name, configuration, script, argv, structure))
    return writer


def record_in(
    folder: Path,
    *,
    configuration: Mapping[str, object],
    structure: Sequence[Mapping[str, object]] = (),
) -> RunWriter:
    """Records a training in a folder of the caller's, behind what an earlier life of it recorded.

    Where nothing can be written, it warns once and returns a writer that records nothing.

    Args:
        folder: The folder; it must exist, and may hold what else a training leaves.
        configuration: What the training was asked to do.
        structure: The layers of the model, each with at least a `name`.

    Returns:
        The writer, best used in a `with` block, which finishes the run whatever happens in it.

    Raises:
        RunError: Another training writes into the folder.

    Example:
        >>> with record_in(Path("runs/digits"), configuration={}) as run:  # doctest: +SKIP
        ...     run.metrics(step=0, epoch=0, values={"loss": 2.3})
    """
    writer = RunWriter(folder.parent, tensorboard=True)
    writer._go_on(folder, lambda: _facts(folder.name, configuration, None, (), structure))
    return writer


def not_begun() -> Mapping[Path, str]:
    """The folders in which this process could record nothing of a training, and why."""
    return _NOT_BEGUN


def safe_name(name: str) -> str:
    """A name as that of a file: letters, digits, `_`, `.` and `-`, at most 60 of them.

    Example:
        >>> safe_name("../my model")
        'my-model'
    """
    return re.sub(r"[^\w.-]+", "-", name)[:_LONGEST_NAME].strip("-. ") or "run"


Method = Callable[Concatenate["RunWriter", P], T]


def _harmless(method: Method[P, T]) -> Method[P, T | None]:
    """A method that never fails, and does nothing in a forked child or where recording stopped."""

    @wraps(method)
    def run(self: RunWriter, /, *args: P.args, **kwargs: P.kwargs) -> T | None:
        if self._stopped or self._pid != os.getpid():
            return None
        try:
            return method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the training is worth more
            self._stop(error)
        return None

    return run


class RunWriter:
    """Records one training; see `start_run`. Its methods cost microseconds and never raise.

    Methods may be called from any thread. In a forked child they do nothing.

    Args:
        root: Where runs are kept.
        tensorboard: Whether to write an event file for TensorBoard, too.

    Attributes:
        root: Where runs are kept.
        folder: The folder of this one.
        seconds: Of processor time that writing has taken so far, in a thread of its own.
    """

    def __init__(self, root: Path, *, tensorboard: bool) -> None:
        self.root, self.folder = root, root
        self._pid, self._tensorboard = os.getpid(), tensorboard
        self._waiting: deque[Row | threading.Event] = deque()
        self._bytes, self.seconds = 0, 0.0
        self._wake, self._ending = threading.Event(), False
        self._stopped = self._warned = self._finished = False
        self._lock: Lock | None = None
        self._mirror: Mirror | None = None
        self._thread = threading.Thread(target=self._work, name="gatescope-run", daemon=True)

    @property
    def recording(self) -> bool:
        """Whether what is recorded is written; no more after a failure or `finish`."""
        return not (self._stopped or self._finished)

    @property
    def begun(self) -> bool:
        """Whether there is a record at all; not, where nothing could be written."""
        return self._lock is not None

    @_harmless
    def metrics(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Records metrics of a step, such as its loss.

        Args:
            step: Steps of training before this one.
            epoch: Epochs before this one.
            values: Numbers by name; what is no number is left out.
        """
        try:
            names, numbers = tuple(values), tuple(map(float, values.values()))
        except (TypeError, ValueError):
            known = _numbers(values)
            names, numbers = tuple(known), tuple(known.values())
        if names:
            self._put(Metrics(int(step), int(epoch), names, numbers))

    @_harmless
    def probes(
        self, steps: Any, layers: Sequence[str], statistics: Sequence[str], array: Any
    ) -> None:
        """Records statistics of the layers in some steps.

        Args:
            steps: The steps. Shape: (n,).
            layers: Names of the layers.
            statistics: Names of the statistics.
            array: Numbers, copied and kept as float32. Shape: (n, layers, statistics).
        """
        steps_N = np.array(steps, "<i8").reshape(-1)
        shape = (len(steps_N), len(layers), len(statistics))
        numbers_NLS = np.array(array, "<f4", order="C")
        if numbers_NLS.shape != shape:
            raise ValueError(f"probes have shape {numbers_NLS.shape}, their names {shape}")
        if numbers_NLS.size:
            self._put(Probes(steps_N, tuple(layers), tuple(statistics), numbers_NLS))

    @_harmless
    def event(self, kind: str, step: int, content: Mapping[str, object]) -> None:
        """Records that something happened.

        Args:
            kind: What, in a word or two, such as `checkpoint`.
            step: Steps of training before it.
            content: Details.
        """
        self._put(Event(int(step), kind, to_json(content), time.time()))

    @_harmless
    def add_late(self, kind: str, step: int, content: Mapping[str, object]) -> None:
        """Records an event though the run may be finished, such as what `evaluate` says after it.

        Args:
            kind: See `event`.
            step: See `event`.
            content: See `event`.
        """
        if not self._finished:
            self.event(kind, step, content)
            return
        with closing(connect(self.folder / DATABASE)) as connection:
            write_rows(connection, [Event(int(step), kind, to_json(content), time.time())])

    @_harmless
    def fact(self, name: str, content: object) -> None:
        """Records what holds for the whole run and was not known at its start, such as its cost."""
        self._put(Fact(name, to_json(content)))

    @_harmless
    def keep(self, name: str, data: bytes, cap: int = KEEP_CAP) -> bool:
        """Keeps a file beside the database, whole or absent, such as the batch of a bad step.

        What is larger than `cap` is not kept, and an event of kind `not kept` says so.

        Args:
            name: Its name in the folder `kept`.
            data: Its content.
            cap: Bytes that it may have.

        Returns:
            Whether it was kept; nothing where recording has stopped.
        """
        file = safe_name(name)
        if len(data) > cap:
            self.event("not kept", 0, {"file": file, "bytes": len(data), "cap": cap})
            return False
        (self.folder / KEPT).mkdir(exist_ok=True)
        atomic_write(self.folder / KEPT / file, data)
        return True

    @_harmless
    def flush(self) -> None:
        """Waits until all that was recorded so far is committed."""
        done = threading.Event()
        self._waiting.append(done)
        self._wake.set()
        while not done.wait(0.05) and self._thread.is_alive():
            pass

    def finish(self, status: Status, error: str | None = None) -> None:
        """Commits the rest and closes the run; what comes later is not recorded.

        Args:
            status: How the training ended.
            error: What ended it, if it failed.
        """
        if self._finished or self._pid != os.getpid():
            return
        atexit.unregister(self._exit)
        facts = [
            Fact("status", to_json(status)),
            Fact("error", to_json(error)),
            Fact("ended", to_json(time.time())),
        ]
        if self._stopped:
            facts.append(_INCOMPLETE)
        self._waiting.extend(facts)
        self._end()
        self._finished = True
        if self._lock and not self._thread.is_alive():
            if self._stopped:
                self._last_words([*facts, _INCOMPLETE])
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self.finish("finished")
        elif isinstance(error, KeyboardInterrupt):
            self.finish("interrupted", "interrupted from the keyboard")
        else:
            self.finish("failed", "".join(traceback.format_exception_only(error)).strip())

    @_harmless
    def _begin(self, name: str, facts: Callable[[], Mapping[str, object]]) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.folder = _new_folder(self.root, safe_name(name))
        try:
            self._lock = Lock(self.folder)
            _create(self.folder, [Fact(key, to_json(value)) for key, value in facts().items()])
        except Exception:
            if self._lock:
                self._lock.release()
                self._lock = None
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        atexit.register(self._exit)
        self._thread.start()

    def _go_on(self, folder: Path, facts: Callable[[], Mapping[str, object]]) -> None:
        """Takes a folder that exists; what is in it stays, whatever fails."""
        self.folder = folder
        try:
            self._lock = Lock(folder)
            if not (folder / DATABASE).exists():
                _create(folder, [Fact(key, to_json(value)) for key, value in facts().items()])
            again = {"status": "running", "error": None, "pid": os.getpid()}
            with closing(connect(folder / DATABASE)) as connection:
                write_rows(connection, [Fact(key, to_json(again[key])) for key in again])
        except (sqlite3.Error, OSError) as error:
            self._stop(error)
            return
        atexit.register(self._exit)
        self._thread.start()

    def _put(self, row: Row) -> None:
        if self._finished:
            return
        self._bytes += row.size
        if self._bytes > _MOST_WAITING:
            raise OSError(f"{_MOST_WAITING // 2**20} MiB wait for a disk that is too slow")
        self._waiting.append(row)

    def _work(self) -> None:
        """The thread: commits what waits, until the run ends or something fails."""
        try:
            with closing(connect(self.folder / DATABASE)) as connection:
                while not self._ending:
                    self._wake.wait(_COMMIT_SECONDS)
                    self._wake.clear()
                    self._commit(connection)
                self._commit(connection)
        except Exception as error:  # noqa: BLE001 - whatever it is, the training is worth more
            self._stop(error)
        finally:
            if self._mirror:
                with suppress(OSError):
                    self._mirror.close()

    def _commit(self, connection: sqlite3.Connection) -> None:
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._bytes = 0
        rows = [row for row in taken if not isinstance(row, threading.Event)]
        if rows:
            write_rows(connection, rows)
            self._add_to_mirror(rows)
        self.seconds = time.thread_time()
        for waiting in taken:
            if isinstance(waiting, threading.Event):
                waiting.set()

    def _add_to_mirror(self, rows: Sequence[Row]) -> None:
        """TensorBoard alone is lost where only its writer fails."""
        if not self._tensorboard:
            return
        try:
            self._mirror = self._mirror or Mirror(self.folder)
            self._mirror.add(rows)
        except Exception as error:  # noqa: BLE001 - the record matters more than its mirror
            self._tensorboard = False
            self._warn(f"Gatescope writes no more for TensorBoard into {self.folder}: {error}")

    def _stop(self, error: Exception) -> None:
        self._stopped = True
        self._waiting.clear()
        self._waiting.append(_INCOMPLETE)
        if not self.begun:
            _NOT_BEGUN[self.root] = getattr(error, "strerror", None) or str(error)
        less = "no more" if self.begun else "nothing"
        self._warn(
            f"Gatescope records {less} of this training in {self.folder}: {error}. "
            "The training goes on."
        )

    def _warn(self, text: str) -> None:
        if self._warned:
            return
        self._warned = True
        warn(text)

    def _end(self) -> None:
        self._ending = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)

    def _last_words(self, facts: Sequence[Fact]) -> None:
        """Says how the training ended though recording had stopped, if there is room for that."""
        with suppress(sqlite3.Error), closing(connect(self.folder / DATABASE)) as connection:
            write_rows(connection, facts)

    def _exit(self) -> None:
        self.finish("interrupted", "the process ended without a word about the training")


def _facts(
    name: str,
    configuration: Mapping[str, object],
    script: Path | None,
    argv: Sequence[str],
    structure: Sequence[Mapping[str, object]],
) -> dict[str, object]:
    return {
        "name": name,
        "configuration": configuration,
        "environment": environment(),
        "structure": structure,
        "script": _script(script),
        "argv": argv,
        "pid": os.getpid(),
        "started": time.time(),
        "status": "running",
        "error": None,
    }


def _script(path: Path | None) -> Plain:
    if path is None:
        return None
    try:
        text = path.read_text(errors="replace")[:_LONGEST_SCRIPT]
    except OSError as error:
        text = f"(not readable: {error})"
    return {"path": str(path), "text": text}


def _new_folder(root: Path, name: str) -> Path:
    """Makes a folder that nobody else has; two trainings of one second get different ones."""
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in count(1):
        folder = root / (stem if number == 1 else f"{stem}-{number}")
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError  # `count` has no end


def _create(folder: Path, facts: Sequence[Fact]) -> None:
    """Makes the database, whole or absent."""
    unfinished = folder / f".{DATABASE}.unfinished"
    create(unfinished)
    with closing(sqlite3.connect(unfinished)) as connection, connection:
        write_facts(connection, facts)
    unfinished.replace(folder / DATABASE)


def _numbers(values: Mapping[str, object]) -> dict[str, float]:
    """Those of the values that are numbers."""
    known = {}
    for name, value in values.items():
        with suppress(TypeError, ValueError):
            known[name] = float(value)  # type: ignore[arg-type]
    return known
