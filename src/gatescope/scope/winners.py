"""Which element of its window won each maximum of a pooling."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gatescope.scope.record import Gate
from gatescope.scope.sums import channels_last


def pooling_winners(gate: Gate) -> NDArray[np.int64] | None:
    """Where each element of a maximum's output came from.

    Args:
        gate: A `MaxPool`, or a `Max` as global pooling runs it.

    Returns:
        Flat places in the gate's first input, of the output's shape; of equal ones the first. None
        of other gates, and where only summaries were kept.

    Example:
        >>> (gate,) = trace.find("pool", "MaxPool")  # doctest: +SKIP
        >>> values = gate.inputs[0].array.ravel()[pooling_winners(gate)]  # doctest: +SKIP
    """
    if any(value.tensor is None for value in gate.values):
        return None
    if gate.op == "MaxPool" and channels_last(gate):
        return _of_windows(gate)
    return _of_axes(gate) if gate.op == "Max" else None


def _of_windows(gate: Gate) -> NDArray[np.int64] | None:
    settings = gate.attributes
    padding = settings["padding"]
    padding = padding.decode() if isinstance(padding, bytes) else str(padding)
    if padding not in ("SAME", "VALID"):
        return None
    _, places = tf.nn.max_pool_with_argmax(
        tf.cast(gate.inputs[0].tensor, tf.float32), list(settings["ksize"]),
        list(settings["strides"]), padding, output_dtype=tf.int64, include_batch_in_index=True,
    )  # fmt: skip
    return np.asarray(places)


def _of_axes(gate: Gate) -> NDArray[np.int64]:
    x = np.asarray(gate.inputs[0].tensor)
    axes = {int(axis) % x.ndim for axis in np.atleast_1d(np.asarray(gate.inputs[1].tensor))}
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    order = [*kept, *sorted(axes)]
    shape = [x.shape[axis] for axis in kept]
    values = x.transpose(order).reshape(*shape, -1)
    places = np.arange(x.size, dtype=np.int64).reshape(x.shape).transpose(order)
    first = values.argmax(-1)[..., None]
    found = np.take_along_axis(places.reshape(*shape, -1), first, -1)
    return found.reshape(gate.outputs[0].shape)
