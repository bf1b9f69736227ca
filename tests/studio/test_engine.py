"""The process that looks inside networks."""

import asyncio
import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gatescope.errors import RunError
from gatescope.studio.engine import Engine


def test_it_is_one_process_that_ends_whatever_it_does_and_comes_again_where_it_died() -> None:
    async def asked() -> None:
        engine = Engine()
        first = await engine.ask(os.getpid)
        assert first == await engine.ask(os.getpid) != os.getpid()
        with pytest.raises(RunError, match="the process that looked inside the network ended"):
            await engine.ask(os._exit, 3)
        assert await engine.ask(os.getpid) != first
        with pytest.raises(ZeroDivisionError):
            await engine.ask(divmod, 1, 0)
        busy = asyncio.create_task(engine.ask(time.sleep, 600))
        await asyncio.sleep(0.2)
        engine.close()
        with pytest.raises(RunError, match="ended"):
            await busy
        assert not multiprocessing.active_children()

    # In a thread of its own, for the browser of other tests keeps a loop in this one.
    with ThreadPoolExecutor() as threads:
        threads.submit(asyncio.run, asked()).result()
