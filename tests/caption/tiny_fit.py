"""A training small enough for tests; as a script, the same one whole and killed again and again.

    python tiny_fit.py DATA FOLDER SEED

trains in FOLDER/whole without interruption and in FOLDER/killed with a SIGKILL at each of
`MOMENTS`. TensorFlow is imported once: every life of the training is a fork of the process.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
import re
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np
from keras import layers
from PIL import Image

from gatescope.caption import fitting
from gatescope.caption.decoder import CaptionDecoder, DecoderConfig
from gatescope.caption.decoding import Decoding
from gatescope.caption.examination import Examination
from gatescope.caption.fitting import CaptionRecipe, fit
from gatescope.caption.metrics import Scores
from gatescope.caption.training import CaptionTraining, StageTraining, TrainingSet
from gatescope.data.samples import sample_photos
from gatescope.models.efficientnet_lite import HEAD_CHANNELS, STRIDE_16_CHANNELS
from gatescope.models.regions import RegionConfig, RegionDetector, proposal_network

WORDS = {
    "astronaut": ("A woman in an orange suit.", "An astronaut smiles before a flag ."),
    "cat": ("A cat looks up.", "The face of a brown cat.", "A cat with whiskers"),
    "china": ("A temple stands among trees.", "A Chinese roof in green and red."),
    "coffee": ("A cup of coffee on a table.",),
    "coins": ("Rows of old coins.", "Old coins lie in rows."),
    "flower": ("A red flower.", "One flower in front of green leaves.", "A flower blooms."),
    "moon": ("The dark surface of the moon.",),
    "motorcycle": ("A motorcycle in a garage.", "A red motorcycle stands in a garage."),
    "photographer": ("A man with a camera.", "A photographer in a coat looks into a camera."),
    "rocket": ("A rocket starts at night.", "A rocket and its fire."),
}
DEV = ("cat", "coffee", "motorcycle", "rocket")

# What a life is killed at: events whose text matches, and how many of them at most.
MOMENTS = (
    (r"open \S*maps\.npy", 2),
    (r"batch teach", 5),
    (r"teach\.(best|last)", 3),
    (r"bundle", 4),
    (r"tune\.(best|last)", 6),
    (r"regions-\w+\.unfinished", 3),
    (r"batch reward", 5),
    (r"reward\.(best|last)", 3),
)


def write_data(folder: Path) -> Path:
    """Two crops of each of the ten sample photos, with one to three captions a photo."""
    rows = []
    for name, pixels in sample_photos().items():
        for place, crop in (("left", pixels[:256, :256]), ("right", pixels[-256:, -256:])):
            photo = f"{name}-{place}.png"
            Image.fromarray(crop).resize((64, 64)).save(folder / photo)
            split = "dev" if name in DEV and place == "right" else "train"
            rows += [(photo, caption, split) for caption in WORDS[name]]
    with (folder / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("photo", "caption", "split"), *rows])
    return folder


def small_detector(config: RegionConfig) -> RegionDetector:
    """Stands in for EfficientNet-Lite0: the same shapes, weights from a seed, built at once."""
    side = config.input_size
    pixels, maps = keras.Input((side, side, 3)), keras.Input((None, None, STRIDE_16_CHANNELS))
    patches, cells = (keras.initializers.GlorotUniform(seed) for seed in (1, 2))
    x = layers.Rescaling(1 / 128, offset=-1)(pixels)
    x = layers.Conv2D(STRIDE_16_CHANNELS, 16, 16, activation="relu", kernel_initializer=patches)(x)
    y = layers.Conv2D(HEAD_CHANNELS, 1, 2, activation="relu", kernel_initializer=cells)(maps)
    trunk, top = keras.Model(pixels, x), keras.Model(maps, y)
    return RegionDetector(config, trunk, proposal_network(config), top)


def tiny_recipe(*, cell: str = "lstm", words: str = "ptb", **changes: object) -> CaptionRecipe:
    """Two epochs of every stage; `changes` are of `CaptionTraining`."""
    short = StageTraining(epochs=2, learning_rate=1e-3)
    stages = {"epochs": 2, "learning_rate": 1e-2, "tune": short, "reward": short, "views": 3}
    return CaptionRecipe(
        regions=RegionConfig(photo_size=64, input_size=64, proposals=0, grid=2),
        decoder=DecoderConfig(cell=cell, units=16),
        decoding=Decoding(beam=2, longest=6),
        training=CaptionTraining(
            **{"precision": "float32", "batch_size": 6, "captions": 2, "samples": 2, "warmup": 2}
            | stages
            | changes
        ),
        words=words,
    )


class Fingerprint:
    """An examiner that beam-searches nothing: its score changes with any weight and feature."""

    def __init__(self, decoder: CaptionDecoder, *_: object) -> None:
        self.decoder = decoder

    def examine(self, regions: Iterable[tuple[object, object]]) -> Examination:
        sums = [np.abs(array).sum() for array in self.decoder.get_weights()]
        sums += [np.abs(features).sum() for features, _ in regions]
        trace = float(np.sum(sums, dtype=np.float64)) % 1
        scores = Scores(0, 0, 0, 0, 0, cider=trace, bad_endings=0, distinct=1)
        return Examination((), -np.array([1, 2, 3, 4]) * trace, scores, 1.0, 0.0)

    def quality(self, examination: Examination) -> tuple[float, ...]:
        return (4.0, 3.0, 1.0, 2.0)


def main() -> None:
    data, folder, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    RegionDetector.imagenet = staticmethod(small_detector)
    TrainingSet.batches = _announced(TrainingSet.batches)
    fitting.Examiner = Fingerprint
    rng = np.random.default_rng(seed)
    assert _live(data, folder / "whole") == 0
    for pattern, most in MOMENTS:
        count = int(rng.integers(1, most + 1))
        ended = _live(data, folder / "killed", pattern, count)
        assert ended == -signal.SIGKILL, f"not killed at event {count} of {pattern}: {ended}"
    assert _live(data, folder / "killed") == 0


def _announced(batches):
    def announced(self, stage, *args):
        for batch in batches(self, stage, *args):
            sys.audit("batch", stage)
            yield batch

    return announced


def _live(data: Path, run: Path, pattern: str = "", count: int = 0) -> int | None:
    """Trains in a fork that is killed at the `count`-th event; returns how it ended."""
    life = multiprocessing.get_context("fork").Process(
        target=_fit, args=(data, run, pattern, count)
    )
    life.start()
    life.join()
    return life.exitcode


def _fit(data: Path, run: Path, pattern: str, count: int) -> None:
    if pattern:
        sys.addaudithook(_killer(pattern, count, run))
    fit(tiny_recipe(), data, run, resume=(run / "recipe.json").exists())


def _killer(pattern: str, count: int, run: Path):
    left = count

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal left
        if event != "batch" and not any(str(arg).startswith(str(run)) for arg in args):
            return
        if re.search(pattern, " ".join(map(str, (event, *args)))):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


if __name__ == "__main__":
    main()
