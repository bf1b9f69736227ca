"""What a run was asked to do: written before anything else, compared before it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gatescope.errors import ConfigurationError, UsageError
from gatescope.runs.compare import ABSENT, differences
from gatescope.runs.files import atomic_write


class Asked(BaseModel):
    """Base of what a kind of run is asked.

    Args:
        finished: Whether the run has done it.
    """

    model_config = ConfigDict(frozen=True)

    finished: bool = False


_LISTED = 4  # settings that differ, in a message
_LONGEST = 60  # letters of a value there
AskedT = TypeVar("AskedT", bound=Asked)


def open_run(asked: AskedT, file: Path, *, resume: bool) -> AskedT:
    """Opens the folder of a run, new or to go on with.

    Args:
        asked: What to do.
        file: Where in the folder that is written.
        resume: Whether to go on with what the folder holds.

    Returns:
        `asked`, finished where the run on disk is.

    Raises:
        UsageError: The folder holds a run already, or none where there should be one.
        ConfigurationError: The folder's run was asked something else.
    """
    run = file.parent
    if not resume:
        # What was asked and never begun, for something was wrong with it, may be asked anew.
        if file.exists() and any(other != file for other in run.iterdir()):
            raise UsageError(
                f"{run} holds a training already",
                "a new folder, or --resume",
                f"add --resume to go on with it, or choose another --run than {run}",
            )
        run.mkdir(parents=True, exist_ok=True)
        write_asked(asked, file)
        return asked
    if not file.exists():
        raise UsageError(
            f"{run} holds no training to resume",
            f"a folder with {file.name}",
            "leave --resume out to start one there",
        )
    before = _read(type(asked), file)
    if before.model_copy(update={"finished": asked.finished}) != asked:
        raise ConfigurationError(
            f"{run} was started with another recipe, other data or another start",
            f"the same as in {file}{_differences(before, asked)}",
            "repeat the --data, --from and --set of the first command, or start a new run",
        )
    return before


def _differences(before: Asked, asked: Asked) -> str:
    """Settings that are not what they were, the first of many."""
    old, new = (each.model_dump(mode="json", exclude={"finished"}) for each in (before, asked))
    found = differences(old, new)
    told = [f"{one.name}={_told(one.first)} (now {_told(one.second)})" for one in found[:_LISTED]]
    more = [f"{len(found) - _LISTED} more"] if len(found) > _LISTED else []
    return f": {', '.join([*told, *more])}" if told else ""


def _told(value: object) -> str:
    text = "not there" if value == ABSENT else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def write_asked(asked: Asked, file: Path) -> None:
    """Replaces the file in one step."""
    atomic_write(file, asked.model_dump_json(indent=2).encode())


def _read(kind: type[AskedT], file: Path) -> AskedT:
    try:
        return kind.model_validate_json(file.read_bytes())
    except ValidationError as cause:
        raise ConfigurationError(
            f"{file} cannot be read: {cause.errors()[0]['msg']}",
            "the file as a training of this version wrote it",
            "start a new run in another folder",
        ) from cause
