"""The folder that runs are kept in: what is in it, and how a run leaves it."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from gatescope.errors import GatescopeError, RunError
from gatescope.runs.lock import Lock, is_held
from gatescope.runs.open import Run, open_run
from gatescope.runs.schema import APPLICATION, DATABASE

RUNS = Path("runs")
"""Where runs are kept unless the user says otherwise."""

_APPLICATION_AT = 68  # bytes into any SQLite file


@dataclass(frozen=True)
class Overview:
    """What a list says of a run.

    Args:
        run: The name of its folder.
        name: What the training was called.
        status: As `Run.status`.
        started: When it began, in seconds since 1970.
        seen: When it last wrote anything.
        last_step: The latest step of which there is anything.
        loss: The latest value of `loss`.
        findings: How many there are.
        complete: Whether all was recorded.
    """

    run: str
    name: str
    status: str
    started: float
    seen: float
    last_step: int | None
    loss: float | None
    findings: int
    complete: bool


@dataclass(frozen=True)
class Listing:
    """What a folder of runs holds.

    Args:
        runs: Those that can be read, the latest first.
        unreadable: Folders of the others, and why.
        others: Folders without a record, such as those of captioners.
    """

    runs: list[Overview]
    unreadable: dict[Path, str]
    others: list[Path]


def overview(run: Run) -> Overview:
    """Reads what a list says of a run.

    Raises:
        RunError: It is damaged.
    """
    return Overview(
        run=run.folder.name,
        name=run.name,
        status=run.status,
        started=run.started,
        seen=run.seen,
        last_step=run.last_step,
        loss=run.last("loss"),
        findings=len(run.findings),
        complete=run.complete,
    )


def list_runs(root: Path) -> Listing:
    """Reads every run of a folder.

    Args:
        root: The folder.

    Raises:
        OSError: It cannot be read.
    """
    found = Listing([], {}, [])
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if folder.name.startswith("."):
            continue
        if not (folder / DATABASE).exists():
            found.others.append(folder)
            continue
        try:
            found.runs.append(overview(open_run(folder)))
        except GatescopeError as error:
            found.unreadable[folder] = error.happened
        except OSError as error:
            found.unreadable[folder] = str(error)
    found.runs.sort(key=lambda run: run.started, reverse=True)
    return found


def check_deletable(folder: Path, root: Path) -> None:
    """Refuses what must not be deleted.

    Args:
        folder: The folder of a run; a damaged one may be deleted, too.
        root: The folder that it must stand in.

    Raises:
        RunError: It is no run, is written at the moment, or stands elsewhere.
    """
    if not _is_run(folder):
        raise RunError(
            f"{str(folder)!r} is no run",
            f"a folder with a {DATABASE} that Gatescope wrote",
            "gatescope runs   lists the runs; other folders are yours to delete",
        )
    if folder.is_symlink() or folder.resolve().parent != root.resolve():
        place = folder.resolve()
        raise RunError(
            f"{str(folder)!r} does not stand in {str(root)!r}",
            "the folder of a run there",
            f"gatescope runs delete '{place}' --runs '{place.parent}'",
        )
    if is_held(folder):
        raise RunError(
            f"{str(folder)!r} is being written by a training",
            "a run that has ended",
            "end the training first",
        )


def delete_run(folder: Path, root: Path) -> None:
    """Deletes a run: its record, event files, and all else in its folder.

    Args:
        folder: The folder of the run.
        root: The folder that it must stand in.

    Raises:
        RunError: See `check_deletable`.
        OSError: It may not be deleted.
    """
    check_deletable(folder, root)
    try:
        lock = Lock(folder)
    except sqlite3.Error as cause:
        raise PermissionError(13, "write-protected", str(folder)) from cause
    # Hidden first, and in one step: a deletion that is killed leaves no half of a run in lists.
    hidden = root / f".{folder.name}.{secrets.token_hex(4)}.deleted"
    try:
        os.rename(folder, hidden)
    finally:
        lock.release()
    shutil.rmtree(hidden)


def _is_run(folder: Path) -> bool:
    """By the mark in the file's head, which a damaged or newer database has, too."""
    try:
        with (folder / DATABASE).open("rb") as file:
            head = file.read(_APPLICATION_AT + 4)
    except OSError:
        return False
    return head[_APPLICATION_AT:] == APPLICATION.to_bytes(4, "big")
