"""Which line of Python asked for an operation: the user's own where there is one."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from pathlib import Path
from types import CodeType, FrameType

from gatescope.scope.record import Source

# What Python, IPython and doctest call the code that they are given without a file.
_TYPED = ("<stdin>", "<string>", "<console>", "<python-input", "<ipython-input", "<doctest")


class Rank(IntEnum):
    """How much a reader wants to see a frame: the innermost of the highest rank is shown."""

    ENGINE = 0
    CUSTOM_GRADIENT = 1
    KERAS_INSIDE = 2
    KERAS = 3
    USER = 4


@cache
def rank(code: CodeType) -> Rank:
    """How much a reader wants to see a frame of this code."""
    name = Path(code.co_filename).as_posix()
    if name.endswith("tensorflow/python/ops/custom_gradient.py"):
        return Rank.CUSTOM_GRADIENT
    if "/tensorflow/" in name or "/gatescope/scope/" in name or _is_made(name):
        return Rank.ENGINE
    if "/keras/src/" in name:
        layer = "/layers/" in name and not name.endswith(("/layer.py", "/rnn.py"))
        shown = code.co_name == "call" or layer or "/losses/" in name
        return Rank.KERAS if shown else Rank.KERAS_INSIDE
    return Rank.USER


def _is_made(file: str) -> bool:
    """Whether a program wrote the code: not what a user typed in a notebook or a prompt."""
    return file.startswith("<") and not file.startswith(_TYPED)


@cache
def _file(name: str) -> str:
    """A path from the current folder, or from the package that it is in."""
    path = Path(name)
    for part in ("keras", "tensorflow"):
        if part in path.parts:
            return "/".join(path.parts[path.parts.index(part) :])
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else name


def source_of(frame: FrameType) -> Source:
    """The line that a frame is at."""
    code = frame.f_code
    name = code.co_filename
    return Source(_file(name), frame.f_lineno, code.co_qualname, name)
