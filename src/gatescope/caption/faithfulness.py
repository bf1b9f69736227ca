"""Did the region matter? Masks it and asks the captioner for the same word again.

Attention weights alone are no evidence (Jain & Wallace 2019). Here the region is painted over in
the photo itself, the CNN runs again, and the fall of the word's probability is set against the
fall when boxes of the same size are painted over elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gatescope.caption.bundle import Bundle
from gatescope.caption.vocabulary import SPECIAL

RANDOM_MASKS = 4
BATCH = 16


@dataclass(frozen=True)
class Proof:
    """What masking did to one word, in probabilities.

    Args:
        before: Of the word beside the whole photo.
        masked: With its region painted over.
        random: Mean with boxes of the same size painted over at random places.
    """

    before: float
    masked: float
    random: float

    @property
    def mattered(self) -> bool:
        """Whether the region's loss cost the word more than a random loss did."""
        return self.masked < min(self.before, self.random)


def prove_words(
    bundle: Bundle,
    photo_HW3: NDArray[np.uint8],
    boxes_K4: NDArray[np.float32],
    ids: NDArray[np.int32],
    places: Sequence[int],
    regions: Sequence[tuple[float, float, float, float]],
    *,
    seed: int = 0,
) -> list[Proof]:
    """Masks each word's region and `RANDOM_MASKS` random boxes of its size.

    The photo's region boxes stay where they were, so that only pixels change. Paint is the
    photo's mean colour.

    Args:
        bundle: The captioner.
        photo_HW3: The photo, squashed to the bundle's size.
        boxes_K4: The regions that the caption was made from.
        ids: The caption's word ids, end token included.
        places: Which words to test.
        regions: The box of each.
        seed: Of the random boxes.
    """
    if not places:
        return []
    rng = np.random.default_rng(seed)
    masks = [[box, *(_elsewhere(box, rng) for _ in range(RANDOM_MASKS))] for box in regions]
    painted = [photo_HW3, *(_painted(photo_HW3, box) for boxes in masks for box in boxes)]
    probabilities = _probabilities(bundle, painted, boxes_K4, ids)
    groups = probabilities[1:].reshape(len(masks), RANDOM_MASKS + 1, -1)
    return [
        Proof(
            before=float(probabilities[0, place]),
            masked=float(group[0, place]),
            random=float(group[1:, place].mean()),
        )
        for place, group in zip(places, groups, strict=True)
    ]


def _elsewhere(
    box: tuple[float, float, float, float], rng: np.random.Generator
) -> tuple[float, float, float, float]:
    height, width = box[2] - box[0], box[3] - box[1]
    y, x = rng.uniform(0, 1 - height), rng.uniform(0, 1 - width)
    return y, x, y + height, x + width


def _painted(
    photo_HW3: NDArray[np.uint8], box: tuple[float, float, float, float]
) -> NDArray[np.uint8]:
    """Covers every pixel that the box touches; the thinnest box touches one."""
    rows, columns = (_touched(box[axis], box[axis + 2], photo_HW3.shape[axis]) for axis in (0, 1))
    painted = photo_HW3.copy()
    painted[rows, columns] = photo_HW3.mean((0, 1)).round()
    return painted


def _touched(start: float, stop: float, pixels: int) -> slice:
    first = min(int(start * pixels), pixels - 1)
    return slice(first, max(first + 1, ceil(stop * pixels)))


def _probabilities(
    bundle: Bundle,
    photos: Sequence[NDArray[np.uint8]],
    boxes_K4: NDArray[np.float32],
    ids: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Probability of every word of the caption beside every photo, `(photos, words)`."""
    words = np.concatenate([[SPECIAL.start], ids[ids != SPECIAL.pad]])
    parts = []
    for start in range(0, len(photos), BATCH):
        batch = np.stack(photos[start : start + BATCH])
        boxes = np.repeat(boxes_K4[None], len(batch), 0)
        features = bundle.detector.features(bundle.detector.maps(batch), boxes)
        read = np.repeat(words[None, None, :-1], len(batch), 0)
        probabilities = tf.nn.softmax(bundle.decoder(features, boxes, read))[:, 0]
        parts.append(probabilities.numpy()[:, np.arange(len(words) - 1), words[1:]])
    return np.concatenate(parts)
