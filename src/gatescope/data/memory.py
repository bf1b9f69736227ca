"""Sequences whose answer lies far back: a network that forgets cannot know it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import PositiveInt

from gatescope.data.datasets import Array, Dataset, Field, Part, Source


class LongMemory(Source):
    """Tasks in the manner of Hochreiter & Schmidhuber 1997, "Long Short-Term Memory".

    `recall`: each step shows one of four signals, one step at random is marked, and its signal is
    to be named at the end. `adding`: each step has a number in [0, 1]; two of them, one in each
    half, are marked, and their sum is asked for.

    Args:
        task: Which.
        length: Steps of each sequence.
        samples: Sequences to learn from; a third as many are held out twice.
        seed: Of what is drawn.
    """

    kind: Literal["long_memory"] = "long_memory"
    task: Literal["recall", "adding"] = "recall"
    length: PositiveInt = 40
    samples: PositiveInt = 3_000
    seed: int = 0

    def _read(self) -> Dataset:
        draw = _recall if self.task == "recall" else _adding
        rng = np.random.default_rng(self.seed)
        train, dev, test = (
            _part(*draw(count, self.length, rng))
            for count in (self.samples, self.samples // 3, self.samples // 3)
        )
        features = train.x["sequence"].shape[-1]
        steps = Field("sequence", "sequence", (self.length, features))
        target = (
            Field("answer", "classes", (), tuple("abcd"))
            if self.task == "recall"
            else Field("answer", "number")
        )
        return Dataset((steps,), (target,), train, dev, test, "made here")


_SIGNALS = 4


def _part(x: Array, y: Array) -> Part:
    return Part({"sequence": x.astype(np.float32)}, {"answer": y})


def _recall(count: int, length: int, rng: np.random.Generator) -> tuple[Array, Array]:
    shown_NT = rng.integers(0, _SIGNALS, (count, length))
    marked_N, rows = rng.integers(0, length, count), np.arange(count)
    x_NTF = np.zeros((count, length, _SIGNALS + 1))
    x_NTF[..., :_SIGNALS] = np.eye(_SIGNALS)[shown_NT]
    x_NTF[rows, marked_N, _SIGNALS] = 1
    return x_NTF, shown_NT[rows, marked_N].astype(np.int32)


def _adding(count: int, length: int, rng: np.random.Generator) -> tuple[Array, Array]:
    x_NTF = np.zeros((count, length, 2))
    x_NTF[..., 0] = rng.random((count, length))
    rows, half = np.arange(count), max(length // 2, 1)
    first, second = rng.integers(0, half, count), rng.integers(min(half, length - 1), length, count)
    x_NTF[rows, first, 1] = x_NTF[rows, second, 1] = 1
    total = x_NTF[rows, first, 0] + x_NTF[rows, second, 0]
    return x_NTF, total[:, None].astype(np.float32)
