"""The recurrent captioner: an LSTM that looks at regions before each word.

After Karpathy & Fei-Fei 2015 (regions and an RNN), Xu et al. 2015 (attention), Anderson et al.
2018 (attention over detected regions), and Lu et al. 2017, whose two choices carry this model:
the state *after* reading a word decides where to look, so only the recurrence itself is
sequential and everything else runs for all steps at once; and a sentinel takes part in the
attention, so a word that needs no photo ("of", "the") need not pretend to look somewhere.

Captions of a batch differ in length, and half of a padded batch is padding. So words are kept one
after the other, photo by photo and caption by caption, as `tf.RaggedTensor` keeps its values, and
nothing is computed for padding.

Suffixes: B photos, K regions, F features, G captions of a photo, T time steps, N words of all
captions, U units, V words.
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
    units: PositiveInt = 448
    dropout: float = Field(default=0.5, ge=0, lt=1)


class Memory(NamedTuple):
    """What the decoder keeps of a batch of photos, computed once a photo."""

    values: tf.Tensor  # (B, K, U): projected regions
    keys: tf.Tensor  # (B, K, U)
    photo: tf.Tensor  # (B, gates·U): the photo's share of every cell input
    states: tuple[tf.Tensor, ...]  # (B, U) each


class Step(NamedTuple):
    """One word ahead: scores, states, and where the decoder looked.

    Each begins with the axes of the words that were read.
    """

    logits: tf.Tensor  # (…, V)
    states: tuple[tf.Tensor, ...]  # (…, U) each
    weights: tf.Tensor  # (…, K + 1): regions, then the sentinel


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
        values = self.dropout(self._projected(features_BKF, boxes_BK4), training=training)
        mean = tf.reduce_mean(values, 1)
        states = tuple(tf.split(self.first_states(mean), self.cell.STATES, -1))
        return Memory(values, self.key(values), self.photo_input(mean), states)

    def _projected(self, features_BKF: tf.Tensor, boxes_BK4: tf.Tensor) -> tf.Tensor:
        """`project` of normalized features and of places, `(B, K, U)`.

        Scale and shift of the normalization are multiplied into the kernel: then what the frozen
        CNN gave needs no gradient, which would be one more product of that size.
        """
        size = boxes_BK4[..., 2:] - boxes_BK4[..., :2]
        place = tf.concat([boxes_BK4, size, size[..., :1] * size[..., 1:]], -1)
        scale, shift, kernel, bias = (
            tf.cast(weight, tf.float32)
            for weight in (
                self.normalize.gamma, self.normalize.beta, self.project.kernel, self.project.bias
            )
        )  # fmt: skip
        rest = place.shape[-1]
        bias += tf.squeeze(tf.pad(shift[None], [[0, 0], [0, rest]]) @ kernel, 0)
        kernel *= tf.concat([scale, tf.ones(rest)], 0)[:, None]
        features = tf.cast(features_BKF, tf.float32)
        mean, variance = tf.nn.moments(features, -1, keepdims=True)
        features = (features - mean) * tf.math.rsqrt(variance + self.normalize.epsilon)
        kernel, bias, *regions = (
            tf.cast(part, self.compute_dtype) for part in (kernel, bias, features, place)
        )
        rows = tf.reshape(tf.concat(regions, -1), (-1, kernel.shape[0]))
        values = self.project.activation(rows @ kernel + bias)
        return tf.reshape(values, (*tf.unstack(tf.shape(features_BKF)[:2]), self.config.units))

    def teach(self, memory: Memory, words_BGT: tf.Tensor, *, training: bool = False) -> Step:
        """Reads whole captions at once: logits `(B, G, T, V)`, weights `(B, G, T, K + 1)`.

        The states are those after the last word, `(B, G, U)`.
        """
        shape = tf.shape(words_BGT)
        all_BGT = tf.ones_like(words_BGT, tf.bool)
        logits, states, weights = self.teach_words(memory, words_BGT, all_BGT, training=training)
        last = tuple(_unflattened(state, shape)[:, :, -1] for state in states)
        return Step(_unflattened(logits, shape), last, _unflattened(weights, shape))

    def teach_words(
        self,
        memory: Memory,
        words_BGT: tf.Tensor,
        read_BGT: tf.Tensor,
        *,
        training: bool = False,
    ) -> Step:
        """Reads whole captions at once, but for padding.

        Args:
            memory: What `remember` gave.
            words_BGT: Word ids, starting with the start token.
            read_BGT: Whether each is read; of every caption, the first ones.
            training: Whether dropout acts.

        Returns:
            Logits `(N, V)`, states `(N, U)` and weights `(N, K + 1)` of the N words that are
            read, in the order of `tf.boolean_mask`.
        """
        lengths_BG = tf.reduce_sum(tf.cast(read_BGT, tf.int32), -1)
        counts_B = tf.reduce_sum(lengths_BG, 1)
        ids_N = tf.boolean_mask(words_BGT, read_BGT)
        # From a tensor, not from the variable: the sparse gradient of a variable that also scores
        # words would grow to a row for each of its own rows and for each word read.
        word_NU = tf.gather(tf.identity(tf.cast(self.words.embeddings, tf.float32)), ids_N)
        word_NU = self.dropout(tf.cast(word_NU, self.compute_dtype), training=training)
        # A product with zeros and ones, for its gradient is another, in place of a scattered sum.
        photo_NB = tf.repeat(tf.eye(tf.size(counts_B), dtype=word_NU.dtype), counts_B, axis=0)
        projected = self.word_input(word_NU) + photo_NB @ memory.photo
        first = tuple(tf.repeat(state, tf.shape(words_BGT)[1], axis=0) for state in memory.states)
        states = self.cell.ragged(projected, tf.reshape(lengths_BG, (-1,)), first)
        logits, weights = self._speak(memory, states, counts_B, training=training)
        return Step(logits, states, weights)

    def step(self, memory: Memory, words_BG: tf.Tensor, states: tuple[tf.Tensor, ...]) -> Step:
        """Reads one word for each of G captions a photo; states are `(B, G, U)`."""
        shape = tf.shape(words_BG)
        projected = self.word_input(self.words(words_BG)) + memory.photo[:, None]
        projected, *flat = (tf.reshape(part, (-1, part.shape[-1])) for part in (projected, *states))
        after = self.cell(projected, tuple(flat))
        counts_B = tf.fill(shape[:1], shape[1])
        logits, weights = self._speak(memory, after, counts_B, training=False)
        new = tuple(_unflattened(state, shape) for state in after)
        return Step(_unflattened(logits, shape), new, _unflattened(weights, shape))

    def _speak(
        self, memory: Memory, states: tuple[tf.Tensor, ...], counts_B: tf.Tensor, *, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Looks, then scores words: logits `(N, V)` and weights `(N, K + 1)`.

        Args:
            memory: What `remember` gave.
            states: After every word, `(N, U)` each.
            counts_B: How many of them ask about each photo.
            training: Whether dropout acts.
        """
        output, last = states[0], states[-1]
        query = self.query(output) * self.config.units**-0.5
        sentinel = self.sentinel_gate(output) * tf.tanh(last)
        blind = tf.reduce_sum(query * self.sentinel_key(sentinel), -1, keepdims=True)
        seen = _times_photos(query, memory.keys, counts_B, transpose_b=True)
        scores = tf.concat([seen, blind], -1)
        weights = tf.nn.softmax(tf.cast(scores, tf.float32))
        looked = tf.cast(weights, self.compute_dtype)
        context = _times_photos(looked[:, :-1], memory.values, counts_B)
        context += looked[:, -1:] * sentinel
        state = self.output_state(tf.concat([output, context], -1))
        state = self.dropout(state, training=training)
        words = tf.cast(self.words.embeddings, self.compute_dtype)
        logits = tf.matmul(state, words, transpose_b=True)
        return tf.cast(logits, tf.float32) + self.word_bias, weights

    def get_config(self) -> dict[str, object]:
        return {"config": self.config.model_dump(), "vocabulary_size": self.vocabulary_size}

    @classmethod
    def from_config(cls, config: dict[str, object]) -> CaptionDecoder:
        return cls(
            DecoderConfig.model_validate(config["config"]), int(str(config["vocabulary_size"]))
        )


def _unflattened(rows: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """`(N, …)` as `(*shape, …)`."""
    size = tf.shape(rows)[-1] if rows.shape[-1] is None else rows.shape[-1]
    return tf.reshape(rows, (*tf.unstack(shape), size))


def _times_photos(
    rows_NI: tf.Tensor, photos_BIJ: tf.Tensor, counts_B: tf.Tensor, *, transpose_b: bool = False
) -> tf.Tensor:
    """Multiplies every row with its photo's matrix, `(N, J)`, in one batched product."""
    rows_BQI = tf.RaggedTensor.from_row_lengths(rows_NI, counts_B, validate=False).to_tensor()
    product_BQJ = tf.matmul(rows_BQI, photos_BIJ, transpose_b=transpose_b)
    return tf.boolean_mask(product_BQJ, tf.sequence_mask(counts_B))
