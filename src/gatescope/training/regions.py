"""Trains the region proposal network on boxes, class-agnostic.

The trunk stays frozen, so its maps of all augmented views are made once; an epoch then costs
seconds. Loss after Ren et al. 2015: log loss on sampled anchors, Huber loss on positive ones.

Suffixes: B batch, N anchors, M boxes of a photo (padded with zeros), K regions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras.utils import bounding_boxes
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from gatescope.data.boxes import BoxedPhoto
from gatescope.data.photos import read_photo
from gatescope.layers.region_proposal import encode
from gatescope.models.regions import RegionConfig, RegionDetector, proposal_network


class RegionTraining(BaseModel):
    """How the proposal network is trained.

    Args:
        views: Augmented views of each photo: crops, flips, brightness and colour.
        steps: Optimizer steps.
        batch_size: Views a step.
        learning_rate: Start of a cosine that ends at 0.
        weight_decay: Of AdamW.
        sampled: Anchors of a view that enter the log loss.
        positive: Largest share of positive anchors among them.
        seed: Of views, batches, sampling and initial weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    views: PositiveInt = 25
    steps: PositiveInt = 1500
    batch_size: PositiveInt = 8
    learning_rate: PositiveFloat = 2e-3
    weight_decay: float = Field(default=1e-2, ge=0)
    sampled: PositiveInt = 192
    positive: float = Field(default=1 / 3, gt=0, lt=1)
    seed: int = 0


class Views:
    """Trunk maps of augmented views, and the boxes that are still visible in each.

    Args:
        maps: `(views, rows, columns, channels)`, float16.
        boxes: One `(boxes, 4)` array a view.
    """

    def __init__(self, maps: NDArray[np.float16], boxes: list[NDArray[np.float32]]) -> None:
        self.maps, self.boxes = maps, boxes


def augment(
    photo_HW3: NDArray[np.uint8], boxes_M4: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Crops, flips and recolours a photo; boxes less than 40 % visible are dropped."""
    height, width = photo_HW3.shape[:2]
    side = rng.uniform(0.5, 1, 2) if rng.random() < 0.7 else np.ones(2)
    start = rng.uniform(0, 1 - side)
    (top, left), (bottom, right) = start * (height, width), (start + side) * (height, width)
    photo = photo_HW3[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))]
    boxes = (boxes_M4 - np.tile(start, 2)) / np.tile(side, 2)
    clipped = boxes.clip(0, 1)
    boxes = clipped[_area(clipped) > 0.4 * _area(boxes)]
    if rng.random() < 0.5:
        photo, boxes = photo[:, ::-1], boxes[:, [0, 3, 2, 1]] * (1, -1, 1, -1) + (0, 1, 0, 1)
    tint = rng.uniform(0.7, 1.3) * rng.uniform(0.9, 1.1, 3)
    return (photo * tint).clip(0, 255).astype(np.uint8), boxes.astype(np.float32)


def make_views(
    photos: Sequence[BoxedPhoto],
    detector: RegionDetector,
    *,
    views: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Views:
    """Reads every photo and runs the trunk on `views` versions of it, the first unchanged.

    Args:
        photos: Photos with boxes.
        detector: Whose trunk makes the maps.
        views: Versions a photo.
        seed: Of the augmentation.
        progress: Called with photos done and photos in all.
    """
    size = detector.config.photo_size
    side = detector.config.map_size
    maps = np.empty((len(photos) * views, side, side, 112), np.float16)
    boxes: list[NDArray[np.float32]] = []
    for index, photo in enumerate(photos):
        rng = np.random.default_rng((seed, index))
        pixels = read_photo(photo.path)
        versions = [(pixels, photo.boxes)]
        versions += [augment(pixels, photo.boxes, rng) for _ in range(views - 1)]
        squashed = [
            tf.image.resize(version, (size, size), antialias=True) for version, _ in versions
        ]
        maps[index * views : (index + 1) * views] = detector.maps(tf.stack(squashed)).numpy()
        boxes += [kept for _, kept in versions]
        if progress:
            progress(index + 1, len(photos))
    return Views(maps, boxes)


def train_proposals(
    views: Views,
    config: RegionConfig,
    training: RegionTraining,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> keras.Model:
    """Trains a new proposal network.

    Args:
        views: What `make_views` made of the training photos.
        config: Anchors and width.
        training: Steps, rates, seed.
        callbacks: Keras callbacks, for progress and the like.

    Returns:
        The trained `proposal_network(config)`.
    """
    keras.utils.set_random_seed(training.seed)
    network = proposal_network(config)
    trainer = ProposalTrainer(network, config, training)
    rate = keras.optimizers.schedules.CosineDecay(training.learning_rate, training.steps)
    trainer.compile(optimizer=keras.optimizers.AdamW(rate, weight_decay=training.weight_decay))
    data = tf.data.Dataset.from_generator(
        lambda: _batches(views, training),
        output_signature=(
            tf.TensorSpec((None, *views.maps.shape[1:]), tf.float32),
            tf.TensorSpec((None, None, 4), tf.float32),
        ),
    ).prefetch(2)
    trainer.fit(
        data,
        steps_per_epoch=training.steps,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )
    return network


def recall(
    proposals: Sequence[NDArray[np.float32]],
    truth: Sequence[NDArray[np.float32]],
    *,
    iou: float = 0.5,
) -> float:
    """Share of true boxes that some proposal of their photo overlaps by at least `iou`."""
    hits = [
        (np.asarray(bounding_boxes.compute_iou(boxes, found, "yxyx")).max(1) >= iou).sum()
        for found, boxes in zip(proposals, truth, strict=True)
        if len(boxes)
    ]
    return float(sum(hits) / max(1, sum(len(boxes) for boxes in truth)))


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    sides: NDArray[np.float32] = boxes[:, 2:] - boxes[:, :2]
    return sides[:, 0] * sides[:, 1]


def _batches(
    views: Views, training: RegionTraining
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    rng = np.random.default_rng(training.seed)
    most = max(1, max(len(boxes) for boxes in views.boxes))
    for _ in range(training.steps):
        chosen = rng.integers(len(views.boxes), size=training.batch_size)
        padded = np.zeros((len(chosen), most, 4), np.float32)
        for row, view in zip(padded, chosen, strict=True):
            row[: len(views.boxes[view])] = views.boxes[view]
        yield views.maps[chosen].astype(np.float32), padded


class ProposalTrainer(keras.Model):
    """Keras' `fit` around a proposal network; targets are assigned inside the step."""

    def __init__(
        self, network: keras.Model, config: RegionConfig, training: RegionTraining
    ) -> None:
        super().__init__()
        self.network, self.training = network, training
        self.anchors = tf.constant(config.anchors())
        self.seeds = keras.random.SeedGenerator(training.seed)

    def call(self, maps: tf.Tensor, training: bool = False) -> list[tf.Tensor]:
        outputs: list[tf.Tensor] = self.network(maps, training=training)
        return outputs

    def compute_loss(
        self,
        x: tf.Tensor = None,
        y: tf.Tensor = None,
        y_pred: list[tf.Tensor] | None = None,
        sample_weight: tf.Tensor = None,
        training: bool = True,
    ) -> tf.Tensor:
        objectness_BN, deltas_BN4 = y_pred or []
        positive_BN, negative_BN, target_BN4 = self._assign(y)
        sampled_BN = self._sample(positive_BN, negative_BN)
        log_loss = tf.nn.sigmoid_cross_entropy_with_logits(positive_BN, objectness_BN)
        error = encode(self.anchors, target_BN4) - deltas_BN4
        # Huber with its corner at 0.1: the shift of a fifth of a 0.5 overlap.
        huber = tf.where(abs(error) < 0.1, 5 * error**2, abs(error) - 0.05)
        moved = tf.reduce_sum(tf.reduce_sum(huber, -1) * positive_BN)
        return tf.reduce_sum(log_loss * sampled_BN) / tf.reduce_sum(sampled_BN) + moved / (
            tf.reduce_sum(positive_BN) + 1
        )

    def _assign(self, boxes_BM4: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Positive anchors overlap a box by half, or are the best that some box has."""
        overlap_BNM = tf.map_fn(
            lambda boxes: bounding_boxes.compute_iou(self.anchors, boxes, "yxyx"), boxes_BM4
        )
        best_BN = tf.reduce_max(overlap_BNM, -1)
        best_B1M = tf.reduce_max(overlap_BNM, 1, keepdims=True)
        forced_BNM = (overlap_BNM >= best_B1M - 1e-3) & (best_B1M > 0.15)
        positive_BN = (best_BN >= 0.5) | tf.reduce_any(forced_BNM, -1)
        negative_BN = (best_BN < 0.3) & ~positive_BN
        owner_BN = tf.argmax(overlap_BNM + tf.cast(forced_BNM, tf.float32), -1)
        target_BN4 = tf.gather(boxes_BM4, owner_BN, batch_dims=1)
        return tf.cast(positive_BN, tf.float32), tf.cast(negative_BN, tf.float32), target_BN4

    def _sample(self, positive_BN: tf.Tensor, negative_BN: tf.Tensor) -> tf.Tensor:
        """Random anchors of both kinds: `sampled` a view, positives up to their share."""
        most = int(self.training.sampled * self.training.positive)
        chosen = self._random_subset(positive_BN, most)
        missing = self.training.sampled - tf.reduce_sum(chosen, -1, keepdims=True)
        return chosen + self._random_subset(negative_BN, missing)

    def _random_subset(self, mask_BN: tf.Tensor, count: int | tf.Tensor) -> tf.Tensor:
        draw = keras.random.uniform(tf.shape(mask_BN), seed=self.seeds) * mask_BN
        rank = tf.argsort(tf.argsort(draw, direction="DESCENDING"))
        return mask_BN * tf.cast(tf.cast(rank, tf.float32) < count, tf.float32)
