"""Spectrograms as another microphone in another room would have recorded them.

Suffixes: B batch, T frames, M mel bands, C channels, W waves.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

_WAVES = 3  # over the frequencies: half a period, one, one and a half
_ROUGH = 0.04  # deviation of noise around its level, as a share of the range
_WITHIN = (1, 2, 3)


@keras.saving.register_keras_serializable("gatescope")
class RandomRecording(keras.layers.Layer):
    """Changes loudness over frequencies and adds a floor of noise, at random, in training alone.

    A microphone makes some frequencies louder, a room hums and hisses, and both are the same for
    all that one speaker says: of few speakers a network learns them with the words. Amounts are
    shares of the range between the quietest and the loudest place of each spectrogram.

    Args:
        equalizer: Deviation of each of three cosines over the frequencies that are added.
        noise: The highest floor, below which all is drowned; each spectrogram has its own.
        seed: Of what is drawn; None for one of Keras' global seed.
        **kwargs: Of `keras.layers.Layer`.

    Input shape: `(batch, frames, mels, 1)`, logarithms of power in any unit.
    Output shape: The same.

    Example:
        >>> RandomRecording(equalizer=0.1, noise=0.5)(ops.ones((2, 9, 8, 1))).shape
        TensorShape([2, 9, 8, 1])
    """

    def __init__(
        self,
        equalizer: float = 0.0,
        noise: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.equalizer, self.noise, self.seed = equalizer, noise, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        if not training:
            return inputs
        return self._drowned(self._equalized(inputs))

    def _equalized(self, x_BTMC: keras.KerasTensor) -> keras.KerasTensor:
        _, span_B111 = _range(x_BTMC)
        turns_M = np.linspace(0, np.pi, x_BTMC.shape[2])
        waves_WM = np.cos(np.arange(1, _WAVES + 1)[:, None] * turns_M)
        shape = (ops.shape(x_BTMC)[0], _WAVES)
        heights_BW = keras.random.normal(shape, dtype=x_BTMC.dtype, seed=self.seed_generator)
        added_BM = ops.matmul(heights_BW, ops.cast(waves_WM, x_BTMC.dtype))
        return x_BTMC + self.equalizer * span_B111 * added_BM[:, None, :, None]

    def _drowned(self, x_BTMC: keras.KerasTensor) -> keras.KerasTensor:
        if not self.noise:
            return x_BTMC
        low_B111, span_B111 = _range(x_BTMC)
        given = {"dtype": x_BTMC.dtype, "seed": self.seed_generator}
        level_B111 = keras.random.uniform(ops.shape(low_B111), 0, self.noise, **given)
        rough_BTMC = _ROUGH * keras.random.normal(ops.shape(x_BTMC), **given)
        return ops.maximum(x_BTMC, low_B111 + span_B111 * (level_B111 + rough_BTMC))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"equalizer": self.equalizer, "noise": self.noise, "seed": self.seed}
        return {**super().get_config(), **own}


def _range(x_BTMC: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The quietest place of each, and how far below the loudest that is."""
    low_B111 = ops.min(x_BTMC, _WITHIN, keepdims=True)
    return low_B111, ops.max(x_BTMC, _WITHIN, keepdims=True) - low_B111
