"""Batches for training from arrays that are made as they are needed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gatescope.data.splits import Split

Inputs: TypeAlias = "NDArray[Any] | Mapping[str, NDArray[Any]]"
Part: TypeAlias = tuple[Inputs, NDArray[Any]]
"""Some consecutive samples: their inputs and targets."""

Spec: TypeAlias = Any
"""What an element of a dataset is made of: `tf.TensorSpec`s in the structure of a `Part`."""

EpochMaker: TypeAlias = Callable[[int], tf.data.Dataset]
"""Makes the batches of an epoch, whose order depends on nothing but its number."""


def batches(
    parts: Callable[[], Iterator[Part]], spec: Spec, *, batch_size: int, count: int
) -> tf.data.Dataset:
    """Batches of what a generator makes.

    Args:
        parts: Starts the generator.
        spec: What a part is made of.
        batch_size: Samples a batch; the last one has what is left.
        count: How many samples the generator makes.

    Returns:
        The dataset; it knows its number of batches.
    """
    return (
        tf.data.Dataset.from_generator(parts, output_signature=spec)
        .rebatch(batch_size)
        .apply(tf.data.experimental.assert_cardinality(math.ceil(count / batch_size)))
        .prefetch(tf.data.AUTOTUNE)
    )


def order_of(count: int, *seeds: int) -> NDArray[np.intp]:
    """An order of `count` samples that depends on the seeds alone: a seed and an epoch, say."""
    return np.random.default_rng(seeds).permutation(count)


def take(inputs: Inputs, rows: NDArray[np.intp]) -> Inputs:
    """Some rows of each input."""
    if isinstance(inputs, Mapping):
        return {name: array[rows] for name, array in inputs.items()}
    return inputs[rows]


def joined(parts: list[Part]) -> Part:
    """Parts as one."""
    inputs, targets = zip(*parts, strict=True)
    if isinstance(inputs[0], Mapping):
        names = inputs[0]
        one: Inputs = {name: np.concatenate([part[name] for part in inputs]) for name in names}
    else:
        one = np.concatenate(inputs)
    return one, np.concatenate(targets)


class Streamed(ABC):
    """Samples that are split and come in batches; how they are made is for each kind to say."""

    def stream(self, split: Split, batch_size: int) -> tf.data.Dataset:
        """Batches of a split in its order, made when they are needed.

        Args:
            split: `"train"`, `"dev"` or `"test"`.
            batch_size: Samples a batch.

        Raises:
            UsageError: There is no such split, or it is empty.
        """
        return self._batches(self._rows(split), batch_size)

    def epochs(self, batch_size: int, seed: int) -> EpochMaker:
        """Batches of the training split in another order each epoch.

        Args:
            batch_size: Samples a batch.
            seed: Of the orders.

        Returns:
            A function from an epoch's number to its batches.
        """
        rows = self._rows("train")
        return lambda epoch: self._batches(rows[order_of(len(rows), seed, epoch)], batch_size)

    @abstractmethod
    def _rows(self, split: Split) -> NDArray[np.intp]:
        """The samples of a split that has some."""

    @abstractmethod
    def _batches(self, rows: NDArray[np.intp], batch_size: int) -> tf.data.Dataset:
        """Batches of some samples in the order of their numbers."""
