"""Trains the region proposal network on boxes, class-agnostic.

The trunk stays frozen, so its maps of all augmented views are made once; an epoch then costs
seconds. Loss after Ren et al. 2015: log loss on sampled anchors, Huber loss on positive ones.

Suffixes: B batch, N anchors, M boxes of a photo (padded with zeros), K regions.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras.utils import bounding_boxes
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from gatescope.data.boxes import BoxedPhoto, load_boxes
from gatescope.data.photos import read_photo
from gatescope.errors import CheckpointError, ConfigurationError, DataError
from gatescope.layers.region_proposal import encode
from gatescope.models.efficientnet_lite import STRIDE_16_CHANNELS
from gatescope.models.regions import RegionConfig, RegionDetector, proposal_network
from gatescope.runs.files import atomic_write

WEIGHTS, DESCRIPTION = "proposals.safetensors", "proposals.json"
# Photos are cropped to no less than half a side, so at twice the size no pixel is made up.
READ_SCALE = 2

Progress = Callable[[str, int, int], None]


class RegionTraining(BaseModel):
    """How the proposal network is trained.

    Args:
        views: Versions of each photo, the photo itself and then crops, flips and changes of
            brightness and colour; fewer where steps would not see them all.
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


class RegionRecipe(BaseModel):
    """Everything that decides what proposal network a data set becomes.

    Args:
        regions: Anchors, sizes and width.
        training: Views, steps, rates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    regions: RegionConfig = RegionConfig()
    training: RegionTraining = RegionTraining()


class _Description(BaseModel):
    """What `proposals.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    recipe: RegionRecipe
    sha256: str


@dataclass(frozen=True, eq=False)
class Views:
    """Trunk maps of augmented views, and the boxes that are still visible in each.

    Args:
        maps: `(views, rows, columns, channels)`, float16.
        boxes: One `(boxes, 4)` array a view.
    """

    maps: NDArray[np.float16]
    boxes: Sequence[NDArray[np.float32]]


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
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Views:
    """Reads every photo and runs the trunk on `views` versions of it, the first unchanged.

    The maps go to a nameless file, which the system deletes with the last use of them, so memory
    stays flat and a killed process leaves nothing behind.

    Args:
        photos: Photos with boxes.
        detector: Whose trunk makes the maps.
        views: Versions a photo.
        seed: Of the augmentation.
        folder: Where the file lies: 129 kB a view at `input_size` 384; the system's folder for
            temporary files by default.
        progress: Called with "views", photos done and photos in all.

    Raises:
        PhotoError: A photo cannot be read.
        OSError: The disk is full.
    """
    side = detector.config.map_size
    boxes: list[NDArray[np.float32]] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for index, photo in enumerate(photos):
            rng = np.random.default_rng((seed, index))
            versions, kept = _versions(photo, detector.config.photo_size, views, rng)
            file.write(detector.maps(versions).numpy().astype(np.float16).tobytes())
            boxes += kept
            if progress:
                progress("views", index + 1, len(photos))
        file.flush()
        shape = (len(boxes), side, side, STRIDE_16_CHANNELS)
        return Views(np.memmap(file, np.float16, "r", shape=shape), boxes)


def _versions(
    photo: BoxedPhoto, size: int, views: int, rng: np.random.Generator
) -> tuple[tf.Tensor, list[NDArray[np.float32]]]:
    """Versions `(views, size, size, 3)` of a photo, float32, and the boxes of each."""
    pixels = [tf.cast(read_photo(photo.path, size=size), tf.float32)]
    boxes = [photo.boxes]
    large = read_photo(photo.path, size=READ_SCALE * size)
    for _ in range(views - 1):
        version, kept = augment(large, photo.boxes, rng)
        pixels.append(tf.image.resize(version, (size, size), antialias=True))
        boxes.append(kept)
    return tf.stack(pixels), boxes


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
    optimizer = keras.optimizers.AdamW(rate, weight_decay=training.weight_decay)
    trainer.compile(optimizer=optimizer)
    # Else `fit` would build it, in a graph that has to be traced once more for it.
    optimizer.build(trainer.trainable_variables)
    data = tf.data.Dataset.from_generator(
        lambda: _batches(views, training),
        output_signature=(
            tf.TensorSpec((training.batch_size, *views.maps.shape[1:]), tf.float32),
            tf.TensorSpec((training.batch_size, None, 4), tf.float32),
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


def train_regions(
    data: str | os.PathLike[str],
    run: Path,
    recipe: RegionRecipe,
    *,
    progress: Progress | None = None,
) -> keras.Model:
    """Trains a proposal network on a COCO instances file and writes it to a folder.

    Photos without boxes are left out, for nobody may have looked for things in them. Nothing is
    written before the training is done; a network that the folder holds stays till then.

    Args:
        data: The instances file, or the folder it is in.
        run: Folder for `proposals.safetensors` and `proposals.json`; made if it is not there.
        recipe: Regions and training.
        progress: Called with "views" or "steps", how many are done and how many there are.

    Returns:
        The trained network.

    Raises:
        DataError: `data` is no COCO instances file, or no photo has a box.
        PhotoError: A photo cannot be read.
        OSError: The folder cannot be written, or the disk is full.

    Example:
        >>> train_regions("boxes", Path("runs/regions"), RegionRecipe())  # doctest: +SKIP
    """
    regions, training = recipe.regions, recipe.training
    photos = _with_boxes(data)
    run.mkdir(parents=True, exist_ok=True)
    views = make_views(
        photos,
        RegionDetector.imagenet(regions),
        views=min(training.views, math.ceil(training.steps * training.batch_size / len(photos))),
        seed=training.seed,
        folder=run,
        progress=progress,
    )
    callbacks = [_steps_to(progress, training.steps)] if progress else []
    network = train_proposals(views, regions, training, callbacks)
    _save(network, recipe, run)
    return network


def load_proposals(folder: Path, detector: RegionDetector) -> None:
    """Gives a detector the proposal network that `train_regions` wrote.

    Args:
        folder: What was `run` there.
        detector: Its network's weights are overwritten, unless an error is raised.

    Raises:
        ConfigurationError: There is no such network, or it was trained for other anchors or
            sizes than the detector's.
        CheckpointError: A file is damaged or was changed.
    """
    regions, weights = _read(folder)
    for name in ("photo_size", "input_size", "scales", "ratios", "width"):
        trained, wanted = getattr(regions, name), getattr(detector.config, name)
        if trained != wanted:
            raise ConfigurationError(
                f"the proposals of {folder} were trained with {name}={trained}",
                f"{name}={wanted}, as the regions have it that are to use them",
                f"set regions.{name} alike in both trainings",
            )
    detector.network.set_weights(weights)


def _with_boxes(data: str | os.PathLike[str]) -> list[BoxedPhoto]:
    photos = [photo for photo in load_boxes(data).photos if len(photo.boxes)]
    if photos:
        return photos
    raise DataError(
        f"no photo of {os.fspath(data)!r} has a box",
        "photos with boxes to learn from",
        "draw some, or name another instances file",
    )


def _steps_to(progress: Progress, steps: int) -> keras.callbacks.Callback:
    return keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda step, logs: progress("steps", step + 1, steps)
    )


def _save(network: keras.Model, recipe: RegionRecipe, folder: Path) -> None:
    # By index: layers' names carry a counter that differs from process to process.
    weights = save({f"{i:03d}": weight for i, weight in enumerate(network.get_weights())})
    description = _Description(recipe=recipe, sha256=hashlib.sha256(weights).hexdigest())
    atomic_write(folder / WEIGHTS, weights)
    atomic_write(folder / DESCRIPTION, description.model_dump_json(indent=2).encode())


def _read(folder: Path) -> tuple[RegionConfig, list[NDArray[np.float32]]]:
    try:
        text, data = (folder / DESCRIPTION).read_bytes(), (folder / WEIGHTS).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as cause:
        raise ConfigurationError(
            f"{folder} holds no proposal network: no {Path(cause.filename).name}",
            "a folder written by `gatescope train regions`",
            "check the path, or leave the proposals at 'shipped'",
        ) from cause
    try:
        description = _Description.model_validate_json(text)
        weights = load(data)
    except (ValidationError, SafetensorError) as cause:
        raise _damaged(folder, str(cause).splitlines()[0]) from cause
    if hashlib.sha256(data).hexdigest() != description.sha256:
        raise _damaged(folder, f"{WEIGHTS} is not the file that {DESCRIPTION} describes")
    return description.recipe.regions, [weights[name] for name in sorted(weights)]


def _damaged(folder: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"the proposal network in {folder} cannot be used: {reason}",
        "the files as this version's `gatescope train regions` wrote them",
        "copy them again, or run `gatescope train regions` again",
    )


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


def _area(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    sides: NDArray[np.floating] = boxes[:, 2:] - boxes[:, :2]
    return sides[:, 0] * sides[:, 1]


def _batches(
    views: Views, training: RegionTraining
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    rng = np.random.default_rng(training.seed)
    for _ in range(training.steps):
        chosen = rng.integers(len(views.boxes), size=training.batch_size)
        most = max(1, *(len(views.boxes[view]) for view in chosen))
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
        overlap_BNM = bounding_boxes.compute_iou(self.anchors, boxes_BM4, "yxyx")
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
        most = tf.fill((tf.shape(positive_BN)[0], 1), most)
        chosen = self._random_subset(positive_BN, most)
        found = tf.cast(tf.reduce_sum(chosen, -1, keepdims=True), tf.int32)
        return chosen + self._random_subset(negative_BN, self.training.sampled - found)

    def _random_subset(self, mask_BN: tf.Tensor, count_B1: tf.Tensor) -> tf.Tensor:
        """Keeps `count_B1` random entries of each row, or all where it has fewer."""
        draw_BN = keras.random.uniform(tf.shape(mask_BN), seed=self.seeds) * mask_BN
        most = min(self.training.sampled, len(self.anchors))
        largest, _ = tf.math.top_k(draw_BN, most)
        rank_B1 = tf.clip_by_value(count_B1 - 1, 0, most - 1)
        least_B1 = tf.gather(largest, rank_B1, batch_dims=1)
        kept = (draw_BN >= least_B1) & (count_B1 > 0)
        return mask_BN * tf.cast(kept, tf.float32)
