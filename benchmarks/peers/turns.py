"""What a process does that takes turns with others: runs something, timed, with its peak memory.

Needs nothing but Python, so that Gatescope and its PyTorch peers are measured by the same code.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from memory import forget_peak, peak_megabytes, resident_megabytes


class Work(NamedTuple):
    """Something to run, and what to tell of its result."""

    run: Callable[[], Any]
    about: Callable[[Any], dict[str, float]]


def take_turns(about: dict[str, str], find: Callable[[dict[str, Any]], Work]) -> None:
    """Answers each line of standard input, a request, with a line; `about` is the first."""
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(measured(find(request), request["passes"])), flush=True)


def measured(work: Work, passes: int) -> dict[str, float]:
    """The median seconds of some passes, and how far resident memory grew at most in them, in MB.

    What is left from before is collected first, outside of what is timed.
    """
    seconds: list[float] = []
    result: Any = None
    gc.collect()
    forget_peak()
    before = resident_megabytes()
    for _ in range(passes):
        result = None
        gc.collect()
        start = time.perf_counter()
        result = work.run()
        seconds.append(time.perf_counter() - start)
    growth = (peak_megabytes() or 0) - (before or 0)
    return {"seconds": statistics.median(seconds), "growth": growth, **work.about(result)}
