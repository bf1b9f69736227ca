"""Sounds in wav files as log-mel spectrograms of a fixed length.

Shapes: B = sounds, S = samples of a waveform, T = frames, F = frequencies, M = mel bands.
"""

from __future__ import annotations

import io
import math
import os
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator
from scipy.io import wavfile
from scipy.signal import resample_poly

from gatescope.data.archive import open_archive
from gatescope.data.file_samples import FileReader, FileRules, FileSamples, load_files
from gatescope.data.moments import Moments
from gatescope.data.reader import Arrays, RawFile, Takes
from gatescope.data.splits import shown
from gatescope.errors import DataError

_RATES = (1_000, 768_000)
_LOWEST_HERTZ = 20.0
_FLOOR = 1e-6  # of power, where a logarithm would have no end
_AUDIBLE = 25 / 10 * math.log(10)  # below the loudest: 25 decibels
_SILENT = 1e-3  # of the largest amplitude: 60 decibels down
_BATCH = 128

# What SciPy raises on damaged files, as fuzzing found: NameError where a chunk is missing.
_DECODING_ERRORS = (
    ValueError, EOFError, struct.error, TypeError, ArithmeticError, LookupError, NameError,
    MemoryError,
)  # fmt: skip


class Spectrogram(BaseModel):
    """How sounds become log-mel spectrograms of one size.

    Args:
        rate: Samples a second; files of another rate are resampled.
        seconds: Length; what is longer is cut at its end, what is shorter filled with silence.
        window: Seconds of a frame's window.
        step: Seconds from a frame to the next.
        mels: Mel bands, from 20 Hz to half the rate.
        leveled: Whether each sound's loudest place is set to 0, so that how loud it was recorded
            does not count. All bands are then scaled by the same mean and deviation, so that
            neighbours can be compared; else each by its own.
        frames: Frames that each sound is stretched to in time, from its first to its last that is
            no more than 25 decibels below its loudest, so that who speaks slowly or late says the
            same; None lets it last as long as it does, and silence fills the rest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: Annotated[int, Field(ge=_RATES[0], le=_RATES[1])]
    seconds: PositiveFloat
    window: PositiveFloat = 0.025
    step: PositiveFloat = 0.010
    mels: PositiveInt = 40
    leveled: bool = False
    frames: PositiveInt | None = None

    @model_validator(mode="after")
    def _frames_fit(self) -> Self:
        if round(self.step * self.rate) < 1 or not self.step <= self.window <= self.seconds:
            raise ValueError(
                f"step={self.step:g}, window={self.window:g} and seconds={self.seconds:g} "
                "make no frames: each is at least the one before, and step at least one sample"
            )
        return self


class SoundsConfig(FileRules, Spectrogram):
    """How sounds are read; see also `FileRules` and `Spectrogram`."""


class SoundsReader(Spectrogram, FileReader):
    """Wav files as spectrograms, each band less its mean in training, by its deviation there.

    Args:
        mean: Of each band.
        deviation: Of each band.
    """

    takes: ClassVar[Takes] = "sounds"
    input: ClassVar[str] = "sequence"
    suffixes: ClassVar[frozenset[str]] = frozenset({".wav"})
    kind: Literal["sounds"] = "sounds"
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @cached_property
    def _spectrograms(self) -> Callable[[NDArray[Any]], NDArray[Any]]:
        return log_mel(self)

    def decode(self, name: str, content: bytes) -> NDArray[np.float32]:
        return read_wave(content, name, rate=self.rate, seconds=self.seconds)

    def finish(self, decoded: NDArray[Any]) -> NDArray[Any]:
        mean_M, deviation_M = (np.array(one, np.float32) for one in (self.mean, self.deviation))
        return (self._spectrograms(decoded) - mean_M) / deviation_M

    def read(self, given: Sequence[RawFile]) -> Arrays:
        with _no_notes():
            return super().read(given)

    def picture(self, sample: NDArray[Any]) -> NDArray[np.uint8]:
        """Time from left to right, the lowest band below; light is loud."""
        bands_MT = sample.T[::-1]
        low, high = bands_MT.min(), bands_MT.max()
        shades = (255 * (bands_MT - low) / max(high - low, 1e-9)).astype(np.uint8)
        return np.repeat(shades[:, :, None], 3, 2)


def load_sounds(path: str | os.PathLike[str], config: SoundsConfig) -> FileSamples:
    r"""Loads sounds by class.

    Wav files of 8, 16, 24 or 32 bits, or of floats, are read; several channels become their mean.
    Each band of the logarithmic mel spectrogram is scaled by its mean and deviation in training,
    or all of them by the same ones where they are `leveled`.

    Args:
        path: A folder or a zip.
        config: How sounds are read, labelled and split.

    Returns:
        The sounds: float32 of shape `(frames, mels)` each.

    Raises:
        DataError: There is no such path or no wav file in it, none that can be read, one without a
            label or group, one class only, or too few for the splits.

    Example:
        >>> config = SoundsConfig(
        ...     rate=8000, seconds=1.0, label=r"(\d)_\w+_\d+\.wav", group=r"\d_([a-z]+)_",
        ...     split=SplitConfig(dev=0.15, test=0.15, seed=0),
        ... )
        >>> load_sounds("spoken_digits.zip", config).arrays("dev")[0].shape
        (500, 98, 40)
    """
    archive = open_archive(path)
    names = [name for name in archive.names if name.lower().endswith(".wav")]
    silent: list[str] = []
    settings = {name: getattr(config, name) for name in Spectrogram.model_fields}
    unscaled = SoundsReader(**settings, mean=(0.0,) * config.mels, deviation=(1.0,) * config.mels)

    def decode(name: str, content: bytes) -> NDArray[np.float32]:
        wave = unscaled.decode(name, content)
        if np.abs(wave).max() < _SILENT:
            silent.append(name)
        return wave

    with _no_notes():
        sounds = load_files(archive, names, config, unscaled, decode)
    if silent:
        note = f"{len(silent)} of {len(names)} sounds are silent: {shown(sorted(silent))}"
        sounds = replace(sounds, notes=(note, *sounds.notes))
    return replace(sounds, reader=unscaled.model_copy(update=_scale(sounds, config)))


@contextmanager
def _no_notes() -> Iterator[None]:
    """Says nothing of chunks beside the sound, such as the title of a piece."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)
        yield


def read_wave(content: bytes, name: str, *, rate: int, seconds: float) -> NDArray[np.float32]:
    """Reads a wav file as one waveform of a fixed length.

    Args:
        content: The file's bytes.
        name: What messages call it.
        rate: Samples a second of the result.
        seconds: Length of the result.

    Returns:
        float32 of shape `(samples,)`, in [-1, 1] but for what resampling adds.

    Raises:
        DataError: It is no wav file or a damaged one, it holds no sound, or what is no number.
    """
    found, samples = _samples(content, name)
    needed = math.ceil((seconds + 0.1) * found)  # and some more, for the filter
    mono = samples[:needed].mean(axis=1)
    if not len(mono) or not np.isfinite(mono).all():
        raise DataError(
            f"{name!r} holds no sound" if not len(mono) else f"{name!r} holds what is no number",
            "a wav file with at least one sample, all of them numbers",
            "record or export it again",
        )
    if found != rate:
        common = math.gcd(found, rate)
        mono = resample_poly(mono, rate // common, found // common)
    wave = np.zeros(round(seconds * rate), np.float32)
    wave[: len(mono)] = mono[: len(wave)]
    return wave


def _samples(content: bytes, name: str) -> tuple[int, NDArray[np.float64]]:
    """The rate, and the samples in [-1, 1], of shape `(samples, channels)`."""
    try:
        rate, samples = wavfile.read(io.BytesIO(content))
        if not _RATES[0] <= rate <= _RATES[1]:
            raise ValueError(f"it has {rate:,} samples a second")
    except _DECODING_ERRORS as cause:
        reason = "its header is damaged" if isinstance(cause, NameError) else str(cause)
        raise DataError(
            f"{name!r} cannot be read: {reason or 'it ends too early'}",
            "a whole wav file of 8, 16, 24 or 32 bits, or of floats",
            "record it again, or convert it: ffmpeg -i FILE -c:a pcm_s16le NEW.wav",
        ) from cause
    samples = samples[:, None] if samples.ndim == 1 else samples
    if samples.dtype.kind == "f":
        return rate, samples.astype(np.float64)
    # 24 bits come as the upper ones of 32; 8 bits have no sign.
    zero = 128 if samples.dtype == np.uint8 else 0
    return rate, (samples.astype(np.float64) - zero) / 2.0 ** (8 * samples.dtype.itemsize - 1)


def log_mel(config: Spectrogram) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Makes the function from waveforms to logarithmic mel spectrograms.

    Args:
        config: Rate, windows and bands.

    Returns:
        A function from `(sounds, samples)` to float32 of shape `(sounds, frames, mels)`.
    """
    window, step = round(config.window * config.rate), round(config.step * config.rate)
    frequencies = 2 ** math.ceil(math.log2(window)) // 2 + 1
    mels_FM = tf.signal.linear_to_mel_weight_matrix(
        config.mels, frequencies, config.rate, _LOWEST_HERTZ, config.rate / 2
    )

    def spectrograms(waves_BS: NDArray[Any]) -> NDArray[Any]:
        spectra_BTF = tf.signal.stft(waves_BS, window, step)
        logs_BTM = np.asarray(tf.math.log(tf.abs(spectra_BTF) ** 2 @ mels_FM + _FLOOR))
        if config.frames is not None:
            logs_BTM = np.stack([stretched(logs_TM, config.frames) for logs_TM in logs_BTM])
        if config.leveled:
            logs_BTM = logs_BTM - logs_BTM.max(axis=(1, 2), keepdims=True)
        return logs_BTM

    return spectrograms


def stretched(logs_TM: NDArray[np.floating], frames: int) -> NDArray[np.floating]:
    """Stretches what is heard of a spectrogram in time; between two frames it goes in a line.

    Args:
        logs_TM: Logarithms of power, `(frames, mels)`, as `log_mel` has them.
        frames: How many there are to be.

    Returns:
        `(frames, mels)`: from the first to the last frame that is not far below the loudest.
    """
    heard = np.flatnonzero(logs_TM.max(axis=1) >= logs_TM.max() - _AUDIBLE)
    first, last = heard[0], heard[-1]
    places = np.linspace(first, last, frames)
    before = np.floor(places).astype(np.intp)
    after = np.minimum(before + 1, last)
    share_T1 = (places - before)[:, None].astype(logs_TM.dtype)
    return logs_TM[before] * (1 - share_T1) + logs_TM[after] * share_T1


def _scale(sounds: FileSamples, config: Spectrogram) -> dict[str, tuple[float, ...]]:
    """Mean and deviation of each band in training; of leveled sounds those of all bands."""
    moments = Moments(1 if config.leveled else config.mels)
    for batch_BTM, _ in sounds.stream("train", _BATCH).as_numpy_iterator():
        moments.add(batch_BTM.reshape(-1, len(moments.mean)))
    mean, deviation = (np.broadcast_to(one, config.mels).tolist()
                       for one in (moments.mean, moments.deviation))  # fmt: skip
    return {"mean": tuple(mean), "deviation": tuple(deviation)}
