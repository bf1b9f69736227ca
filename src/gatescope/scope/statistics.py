"""What a probe knows of a layer at one step, and how it is computed inside the training step.

Suffixes: N sampled rows, U units (the last axis).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from gatescope.catalog.activations import ACTIVATIONS
from gatescope.circuits.circuit import circuit

ACTIVATION = (
    "mean",
    "deviation",
    "minimum",
    "maximum",
    "zeros",
    "saturated",
    "dead",
    "not_finite",
)
GRADIENT = ("gradient", "gradient_not_finite")
WEIGHT = ("weight", "weight_gradient", "update_ratio")
STATISTICS = (*ACTIVATION, *GRADIENT, *WEIGHT)
"""The columns of a probe: of the output; of its gradient, the root of its mean square; of all
weights of the layer together, their norm, their gradient's, and the norm of the update over theirs.
"""
IDLE_FOR = 5
"""Probes in a row that a unit must be zero at before it counts as dead."""
_SAMPLE = 4_096  # elements looked at, about
_USUAL_BATCH = 32


class Flat(NamedTuple):
    """Outputs of an activation beyond which it is flat, so that next to nothing is learned."""

    low: float
    high: float


def flat_beyond(layer: Any) -> Flat | None:
    """Where the activation of a layer is flat on both sides, by the catalog; None elsewhere.

    Activations that are flat on one side alone, such as relu, show as zeros.
    """
    activation = getattr(layer, "activation", None)
    row = ACTIVATIONS.get(getattr(activation, "__name__", ""))
    if row is None or row.name == "softmax" or len(row.saturates) != 2 or row.circuit is None:
        return None
    low, high = row.saturates[0].high, row.saturates[1].low
    curve = circuit(row.circuit)
    ends = [float(curve.forward(x=end)) for end in (low, high)]  # type: ignore[arg-type]
    return Flat(min(ends), max(ends))


def sample(output: tf.Tensor) -> tf.Tensor:
    """Rows of an output, `(N, U)`, float32, so few that looking at them costs next to nothing."""
    units = output.shape[-1] or 1
    rows = tf.reshape(output, (-1, units)) if output.shape.rank != 1 else output[:, None]
    positions = 1
    for size in output.shape[1:-1]:
        positions *= size or 1
    batch = output.shape[0] or _USUAL_BATCH
    stride = max(1, batch * positions * units // _SAMPLE)
    # Odd, so that it does not fall on the same column of every image.
    return tf.cast(rows[:: stride + (stride > 1 and stride % 2 == 0)], tf.float32)


def of_activation(rows_NU: tf.Tensor, flat: Flat | None, idle_U: tf.Variable | None) -> tf.Tensor:
    """The statistics `ACTIVATION` of a sample."""
    finite = tf.math.is_finite(rows_NU)
    known = tf.where(finite, rows_NU, 0.0)
    mean = tf.reduce_mean(known)
    dead = tf.constant(0.0)
    if idle_U is not None:
        active = tf.reduce_any(known != 0.0, axis=0)
        idle = idle_U.assign(tf.where(active, 0, idle_U + 1))
        dead = _share(idle >= IDLE_FOR)
    beyond = (known <= flat.low) | (known >= flat.high) if flat else tf.zeros_like(finite)
    return tf.stack(
        [
            mean,
            tf.sqrt(tf.reduce_mean(tf.square(known - mean))),
            tf.reduce_min(known),
            tf.reduce_max(known),
            _share(known == 0.0),
            _share(beyond),
            dead,
            _share(~finite),
        ]
    )


def of_gradient(rows_NU: tf.Tensor) -> tf.Tensor:
    """The statistics `GRADIENT` of a sample."""
    finite = tf.math.is_finite(rows_NU)
    known = tf.where(finite, rows_NU, 0.0)
    return tf.stack([tf.sqrt(tf.reduce_mean(tf.square(known))), _share(~finite)])


def _share(condition: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.cast(condition, tf.float32))


def norm(tensors: list[Any]) -> tf.Tensor:
    """The Euclidean norm of some tensors together."""
    return tf.linalg.global_norm(
        [tf.cast(tf.convert_to_tensor(one), tf.float32) for one in tensors]
    )
