"""The recurrent captioner: an LSTM that looks at regions before each word.

After Karpathy & Fei-Fei 2015 (regions and an RNN), Xu et al. 2015 (attention), Anderson et al.
2018 (attention over detected regions), and Lu et al. 2017, whose two choices carry this model:
the state *after* reading a word decides where to look, so only the recurrence itself is
sequential and everything else runs for all steps at once; and a sentinel takes part in the
attention, so a word that needs no photo ("of", "the") need not pretend to look somewhere.

Suffixes: B photos, K regions, F features, G captions of a photo, T time steps, M = B·G,
U units, V words.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import keras
import tensorflow as tf
from keras import layers
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from gatescope.layers.recurrence import Cell, GRUCell, LSTMCell

CELLS: dict[str, type[Cell]] = {"lstm": LSTMCell, "gru": GRUCell}


class DecoderConfig(BaseModel):
    """The recurrent network's size and regularization.

    Args:
        cell: `lstm` or `gru`.
        units: Size of states, word vectors and projected regions. Word vectors are tied: the
            same matrix reads a word and scores the next one (Press & Wolf 2017).
        dropout: On word vectors, projected regions and the output, in training only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Literal["lstm", "gru"] = "lstm"
    units: PositiveInt = 512
    dropout: float = Field(default=0.5, ge=0, lt=1)


class Memory(NamedTuple):
    """What the decoder keeps of a batch of photos, computed once a photo."""

    values: tf.Tensor  # (B, K, U): projected regions
    keys: tf.Tensor  # (B, K, U)
    photo: tf.Tensor  # (B, gates·U): the photo's share of every cell input
    states: tuple[tf.Tensor, ...]  # (B, U) each


class Step(NamedTuple):
    """One word ahead: scores, states, and where the decoder looked."""

    logits: tf.Tensor  # (M, V)
    states: tuple[tf.Tensor, ...]
    weights: tf.Tensor  # (M, K + 1): regions, then the sentinel


@keras.saving.register_keras_serializable("gatescope")
class CaptionDecoder(keras.Model):
    """Scores every next word of captions, looking at regions.

    Args:
        config: Size and regularization.
        vocabulary_size: Words, special tokens included.

    Input shape: features `(batch, regions, features)`, boxes `(batch, regions, 4)` and word ids
        `(batch, captions, steps)` starting with the start token.
    Output shape: logits `(batch, captions, steps, words)`, float32.
    """

    def __init__(self, config: DecoderConfig, vocabulary_size: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.config, self.vocabulary_size = config, vocabulary_size
        units = config.units
        self.words = layers.Embedding(
            vocabulary_size, units, embeddings_initializer="glorot_uniform", name="words"
        )
        self.normalize = layers.LayerNormalization(name="normalize")
        self.project = layers.Dense(units, activation="relu", name="project")
        self.key = layers.Dense(units, use_bias=False, name="key")
        self.query = layers.Dense(units, use_bias=False, name="query")
        self.cell = CELLS[config.cell](units, name="cell")
        gates = self.cell.GATES * units
        self.word_input = layers.Dense(gates, use_bias=False, name="word_input")
        self.photo_input = layers.Dense(gates, use_bias=False, name="photo_input")
        self.first_states = layers.Dense(
            self.cell.STATES * units, activation="tanh", name="first_states"
        )
        self.sentinel_gate = layers.Dense(units, activation="sigmoid", name="sentinel_gate")
        self.sentinel_key = layers.Dense(units, use_bias=False, name="sentinel_key")
        self.output_state = layers.Dense(units, activation="tanh", name="output_state")
        self.dropout = layers.Dropout(config.dropout, name="dropout")

    def build(
        self,
        features_BKF_shape: tuple[int, ...],
        boxes_BK4_shape: tuple[int, ...] | None = None,
        words_BGT_shape: tuple[int, ...] | None = None,
    ) -> None:
        # Every part is built here and not at its first call, or a `.keras` file would come back
        # without its weights.
        units, places = self.config.units, 7  # a box is its corners, its sides and its area
        self.words.build()
        self.normalize.build(features_BKF_shape)
        self.project.build((None, features_BKF_shape[-1] + places))
        self.cell.build()
        self.output_state.build((None, 2 * units))
        for layer in (
            self.key, self.query, self.word_input, self.photo_input, self.first_states,
            self.sentinel_gate, self.sentinel_key,
        ):  # fmt: skip
            layer.build((None, units))
        self.word_bias = self.add_weight(
            shape=(self.vocabulary_size,),
            initializer="zeros",
            dtype="float32",
            autocast=False,
            name="word_bias",
        )
        self.built = True

    def call(
        self,
        features_BKF: tf.Tensor,
        boxes_BK4: tf.Tensor,
        words_BGT: tf.Tensor,
        training: bool = False,
    ) -> tf.Tensor:
        memory = self.remember(features_BKF, boxes_BK4, training=training)
        return self.teach(memory, words_BGT, training=training).logits

    def remember(
        self, features_BKF: tf.Tensor, boxes_BK4: tf.Tensor, *, training: bool = False
    ) -> Memory:
        """Projects regions and their places; everything here is once a photo."""
        size = boxes_BK4[..., 2:] - boxes_BK4[..., :2]
        place = tf.concat([boxes_BK4, size, size[..., :1] * size[..., 1:]], -1)
        features = tf.cast(self.normalize(features_BKF), self.compute_dtype)
        regions = tf.concat([features, tf.cast(place, self.compute_dtype)], -1)
        values = self.dropout(self.project(regions), training=training)
        mean = tf.reduce_mean(values, 1)
        states = tuple(tf.split(self.first_states(mean), self.cell.STATES, -1))
        return Memory(values, self.key(values), self.photo_input(mean), states)

    def teach(self, memory: Memory, words_BGT: tf.Tensor, *, training: bool = False) -> Step:
        """Reads whole captions at once: logits `(B, G, T, V)`, weights `(B, G, T, K + 1)`.

        The states are those after the last word, `(B, G, U)`.
        """
        shape = tf.shape(words_BGT)
        captions, steps = shape[1], shape[2]
        units = self.config.units
        word = self.dropout(self.words(words_BGT), training=training)
        projected = self.word_input(word) + memory.photo[:, None, None]
        projected = tf.reshape(projected, (shape[0] * captions, steps, projected.shape[-1]))
        states = tuple(tf.repeat(state, captions, axis=0) for state in memory.states)
        output, last = self.cell.sequence(projected, states)
        # All steps of all captions of one photo ask the same memory.
        asked = (shape[0], captions * steps, units)
        logits, weights = self._speak(
            memory, tf.reshape(output, asked), tf.reshape(last, asked), training=training
        )
        whole = (shape[0], captions, steps, -1)
        ended = (output, last)[: self.cell.STATES]
        states = tuple(tf.reshape(part[:, -1], (shape[0], captions, units)) for part in ended)
        return Step(tf.reshape(logits, whole), states, tf.reshape(weights, whole))

    def step(self, memory: Memory, words_BG: tf.Tensor, states: tuple[tf.Tensor, ...]) -> Step:
        """Reads one word for each of G captions a photo; states are `(B, G, U)`."""
        units = self.config.units
        projected = self.word_input(self.words(words_BG)) + memory.photo[:, None]
        flat = tuple(tf.reshape(state, (-1, units)) for state in states)
        flat = self.cell(tf.reshape(projected, (-1, projected.shape[-1])), flat)
        new = tuple(
            tf.reshape(state, tf.shape(old)) for state, old in zip(flat, states, strict=True)
        )
        logits, weights = self._speak(memory, new[0], new[-1], training=False)
        return Step(logits, new, weights)

    def _speak(
        self, memory: Memory, output_BQU: tf.Tensor, last_BQU: tf.Tensor, *, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Looks, then scores words: logits `(B, Q, V)` and weights `(B, Q, K + 1)`."""
        query = self.query(output_BQU) * self.config.units**-0.5
        sentinel = self.sentinel_gate(output_BQU) * tf.tanh(last_BQU)
        blind = tf.reduce_sum(query * self.sentinel_key(sentinel), -1, keepdims=True)
        scores = tf.concat([tf.matmul(query, memory.keys, transpose_b=True), blind], -1)
        weights = tf.nn.softmax(tf.cast(scores, tf.float32))
        looked = tf.cast(weights, self.compute_dtype)
        context = tf.matmul(looked[..., :-1], memory.values) + looked[..., -1:] * sentinel
        state = self.output_state(tf.concat([output_BQU, context], -1))
        state = self.dropout(state, training=training)
        words = tf.cast(self.words.embeddings, self.compute_dtype)
        logits = tf.einsum("bqu,vu->bqv", state, words)
        return tf.cast(logits, tf.float32) + self.word_bias, weights

    def get_config(self) -> dict[str, object]:
        return {"config": self.config.model_dump(), "vocabulary_size": self.vocabulary_size}

    @classmethod
    def from_config(cls, config: dict[str, object]) -> CaptionDecoder:
        return cls(
            DecoderConfig.model_validate(config["config"]), int(str(config["vocabulary_size"]))
        )
