"""What a run keeps of the error that ended a script, for the doctor to explain it."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from gatescope.runs.callers import is_the_users

_MOST_FRAMES = 40
_LONGEST = 20_000  # letters


def describe_crash(error: BaseException) -> dict[str, object]:
    """An error as plain data.

    Args:
        error: What was raised; the frames above the one it was caught in count, too.

    Returns:
        `type`, `text`, `frames` of the user's own files from the outermost in (`file`, `line`,
        `function`, `code`), and `notes`, the last frame of all.
    """
    frames = [*_above(error), *traceback.extract_tb(error.__traceback__)]
    own = [frame for frame in frames if is_the_users(frame.filename)]
    if isinstance(error, SyntaxError) and error.filename and is_the_users(error.filename):
        text = (error.text or "").rstrip("\n")
        place = traceback.FrameSummary(error.filename, error.lineno or 0, "<module>", line=text)
        own.append(place)
    return {
        "type": _name(type(error)),
        "bases": [_name(kind) for kind in type(error).__mro__[1:-1]],
        "text": str(error)[:_LONGEST],
        "frames": [_frame(frame) for frame in own[-_MOST_FRAMES:]],
        "raised_in": _frame(frames[-1]) if frames else None,
    }


def calling_line() -> dict[str, object] | None:
    """The innermost line of the user's that is running."""
    own = [frame for frame in traceback.extract_stack() if is_the_users(frame.filename)]
    return _frame(own[-1]) if own else None


def main_script() -> Path | None:
    """The file that Python was started with, if it was one."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(file) if file else None


def _above(error: BaseException) -> list[traceback.FrameSummary]:
    trace = error.__traceback__
    return list(traceback.extract_stack(trace.tb_frame.f_back)) if trace else []


def _frame(frame: traceback.FrameSummary) -> dict[str, object]:
    return {
        "file": frame.filename,
        "line": frame.lineno,
        "function": frame.name,
        "code": frame.line,
    }


def _name(kind: type) -> str:
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
