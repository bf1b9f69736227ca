"""TensorFlow in a process of its own, so that no page waits for it.

Looking inside a network runs it operation by operation and puts every variable of its process back
as it was; in the process of the pages that would undo what a training there does meanwhile. A
process that dies of a network that is too large is replaced by the next.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar, final

from gatescope.errors import GatescopeError, RunError
from gatescope.startup import quiet_startup

P = ParamSpec("P")
R = TypeVar("R")


@final
class Engine:
    """One process that answers one question after the other; it begins with the first."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    async def ask(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs a function there.

        Args:
            work: Of a module, as only its name is sent; what it takes and gives is pickled.
            *args: For it.
            **kwargs: For it.

        Raises:
            GatescopeError: What the function raises; or the process died.
        """
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, context, initializer=_begin)
        pool = self._pool
        try:
            return await asyncio.wrap_future(pool.submit(work, *args, **kwargs))
        except BrokenProcessPool as cause:
            if self._pool is pool:
                self._pool = None
            raise _died() from cause

    def close(self) -> None:
        """Ends the process, if there is one, whatever it is doing."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        for child in multiprocessing.active_children():
            child.kill()
        # Waits for what watches over it; else its semaphores would outlive this process.
        pool.shutdown(cancel_futures=True)


def _died() -> GatescopeError:
    return RunError(
        "the process that looked inside the network ended",
        "a network and a sample that this machine's memory holds",
        "reload the page; a network that is too large ends it again",
    )


def _begin() -> None:
    """Loads TensorFlow, and ends this process with the one that started it, however that ends."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
    with quiet_startup():
        import tensorflow  # noqa: F401
