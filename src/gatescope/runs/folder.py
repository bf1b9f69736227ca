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
from gatescope.runs.record import safe_name
from gatescope.runs.schema import APPLICATION, DATABASE

RUNS = Path("runs")
"""Where runs are kept unless the user says otherwise."""

MODELS = ("model.keras", "kept/model.keras")
"""Where a run has its model: as it was trained, or at least as it was before."""

_DEEPEST = 2  # folders between the folder of runs and a run
_APPLICATION_AT = 68  # bytes into any SQLite file


@dataclass(frozen=True)
class Overview:
    """What a list says of a run.

    Args:
        run: Its folder within the folder of runs.
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


def overview(run: Run, root: Path | None = None) -> Overview:
    """Reads what a list says of a run.

    Args:
        run: The run.
        root: The folder of runs, where it may stand deeper than others; None for its own parent.

    Raises:
        RunError: It is damaged.
    """
    return Overview(
        run=run.folder.relative_to(root or run.folder.parent).as_posix(),
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
    """Reads every run of a folder, and those within its folders, as variants of a recipe are.

    Args:
        root: The folder.

    Raises:
        OSError: It cannot be read.
    """
    found = Listing([], {}, [])
    for folder in _folders(root):
        inside = [folder] if _has_record(folder) else _records(folder, _DEEPEST)
        if not inside:
            found.others.append(folder)
        for run in inside:
            _read(run, root, found)
    found.runs.sort(key=lambda run: run.started, reverse=True)
    return found


def _read(folder: Path, root: Path, found: Listing) -> None:
    try:
        found.runs.append(overview(open_run(folder), root))
    except GatescopeError as error:
        found.unreadable[folder] = error.happened
    except OSError as error:
        found.unreadable[folder] = str(error)


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")


def _has_record(folder: Path) -> bool:
    return (folder / DATABASE).exists()


def _records(folder: Path, deep: int) -> list[Path]:
    """Folders of runs within a folder that is none; one that may not be read has none."""
    found: list[Path] = []
    try:
        inside = [each for each in _folders(folder) if not each.is_symlink()]
    except OSError:
        return found
    for each in inside:
        if _has_record(each):
            found.append(each)
        elif deep > 1:
            found += _records(each, deep - 1)
    return found


def model_file(folder: Path) -> Path | None:
    """The model that a run keeps.

    Args:
        folder: Of the run.

    Returns:
        A `.keras` file; None where there is none.
    """
    return next((file for name in MODELS if (file := folder / name).is_file()), None)


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
    if folder.is_symlink() or root.resolve() not in folder.resolve().parents:
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
    hidden = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.deleted"
    try:
        os.rename(folder, hidden)
    finally:
        lock.release()
    shutil.rmtree(hidden)


def rename_run(folder: Path, root: Path, name: str) -> Path:
    """Gives the folder of a run another name.

    Args:
        folder: The folder of the run.
        root: The folder that it must stand in.
        name: The new one, in the same place.

    Returns:
        The folder as it is called now.

    Raises:
        RunError: The run must not be touched, see `check_deletable`; the name is taken, or is none
            that a folder can have.
    """
    check_deletable(folder, root)
    there = folder.with_name(safe_name(name)) if name.strip(". ") else folder
    if there == folder or there.exists():
        raise RunError(
            f"a run cannot be called {name!r}: " + ("it is" if there.exists() else "no name"),
            "a name that no other run has",
            "choose another",
        )
    return folder.rename(there)


def _is_run(folder: Path) -> bool:
    """By the mark in the file's head, which a damaged or newer database has, too."""
    try:
        with (folder / DATABASE).open("rb") as file:
            head = file.read(_APPLICATION_AT + 4)
    except OSError:
        return False
    return head[_APPLICATION_AT:] == APPLICATION.to_bytes(4, "big")
