"""Runs a script as Python itself would, with the hood open on what it trains.

Nothing of an engine is loaded here, for the script may choose its own: what looks inside Keras
comes when the script has imported Keras.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType

from gatescope.errors import UsageError
from gatescope.scope.arrival import on_import
from gatescope.scope.session import Session, Settings

_OURS = str(Path(__file__).parents[1]) + os.sep
_IMPORTING = "<frozen importlib._bootstrap"


def run_script(
    script: Path, arguments: Sequence[str], settings: Settings, say: Callable[[str], None]
) -> None:
    """Runs a script to its end; what it raises is raised, its traceback free of our frames.

    `__main__` is the script from then on, to the very end of the process, and so are `sys.argv` and
    `sys.path[0]`.

    Args:
        script: A file of Python.
        arguments: What the script finds behind its name in `sys.argv`.
        settings: How it is watched.
        say: Takes a line about what was recorded, at the end of the process.

    Raises:
        UsageError: There is no such script.
        BaseException: Whatever the script raises, `SystemExit` above all.
    """
    source = read_script(script)
    # First, so that it is the last to be called: after the script's own, and after a traceback.
    session = Session(settings, script.stem)
    atexit.register(session.close, say)
    main = _main_module(script)
    sys.modules["__main__"] = main
    sys.argv = [str(script), *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = str(script.resolve().parent)
    on_import("keras", session.keras_is_here)
    run_module(main, source, session)


def run_module(main: ModuleType, source: bytes, session: Session) -> None:
    """Runs source in a module; see `run_script`."""
    try:
        exec(_compiled(source, str(main.__file__)), vars(main))  # noqa: S102 - what it is for
    except BaseException as error:
        _hide(error)
        session.crashed(error)
        sys.excepthook = partial(_show, sys.excepthook)
        raise
    finally:
        session.script_ended()


def read_script(script: Path) -> bytes:
    """The content of a script.

    Raises:
        UsageError: It is no file of Python.
        OSError: It cannot be read.
    """
    if script.is_dir():
        raise UsageError(
            f"{str(script)!r} is a folder",
            "a script",
            f"name the file in it, such as {script / 'train.py'}",
        )
    if script.suffix == ".ipynb":
        raise UsageError(
            f"{str(script)!r} is a notebook",
            "a script",
            "put   %load_ext gatescope   into its first cell, and run it as ever",
        )
    return script.read_bytes()


def without_our_frames(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without what started the script, and without frames of ours that only hand on."""
    entries: list[TracebackType] = []
    while trace is not None:
        entries.append(trace)
        if trace.tb_frame.f_code in (run_script.__code__, run_module.__code__):
            entries.clear()
        trace = trace.tb_next
    kept = [one for one in entries if not _is_ours(one.tb_frame.f_code.co_filename)]
    for place, entry in enumerate(kept):
        entry.tb_next = kept[place + 1] if place + 1 < len(kept) else None
    return kept[0] if kept else None


def _is_ours(file: str) -> bool:
    return file.startswith((_OURS, _IMPORTING))


def _compiled(source: bytes, file: str) -> CodeType:
    return compile(source, file, "exec", dont_inherit=True)


def _main_module(script: Path) -> ModuleType:
    """A module `__main__` as Python makes one of a script."""
    file = os.path.abspath(script)
    main = ModuleType("__main__")
    vars(main).update(
        __file__=file,
        __builtins__=sys.modules["builtins"],
        __cached__=None,
        __annotations__={},
        __loader__=SourceFileLoader("__main__", file),
    )
    return main


def _hide(error: BaseException) -> None:
    """Takes our frames out of an error, and of those behind it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = without_our_frames(one.__traceback__)
        waiting += [one.__cause__, one.__context__]


def _show(
    hook: Callable[..., object],
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    """In place of `sys.excepthook`, for on its way out the error met our frames again."""
    _hide(error)
    hook(kind, error, error.__traceback__)
