"""Networks on EfficientNet-Lite0."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from gatescope.errors import ConfigurationError
from gatescope.models.heads import ImageInput, NumbersInput, OutputConfig
from gatescope.models.pretrained import PretrainedConfig, parted, pretrained

PHOTO = ImageInput(name="photo", height=32, width=64, channels=3, rescale=True)
PETS = OutputConfig(kind="classes", name="pets", units=3)
PIXELS = np.random.default_rng(0).uniform(0, 255, (4, 32, 64, 3)).astype(np.float32)


def config(**settings) -> PretrainedConfig:
    return PretrainedConfig(inputs=(PHOTO,), outputs=(PETS,), **{"frozen": True, **settings})


@pytest.mark.parametrize("start", ["imagenet", "random"])
def test_the_drawing_counts_what_the_model_has(start: str) -> None:
    drawn, model = config(start=start).blueprint(), pretrained(config(start=start))
    assert drawn.parameters == model.count_params()
    assert drawn.trainable == 1280 * 3 + 3 == sum(v.numpy().size for v in model.trainable_weights)
    thawed = config(start=start, frozen=False)
    weights = pretrained(thawed).trainable_weights
    assert thawed.blueprint().trainable == sum(v.numpy().size for v in weights)


def test_training_changes_a_frozen_network_behind_its_backbone_alone() -> None:
    model = pretrained(config(hidden=(8,)))
    before = [weight.numpy() for weight in model.weights]
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(PIXELS, np.array([0, 1, 2, 0]), verbose=0)
    changed = [bool((a != w.numpy()).any()) for a, w in zip(before, model.weights, strict=True)]
    assert not any(changed[:-4]) and all(changed[-4:])


def test_both_parts_one_after_the_other_are_the_network() -> None:
    model = pretrained(config())
    backbone, head = parted(model)
    head.set_weights([weight + 0.1 for weight in head.get_weights()])
    features = backbone(PIXELS, training=False)
    assert features.shape == (4, 1280)
    np.testing.assert_allclose(head([features]), model([PIXELS]), atol=1e-6)


def test_a_saved_network_says_the_same(tmp_path) -> None:
    model = pretrained(config())
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again([PIXELS]), model([PIXELS]), atol=1e-6)


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ({"height": 100}, r"layer backbone: it cannot read 100×64×3[\s\S]*multiples of 32"),
        ({"channels": 1}, r"cannot read 32×64×1[\s\S]*photos in colour[\s\S]*images.channels=3"),
    ],
)
def test_photos_that_it_cannot_read_are_refused(sides: dict, message: str) -> None:
    photo = PHOTO.model_copy(update=sides)
    with pytest.raises(ConfigurationError, match=message):
        PretrainedConfig(inputs=(photo,), outputs=(PETS,), frozen=True).blueprint()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((PHOTO, NumbersInput(name="x", size=2, normalize=False)), "reads one image and nothing"),
        ((NumbersInput(name="x", size=2, normalize=False),), "reads one image and nothing"),
        ((PHOTO.model_copy(update={"rescale": False}),), "rescale=True says so"),
    ],
)
def test_other_inputs_are_refused(inputs: tuple, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PretrainedConfig(inputs=inputs, outputs=(PETS,), frozen=True)
