"""An image that a gradient paints: its frequencies are what is learned, not its pixels.

Steps on pixels paint noise, for a single pixel costs the network's layers least. With the
frequencies as variables, each scaled by its wavelength, a step moves all scales alike; and colours
are moved along the axes that photos vary in (Olah, Mordvintsev & Schubert 2017,
distill.pub/2017/feature-visualization).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from gatescope.data.photos import find_photos, read_photo
from gatescope.data.samples import SAMPLES, sample_photo
from gatescope.errors import DataError, nearest
from gatescope.report.terminal import progress

# How the colours of photos vary together, as measured on ImageNet by the authors above.
_COLOURS = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]], np.float32)
_MIX = (_COLOURS / np.linalg.norm(_COLOURS, axis=0).max()).T
_DARKEST = 0.01  # of what a photo begins with: pure black and white could not be moved


@final
class Canvas:
    """A photo as frequencies.

    Args:
        photo: uint8 array of shape (height, width, 3) to begin with.

    Example:
        >>> photo = np.full((32, 48, 3), 128, np.uint8)
        >>> int(np.abs(Canvas(photo).photo().astype(int) - photo).max()) <= 1
        True
    """

    def __init__(self, photo: NDArray[np.uint8]) -> None:
        self._size = photo.shape[:2]
        light = np.clip(photo.astype(np.float32) / 255, _DARKEST, 1 - _DARKEST)
        colours = np.log(light / (1 - light)) @ np.linalg.inv(_MIX)
        waves = np.fft.rfft2(colours, axes=(0, 1)).transpose(2, 0, 1) / self._scale
        parts = np.stack([waves.real, waves.imag]).astype(np.float32)
        self.waves = tf.Variable(parts, name="waves")

    @property
    def _scale(self) -> NDArray[np.float32]:
        """A weight for each frequency: the longer the wave, the larger."""
        height, width = self._size
        down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
        lowest = 1 / max(height, width)
        longest = np.sqrt(height * width) / np.maximum(np.hypot(down, across), lowest)
        return longest.astype(np.float32)

    def pixels(self) -> tf.Tensor:
        """What it shows now, `(height, width, 3)` in [0, 255], a function of `waves`."""
        spectrum = tf.complex(self.waves[0], self.waves[1]) * self._scale
        planes = tf.signal.irfft2d(spectrum, fft_length=self._size)
        return 255 * tf.sigmoid(tf.transpose(planes, (1, 2, 0)) @ _MIX)

    def photo(self) -> NDArray[np.uint8]:
        """What it shows now, as an image."""
        return np.rint(self.pixels().numpy()).astype(np.uint8)


Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From an image, and the same moved by some pixels, to terms whose sum is to fall, `(terms,)`.

Both are `(1, height, width, 3)` in [0, 255].
"""


def paint(
    canvas: Canvas,
    loss: Loss,
    *,
    steps: int,
    learning_rate: float,
    shift: int,
    seed: int,
    console: Console | None,
) -> NDArray[np.float32]:
    """Changes a canvas until a loss is low.

    Args:
        canvas: What is changed.
        loss: What is to fall.
        steps: How many.
        learning_rate: Of Adam.
        shift: Pixels by which the moved image is moved at most, at random in each step, so that
            nothing is painted that only counts where a network's strides happen to fall.
        seed: Of these moves.
        console: Where progress is shown; None is silent.

    Returns:
        The terms before each step, `(steps, terms)`.
    """
    adam = keras.optimizers.Adam(learning_rate)
    adam.build([canvas.waves])

    @tf.function
    def step(move: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            pixels = canvas.pixels()
            terms = loss(pixels[None], tf.roll(pixels, move, (0, 1))[None])
            total = tf.reduce_sum(terms)
        adam.apply([tape.gradient(total, canvas.waves)], [canvas.waves])
        return terms

    rng = np.random.default_rng(seed)
    moves = rng.integers(-shift, shift + 1, (steps, 2)).astype(np.int32)
    with progress(console or Console(quiet=True)) as bar:
        task = bar.add_task("painting", total=steps)
        told = []
        for move in moves:
            told.append(step(tf.constant(move)).numpy())
            bar.advance(task)
    return np.stack(told)


def chosen_photo(name: str, side: int) -> NDArray[np.uint8]:
    """A photo that comes with the program or one of the user's, no larger than asked.

    Args:
        name: Of a sample photo; else the path of a photo, or of a folder, whose first one it is.
        side: Pixels of the longer side, at most.

    Raises:
        DataError: There is neither such a sample nor such a file.
        PhotoError: The file is no photo.
    """
    photo = sample_photo(name) if name in SAMPLES else read_photo(_file(name))
    picture = Image.fromarray(photo)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def _file(name: str) -> Path:
    if Path(name).exists():
        return find_photos(name)[0]
    raise DataError(
        f"there is no photo {name!r}",
        f"a file, or one of {', '.join(SAMPLES)}",
        nearest(name, SAMPLES) or "check the path",
    )
