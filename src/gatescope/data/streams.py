"""Batches for training from arrays that are made as they are needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

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
