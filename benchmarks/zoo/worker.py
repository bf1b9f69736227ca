"""Runs zoo programs one after another in one process, which imports TensorFlow once.

Reads one JSON request a line from stdin, answers one JSON line on the stream that stdout was.
Between two programs the Keras session, policies, seeds, working folder and changed
`sys`/`os.environ` entries are put back; what that cannot restore (warm kernels, TensorFlow's thread
pool, memoized functions) costs fidelity in speed, not in numbers, since every program sets its own
seed. `check.py --fresh` runs each program in a process of its own instead.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import linecache
import os
import random
import runpy
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import scores


def main() -> None:
    """Answers requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a native library prints must not break the answers
    import keras
    import tensorflow as tf

    for line in sys.stdin:
        answers.write(json.dumps(run(json.loads(line), keras, tf)) + "\n")


def run(request: dict[str, Any], keras: Any, tf: Any) -> dict[str, Any]:
    """Runs one program and says how it went."""
    os.environ["ZOO_SEED"] = str(request["seed"])
    random.seed(0)
    answer: dict[str, Any] = {"id": request["id"], "seed": request["seed"]}
    output = io.StringIO()
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder, _restored(keras, tf, folder):
        path = Path(folder) / f"{request['program']}.py"
        path.write_text(request["source"])
        with _layers(path) as made, contextlib.redirect_stdout(output):
            try:
                names = runpy.run_path(str(path), run_name="__main__")
                answer["seconds"] = round(time.process_time() - started, 2)
                answer |= _read(request, names)
            except BaseException as error:  # noqa: BLE001  (SystemExit too is an answer)
                answer["crash"] = _described(error, path)
            linecache.clearcache()
        wanted = [tuple(at) for at in request.get("layers", [])]
        answer["layers"] = [name for at, name in made if at in wanted]
    answer.setdefault("seconds", round(time.process_time() - started, 2))
    answer["tail"] = output.getvalue()[-200:]
    return answer


def _read(request: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for key in ("score", "reported", "honest"):
        if not request.get(key):
            continue
        try:
            own = {} if key == "reported" else scores.FUNCTIONS  # a program may use the same names
            value = float(eval(request[key], {**names, **own}))  # noqa: S307
            answer[key] = round(value, 6) if abs(value) < 1e30 else None  # None: not finite
        except Exception as error:  # noqa: BLE001  (whatever faults do to predictions)
            answer[key] = None
            answer["unread"] = f"{key}: {type(error).__name__}: {str(error)[:150]}"
    return answer


def _described(error: BaseException, path: Path) -> dict[str, Any]:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return {
        "type": type(error).__name__,
        "text": str(error).strip()[:300],
        "line": getattr(error, "lineno", None)
        if isinstance(error, SyntaxError)
        else (frames[-1].lineno if frames else None),
    }


@contextlib.contextmanager
def _restored(keras: Any, tf: Any, folder: str) -> Iterator[None]:
    """Gives a program a clean house and puts everything back after it."""
    environment, here = dict(os.environ), os.getcwd()
    argv, path, modules = list(sys.argv), list(sys.path), set(sys.modules)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv[:], sys.path[:] = argv, path
        for name in set(sys.modules) - modules:
            if str(getattr(sys.modules[name], "__file__", "") or "").startswith(folder):
                del sys.modules[name]
        keras.config.set_dtype_policy("float32")
        keras.config.set_floatx("float32")
        keras.config.set_image_data_format("channels_last")
        tf.config.run_functions_eagerly(False)
        keras.backend.clear_session()
        gc.collect()


@contextlib.contextmanager
def _layers(path: Path) -> Iterator[list[tuple[tuple[int, int], str]]]:
    """Collects (line, column) of the call that made each layer, and the layer's name."""
    from keras.src.layers.layer import Layer

    made: list[tuple[tuple[int, int], str]] = []
    original = Layer.__init__

    def remembering(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        at = _call_position(sys._getframe(1), str(path))
        if at is not None:
            made.append((at, self.name))

    Layer.__init__ = remembering
    try:
        yield made
    finally:
        Layer.__init__ = original


def _call_position(frame: Any, filename: str) -> tuple[int, int] | None:
    while frame is not None and frame.f_code.co_filename != filename:
        frame = frame.f_back
    if frame is None:
        return None
    positions = list(frame.f_code.co_positions())
    line, _, column, _ = positions[frame.f_lasti // 2]
    return None if line is None or column is None else (line, column)


if __name__ == "__main__":
    main()
