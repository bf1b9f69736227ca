"""Beam search over a decoder, compiled once for photos in any number."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from gatescope.caption.decoder import CaptionDecoder
from gatescope.caption.decoding import Decoding, Hypotheses, beam_search
from gatescope.caption.training import step_function
from gatescope.caption.vocabulary import SPECIAL

Search = Callable[[tf.Tensor, tf.Tensor], Hypotheses]


def compiled_search(decoder: CaptionDecoder, decoding: Decoding) -> Search:
    """Compiles beam search over a decoder, `(features, boxes) -> Hypotheses`."""
    # Any number of photos and of regions, or the last batch and users' boxes would compile anew.
    features = tf.TensorSpec((None, None, decoder.normalize.gamma.shape[-1]), tf.float32)
    boxes = tf.TensorSpec((None, None, 4), tf.float32)

    @tf.function(input_signature=[features, boxes])
    def search(features_BKF: tf.Tensor, boxes_BK4: tf.Tensor) -> Hypotheses:
        memory = decoder.remember(features_BKF, boxes_BK4)
        places = tf.shape(features_BKF)[1] + 1
        step = step_function(decoder, memory)
        return beam_search(step, memory.states, places, decoding, SPECIAL)

    return search
