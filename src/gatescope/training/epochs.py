"""Data whose order is a function of seed and epoch alone, so that a resumed training goes on in it.

`keras.Model.fit` owns the iterator of its data, and TensorFlow's own shuffling depends on how often
a process has iterated before. Here an epoch asks for its data by its number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_sample_weight

from gatescope.errors import ConfigurationError, DataError

Arrays: TypeAlias = Any
"""`x`, `(x, y)` or `(x, y, sample_weight)`, each an array or a dict, tuple or list of arrays."""

EpochMaker: TypeAlias = Callable[[int], tf.data.Dataset]
"""Makes the batches of an epoch, whose order is to depend on nothing but the epoch's number."""

Data: TypeAlias = Arrays | EpochMaker


@final
class EpochDataset(tf.data.Dataset):
    """A dataset that is another one in each epoch, and is passed through once in each.

    Keras iterates over what it was given anew for each epoch; nothing may be mapped on it before.
    It asks for an iterator at an epoch's end, too, and throws it away at the next one's start. To
    make one takes as long as several short steps, so until `begin` there is but one.

    Args:
        make: Makes the dataset of an epoch.
    """

    def __init__(self, make: EpochMaker) -> None:
        self._make, self._epoch, self._made = make, 0, make(0)
        self._iterator: Any = None
        super().__init__(tf.data.experimental.to_variant(self._made))

    def begin(self, epoch: int) -> None:
        """Turns to the data of an epoch, from their start."""
        self._iterator = None
        if epoch != self._epoch:
            self._epoch, self._made = epoch, self._make(epoch)

    def __iter__(self) -> Any:
        if self._iterator is None:
            self._iterator = iter(self._made)
        return self._iterator

    @property
    def element_spec(self) -> Any:
        """What an element is made of, in every epoch."""
        return self._made.element_spec

    def _inputs(self) -> list[tf.data.Dataset]:
        return [self._made]


def shuffled(arrays: Arrays, *, batch_size: int, seed: int) -> EpochMaker:
    """Batches of arrays, in an order of its own for each epoch.

    Args:
        arrays: What `as_arrays` returned.
        batch_size: Rows a batch; the last one has what is left.
        seed: Of the order.
    """
    # Read when an epoch begins: making a new dataset for each would trace its functions again.
    current = tf.Variable(0, dtype=tf.int64, trainable=False)
    count = rows(arrays)

    dataset = _batches(arrays, batch_size, lambda: order_of(count, seed, current))

    def make(epoch: int) -> tf.data.Dataset:
        current.assign(epoch)
        return dataset

    return make


def order_of(count: int, seed: int, epoch: int | tf.Variable) -> tf.Tensor:
    """The order of the rows in an epoch.

    Args:
        count: How many rows there are.
        seed: Of the order.
        epoch: From 0.

    Returns:
        Their numbers, int32 of shape `(count,)`.
    """
    seeds = tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    return tf.random.experimental.stateless_shuffle(tf.range(count), seed=seeds)


def in_order(arrays: Arrays, *, batch_size: int) -> tf.data.Dataset:
    """Batches of arrays as they stand."""
    return _batches(arrays, batch_size, lambda: tf.range(rows(arrays)))


def in_memory(dataset: tf.data.Dataset) -> Arrays:
    """All elements of a dataset of batches, as arrays."""
    batches = [keras.tree.map_structure(np.asarray, batch) for batch in dataset]
    if not batches:
        raise DataError("the dataset has no batch", "one or more", "check what makes it")
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)


def as_arrays(data: Arrays) -> Arrays:
    """Any nesting of what NumPy takes, as arrays of the same length.

    Args:
        data: `x`, `(x, y)` or `(x, y, sample_weight)`.

    Raises:
        DataError: There is no row, or not the same number everywhere.
    """
    parts = (part for part in data if part is not None) if isinstance(data, tuple) else (data,)
    arrays = keras.tree.map_structure(_as_array, keras.tree.lists_to_tuples(tuple(parts)))
    lengths = sorted({len(array) if array.ndim else 0 for array in keras.tree.flatten(arrays)})
    if len(lengths) != 1:
        raise DataError(
            f"the arrays have different numbers of rows: {', '.join(map(str, lengths))}",
            "as many rows in each input, target and weight",
            f"look at their shapes: {shapes(arrays)}",
        )
    if not lengths[0]:
        raise DataError(
            "the arrays have no row", "at least one example", f"look at: {shapes(arrays)}"
        )
    return arrays


def rows(arrays: Arrays) -> int:
    """How many examples arrays hold."""
    return len(keras.tree.flatten(arrays)[0])


def shapes(arrays: Arrays) -> str:
    """Shapes and types of arrays, in words.

    Example:
        >>> shapes((np.zeros((3, 2)), np.zeros(3, int)))
        '(3, 2) float64, (3,) int64'
    """
    return ", ".join(f"{array.shape} {array.dtype}" for array in keras.tree.flatten(arrays))


def weighted(arrays: Arrays, class_weight: Literal["balanced"]) -> Arrays:
    """Weighs rows so that each class counts as much as any other.

    Args:
        arrays: `(x, y)` or `(x, y, sample_weight)`, y being classes or one-hot.
        class_weight: How, as scikit-learn spells it.

    Raises:
        ConfigurationError: There is no one target whose classes could be told.
    """
    classes = _classes(arrays[1]) if len(arrays) > 1 else None
    if classes is None:
        raise ConfigurationError(
            f"class_weight is {class_weight!r}, but the targets are no classes: "
            f"{shapes(arrays[1:]) or 'none'}",
            "one array of whole numbers, of 0 and 1, or one-hot",
            "leave class_weight out, or give sample weights of your own",
        )
    weights = compute_sample_weight(class_weight, classes).astype(np.float32)
    given = arrays[2] if len(arrays) > 2 else np.float32(1)
    return arrays[0], arrays[1], weights * given


def _batches(arrays: Arrays, size: int, order: Callable[[], tf.Tensor]) -> tf.data.Dataset:
    tensors = keras.tree.map_structure(tf.convert_to_tensor, arrays)
    steps = math.ceil(rows(arrays) / size)
    whole = rows(arrays) // size

    def indices(_: tf.Tensor) -> tf.data.Dataset:
        ordered = order()
        full = tf.reshape(ordered[: whole * size], (whole, size))
        batches = tf.data.Dataset.from_tensor_slices(full)
        if whole == steps:
            return batches
        return batches.concatenate(tf.data.Dataset.from_tensors(ordered[whole * size :]))

    def batch(chosen: tf.Tensor) -> Any:
        return keras.tree.map_structure(lambda tensor: tf.gather(tensor, chosen), tensors)

    return (
        tf.data.Dataset.range(1)
        .flat_map(indices)
        .map(batch, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
        .apply(tf.data.experimental.assert_cardinality(steps))
    )


def _as_array(part: Any) -> NDArray[Any]:
    array = np.asarray(part)
    return array.astype(keras.config.floatx()) if array.dtype == np.float64 else array


def _classes(targets: Any) -> NDArray[Any] | None:
    """The class of each row; None where rows are no classes."""
    if not isinstance(targets, np.ndarray):
        return None
    if targets.size == len(targets):
        flat = targets.ravel()
        whole = flat.dtype.kind in "iubUSO" or bool((flat == np.round(flat)).all())
        return flat if whole else None
    one_hot = targets.ndim == 2 and ((targets == 0) | (targets == 1)).all()
    return targets.argmax(-1) if one_hot and (targets.sum(-1) == 1).all() else None
