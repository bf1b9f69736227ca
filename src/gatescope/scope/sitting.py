"""How a script is watched, and what there will be to say of it at its end."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NamedTuple

from gatescope.scope.crash import describe_crash


class Settings(NamedTuple):
    """How a script is watched.

    Attributes:
        runs: The folder that its runs are recorded in.
        name: What they are called; by the script and the model where it is None.
        overhead: What looking may cost, as a share of the time of a step.
        seconds: After how many seconds trainings end; None lets them.
        max_epochs: How many epochs a training has at most.
        keep_data: Whether a run keeps the model before training and a sample of the data.
    """

    runs: Path = Path("runs")
    name: str | None = None
    overhead: float = 0.05
    seconds: float | None = None
    max_epochs: int | None = None
    keep_data: bool = True


class Sitting:
    """What all that watches a script shares: settings, the time that is left, and notes.

    Args:
        settings: How it is watched.
        name: What it is called.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self._shown = settings.runs
        # The script may change the folder it is in.
        self.settings = settings._replace(runs=settings.runs.absolute())
        self.name = name
        self.notes: list[str] = []
        self._deadline: float | None = None

    @property
    def deadline(self) -> float | None:
        """When trainings are to end, by `time.monotonic`: counted from when one first asks."""
        if self._deadline is None and self.settings.seconds is not None:
            self._deadline = time.monotonic() + self.settings.seconds
        return self._deadline

    def note(self, text: str) -> None:
        """Something to say at the end, once."""
        if text not in self.notes:
            self.notes.append(text)

    def note_crash(self, error: Exception) -> None:
        """Makes a run of its own for a crash outside of any training."""
        if folder := record_crash(self, error):
            self.note(f"{self.path(folder)}: the crash, outside of a training")

    def path(self, folder: Path) -> str:
        """A run's path as the user would type it."""
        return str(self._shown / folder.name)


def record_crash(sitting: Sitting, error: BaseException) -> Path | None:
    """A run of its own for a script that crashed before or after its trainings, if it can be."""
    from gatescope.runs.record import start_run
    from gatescope.scope.crash import main_script

    run = start_run(
        sitting.settings.runs,
        sitting.settings.name or sitting.name,
        configuration={},
        script=main_script(),
        argv=sys.argv,
        tensorboard=False,
    )
    run.fact("crash", describe_crash(error))
    run.__exit__(type(error), error, error.__traceback__)
    return run.folder if run.begun else None
