"""Every exception a user can see: what happened, what was expected, how to fix it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import NoReturn


class GatescopeError(Exception):
    """Base of the errors that are the user's to solve.

    The command line prints the text alone, without a traceback, and exits with
    `exit_code`.

    Args:
        happened: What went wrong, with the offending value.
        expected: What would have been accepted.
        fix: What to type or change.

    Example:
        >>> raise DataError("no photo in 'x/'", "a folder of photos", "check the path")
        Traceback (most recent call last):
        ...
        gatescope.errors.DataError: no photo in 'x/'
          expected: a folder of photos
          fix: check the path
    """

    exit_code = 1

    def __init__(self, happened: str, expected: str, fix: str) -> None:
        self.happened, self.expected, self.fix = happened, expected, fix
        super().__init__(f"{happened}\n  expected: {expected}\n  fix: {fix}")

    def __reduce__(self) -> tuple[type[GatescopeError], tuple[str, str, str]]:
        """Rebuilds from the three parts, so that errors cross process boundaries."""
        return type(self), (self.happened, self.expected, self.fix)


class UsageError(GatescopeError, ValueError):
    """A command, an option or an argument cannot mean anything."""

    exit_code = 2


class ConfigurationError(GatescopeError, ValueError):
    """A configuration contradicts itself or names what does not exist."""

    exit_code = 2


class DivergenceError(ConfigurationError):
    """A training came to a loss that is no number."""

    exit_code = 1


class DataError(GatescopeError, ValueError):
    """A data set or a file of it cannot be used."""


class PhotoError(DataError):
    """One photo cannot be read; others may well be."""


class BundleError(GatescopeError, ValueError):
    """A bundle is incomplete, changed, or from another version."""


class CheckpointError(GatescopeError, ValueError):
    """A training cannot be resumed from what is on disk."""


class RunError(GatescopeError, ValueError):
    """A folder is no run, or its record cannot be read, written or deleted."""


class ExportError(GatescopeError, ValueError):
    """A network cannot be written in another format, or says something else there."""


class WorkerError(GatescopeError, RuntimeError):
    """A process that trains together with others ended before its time."""


class TraceError(GatescopeError, ValueError):
    """A network cannot be traced on this batch, or a trace does not hold what is asked of it."""


class GateError(GatescopeError, ArithmeticError):
    """A gate has no value, or no gradient, at its inputs."""


class EngineError(GatescopeError, ImportError):
    """TensorFlow is missing or Keras runs on another backend."""


def engine_missing(cause: ImportError) -> NoReturn:
    """Raises an `EngineError` that says which extra to install, if `cause` is about TensorFlow.

    Args:
        cause: The import error that a lazy import met.

    Raises:
        EngineError: TensorFlow is not installed.
        ImportError: `cause` itself, where it is about anything else.
    """
    if (cause.name or "").split(".")[0] != "tensorflow":
        raise cause
    raise EngineError(
        "TensorFlow is not installed",
        "one of Gatescope's engine extras",
        "pip install 'gatescope[cpu]'   (with an NVIDIA GPU: pip install 'gatescope[gpu]')",
    ) from cause


def nearest(
    name: str,
    known: Iterable[str],
    written: Callable[[str], str] = str,
    least: float = 0.5,
) -> str:
    """Offers the known names that are most like a wrong one.

    Args:
        name: What the user typed.
        known: What there is.
        written: How to write one of these out, where a name is only a part of what to type.
        least: How much alike names must be, from 0 to 1; see `difflib.get_close_matches`.

    Returns:
        A question, to be an error's `fix`; nothing where no name is near. Small letters and
        capitals count as the same.

    Example:
        >>> nearest("sigmod", ["sigmoid", "relu"])
        "did you mean 'sigmoid'?"
    """
    by_letters: dict[str, str] = {}
    for one in known:
        by_letters.setdefault(one.lower(), one)
    found = get_close_matches(name.lower(), by_letters, n=2, cutoff=least)
    return did_you_mean(written(by_letters[one]) for one in found)


def did_you_mean(names: Iterable[str]) -> str:
    """The question that offers names; nothing where there are none."""
    offered = " or ".join(map(repr, names))
    return f"did you mean {offered}?" if offered else ""
