"""Runs a script, or a folder or archive of one, as Python would, the hood open on what it trains.

Nothing of an engine is loaded here, for the script may choose its own: what looks inside Keras
comes when the script has imported Keras.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, NamedTuple

from gatescope.errors import UsageError
from gatescope.scope.arrival import on_import
from gatescope.scope.session import Session
from gatescope.scope.sitting import Settings

_OURS = str(Path(__file__).parents[1]) + os.sep
_IMPORTING = "<frozen importlib._bootstrap"


def run_script(
    script: Path, arguments: Sequence[str], settings: Settings, say: Callable[[str], None]
) -> None:
    """Runs a script to its end; what it raises is raised, its traceback free of our frames.

    `__main__` is the script from then on, to the very end of the process, and so are `sys.argv` and
    `sys.path[0]`.

    Args:
        script: A file of Python, or a folder or zip archive with a `__main__.py`.
        arguments: What the script finds behind its name in `sys.argv`.
        settings: How it is watched.
        say: Takes a line about what was recorded, at the end of the process.

    Raises:
        UsageError: There is no such script.
        BaseException: Whatever the script raises, `SystemExit` above all.
    """
    program = find_program(script)
    # First, so that it is the last to be called: after the script's own, and after a traceback.
    session = Session(settings, Path(os.path.abspath(script)).stem)
    atexit.register(session.close, say)
    sys.modules["__main__"] = program.main
    sys.argv = [str(script), *arguments]
    sys.path[: not sys.flags.safe_path] = program.path
    on_import("keras", session.keras_is_here)
    run_program(program, session)


def run_program(program: Program, session: Session) -> None:
    """Runs code in its module; see `run_script`."""
    try:
        exec(program.compiled(), vars(program.main))  # noqa: S102 - what it is for
    except BaseException as error:
        _hide(error)
        session.crashed(error)
        sys.excepthook = partial(_show, sys.excepthook)
        raise
    finally:
        session.script_ended()


class Program(NamedTuple):
    """What Python runs when it is given a path.

    Attributes:
        main: The module `__main__`, before anything ran in it.
        compiled: Makes its code.
        path: What `sys.path` begins with.
    """

    main: ModuleType
    compiled: Callable[[], CodeType]
    path: list[str]


def find_program(script: Path) -> Program:
    """What there is to run.

    Args:
        script: See `run_script`.

    Raises:
        UsageError: It is no file of Python, or holds no `__main__.py`.
        OSError: It cannot be read.
    """
    if script.suffix == ".ipynb":
        raise UsageError(
            f"{str(script)!r} is a notebook",
            "a script",
            "put   %load_ext gatescope   into its first cell, and run it as ever",
        )
    file = os.path.abspath(script)
    finder = _finder(file)
    if finder is None:
        source = script.read_bytes()
        main = _main_module(file, SourceFileLoader("__main__", file))
        folder = [] if sys.flags.safe_path else [str(script.resolve().parent)]
        return Program(main, lambda: _compiled(source, file), folder)
    spec = finder.find_spec("__main__")
    if spec is None or spec.loader is None:
        raise _without_main(script)
    loader: Any = spec.loader
    main = _main_module(spec.origin, loader)
    vars(main).update(__spec__=spec, __package__="", __cached__=spec.cached)
    return Program(main, lambda: loader.get_code("__main__"), [file])


def _finder(path: str) -> Any:
    """What imports from a folder or an archive; None for a path that is neither."""
    for hook in sys.path_hooks:
        with suppress(ImportError):
            return hook(path)
    return None


def _without_main(script: Path) -> UsageError:
    inside = sorted(script.glob("*.py")) if script.is_dir() else []
    return UsageError(
        f"{str(script)!r} holds no __main__.py",
        "a script, or a folder or zip archive that Python runs by its __main__.py",
        f"name the script itself, such as {inside[0]}" if inside else "name the script itself",
    )


def without_our_frames(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without what started the script, and without frames of ours that only hand on."""
    entries: list[TracebackType] = []
    while trace is not None:
        entries.append(trace)
        if trace.tb_frame.f_code in (run_script.__code__, run_program.__code__):
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


def _main_module(file: str | None, loader: object) -> ModuleType:
    """A module `__main__` as Python makes one of a script."""
    main = ModuleType("__main__")
    vars(main).update(
        __file__=file,
        __builtins__=sys.modules["builtins"],
        __cached__=None,
        __annotations__={},
        __loader__=loader,
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
