"""The captioner of `gatescope.caption.decoder` as a Keras user would write it with stock layers.

Suffixes: N samples, K regions, F features, G captions of a sample, T time steps, U units, V words.
"""

from __future__ import annotations

import keras
from keras import KerasTensor, layers, ops


class CellWithMemory(layers.LSTMCell):
    """Keras' LSTM cell, whose output is both its states: the sentinel needs the second."""

    def __init__(self, units: int, **kwargs: object) -> None:
        super().__init__(units, **kwargs)
        self.output_size = 2 * units

    def call(
        self, inputs: KerasTensor, states: list[KerasTensor], training: bool = False
    ) -> tuple[KerasTensor, list[KerasTensor]]:
        _, states = super().call(inputs, states, training=training)
        return ops.concatenate(states, -1), states


class PlainCaptioner(keras.Model):
    """Region captions with `keras.layers.RNN`, stock layers and Keras' own loss.

    Args:
        vocabulary_size: Words, special tokens included.
        units: Size of states, word vectors and projected regions.
        dropout: On word vectors, projected regions and the output.

    Input shape: features `(samples, regions, features)`, boxes `(samples, regions, 4)` and words
        `(samples, captions, steps)`.
    Output shape: logits `(samples · captions, steps, words)`.
    """

    def __init__(self, vocabulary_size: int, units: int, dropout: float) -> None:
        super().__init__()
        self.units = units
        self.words = layers.ReversibleEmbedding(
            vocabulary_size, units, embeddings_initializer="glorot_uniform"
        )
        self.normalize = layers.LayerNormalization()
        self.project = layers.Dense(units, activation="relu")
        self.key = layers.Dense(units, use_bias=False)
        self.query = layers.Dense(units, use_bias=False)
        self.first_states = layers.Dense(2 * units, activation="tanh")
        self.recurrence = layers.RNN(CellWithMemory(units), return_sequences=True)
        self.sentinel_gate = layers.Dense(units, activation="sigmoid")
        self.sentinel_key = layers.Dense(units, use_bias=False)
        self.output_state = layers.Dense(units, activation="tanh")
        self.dropout = layers.Dropout(dropout)
        self.word_bias = self.add_weight(shape=(vocabulary_size,), initializer="zeros")

    def call(self, inputs: dict[str, KerasTensor], training: bool = False) -> KerasTensor:
        captions, steps = inputs["words"].shape[1:]
        values, keys, mean = (
            ops.repeat(part, captions, axis=0)
            for part in self.look(inputs["features"], inputs["boxes"], training)
        )
        words = ops.reshape(inputs["words"], (-1, steps))
        read = self.dropout(self.words(words), training=training)
        seen = ops.repeat(mean[:, None], steps, axis=1)
        states = ops.split(self.first_states(mean), 2, -1)
        both = self.recurrence(ops.concatenate([read, seen], -1), states, training=training)
        output, memory = ops.split(both, 2, -1)
        return self.speak(output, memory, keys, values, training)

    def look(
        self, features_NKF: KerasTensor, boxes_NK4: KerasTensor, training: bool
    ) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
        """Values and keys `(N, K, U)` of the regions, and their mean `(N, U)`."""
        size = boxes_NK4[..., 2:] - boxes_NK4[..., :2]
        place = ops.concatenate([boxes_NK4, size, size[..., :1] * size[..., 1:]], -1)
        regions = ops.concatenate([self.normalize(features_NKF), place], -1)
        values = self.dropout(self.project(regions), training=training)
        return values, self.key(values), ops.mean(values, 1)

    def speak(
        self,
        output: KerasTensor,
        memory: KerasTensor,
        keys: KerasTensor,
        values: KerasTensor,
        training: bool,
    ) -> KerasTensor:
        """Looks at regions or the sentinel, then scores words."""
        query = self.query(output) * self.units**-0.5
        sentinel = self.sentinel_gate(output) * ops.tanh(memory)
        blind = ops.sum(query * self.sentinel_key(sentinel), -1, keepdims=True)
        scores = ops.concatenate([query @ ops.transpose(keys, (0, 2, 1)), blind], -1)
        looked = ops.softmax(scores)
        context = looked[..., :-1] @ values + looked[..., -1:] * sentinel
        state = self.output_state(ops.concatenate([output, context], -1))
        state = self.dropout(state, training=training)
        return ops.cast(self.words(state, reverse=True) + self.word_bias, "float32")


def word_loss(targets: KerasTensor, logits: KerasTensor) -> KerasTensor:
    """Cross-entropy with 10 % label smoothing, the mean over words that are not padding."""
    targets = ops.reshape(targets, ops.shape(logits)[:2])
    spread = ops.one_hot(targets, logits.shape[-1])
    each = keras.losses.categorical_crossentropy(
        spread, logits, from_logits=True, label_smoothing=0.1
    )
    said = ops.cast(targets != 0, "float32")
    return ops.sum(each * said) / ops.sum(said)
