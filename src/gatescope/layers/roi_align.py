"""RoIAlign: one feature vector per box, read from a map by bilinear interpolation.

Suffixes: B batch, K boxes, H rows, W columns, C channels, P bins a side.
"""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gatescope")
class RoIAlign(keras.layers.Layer):
    """Averages a feature map over each box, with no rounding to cells.

    Every bin of a box is the mean of `sampling` × `sampling` bilinear samples (He et al. 2017,
    Mask R-CNN, section 3). Bilinear weights are separable, so a bin is `y · map · x` with one
    weight vector a side; all boxes of a photo become one matrix product, which is exact,
    differentiable in map and boxes, and fast on a CPU.

    Args:
        bins: Bins a side of each box.
        sampling: Samples a side of each bin.

    Input shape: map `(batch, rows, columns, channels)` and boxes `(batch, boxes, 4)`, each box
        `(y0, x0, y1, x1)` relative to the photo, in [0, 1].
    Output shape: `(batch, boxes, bins, bins, channels)`.

    Example:
        >>> whole = keras.ops.array([[[0.0, 0.0, 1.0, 1.0]]])
        >>> RoIAlign(bins=1)(keras.ops.ones((1, 7, 7, 8)), whole).shape
        TensorShape([1, 1, 1, 1, 8])
    """

    def __init__(self, bins: int = 1, sampling: int = 4, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.bins, self.sampling = bins, sampling

    def call(self, features: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
        rows, columns, channels = features.shape[1:]
        boxes = tf.cast(boxes, tf.float32)
        y_BKPH = self._weights(boxes[..., 0], boxes[..., 2], rows)
        x_BKPW = self._weights(boxes[..., 1], boxes[..., 3], columns)
        weights = y_BKPH[:, :, :, None, :, None] * x_BKPW[:, :, None, :, None, :]
        batch, count = tf.shape(boxes)[0], tf.shape(boxes)[1]
        weights = tf.reshape(weights, (batch, count * self.bins**2, rows * columns))
        cells = tf.reshape(features, (batch, rows * columns, channels))
        out = tf.matmul(tf.cast(weights, features.dtype), cells)
        return tf.reshape(out, (batch, count, self.bins, self.bins, channels))

    def _weights(self, start_BK: tf.Tensor, stop_BK: tf.Tensor, cells: int) -> tf.Tensor:
        """Mean bilinear weight of every cell for each bin along one axis, `(B, K, P, cells)`."""
        samples = self.bins * self.sampling
        steps = (tf.range(samples, dtype=tf.float32) + 0.5) / samples
        at = start_BK[..., None] + (stop_BK - start_BK)[..., None] * steps
        # Cell i has its centre at i + 0.5; samples beyond the outer centres take the edge cell.
        at = tf.clip_by_value(at * cells - 0.5, 0.0, cells - 1.0)
        distance = tf.abs(at[..., None] - tf.range(cells, dtype=tf.float32))
        hat = tf.nn.relu(1.0 - distance)
        shape = tf.concat([tf.shape(start_BK), [self.bins, self.sampling, cells]], 0)
        return tf.reduce_mean(tf.reshape(hat, shape), axis=3)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "bins": self.bins, "sampling": self.sampling}
