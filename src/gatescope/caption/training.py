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
from gatescope.caption.decoding import States, sample, unsayable
from gatescope.caption.features import RegionCache
from gatescope.caption.metrics import CiderD
from gatescope.caption.vocabulary import SPECIAL, Vocabulary
from gatescope.layers.roi_align import RoIAlign
from gatescope.training.precision import Precision

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
    """How a captioner is trained, in up to three stages.

    The first, `teach`, is cross-entropy on cached region features; the CNN is frozen.

    Args:
        epochs: Of the first stage.
        learning_rate: Of the first stage.
        tune: Cross-entropy, with the CNN's last two stages trained along.
        cnn_rate: Share of the learning rate at which the CNN learns along.
        reward: Self-critical fine-tuning on CIDEr-D; the CNN is frozen again.
        batch_size: Photos a step; all captions of a photo are in the same step, so that
            its regions are projected once.
        captions: Captions of a photo that a step reads; photos with fewer repeat theirs.
        samples: Captions drawn of a photo in the reward stage.
        temperature: Of these draws. A decoder taught with smoothed labels gives a tenth of each
            next word to words that fit nowhere, and so most of its own draws hold one; below 1
            the draws, and what is learned from them, are about words that compete.
        warmup: Steps over which the rate rises from 0 in every stage, at most half of them.
        weight_decay: Of AdamW.
        label_smoothing: Share of the target spread over all words.
        clip_norm: Largest global norm of a gradient.
        average: Momentum of the moving average of weights, which is what is scored and kept.
        views: Views of each photo, one of which a step draws: the photo itself, its mirror
            image, then crops.
        mirror: Whether views are mirrored. Not for captions that say left and right.
        patience: Epochs of a stage without a better dev CIDEr before the stage ends.
        precision: Of matrix products: `auto` is `bfloat16` where the processor has instructions
            for it, else `float32`.
        seed: Of weights, order, dropout and samples.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: NonNegativeInt = 6
    learning_rate: PositiveFloat = 8e-4
    tune: StageTraining = StageTraining(epochs=3, learning_rate=2e-4)
    cnn_rate: PositiveFloat = 0.5
    reward: StageTraining = StageTraining(epochs=4, learning_rate=5e-5)
    batch_size: PositiveInt = 16
    captions: PositiveInt = 5
    samples: int = Field(default=5, ge=2)
    temperature: PositiveFloat = 0.6
    warmup: NonNegativeInt = 300
    weight_decay: float = Field(default=0.01, ge=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    clip_norm: PositiveFloat = 5.0
    average: float = Field(default=0.99, ge=0, lt=1)
    views: PositiveInt = 2
    mirror: bool = True
    patience: PositiveInt = 3
    precision: Precision = "auto"
    seed: int = Field(default=1, ge=0, lt=2**32)

    def stage(self, name: Stage) -> StageTraining:
        """Length and learning rate of a stage."""
        if name == "teach":
            return StageTraining(epochs=self.epochs, learning_rate=self.learning_rate)
        stage: StageTraining = getattr(self, name)
        return stage

    @model_validator(mode="after")
    def _trains(self) -> Self:
        if not any((self.epochs, self.tune.epochs, self.reward.epochs)):
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
            view = rng.integers(len(self.cache.boxes), size=len(chosen))
            words = trimmed(self.words[chosen])
            source = self.cache.maps if stage == "tune" else self.cache.features
            inputs: dict[str, NDArray[np.generic]] = {
                "features": source[view, chosen],
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
            "features": tf.TensorSpec((None, *source.shape[2:]), source.dtype),
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
        self,
        decoder: CaptionDecoder,
        top: keras.Model | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.decoder, self.top = decoder, top
        self.label_smoothing = label_smoothing
        self.align = RoIAlign(dtype="float32")
        if top is not None:
            _freeze_depthwise(top)
        self.built = True  # of parts that are

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Logits `(N, V)` of the words that are said, in the order of `tf.boolean_mask`."""
        features = self.features(inputs["features"], inputs["boxes"])
        memory = self.decoder.remember(features, inputs["boxes"], training=training)
        return _said_logits(self.decoder, memory, inputs["words"], training=training)

    def features(self, source: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
        """Region features; batch statistics stay those of ImageNet, for batches are small."""
        # The cache's half precision, which TensorFlow widens ten times as fast as NumPy.
        source = tf.cast(source, tf.float32)
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
        targets_N = tf.boolean_mask(y, y != SPECIAL.pad)
        return smoothed_cross_entropy(targets_N, y_pred, self.label_smoothing)


def _freeze_depthwise(model: keras.Model) -> None:
    """Leaves depthwise convolutions as they are.

    They hold a fiftieth of the weights, and their gradients take a fifth of a step on a CPU.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            layer.trainable = False


def _said_logits(
    decoder: CaptionDecoder, memory: Memory, words: tf.Tensor, *, training: bool
) -> tf.Tensor:
    """Logits `(N, V)` of the N words that follow words of a caption, not of its padding."""
    # Nothing follows the end token.
    read = (words != SPECIAL.pad) & (words != SPECIAL.end)
    return decoder.teach_words(memory, words, read, training=training).logits


def smoothed_cross_entropy(targets: tf.Tensor, logits: tf.Tensor, smoothing: float) -> tf.Tensor:
    """Mean over words, padding left out (Szegedy et al. 2016, section 7).

    Args:
        targets: Word ids, of any shape.
        logits: Of that shape and one axis more, over words.
        smoothing: Share of the target spread over all words.
    """
    said = tf.cast(targets != SPECIAL.pad, tf.float32)
    share = smoothing / logits.shape[-1]
    spread = tf.one_hot(targets, logits.shape[-1], 1 - smoothing + share, share)
    # One operation, whose gradient is a by-product.
    each = tf.nn.softmax_cross_entropy_with_logits(tf.stop_gradient(spread), logits)
    return tf.reduce_sum(each * said) / tf.reduce_sum(said)


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
        temperature: Of the draws.
        seed: Of the draws.
    """

    def __init__(
        self,
        decoder: CaptionDecoder,
        reward: Reward,
        *,
        samples: int,
        longest: int,
        temperature: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.decoder, self.reward = decoder, reward
        self.samples, self.longest, self.temperature = samples, longest, temperature
        self.seeds = keras.random.SeedGenerator(seed)
        self.reward_mean = keras.metrics.Mean("reward")
        self.built = True  # of parts that are

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Logits of the words that are said, `(N, V)`, in the order of `tf.boolean_mask`.

        Of the distribution that is drawn from: at its temperature, and what can never be said has
        no share in it. Else all that is drawn could become less probable at once, in favour of
        what is never drawn.
        """
        memory = self.decoder.remember(inputs["features"], inputs["boxes"])
        logits = _said_logits(self.decoder, memory, inputs["words"], training=False)
        return logits / self.temperature + unsayable(logits.shape[-1], SPECIAL)

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
        said = y != SPECIAL.pad
        surprise_N = tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.boolean_mask(y, said), y_pred
        )
        gain_BGT = tf.broadcast_to(sample_weight[..., None], tf.shape(y))
        return tf.reduce_mean(surprise_N * tf.boolean_mask(gain_BGT, said))

    def draw(self, features_BKF: tf.Tensor, boxes_BK4: tf.Tensor) -> tf.Tensor:
        """Samples captions `(B, G, T)`; a fixed number of steps keeps the graph one graph."""
        memory = self.decoder.remember(features_BKF, boxes_BK4)
        seed = tf.cast(self.seeds.next(), tf.int32)
        step = step_function(self.decoder, memory)
        drawn = sample(
            step, memory.states, self.samples, self.longest, SPECIAL, seed, self.temperature
        )
        return tf.ensure_shape(drawn, (None, self.samples, self.longest + 1))


def step_function(
    decoder: CaptionDecoder, memory: Memory
) -> Callable[[tf.Tensor, States], tuple[tf.Tensor, States, tf.Tensor]]:
    """What `decoding` needs of a decoder: log probabilities, states, weights."""

    def step(words: tf.Tensor, states: States) -> tuple[tf.Tensor, States, tf.Tensor]:
        said = decoder.step(memory, words, states)
        return tf.nn.log_softmax(said.logits), said.states, said.weights

    return step
