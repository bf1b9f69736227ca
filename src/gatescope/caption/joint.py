"""Trains a whole captioner at once, from pixels to words.

For a CNN small enough to learn along and data whose boxes are known: the proposals learn from
the boxes, everything else from the captions.

Suffixes: B photos, H rows, W columns, C channels, K regions, G captions of a photo, T steps.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from gatescope.caption.decoder import CaptionDecoder, Memory
from gatescope.caption.training import smoothed_cross_entropy
from gatescope.caption.vocabulary import SPECIAL
from gatescope.models.regions import RegionDetector
from gatescope.training.regions import ProposalTrainer, RegionTraining


class JointTrainer(keras.Model):
    """Adds the loss of region proposals to that of captions.

    Args:
        detector: Photos to regions; all of it is trained.
        decoder: Regions to words.
        proposals: How anchors are sampled for the proposals' loss.
        label_smoothing: Share of the target spread over all words.
        photo_dropout: Share of the photos whose captions are learned without the mean of all
            regions, from which "red" and "star" can be told by heart as one thing. Only looking
            at regions word by word is left then.
        word_noise: Share of the words read that are replaced by random ones. However rare a
            pair of words is in training, the first then forbids the second only mildly, and
            what the region shows decides (Xie et al. 2017, "Data noising as smoothing").

    Inputs of `fit`: `photos` `(batch, height, width, 3)` and `words` `(batch, captions, steps)`;
    targets: `boxes` `(batch, objects, 4)`, padded with zeros, and `words`, one step ahead.
    """

    def __init__(
        self,
        detector: RegionDetector,
        decoder: CaptionDecoder,
        proposals: RegionTraining,
        *,
        label_smoothing: float,
        photo_dropout: float,
        word_noise: float,
    ) -> None:
        super().__init__()
        self.detector, self.decoder = detector, decoder
        self.trunk, self.top = detector.trunk, detector.top  # for Keras to find their weights
        self.proposals = ProposalTrainer(detector.network, detector.config, proposals)
        self.label_smoothing = label_smoothing
        self.photo_dropout, self.word_noise = photo_dropout, word_noise
        self.seeds = keras.random.SeedGenerator(proposals.seed)
        self.shares = [keras.metrics.Mean("proposals"), keras.metrics.Mean("captions")]
        self.built = True  # of parts that are

    def call(
        self, inputs: dict[str, tf.Tensor], training: bool = False
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        maps_BHWC = self.trunk(inputs["photos"], training=training)
        boxes_BK4, _ = self.detector.proposals(maps_BHWC)
        features_BKF = self.detector.features(maps_BHWC, boxes_BK4)
        memory = self.decoder.remember(features_BKF, boxes_BK4, training=training)
        words_BGT = inputs["words"]
        if training:
            memory, words_BGT = self._without_photo(memory), self._noisy(words_BGT)
        said = self.decoder.teach(memory, words_BGT, training=training)
        return self.detector.network(maps_BHWC, training=training), said.logits

    def compute_loss(
        self,
        x: dict[str, tf.Tensor] | None = None,
        y: dict[str, tf.Tensor] | None = None,
        y_pred: tuple[list[tf.Tensor], tf.Tensor] | None = None,
        sample_weight: tf.Tensor = None,
        training: bool = True,
    ) -> tf.Tensor:
        targets, (found, said) = y or {}, y_pred or ([], None)
        losses = (
            self.proposals.compute_loss(y=targets["boxes"], y_pred=found),
            smoothed_cross_entropy(targets["words"], said, self.label_smoothing),
        )
        for share, loss in zip(self.shares, losses, strict=True):
            share.update_state(loss)
        return sum(losses)

    def _without_photo(self, memory: Memory) -> Memory:
        """Takes the mean of all regions from `photo_dropout` of the photos."""
        photos = tf.shape(memory.photo)[0]
        drawn_B1 = keras.random.uniform((photos, 1), seed=self.seeds)
        kept_B1 = tf.cast(drawn_B1 >= self.photo_dropout, memory.photo.dtype)
        states = tuple(state * kept_B1 for state in memory.states)
        return memory._replace(photo=memory.photo * kept_B1, states=states)

    def _noisy(self, words_BGT: tf.Tensor) -> tf.Tensor:
        """Replaces `word_noise` of the words, special tokens apart."""
        shape = tf.shape(words_BGT)
        chosen = keras.random.uniform(shape, seed=self.seeds) < self.word_noise
        first, past = len(SPECIAL), self.decoder.vocabulary_size
        drawn = keras.random.randint(shape, first, past, seed=self.seeds)
        return tf.where(chosen & (words_BGT >= first), drawn, words_BGT)
