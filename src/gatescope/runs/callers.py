"""Which of the lines that are running the user wrote, and warnings that show that one."""

from __future__ import annotations

import sys
import sysconfig
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType

_NOT_THE_USERS = tuple(
    {
        str(Path(__file__).parents[1]),
        *map(sysconfig.get_path, ("stdlib", "purelib", "platlib", "scripts")),
    }
)


def is_the_users(file: str) -> bool:
    """Whether a file is neither Python's, nor an installed package's, nor ours."""
    return not file.startswith("<") and not file.startswith(_NOT_THE_USERS)


def warn(text: str) -> None:
    """Warns once, at the line of the user's that is running; never raises.

    A thread of ours runs none: that of the main thread counts there.

    Args:
        text: What to say.
    """
    lines = ((frame.f_code.co_filename, frame.f_lineno) for frame in _frames())
    file, line = next((one for one in lines if is_the_users(one[0])), ("gatescope", 0))
    with suppress(Warning):  # where warnings are errors, the training must not die of this one
        warnings.warn_explicit(text, RuntimeWarning, file, line)


def _frames() -> Iterator[FrameType]:
    """What is running in this thread and in the main one, from the innermost out."""
    for frame in (sys._getframe(), sys._current_frames().get(threading.main_thread().ident or 0)):
        while frame is not None:
            yield frame
            frame = frame.f_back
