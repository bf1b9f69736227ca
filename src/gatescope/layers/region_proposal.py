"""Region proposals: anchors, and the layer that turns their scores and deltas into boxes.

Ren et al. 2015, Faster R-CNN, section 3.1. Boxes are `(y0, x0, y1, x1)` relative to the photo.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras.utils import bounding_boxes
from numpy.typing import NDArray


def anchors(
    rows: int, columns: int, scales: Sequence[float], ratios: Sequence[float]
) -> NDArray[np.float32]:
    """Lays boxes of every scale and aspect ratio on the centre of every cell.

    Args:
        rows: Rows of the feature map.
        columns: Columns of the feature map.
        scales: Square roots of the boxes' areas, relative to the photo's side.
        ratios: Heights over widths.

    Returns:
        Boxes `(rows * columns * len(scales) * len(ratios), 4)`, cell by cell. They may reach
        over the photo's edge.

    Example:
        >>> anchors(1, 1, [0.5], [1.0])
        array([[0.25, 0.25, 0.75, 0.75]], dtype=float32)
    """
    y = (np.arange(rows) + 0.5) / rows
    x = (np.arange(columns) + 0.5) / columns
    centres = np.stack(np.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 1, 2)
    halves = np.array(
        [(s * r**0.5 / 2, s / r**0.5 / 2) for s, r in itertools.product(scales, ratios)]
    )
    boxes = np.concatenate([centres - halves, centres + halves], -1)
    return boxes.reshape(-1, 4).astype(np.float32)


def grid(rows: int, columns: int) -> NDArray[np.float32]:
    """Cuts the photo into `rows` × `columns` boxes, `(rows * columns, 4)`, row by row."""
    y, x = np.arange(rows) / rows, np.arange(columns) / columns
    corners = np.stack(np.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)
    size = (1 / rows, 1 / columns)
    return np.concatenate([corners, corners + size], -1).astype(np.float32)


def encode(anchors_N4: tf.Tensor, boxes_N4: tf.Tensor) -> tf.Tensor:
    """Deltas that move each anchor onto its box; `decode` undoes it."""
    return bounding_boxes.encode_box_to_deltas(anchors_N4, boxes_N4, "yxyx", "yxyx")


def decode(anchors_N4: tf.Tensor, deltas_BN4: tf.Tensor) -> tf.Tensor:
    """Boxes that `deltas_BN4` make of the anchors, clipped to the photo."""
    # exp() of an untrained or extreme size delta must not overflow: e^4 is 55 anchor sizes.
    deltas = tf.concat([deltas_BN4[..., :2], tf.clip_by_value(deltas_BN4[..., 2:], -4, 4)], -1)
    boxes = bounding_boxes.decode_deltas_to_boxes(anchors_N4, deltas, "yxyx", "yxyx")
    return tf.clip_by_value(boxes, 0.0, 1.0)


@keras.saving.register_keras_serializable("gatescope")
class RegionProposal(keras.layers.Layer):
    """Decodes anchors, suppresses overlaps and keeps the best boxes of each photo.

    Args:
        anchors: Boxes `(anchors, 4)` on which scores and deltas stand.
        count: Boxes to return for each photo.
        iou_threshold: Overlap from which the lower-scored of two boxes is dropped.
        candidates: Best-scored anchors that enter suppression.

    Input shape: objectness logits `(batch, anchors)` and deltas `(batch, anchors, 4)`.
    Output shape: boxes `(batch, count, 4)` and scores `(batch, count)`, best first. Where fewer
        than `count` survive, the whole photo fills up with score 0.
    """

    def __init__(
        self,
        anchors: NDArray[np.float32],
        count: int,
        iou_threshold: float = 0.7,
        candidates: int = 600,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.anchors, self.count = np.asarray(anchors, np.float32), count
        self.iou_threshold, self.candidates = iou_threshold, candidates

    def call(self, objectness: tf.Tensor, deltas: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        objectness = tf.cast(objectness, tf.float32)
        candidates = min(self.candidates, len(self.anchors))
        logits, chosen = tf.math.top_k(objectness, candidates)
        deltas = tf.gather(tf.cast(deltas, tf.float32), chosen, batch_dims=1)
        boxes = decode(tf.gather(tf.constant(self.anchors), chosen), deltas)
        boxes, scores, _, valid = tf.image.combined_non_max_suppression(
            boxes[:, :, None],
            tf.sigmoid(logits)[..., None],
            max_output_size_per_class=self.count,
            max_total_size=self.count,
            iou_threshold=self.iou_threshold,
        )
        kept = tf.sequence_mask(valid, self.count)
        return tf.where(kept[..., None], boxes, [0.0, 0.0, 1.0, 1.0]), scores

    def get_config(self) -> dict[str, object]:
        config = super().get_config()
        own = ("count", "iou_threshold", "candidates")
        return {
            **config,
            "anchors": self.anchors.tolist(),
            **{name: getattr(self, name) for name in own},
        }
