"""Runs many scripts one after the other in this process, with the hood open or without Gatescope.

    python many.py {open,shut} FOLDER SCRIPT...

What each printed, and how it ended, is printed as JSON. Starting TensorFlow takes longer than any
of these scripts.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

MARKER = "\nthe results: "
ARGUMENTS = ["--units", "5", "--name", "somebody", "a b", "--", "-x"]


def plainly(script: Path) -> None:
    """As `python SCRIPT ARGUMENTS` does it."""
    main = ModuleType("__main__")
    main.__file__ = str(script)
    sys.modules["__main__"], sys.argv = main, [str(script), *arguments(script)]
    exec(compile(script.read_bytes(), str(script), "exec"), vars(main))  # noqa: S102


def openly(script: Path, said: list[str]) -> None:
    """As `gatescope run SCRIPT ARGUMENTS` does it, but for the end of the process."""
    import gatescope
    from gatescope.scope import script as running
    from gatescope.scope.sitting import Settings

    at_end: list[Callable[[], None]] = []
    later = SimpleNamespace(register=lambda work, *args: at_end.append(lambda: work(*args)))
    hook = sys.excepthook
    gatescope.leave_environment()
    try:
        with patch.object(running, "atexit", later):
            running.run_script(script, arguments(script), Settings(Path("runs")), said.append)
    finally:
        sys.excepthook = hook
        for work in at_end:
            work()


def arguments(script: Path) -> list[str]:
    return ARGUMENTS if script.stem == "arguments" else []


def result_of(script: Path, opened: bool) -> dict[str, Any]:
    out, err, said = io.StringIO(), io.StringIO(), []
    code, crash, began = 0, "", time.perf_counter()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            openly(script, said) if opened else plainly(script)
        except SystemExit as left:
            code = left.code
        except Exception as error:  # noqa: BLE001 - what a script raises
            code, crash = 1, "".join(traceback.format_exception_only(error))
    seconds = time.perf_counter() - began
    return {
        "out": out.getvalue(), "err": err.getvalue(), "code": code, "crash": crash,
        "said": said, "seconds": seconds,
    }  # fmt: skip


def main() -> None:
    how, folder, scripts = sys.argv[1], Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]]
    results = {}
    for script in scripts:
        place = folder / script.stem
        place.mkdir()
        shutil.copy(script.parent / "table.csv", place)
        os.chdir(place)
        results[script.stem] = result_of(script, how == "open")
        import keras

        keras.utils.clear_session(free_memory=False)
    print(MARKER + json.dumps(results))  # noqa: T201


if __name__ == "__main__":
    main()
