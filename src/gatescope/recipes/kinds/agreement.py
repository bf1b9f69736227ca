"""How well a network says what is true: one score of each target, whatever its kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from gatescope.data.datasets import Array, Dataset, Field
from gatescope.data.moments import Moments
from gatescope.data.splits import Split

_BATCH = 256
_BATCH_BYTES = 2_000_000


def scores_of(
    model: keras.Model, data: Dataset, split: Split, outputs: Sequence[str]
) -> dict[str, float]:
    """Accuracy of classes, R² of numbers, of each target.

    What is streamed is predicted batch by batch, and of it the test part alone is read whole.

    Args:
        model: The network.
        data: What it learned from.
        split: Which part.
        outputs: The network's, in their order.
    """
    targets = {field.name: field for field in data.targets}
    counted = {name: Agreement(targets[name]) for name in outputs}
    for y, answers in _answered(model, data, split):
        for name, answer in zip(outputs, answers, strict=True):
            counted[name].add(y[name], answer)
    return {name: agreement.score for name, agreement in counted.items()}


def _answered(
    model: keras.Model, data: Dataset, split: Split
) -> Iterator[tuple[Mapping[str, Array], list[Array]]]:
    """What is true and what the network says of it."""
    if data.streamed is None or split != "test":
        for piece in data.part(split).pieces():
            yield piece.y, predicted(model, piece.x)
        return
    (target,) = data.targets
    size = _batch_size(data.streamed.sample_bytes)
    for x, y in data.streamed.stream(split, size).as_numpy_iterator():
        yield {target.name: y}, _as_list(model.predict_on_batch(x))


def predicted(model: keras.Model, x: Mapping[str, Array]) -> list[Array]:
    """What a network says, an array of each of its outputs.

    Args:
        model: The network.
        x: Inputs by name.
    """
    arrays = list(x.values())
    size = _batch_size(sum(one.nbytes for one in arrays) // max(len(arrays[0]), 1))
    return _as_list(model.predict(dict(x), verbose=0, batch_size=size))


def _batch_size(sample_bytes: int) -> int:
    """Many samples together, but few photos: what layers make of them is several times as large."""
    return min(_BATCH, max(_BATCH_BYTES // max(sample_bytes, 1), 1))


def _as_list(answers: Any) -> list[Array]:
    given = answers if isinstance(answers, list) else [answers]
    return [np.asarray(each) for each in given]


class Agreement:
    """Adds up how well predictions agree with what is true, in one pass and little memory.

    Args:
        target: What is predicted.
    """

    def __init__(self, target: Field) -> None:
        width = target.shape[0] if target.shape else 1
        self._target, self._right, self._count = target, 0, 0
        self._missed, self._spread = np.zeros(width), Moments(width)

    def add(self, true: Array, predicted: Array) -> None:
        """Looks at the next samples."""
        self._count += len(true)
        if self._target.is_number:
            true = true.reshape(len(true), -1).astype(np.float64)
            self._spread.add(true)
            self._missed += ((true - predicted.reshape(true.shape)) ** 2).sum(0)
        else:
            classes = self._target.kind == "classes"
            chosen = predicted.argmax(-1) if classes else predicted[:, 0] > 0.5
            self._right += int((true.ravel() == chosen).sum())

    @property
    def score(self) -> float:
        """Accuracy, or R², of several numbers their mean."""
        if not self._target.is_number:
            return self._right / self._count
        return float((1 - self._missed / self._count / self._spread.deviation**2).mean())
