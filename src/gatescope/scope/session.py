"""What one script under an open hood comes to: its runs, its crash, what is said at its end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, final

from gatescope.errors import GatescopeError
from gatescope.scope.sitting import Settings, Sitting

if TYPE_CHECKING:
    from gatescope.scope.hood import Hood

_MOST_LINES = 12


@final
class Session(Sitting):
    """One script, or one notebook, under the open hood.

    Nothing in here raises: the script is worth more.

    Args:
        settings: How it is watched.
        name: What it is called.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        super().__init__(settings, name)
        self._began, self._pid = time.time(), os.getpid()
        self._hood: Hood | None = None

    def keras_is_here(self) -> None:
        """Opens the hood, for the script has imported Keras."""
        try:
            backend = sys.modules["keras"].config.backend()
            if backend != "tensorflow":
                self.note(other_backend(backend))
                return
            from gatescope.scope.hood import Hood  # loads TensorFlow

            self._hood = Hood(self)
        except Exception as error:  # noqa: BLE001 - whatever it is, the script is worth more
            self.note(f"the hood stays shut: {type(error).__name__}: {error}")

    def crashed(self, error: BaseException) -> None:
        """Takes note of what ended the script, in the run that it ended or in one of its own."""
        try:
            if self._hood:
                self._hood.crashed(error)
            elif isinstance(error, Exception) and "tensorflow" in sys.modules:
                self.note_crash(error)
        except Exception as own:  # noqa: BLE001
            self.note(f"the crash was not recorded: {type(own).__name__}: {own}")

    def script_ended(self) -> None:
        """Finishes runs that only the end of the script ends."""
        if self._hood and os.getpid() == self._pid:
            self._hood.finish_open_runs()

    def close(self, say: Callable[[str], None]) -> None:
        """Shuts the hood and says what there is to say; in a forked child it does nothing."""
        if os.getpid() != self._pid:
            return
        lines: list[str] = []
        if self._hood:
            self._hood.close()
            lines = self._hood.lines(self.path)
        for line in [*_shortened(lines), *self._about(bool(lines))]:
            say(line)

    def _about(self, recorded: bool) -> list[str]:
        """What else there is to say: why nothing was recorded, above all."""
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        if self._hood is None and backend != "tensorflow":
            self.note(other_backend(backend))  # also where importing it failed
        told = [*_about_legacy(recorded), *self.notes, *self._not_begun(recorded)]
        return told if told or recorded else [self._nothing()]

    def _not_begun(self, recorded: bool) -> list[str]:
        """That trainings could not be recorded, and why."""
        record = sys.modules.get("gatescope.runs.record")  # loaded by the first training
        why = record.not_begun().get(self.settings.runs) if record else None
        if why is None:
            return []
        what = "not every training" if recorded else "nothing"
        return [f"{what} was recorded: no run can be begun in {str(self._shown)!r} ({why})."]

    def _nothing(self) -> str:
        """Why nothing was recorded."""
        if children := self._of_children():
            return f"recorded by processes that the script forked: {', '.join(children)}"
        if self._hood is None:
            return "nothing was recorded: the script did not import Keras."
        return (
            "nothing was recorded: the script trained nothing. It called no fit and no "
            "train_on_batch, and no optimizer of Keras changed a weight."
        )

    def _of_children(self) -> list[str]:
        """Runs of this script that other processes have begun meanwhile."""
        found = []
        with suppress(OSError):  # above all where there is no folder
            new = [one for one in self.settings.runs.iterdir() if one.stat().st_mtime > self._began]
            found = [self.path(one) for one in sorted(new) if _is_of_this_script(one)]
        return _shortened(found)


def _is_of_this_script(folder: Path) -> bool:
    from gatescope.runs.open import open_run
    from gatescope.scope.crash import main_script

    try:
        script = open_run(folder).script
    except GatescopeError:
        return False
    return script is not None and script["path"] == str(main_script())


def other_backend(name: str) -> str:
    """That the script's Keras is not on TensorFlow."""
    return (
        f"Keras runs on {name} in this script, and the hood opens on TensorFlow alone: nothing was "
        "recorded. Unset KERAS_BACKEND, or set it to tensorflow, if the script can run on that."
    )


def _about_legacy(recorded: bool) -> list[str]:
    asked = os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true")
    if "tf_keras" not in sys.modules and (recorded or not asked):
        return []
    why = "TF_USE_LEGACY_KERAS is set" if asked else "it imports tf_keras"
    return [
        f"this script uses the legacy Keras 2 ({why}), and the hood opens on Keras 3 alone: "
        "what it trained with Keras 2 was not recorded."
    ]


def _shortened(lines: list[str]) -> list[str]:
    if len(lines) <= _MOST_LINES:
        return lines
    return [*lines[: _MOST_LINES - 1], f"… and {len(lines) - _MOST_LINES + 1} runs more"]
