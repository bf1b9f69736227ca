"""The two lessons of a captioner: say what people said, then say what they would agree with.

`TeachTrainer` minimizes cross-entropy with teacher forcing; `RewardTrainer` samples captions and
raises the probability of those that CIDEr-D scores above their siblings. Both run under Keras'
`fit`.

Suffixes: B photos, K regions, F features, G captions of a photo, T time steps, V words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from gatescope.caption.decoder import CaptionDecoder, Memory
from gatescope.caption.decoding import States, sample
from gatescope.caption.features import RegionCache
from gatescope.caption.metrics import CiderD
from gatescope.caption.vocabulary import SPECIAL, Vocabulary
from gatescope.layers.roi_align import RoIAlign

Stage = Literal["teach", "tune", "reward"]
Batch = tuple[dict[str, NDArray[np.generic]], NDArray[np.int32]]
Reward = Callable[[NDArray[np.int32], NDArray[np.int32]], NDArray[np.float32]]


class StageTraining(BaseModel):
    """One stage: its length and learning rate.

    Args:
        epochs: Passes over the training photos; 0 skips the stage.
        learning_rate: After the warm-up, from which a cosine falls to a fiftieth.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: NonNegativeInt
    learning_rate: PositiveFloat


class CaptionTraining(BaseModel):
    """How a captioner is trained.

    Args:
        teach: Cross-entropy on cached region features; the CNN is frozen.
        tune: Cross-entropy, with the CNN's last two stages trained along.
        reward: Self-critical fine-tuning on CIDEr-D; the CNN is frozen again.
        batch_size: Photos a step; all captions of a photo are in the same step, so that
            its regions are projected once.
        captions: Captions of a photo that a step reads; photos with fewer repeat theirs.
        samples: Captions drawn of a photo in the reward stage.
        warmup: Steps over which the rate rises from 0 in every stage, at most half of them.
        weight_decay: Of AdamW.
        label_smoothing: Share of the target spread over all words.
        clip_norm: Largest global norm of a gradient.
        mirror: Whether the photos of every other step, at random, are mirrored. Not for
            captions that say left and right.
        patience: Epochs of a stage without a better dev CIDEr before the stage ends.
        precision: `bfloat16` for matrix products where the processor gains, else `float32`.
        seed: Of weights, order, dropout and samples.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    teach: StageTraining = StageTraining(epochs=5, learning_rate=8e-4)
    tune: StageTraining = StageTraining(epochs=7, learning_rate=2e-4)
    reward: StageTraining = StageTraining(epochs=8, learning_rate=5e-5)
    batch_size: PositiveInt = 16
    captions: PositiveInt = 5
    samples: int = Field(default=5, ge=2)
    warmup: NonNegativeInt = 300
    weight_decay: float = Field(default=0.01, ge=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    clip_norm: PositiveFloat = 5.0
    mirror: bool = True
    patience: PositiveInt = 3
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    seed: int = Field(default=1, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _trains(self) -> Self:
        if not any(stage.epochs for stage in (self.teach, self.tune, self.reward)):
            raise ValueError("at least one stage with an epoch")
        return self


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Captions as ids beside the regions of their photos.

    Args:
        cache: Regions; its first photos are these.
        words: Ids `(photos, captions, longest + 2)`: start, words, end, padding.
    """

    cache: RegionCache
    words: NDArray[np.int32]

    def batches(self, stage: Stage, training: CaptionTraining, epoch: int) -> Iterator[Batch]:
        """Yields one epoch's batches; their order is a function of (seed, epoch) alone."""
        rng = np.random.default_rng((training.seed, epoch))
        order = rng.permutation(len(self.words))
        for start in range(0, len(order), training.batch_size):
            chosen = np.sort(order[start : start + training.batch_size])
            view = int(rng.integers(2)) if training.mirror else 0
            words = trimmed(self.words[chosen])
            source = self.cache.maps if stage == "tune" else self.cache.features
            inputs = {
                "features": source[view, chosen].astype(np.float32),
                "boxes": self.cache.boxes[view, chosen],
                "words": words[:, :, :-1],
                "photos": chosen.astype(np.int32),
            }
            yield inputs, words[:, :, 1:]

    def steps(self, training: CaptionTraining) -> int:
        """Batches of an epoch."""
        return -(-len(self.words) // training.batch_size)

    def dataset(
        self, stage: Stage, training: CaptionTraining, epochs: Iterable[int]
    ) -> tf.data.Dataset:
        """`batches` of epochs, one after the other, read ahead on a thread of their own."""
        source = self.cache.maps if stage == "tune" else self.cache.features
        words = tf.TensorSpec((None, self.words.shape[1], None), tf.int32)
        inputs = {
            "features": tf.TensorSpec((None, *source.shape[2:]), tf.float32),
            "boxes": tf.TensorSpec((None, *self.cache.boxes.shape[2:]), tf.float32),
            "words": words,
            "photos": tf.TensorSpec((None,), tf.int32),
        }
        signature = (inputs, words)
        return tf.data.Dataset.from_generator(
            lambda: chain.from_iterable(self.batches(stage, training, epoch) for epoch in epochs),
            output_signature=signature,
        ).prefetch(2)


def encode_captions(
    captions: Sequence[Sequence[str]], vocabulary: Vocabulary, *, count: int, longest: int
) -> NDArray[np.int32]:
    """Encodes `count` captions of each photo; photos with fewer repeat theirs.

    Returns:
        Ids `(photos, count, longest + 2)`: start, at most `longest` words, end, padding.
    """
    words = np.full((len(captions), count, longest + 2), SPECIAL.pad, np.int32)
    for photo, texts in zip(words, captions, strict=True):
        for row, place in zip(photo, range(count), strict=True):
            ids = vocabulary.encode(texts[place % len(texts)])[:longest]
            row[: len(ids) + 2] = [SPECIAL.start, *ids, SPECIAL.end]
    return words


def trimmed(words_BGT: NDArray[np.int32]) -> NDArray[np.int32]:
    """Cuts the columns that are padding for every caption."""
    return words_BGT[:, :, : int((words_BGT != SPECIAL.pad).sum(-1).max())]


class TeachTrainer(keras.Model):
    """Cross-entropy with teacher forcing.

    Args:
        decoder: What is trained.
        top: The CNN's last stages, trained along where given; `features` are then stride-16
            maps in place of region features.
        label_smoothing: Share of the target spread over all words.
    """

    def __init__(
        self, decoder: CaptionDecoder, top: keras.Model | None = None, label_smoothing: float = 0.0
    ) -> None:
        super().__init__()
        self.decoder, self.top, self.label_smoothing = decoder, top, label_smoothing
        self.align = RoIAlign(dtype="float32")
        self.built = True  # of parts that are

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        features = self.features(inputs["features"], inputs["boxes"])
        return self.decoder(features, inputs["boxes"], inputs["words"], training=training)

    def features(self, source: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
        """Region features; batch statistics stay those of ImageNet, for batches are small."""
        if self.top is None:
            return source
        return self.align(self.top(source, training=False), boxes)[:, :, 0, 0]

    def compute_loss(
        self,
        x: dict[str, tf.Tensor] | None = None,
        y: tf.Tensor = None,
        y_pred: tf.Tensor = None,
        sample_weight: tf.Tensor = None,
        training: bool = True,
    ) -> tf.Tensor:
        return smoothed_cross_entropy(y, y_pred, self.label_smoothing)


def smoothed_cross_entropy(
    targets_BGT: tf.Tensor, logits_BGTV: tf.Tensor, smoothing: float
) -> tf.Tensor:
    """Mean over words, padding left out (Szegedy et al. 2016, section 7)."""
    said = tf.cast(targets_BGT != SPECIAL.pad, tf.float32)
    target = tf.nn.sparse_softmax_cross_entropy_with_logits(targets_BGT, logits_BGTV)
    # Cross-entropy against the uniform distribution, without a tensor of log probabilities.
    uniform = tf.reduce_logsumexp(logits_BGTV, -1) - tf.reduce_mean(logits_BGTV, -1)
    loss = (1 - smoothing) * target + smoothing * uniform
    return tf.reduce_sum(loss * said) / tf.reduce_sum(said)


def cider_reward(captions: Sequence[Sequence[str]], vocabulary: Vocabulary) -> Reward:
    """CIDEr-D on ids, rarity counted over the training photos (Rennie et al. 2017).

    The end token is a word on both sides, so that a caption which breaks off loses by it.

    Args:
        captions: Of every photo that will be asked for by its index.
        vocabulary: Words of the ids.

    Returns:
        Scores `(photos, captions)` of ids `(photos, captions, steps)`, given photo indices.
    """
    scorer = CiderD.fit(
        [[(*vocabulary.encode(text), SPECIAL.end) for text in texts] for texts in captions]
    )

    def reward(photos: NDArray[np.int32], drawn_BGT: NDArray[np.int32]) -> NDArray[np.float32]:
        said = [ids[ids != SPECIAL.pad].tolist() for texts in drawn_BGT for ids in texts]
        places = np.repeat(photos, drawn_BGT.shape[1]).tolist()
        return np.array(scorer.score_many(said, places), np.float32).reshape(drawn_BGT.shape[:2])

    return reward


class RewardTrainer(keras.Model):
    """Self-critical training: samples above their siblings' mean become more probable.

    Rennie et al. 2017 with the mean of the other samples as baseline (Luo 2020), which needs
    no greedy caption. Dropout is off, so that captions are scored by the model that drew them.

    Args:
        decoder: What is trained.
        reward: CIDEr-D of sampled ids `(photos, captions, steps)`, given photo indices.
        samples: Captions drawn of each photo.
        longest: Most words of a caption.
        seed: Of the draws.
    """

    def __init__(
        self, decoder: CaptionDecoder, reward: Reward, *, samples: int, longest: int, seed: int
    ) -> None:
        super().__init__()
        self.decoder, self.reward = decoder, reward
        self.samples, self.longest = samples, longest
        self.seeds = keras.random.SeedGenerator(seed)
        self.reward_mean = keras.metrics.Mean("reward")
        self.built = True  # of parts that are

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        return self.decoder(inputs["features"], inputs["boxes"], inputs["words"], training=False)

    def train_step(self, data: tuple[dict[str, tf.Tensor], tf.Tensor]) -> dict[str, tf.Tensor]:
        """Keras' own step on drawn captions, each weighted by its gain over its siblings."""
        inputs, _ = data
        drawn_BGT = self.draw(inputs["features"], inputs["boxes"])
        reward_BG = tf.numpy_function(self.reward, [inputs["photos"], drawn_BGT], tf.float32)
        reward_BG = tf.ensure_shape(reward_BG, (None, self.samples))
        self.reward_mean.update_state(reward_BG)
        others_BG = (tf.reduce_sum(reward_BG, 1, keepdims=True) - reward_BG) / (self.samples - 1)
        read_BGT = tf.pad(drawn_BGT, [[0, 0], [0, 0], [1, 0]], constant_values=SPECIAL.start)
        read = {**inputs, "words": read_BGT[:, :, :-1]}
        return super().train_step((read, drawn_BGT, reward_BG - others_BG))

    def compute_loss(
        self,
        x: dict[str, tf.Tensor] | None = None,
        y: tf.Tensor = None,
        y_pred: tf.Tensor = None,
        sample_weight: tf.Tensor = None,
        training: bool = True,
    ) -> tf.Tensor:
        said = tf.cast(y != SPECIAL.pad, tf.float32)
        surprise = tf.nn.sparse_softmax_cross_entropy_with_logits(y, y_pred)
        return tf.reduce_sum(surprise * sample_weight[..., None] * said) / tf.reduce_sum(said)

    def draw(self, features_BKF: tf.Tensor, boxes_BK4: tf.Tensor) -> tf.Tensor:
        """Samples captions `(B, G, T)`; a fixed number of steps keeps the graph one graph."""
        memory = self.decoder.remember(features_BKF, boxes_BK4)
        seed = tf.cast(self.seeds.next(), tf.int32)
        step = step_function(self.decoder, memory)
        drawn = sample(step, memory.states, self.samples, self.longest, SPECIAL, seed)
        return tf.ensure_shape(drawn, (None, self.samples, self.longest + 1))


def step_function(
    decoder: CaptionDecoder, memory: Memory
) -> Callable[[tf.Tensor, States], tuple[tf.Tensor, States, tf.Tensor]]:
    """What `decoding` needs of a decoder: log probabilities, states, weights."""

    def step(words: tf.Tensor, states: States) -> tuple[tf.Tensor, States, tf.Tensor]:
        said = decoder.step(memory, words, states)
        return tf.nn.log_softmax(said.logits), said.states, said.weights

    return step
