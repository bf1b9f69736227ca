"""Opens the score of a word: the captioner runs again, recorded, from pixels to logits."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gatescope.caption.bundle import Bundle
from gatescope.caption.vocabulary import SPECIAL
from gatescope.scope.neuron import Neuron
from gatescope.scope.trace import trace


def open_word(
    bundle: Bundle,
    photo_HW3: NDArray[np.uint8],
    boxes_K4: NDArray[np.float32],
    ids: NDArray[np.int32],
    place: int,
    terms: int,
) -> Neuron:
    """The logit of one word of a caption as a circuit.

    Args:
        bundle: The captioner.
        photo_HW3: The photo, squashed to the bundle's size.
        boxes_K4: The regions that the caption was made from.
        ids: The caption's word ids.
        place: Which word.
        terms: How many terms of a sum are opened.
    """
    read = np.concatenate([[SPECIAL.start], ids[:place]])[None, None]

    def score(photo: tf.Tensor, boxes: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        features = bundle.detector.features(bundle.detector.maps(photo), boxes)
        return bundle.decoder(features, boxes, words)

    recorded = trace(score, photo_HW3[None].astype(np.float32), boxes_K4[None], read)
    return recorded.neuron(recorded.outputs[0], (0, 0, place, int(ids[place])), terms=terms)
