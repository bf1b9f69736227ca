"""Captioners of the studio: opened once a server, and asked by one thread after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, final

from gatescope.caption.folders import find_bundles
from gatescope.errors import UsageError

if TYPE_CHECKING:
    from gatescope.caption.captioner import Captioner

Answer = TypeVar("Answer")

SHIPPED = ""
"""In place of a run: the captioner that comes with Gatescope."""
_MOST_OPEN = 2  # for each keeps its weights and its compiled graphs in memory
_FIRST_SECONDS, _SECONDS = 15.0, 8.0  # on two cores; the first also loads TensorFlow


@final
class Captioners:
    """The shipped captioner, and those of a folder of runs.

    All that is computed for visitors is computed in one thread, one thing at a time: two would
    only share the same cores, and need twice the memory.

    Args:
        folder: Of the runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, "captions")
        self._open: dict[tuple[str, int], Captioner] = {}
        self._began: float | None = None

    @property
    def runs(self) -> list[str]:
        """Runs that have a captioner."""
        return list(find_bundles(self._folder))

    @property
    def loading(self) -> tuple[float, float] | None:
        """For how many seconds a captioner is being loaded, and about how many it takes."""
        if self._began is None:
            return None
        return time.monotonic() - self._began, _SECONDS if self._open else _FIRST_SECONDS

    async def ask(self, run: str, question: Callable[[Captioner], Answer]) -> Answer:
        """Asks a captioner, which is loaded where it is not yet, without blocking any page.

        Args:
            run: Whose captioner; `SHIPPED` for the one that comes with Gatescope.
            question: Is called in the thread of captions.

        Raises:
            GatescopeError: There is no such captioner, it cannot be opened, or the question's own.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: question(self._opened(run)))

    def close(self) -> None:
        """Drops what is still to be computed."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _opened(self, run: str) -> Captioner:
        folder, written = self._bundle(run)
        if (run, written) not in self._open:
            self._began = time.monotonic()
            try:
                self._load(run, written, folder)
            finally:
                self._began = None
        # The one that was asked last is the last to go.
        self._open[run, written] = self._open.pop((run, written))
        return self._open[run, written]

    def _load(self, run: str, written: int, folder: Path | None) -> None:
        from gatescope.startup import quiet_startup

        with quiet_startup():
            from gatescope.caption.bundle import replay_inputs
            from gatescope.caption.captioner import load_captioner

        captioner = load_captioner(folder)
        captioner.inspect(replay_inputs()[0])  # or the first photo would wait for compiling
        self._open = {key: one for key, one in self._open.items() if key[0] != run}
        while len(self._open) >= _MOST_OPEN:
            del self._open[next(iter(self._open))]
        self._open[run, written] = captioner

    def _bundle(self, run: str) -> tuple[Path | None, int]:
        """The folder of a bundle, and when it was written: training again makes another one."""
        if run == SHIPPED:
            return None, 0
        found = find_bundles(self._folder).get(run)
        if found is None:
            raise UsageError(
                f"there is no captioner {run!r}",
                f"a run in {str(self._folder)!r} that `gatescope train caption` has finished",
                "choose one from the list",
            )
        return found, found.stat().st_mtime_ns
