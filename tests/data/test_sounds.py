"""Sounds of every width, rate and number of channels, against tones that are known."""

import io
import struct
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.io import wavfile

from gatescope.data.sounds import SoundsConfig, load_sounds, log_mel, read_wave, stretched
from gatescope.data.splits import SPLITS, SplitConfig
from gatescope.errors import DataError

SHARED = Path(__file__).parents[3] / "shared" / "data" / "spoken_digits.zip"
RATE = 8000
FIFTHS = SplitConfig(dev=0.2, test=0.2, seed=0)


def config(**more):
    return SoundsConfig(**{"rate": RATE, "seconds": 0.5, "split": FIFTHS, **more})


def tone(hertz, rate=RATE, seconds=0.5, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def packed(samples, bits=16, rate=RATE):
    """A wav file of `(samples,)` or `(samples, channels)`, written by Python's own module."""
    samples = np.atleast_2d(samples.T).T
    scaled = np.round(samples * (2 ** (bits - 1) - 1)).astype("<i4")
    raw = (scaled + 128).astype(np.uint8) if bits == 8 else scaled
    width = bits // 8
    content = np.frombuffer(raw.tobytes(), np.uint8).reshape(-1, raw.itemsize)[:, :width]
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((samples.shape[1], width, rate, 0, "NONE", ""))
        written.writeframes(content.tobytes())
    return file.getvalue()


def read(content, seconds=0.5, rate=RATE):
    return read_wave(content, "a.wav", rate=rate, seconds=seconds)


def happened(content):
    with pytest.raises(DataError) as caught:
        read(content)
    assert caught.value.expected
    assert caught.value.fix
    return caught.value.happened


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_every_width_has_the_same_samples(bits):
    expected = tone(440)
    sound = read(packed(expected, bits))
    assert (sound.shape, sound.dtype) == ((4000,), np.float32)
    np.testing.assert_allclose(sound, expected, atol=1.5 / 2 ** (bits - 1) + 1e-7)


def test_floats_are_taken_as_they_are():
    file = io.BytesIO()
    wavfile.write(file, RATE, tone(440).astype(np.float32))
    np.testing.assert_allclose(read(file.getvalue()), tone(440), atol=1e-7)


def test_channels_become_their_mean():
    left, right = tone(440), tone(880)
    sound = read(packed(np.stack([left, right], axis=1)))
    np.testing.assert_allclose(sound, (left + right) / 2, atol=1e-4)


@pytest.mark.parametrize("rate", [4000, 11025, 16000, 22050, 44100, 48000])
def test_any_rate_is_resampled_without_new_tones(rate):
    sound = read(packed(tone(440, rate), rate=rate))
    # The filter rings where the tone begins and ends.
    np.testing.assert_allclose(sound[400:-400], tone(440)[400:-400], atol=0.01)


def test_tones_above_half_the_rate_do_not_come_back_lower():
    sound = read(packed(tone(7000, 44100), rate=44100))
    assert np.abs(sound[400:-400]).max() < 0.01


@pytest.mark.parametrize("seconds", [0.1, 0.4, 0.9])
def test_lengths_become_one(seconds):
    sound = read(packed(tone(440, seconds=seconds)))
    filled = min(round(seconds * RATE), 4000)
    assert len(sound) == 4000
    np.testing.assert_allclose(sound[:filled], tone(440)[:filled], atol=1e-4)
    assert not sound[filled:].any()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "'a.wav' cannot be read"),
        (b"ID3 this is an mp3", "'a.wav' cannot be read"),
        (packed(tone(440))[:30], "'a.wav' cannot be read"),
        (packed(np.zeros(0)), "'a.wav' holds no sound"),
        (
            packed(tone(440))[:24] + struct.pack("<II", 0, 0) + packed(tone(440))[32:],
            "0 samples a second",
        ),
    ],
    ids=range(5),
)
def test_what_is_no_sound_is_refused(content, said):
    assert said in happened(content)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 59), st.binary(min_size=1, max_size=8), st.integers(0, 300))
@pytest.mark.filterwarnings("ignore::scipy.io.wavfile.WavFileWarning")
def test_a_damaged_header_gives_a_sound_or_an_error_of_ours(at, damage, length):
    content = bytearray(packed(tone(440, seconds=0.02)))
    content[at : at + len(damage)] = damage
    try:
        sound = read(bytes(content[: 60 + length]))
    except DataError:
        return
    assert sound.shape == (4000,)
    assert np.isfinite(sound).all()


def test_infinite_samples_are_refused():
    file = io.BytesIO()
    wavfile.write(file, RATE, np.array([0, np.inf, 0], np.float32))
    assert happened(file.getvalue()) == "'a.wav' holds what is no number"


@pytest.mark.parametrize("more", [{"step": 1e-5}, {"window": 0.6}, {"step": 0.1}])
def test_windows_that_make_no_frames_are_refused(more):
    with pytest.raises(ValidationError, match="make no frames"):
        config(**more)


@pytest.mark.parametrize("hertz", [300, 700, 1500, 3000])
def test_a_tone_is_loudest_in_its_mel_band(hertz):
    settings = config()
    spectrogram = log_mel(settings)(tone(hertz)[None].astype(np.float32))
    assert spectrogram.shape == (1, 48, 40)

    def mel(frequency):  # as HTK and TensorFlow have it
        return 1127 * np.log1p(np.asarray(frequency) / 700)

    edges = np.linspace(mel(20), mel(RATE / 2), 42)
    nearest = np.abs(edges[1:-1] - mel(hertz)).argmin()
    assert abs(spectrogram[0].mean(0).argmax() - nearest) <= 1


@pytest.fixture
def tones(tmp_path):
    path = tmp_path / "tones.zip"
    with zipfile.ZipFile(path, "w") as written:
        for number in range(10):
            for name, hertz in (("low", 300), ("high", 2000)):
                sound = tone(hertz + 10 * number, seconds=0.3 + number / 20)
                written.writestr(f"tones/{name}_s{number % 5}_{number}.wav", packed(sound))
        written.writestr("tones/low_s0_silent.wav", packed(np.zeros(4000)))
        written.writestr("tones/low_s0_empty.wav", packed(np.zeros(0)))
        written.writestr("tones/low_s0_text.wav", b"no sound")
    return path


def rules(**more):
    return config(label="(low|high)_", group=r"_(s\d)_", **more)


def glide(seconds, amplitude=0.5):
    """A tone that rises from 300 to 1,500 Hz, and silence up to a second."""
    at = np.arange(round(seconds * RATE)) / RATE
    wave_S = np.zeros(RATE, np.float32)
    wave_S[: len(at)] = amplitude * np.sin(2 * np.pi * (300 * at + 600 * at**2 / seconds))
    return wave_S


def test_a_stretched_sound_says_the_same_at_any_pace():
    asked = {"seconds": 1.0, "step": 0.005, "window": 0.03, "mels": 20}
    slow, quick = glide(0.9), glide(0.4)
    paced = log_mel(config(**asked))(np.stack([slow, quick])).argmax(axis=2)
    same = log_mel(config(**asked, frames=24))(np.stack([slow, quick]))
    assert same.shape == (2, 24, 20)
    heard = same.argmax(axis=2)
    assert (np.diff(heard) >= 0).all(), "the tone rises to the end: there is no silence left"
    assert np.abs(heard[0] - heard[1]).max() <= 1
    assert np.abs(paced[0] - paced[1]).max() > 5


def test_stretching_goes_in_a_line_between_frames_that_sound():
    silence = np.full((1, 2), np.log(1e-6))
    logs = np.concatenate([silence, [[0.0, 4.0], [2.0, 0.0]], silence, silence])
    np.testing.assert_allclose(stretched(logs, 3), [[0, 4], [1, 2], [2, 0]], atol=1e-9)
    np.testing.assert_allclose(stretched(np.repeat(silence, 4, 0), 2), np.repeat(silence, 2, 0))


def test_a_leveled_sound_is_the_same_however_loud():
    loud, soft = log_mel(config(seconds=1.0, leveled=True, frames=10))(
        np.stack([glide(0.8), glide(0.8, amplitude=0.25)])
    )
    assert loud.max() == soft.max() == 0
    near = loud > -8  # farther down, the softer one meets the floor
    np.testing.assert_allclose(loud[near], soft[near], atol=0.05)


def test_labels_groups_and_what_cannot_be_used(tones):
    sounds = load_sounds(tones, rules())
    assert sounds.classes == ("high", "low")
    assert [file.name for file in sounds.unreadable] == [
        "tones/low_s0_empty.wav",
        "tones/low_s0_text.wav",
    ]
    assert sounds.notes == (
        "1 of 23 sounds are silent: 'tones/low_s0_silent.wav'",
        "2 of 23 files cannot be read and were left out: "
        "'tones/low_s0_empty.wav', 'tones/low_s0_text.wav'",
    )
    speakers = [
        {sounds.names[row].split("_")[1] for row in sounds.splits.rows(split)} for split in SPLITS
    ]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 5


def test_bands_are_scaled_by_training_alone(tones):
    sounds = load_sounds(tones, rules())
    train, labels = sounds.arrays("train")
    assert (train.shape[1:], train.dtype) == ((48, 40), np.float32)
    assert len(train) == len(labels)
    np.testing.assert_allclose(train.mean((0, 1)), 0, atol=1e-3)
    # Bands narrower than the distance of two frequencies are always silent.
    deviation = train.std((0, 1))
    np.testing.assert_allclose(deviation[deviation > 0.5], 1, atol=1e-3)
    assert np.abs(sounds.arrays("test")[0].mean((0, 1))).max() > 0.01


def test_streams_have_what_arrays_have(tones):
    sounds = load_sounds(tones, rules())
    streamed = np.concatenate([x for x, _ in sounds.stream("dev", 3).as_numpy_iterator()])
    np.testing.assert_allclose(streamed, sounds.arrays("dev")[0], atol=1e-5)


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not here")
def test_spoken_digits_by_speaker():
    digits = load_sounds(
        SHARED, config(seconds=1.0, label=r"(\d)_\w+_\d+\.wav", group=r"\d_([a-z]+)_")
    )
    assert digits.classes == tuple("0123456789")
    assert digits.splits.counts.sum(axis=1).tolist() == [2000, 500, 500]
    assert not digits.unreadable
    assert np.isfinite(digits.arrays("dev")[0]).all()
