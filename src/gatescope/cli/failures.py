"""Turns the errors that a user can solve into text and an exit code."""

from __future__ import annotations

import errno

from gatescope.cli.terminal import complain
from gatescope.errors import EngineError, GatescopeError, engine_missing

EXPECTED = (GatescopeError, ImportError, OSError, MemoryError)
"""What `report_failure` knows to explain; anything else is a bug of ours."""


def report_failure(error: BaseException) -> int:
    """Prints an error as a user should see it, without a traceback.

    Args:
        error: One of `EXPECTED`.

    Returns:
        The exit code.

    Raises:
        ImportError: It is about a module other than TensorFlow, so the installation is broken
            in a way that the traceback tells best.
    """
    explained = explain(error)
    complain(explained)
    return explained.exit_code


def explain(error: BaseException) -> GatescopeError:
    """Says in three parts what happened, what was expected and how to fix it.

    Args:
        error: One of `EXPECTED`.

    Raises:
        ImportError: It is about a module other than TensorFlow.
    """
    match error:
        case GatescopeError():
            return error
        case ImportError():
            return _explain_import(error)
        case OSError():
            return _explain_system(error)
        case _:
            return GatescopeError(
                "the memory of this machine is used up",
                "room for the photos, the network and one batch",
                "close other programs, or make the batch smaller",
            )


def _explain_import(error: ImportError) -> GatescopeError:
    try:
        engine_missing(error)
    except EngineError as engine_error:
        return engine_error


def _explain_system(error: OSError) -> GatescopeError:
    where = "" if error.filename is None else f" {str(error.filename)!r}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return GatescopeError(
            f"the disk is full{where and ' at'}{where}",
            "free space for what is being written",
            "free some space and run the command again; files finished before are whole, and "
            "a training goes on with --resume",
        )
    return GatescopeError(
        f"{error.strerror or error}{where and ':'}{where}",
        "files and folders that can be read and written",
        "check the path and its permissions",
    )
