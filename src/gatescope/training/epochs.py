"""Data whose order is a function of seed and epoch alone, so that a resumed training goes on in it.

`keras.Model.fit` owns the iterator of its data, and TensorFlow's own shuffling depends on how often
a process has iterated before. Here an epoch asks for its data by its number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
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
class ArrayEpochs:
    """Batches of arrays, in an order of its own for each epoch.

    Args:
        arrays: What `as_arrays` returned.
        batch_size: Rows a batch; the last one has what is left.
        seed: Of the order; None keeps the arrays' own.
    """

    def __init__(self, arrays: Arrays, *, batch_size: int, seed: int | None) -> None:
        self.arrays = keras.tree.map_structure(tf.convert_to_tensor, arrays)
        self.batch_size, self.seed, self.count = batch_size, seed, rows(arrays)
        # Read when an epoch begins: making a new dataset for each would trace its functions again.
        self._epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._batches = self._dataset()

    def __call__(self, epoch: int) -> tf.data.Dataset:
        """The batches of an epoch."""
        self._epoch.assign(epoch)
        return self._batches

    def order(self, epoch: int | tf.Variable) -> tf.Tensor:
        """The numbers of all rows in the order of an epoch: int32 of shape `(rows,)`."""
        if self.seed is None:
            return tf.range(self.count)
        return order_of(self.count, self.seed, epoch)

    def batch(self, numbers: tf.Tensor) -> Any:
        """The rows of these numbers."""
        return keras.tree.map_structure(lambda tensor: tf.gather(tensor, numbers), self.arrays)

    def rows(self, epoch: int, at_once: int) -> Iterator[tf.Tensor]:
        """The numbers of all rows in the order of an epoch, those of some batches at a time."""
        order, most = self.order(epoch), at_once * self.batch_size
        return (order[start : start + most] for start in range(0, self.count, most))

    def _dataset(self) -> tf.data.Dataset:
        size, steps = self.batch_size, math.ceil(self.count / self.batch_size)
        whole = self.count // size

        def indices(_: tf.Tensor) -> tf.data.Dataset:
            ordered = self.order(self._epoch)
            full = tf.reshape(ordered[: whole * size], (whole, size))
            batches = tf.data.Dataset.from_tensor_slices(full)
            if whole == steps:
                return batches
            return batches.concatenate(tf.data.Dataset.from_tensors(ordered[whole * size :]))

        return (
            tf.data.Dataset.range(1)
            .flat_map(indices)
            .map(self.batch, num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(tf.data.AUTOTUNE)
            .apply(tf.data.experimental.assert_cardinality(steps))
        )


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
        self._rows: Callable[[int], Iterator[tf.Tensor] | None] = lambda epoch: None
        super().__init__(tf.data.experimental.to_variant(self._made))

    def begin(self, epoch: int) -> None:
        """Turns to the data of an epoch, from their start."""
        self._iterator = None
        if epoch != self._epoch:
            self._epoch, self._made = epoch, self._make(epoch)

    @property
    def arrays(self) -> ArrayEpochs | None:
        """What makes its epochs, where that takes them from arrays."""
        return self._make if isinstance(self._make, ArrayEpochs) else None

    def hand_out(self, rows: Callable[[int], Iterator[tf.Tensor] | None]) -> None:
        """Gives something else than batches from the next epoch on.

        Args:
            rows: What to iterate over in an epoch; None for batches as ever.
        """
        self._rows = rows

    def __iter__(self) -> Any:
        if self._iterator is None:
            self._iterator = self._rows(self._epoch) or iter(self._made)
        return self._iterator

    @property
    def element_spec(self) -> Any:
        """What an element is made of, in every epoch."""
        return self._made.element_spec

    def _inputs(self) -> list[tf.data.Dataset]:
        return [self._made]


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
