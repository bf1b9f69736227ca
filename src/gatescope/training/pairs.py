"""Embeddings: trained on which samples belong together, to tell apart classes that were never seen.

A classifier knows the classes that it was trained on. An embedding knows how alike two samples are:
what is trained is a distance, by a loss that compares the samples of a batch with each other. So
each batch needs several samples of each of its classes, which `few_of_each` sees to.

Suffixes: B batch, E numbers of an embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from gatescope.training.epochs import Arrays, EpochMaker

_FAR = 1e9


@keras.saving.register_keras_serializable("gatescope")
class ContrastiveLoss(keras.losses.Loss):
    """Supervised contrastive loss (Khosla et al. 2020, arXiv:2004.11362, equation 2).

    For each sample, a softmax over how alike all others of the batch are, by the cosine, says which
    of them belong to its class: the loss is the mean of minus its logarithms at those that do.

    Args:
        temperature: What cosines are divided by; the lower, the more the nearest count.
        **kwargs: Of `keras.losses.Loss`.

    Input shape: classes `(batch,)` or `(batch, 1)`; embeddings `(batch, numbers)`, of any length.

    Example:
        >>> apart = [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]
        >>> round(float(ContrastiveLoss()([0, 0, 1, 1], apart)), 6)
        0.0
    """

    def __init__(self, temperature: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.temperature = temperature

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        cosines_BB, same_BB, self_BB = _compared(y_true, y_pred)
        logits_BB = cosines_BB / self.temperature - _FAR * self_BB
        log_share_BB = logits_BB - ops.logsumexp(logits_BB, axis=1, keepdims=True)
        partners_B = ops.maximum(ops.sum(same_BB, axis=1), 1)
        return -ops.sum(ops.where(same_BB > 0, log_share_BB, 0.0), axis=1) / partners_B

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}


def _compared(
    y_true: keras.KerasTensor, y_pred: keras.KerasTensor
) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor]:
    """Cosines of all pairs; 1 where both are of one class, but not one sample; 1 where they are."""
    unit_BE = ops.normalize(ops.cast(y_pred, "float32"), axis=1)
    classes_B1 = ops.reshape(y_true, (-1, 1))
    self_BB = ops.eye(ops.shape(unit_BE)[0], dtype="float32")
    equal_BB = ops.cast(ops.equal(classes_B1, ops.transpose(classes_B1)), "float32")
    return ops.matmul(unit_BE, ops.transpose(unit_BE)), equal_BB - self_BB, self_BB


def few_of_each(
    x: Arrays, y: NDArray[np.integer[Any]], *, classes: int, each: int, seed: int
) -> EpochMaker:
    """Batches of some classes with a few samples of each, drawn anew in every epoch.

    Every sample is in every epoch; where a class's number of samples is no multiple of `each`, some
    are there twice. A class of one sample is its own partner, so let it be augmented.

    Args:
        x: Arrays, or a nesting of them, of as many rows as `y`.
        y: The class of each row.
        classes: Groups of one class in a batch; a large class may have two of them.
        each: Samples of a group.
        seed: Of what is drawn, with the epoch's number.

    Example:
        >>> make = few_of_each(np.arange(8.0), np.repeat([0, 1], 4), classes=2, each=2, seed=0)
        >>> [batch[1].numpy().tolist() for batch in make(0)][0] in ([0, 0, 1, 1], [1, 1, 0, 0])
        True
    """
    tensors = keras.tree.map_structure(tf.convert_to_tensor, (x, y))

    def batch(groups: tf.Tensor) -> Any:
        rows = tf.reshape(groups, [-1])
        return keras.tree.map_structure(lambda tensor: tf.gather(tensor, rows), tensors)

    def make(epoch: int) -> tf.data.Dataset:
        drawn = np.random.default_rng((seed, epoch))
        groups = drawn.permutation(np.concatenate(list(_groups(y, each, drawn))))
        return tf.data.Dataset.from_tensor_slices(groups).batch(classes).map(batch).prefetch(2)

    return make


def _groups(
    y: NDArray[np.integer[Any]], each: int, drawn: np.random.Generator
) -> Iterator[NDArray[np.intp]]:
    """Rows of each class in groups of so many, `(groups, each)`."""
    for one in np.unique(y):
        rows = drawn.permutation(np.flatnonzero(y == one))
        yield np.resize(rows, (-(-len(rows) // each), each))
