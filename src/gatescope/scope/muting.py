"""Keeps what a model prints while it is traced from being printed more often than it was."""

from __future__ import annotations

import io
import sys
import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, final

import tensorflow as tf


@final
class Muting:
    """Counts how often each kind of a training step was traced for data of the same shapes.

    There are two kinds where there was one; what the second prints was printed before.
    """

    def __init__(self) -> None:
        self._traced: dict[str, Counter[Hashable]] = {}

    @contextmanager
    def tracing(self, kind: Hashable, data: Any) -> Iterator[None]:
        """Runs the Python of a step, silently where another kind has run it for such data."""
        if tf.executing_eagerly():
            yield
            return
        traced = self._traced.setdefault(str(tf.nest.map_structure(_kind_of, data)), Counter())
        traced[kind] += 1
        if traced[kind] <= max((count for one, count in traced.items() if one != kind), default=0):
            with muted():
                yield
        else:
            yield


@contextmanager
def muted() -> Iterator[None]:
    """Loses what this thread prints meanwhile."""
    with redirect_stdout(_Silent(sys.stdout)):
        yield


class _Silent(io.TextIOBase):
    """Takes the text of one thread and hands on that of the others."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._thread = stream, threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() == self._thread:
            return len(text)
        return int(self._stream.write(text))

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()


def _kind_of(part: Any) -> str:
    return f"{getattr(part, 'dtype', type(part))}{getattr(part, 'shape', '')}"
