"""Errors in a recipe of the user's own, told by the lines of its file."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatescope.errors import ConfigurationError, GatescopeError
from gatescope.runs.callers import is_the_users

_ENGINE = ("tensorflow", "keras")


@contextmanager
def blamed(file: Path) -> Iterator[None]:
    """Runs a recipe; what Python stops at there is told without a traceback of ours.

    Args:
        file: The recipe. An error in one of ours stays as it is.

    Raises:
        ConfigurationError: Python stopped in it. It names the lines of the user's that were
            running, and shows the last.
    """
    try:
        yield
    except GatescopeError:
        raise
    except Exception as cause:
        if not is_the_users(str(file.resolve())) or _is_about_the_engine(cause):
            raise
        raise _explained(cause, file) from cause


def _is_about_the_engine(cause: Exception) -> bool:
    return isinstance(cause, ImportError) and (cause.name or "").partition(".")[0] in _ENGINE


def _explained(cause: Exception, file: Path) -> ConfigurationError:
    if isinstance(cause, SyntaxError) and cause.filename:
        reason = f"{type(cause).__name__}: {cause.msg}"
        places = [(cause.filename, cause.lineno or 1, (cause.text or "").strip())]
    else:
        reason = "".join(traceback.format_exception_only(cause)).strip()
        places = [
            (frame.filename, frame.lineno or 1, frame.line or "")
            for frame in traceback.extract_tb(cause.__traceback__)
            if is_the_users(frame.filename)
        ]
    return ConfigurationError(
        "\n  ".join([*(_placed(*one) for one in places or [(str(file), 1, "")]), reason]),
        "a recipe that Python runs to its end",
        _fix(cause),
    )


def _placed(file: str, line: int, code: str) -> str:
    return f"{file!r}, line {line}: {code}".removesuffix(": ")


def _fix(cause: Exception) -> str:
    if isinstance(cause, ModuleNotFoundError):
        return f"install {cause.name!r}, or mend its name"
    return "mend the line; gatescope recipes copy NAME FILE makes one that runs"
