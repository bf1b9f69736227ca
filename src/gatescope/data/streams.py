"""Batches for training from arrays that are made as they are needed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gatescope.data.splits import SPLITS, Split

Inputs: TypeAlias = "NDArray[Any] | Mapping[str, NDArray[Any]]"
Part: TypeAlias = tuple[Inputs, NDArray[Any]]
"""Some consecutive samples: their inputs and targets."""

Spec: TypeAlias = Any
"""What an element of a dataset is made of: `tf.TensorSpec`s in the structure of a `Part`."""

EpochMaker: TypeAlias = Callable[[int], tf.data.Dataset]
"""Makes the batches of an epoch, whose order depends on nothing but its number."""

_TOGETHER = 128  # samples made at a time


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


@final
class Room:
    """Arrays that are filled part by part, so that no sample is in memory twice.

    Args:
        spec: What a part is made of.
        count: How many samples there will be.
    """

    def __init__(self, spec: Spec, count: int) -> None:
        self.arrays: Part = tf.nest.map_structure(
            lambda one: np.empty((count, *one.shape[1:]), one.dtype.as_numpy_dtype), spec
        )
        self._filled = 0

    def add(self, part: Part) -> None:
        """Puts the next samples in."""
        start, self._filled = self._filled, self._filled + len(part[1])
        for array, some in zip(tf.nest.flatten(self.arrays), tf.nest.flatten(part), strict=True):
            array[start : self._filled] = some


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
        count = self._count(split)
        return batches(
            lambda: self._parts(split), self.element_spec, batch_size=batch_size, count=count
        )

    def epochs(self, batch_size: int, seed: int) -> EpochMaker:
        """Batches of the training split in another order each epoch.

        Args:
            batch_size: Samples a batch.
            seed: Of the orders.

        Returns:
            A function from an epoch's number to its batches.
        """
        count = self._count("train")
        return lambda epoch: batches(
            lambda: self._shuffled(seed, epoch),
            self.element_spec,
            batch_size=batch_size,
            count=count,
        )

    def arrays(self, split: Split) -> Part:
        """All samples of a split at once; for sets that fit into memory.

        Args:
            split: `"train"`, `"dev"` or `"test"`.

        Returns:
            The inputs and the targets.

        Raises:
            UsageError: There is no such split, or it is empty.
        """
        return self._filled(self._parts(split), self._count(split))

    def all_arrays(self) -> dict[Split, Part]:
        """All samples of every split at once; for sets that fit into memory.

        Raises:
            UsageError: A split is empty.
        """
        return {split: self.arrays(split) for split in SPLITS}

    @abstractmethod
    def sample(self, split: Split, most: int) -> Part:
        """Some samples of a split, drawn at random, the same ones each time.

        Args:
            split: `"train"`, `"dev"` or `"test"`.
            most: How many, about; all where there are fewer.
        """

    @property
    def nbytes(self) -> int:
        """What the arrays of all splits would take in memory."""
        return self._total * self.sample_bytes

    @property
    def sample_bytes(self) -> int:
        """What one sample takes in memory."""
        specs = tf.nest.flatten(self.element_spec)
        return sum(math.prod(one.shape[1:]) * one.dtype.size for one in specs)

    def _filled(self, parts: Iterator[Part], count: int) -> Part:
        room = Room(self.element_spec, count)
        for part in parts:
            room.add(part)
        return room.arrays

    @property
    @abstractmethod
    def _total(self) -> int:
        """How many samples all splits have."""

    @property
    @abstractmethod
    def element_spec(self) -> Spec:
        """What a batch is made of: inputs and targets as `tf.TensorSpec`s."""

    @abstractmethod
    def _count(self, split: Split) -> int:
        """How many samples a split has, which are some."""

    @abstractmethod
    def _parts(self, split: Split) -> Iterator[Part]:
        """The samples of a split in their order, some at a time."""

    @abstractmethod
    def _shuffled(self, seed: int, epoch: int) -> Iterator[Part]:
        """Those of the training split in the order of an epoch."""


class Numbered(Streamed):
    """Samples that can be made one by one, in any order."""

    def sample(self, split: Split, most: int) -> Part:
        rows = self._rows(split)
        chosen = np.sort(rows[order_of(len(rows), 0)][:most])
        return self._filled(self._of(chosen), len(chosen))

    def _count(self, split: Split) -> int:
        return len(self._rows(split))

    def _parts(self, split: Split) -> Iterator[Part]:
        return self._of(self._rows(split))

    def _shuffled(self, seed: int, epoch: int) -> Iterator[Part]:
        rows = self._rows("train")
        return self._of(rows[order_of(len(rows), seed, epoch)])

    def _of(self, rows: NDArray[np.intp]) -> Iterator[Part]:
        for start in range(0, len(rows), _TOGETHER):
            yield self._part(rows[start : start + _TOGETHER])

    @abstractmethod
    def _rows(self, split: Split) -> NDArray[np.intp]:
        """The numbers of the samples of a split that has some."""

    @abstractmethod
    def _part(self, rows: NDArray[np.intp]) -> Part:
        """Some samples, in the order of their numbers."""
