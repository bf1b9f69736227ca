"""Whether captions of scenes are right, and whether each word looks at what it speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from keras.utils import bounding_boxes
from numpy.typing import NDArray

from gatescope.caption.decoding import Hypotheses
from gatescope.data.scenes import Scene

HIT = 0.5  # overlap from which a region counts as the object


@dataclass(frozen=True)
class SceneScores:
    """What captions of scenes are worth, without a judge.

    Args:
        exact: Share of captions that are word for word among the scene's true ones.
        grounding: Share of size, colour and shape words whose region with the largest weight
            overlaps the object that they speak of by half. In a caption that is not exact they
            all count as misses, for nobody can say what they speak of.
    """

    exact: float
    grounding: float


def top_regions(found: Hypotheses, boxes_BK4: NDArray[np.float32]) -> NDArray[np.float32]:
    """The box with the largest weight for every word of each best caption, `(B, T, 4)`."""
    weights_BTK = np.asarray(found.weights)[:, 0, :, :-1]  # the sentinel is no region
    return np.take_along_axis(boxes_BK4, weights_BTK.argmax(-1)[..., None], axis=1)


def score_scenes(
    scenes: Sequence[Scene], captions: Sequence[str], regions_BT4: NDArray[np.float32]
) -> SceneScores:
    """Compares captions and the regions of their words with the truth.

    Args:
        scenes: At least one scene.
        captions: One for each scene.
        regions_BT4: What `top_regions` gave for them.

    Returns:
        Both shares.
    """
    exact = [caption in scene.captions for scene, caption in zip(scenes, captions, strict=True)]
    hits = sum(
        _hits(scene, caption, regions_T4)
        for scene, caption, regions_T4, right in zip(
            scenes, captions, regions_BT4, exact, strict=True
        )
        if right
    )
    words = sum(len(thing.words) for scene in scenes for thing in scene.objects)
    return SceneScores(float(np.mean(exact)), hits / words)


def _hits(scene: Scene, caption: str, regions_T4: NDArray[np.float32]) -> int:
    """Words of a true caption that look at their object."""
    meant = np.array(scene.word_objects[scene.captions.index(caption)])
    words = np.flatnonzero(meant >= 0)
    overlap = np.asarray(bounding_boxes.compute_iou(regions_T4[words], scene.boxes, "yxyx"))
    return int((overlap[np.arange(len(words)), meant[words]] >= HIT).sum())
