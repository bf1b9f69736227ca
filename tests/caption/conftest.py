"""A captioner small enough to build, save, load and run in every test: 64 pixels, 16 units.

TensorFlow is imported inside the fixtures, so that tests that need none start at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from gatescope.caption.bundle import Bundle
    from gatescope.caption.captioner import Captioner


@pytest.fixture(scope="session")
def tiny_bundle() -> Bundle:
    """Random weights, large enough that captions differ from photo to photo without near ties."""
    import keras

    from gatescope.caption.bundle import Bundle, Description, new_decoder
    from gatescope.caption.decoder import DecoderConfig
    from gatescope.caption.decoding import Decoding
    from gatescope.caption.vocabulary import SPECIAL_WORDS, Vocabulary
    from gatescope.models.regions import RegionConfig, RegionDetector

    keras.utils.set_random_seed(1)
    vocabulary = Vocabulary(
        (*SPECIAL_WORDS, *["a", "black", "brown", "cat", "dog", "grass", "in", "on", "red", "runs"])
    )
    regions = RegionConfig(photo_size=64, input_size=64, proposals=4, grid=2)
    size = DecoderConfig(units=16)
    decoder = new_decoder(size, vocabulary, regions.count)
    rng = np.random.default_rng(1)
    spreads = {"words": 3.0, "query": 16.0, "sentinel_key": 16.0, "key": 3.0}
    for weight in decoder.trainable_weights:
        if len(weight.shape) == 2:
            spread = spreads.get(weight.path.split("/")[-2], 1.5)
            weight.assign(rng.normal(0, spread / weight.shape[0] ** 0.5, weight.shape))
    decoder.word_bias.assign([0, 0, -1] + [0] * (len(vocabulary) - 3))  # not all one word long
    description = Description(
        regions=regions,
        decoder=size,
        decoding=Decoding(longest=8),
        splitting="ptb",
        tuned=False,
    )
    return Bundle(description, vocabulary, RegionDetector.imagenet(regions), decoder)


@pytest.fixture(scope="session")
def tiny_captioner(tiny_bundle: Bundle) -> Captioner:
    from gatescope.caption.captioner import Captioner

    return Captioner(tiny_bundle)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six photos of different content and of several shapes."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(2)
    files = [folder / f"{name}.png" for name in "abcdef"]
    for file, (rows, columns) in zip(
        files, [(40, 60), (64, 64), (90, 30), (50, 80), (33, 77), (70, 70)], strict=True
    ):
        blocks = rng.integers(0, 256, (3, 3, 3)).astype(np.uint8)
        Image.fromarray(blocks).resize((columns, rows), Image.Resampling.NEAREST).save(file)
    return files
