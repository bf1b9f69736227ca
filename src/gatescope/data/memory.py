"""Sequences whose answer lies far back: a network that forgets cannot know it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import PositiveInt

from gatescope.data.datasets import Array, Dataset, Field, Part, Source


class LongMemory(Source):
    """Tasks of Hochreiter & Schmidhuber 1997, "Long Short-Term Memory".

    `recall`: the first step shows one of four signals, noise follows, and the signal is to be
    named at the end. `adding`: each step has a number in [0, 1]; two of them, one in each half, are
    marked, and their sum is asked for.

    Args:
        task: Which.
        length: Steps of each sequence.
        samples: Sequences to learn from; a third as many are held out twice.
        seed: Of what is drawn.
    """

    kind: Literal["long_memory"] = "long_memory"
    task: Literal["recall", "adding"] = "recall"
    length: PositiveInt = 60
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


_SIGNALS, _NOISE = 4, 0.3


def _part(x: Array, y: Array) -> Part:
    return Part({"sequence": x.astype(np.float32)}, {"answer": y})


def _recall(count: int, length: int, rng: np.random.Generator) -> tuple[Array, Array]:
    answers = rng.integers(0, _SIGNALS, count).astype(np.int32)
    x_NTF = rng.normal(0, _NOISE, (count, length, _SIGNALS))
    x_NTF[:, 0] = np.eye(_SIGNALS)[answers]
    return x_NTF, answers


def _adding(count: int, length: int, rng: np.random.Generator) -> tuple[Array, Array]:
    x_NTF = np.zeros((count, length, 2))
    x_NTF[..., 0] = rng.random((count, length))
    rows, half = np.arange(count), max(length // 2, 1)
    first, second = rng.integers(0, half, count), rng.integers(min(half, length - 1), length, count)
    x_NTF[rows, first, 1] = x_NTF[rows, second, 1] = 1
    total = x_NTF[rows, first, 0] + x_NTF[rows, second, 0]
    return x_NTF, total[:, None].astype(np.float32)
