"""Images changed at random: in training alone, by no more than is said, and exactly resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from gatescope.models.augment import AugmentConfig
from gatescope.models.conv import BlockConfig, ConvConfig, conv
from gatescope.models.heads import (
    ImageInput,
    OutputConfig,
    SequenceInput,
    compile_arguments,
)
from gatescope.training import course
from gatescope.training.fit import FitConfig, fit

EVERY = AugmentConfig(
    flip="horizontal", shift=0.2, rotation=0.1, zoom=0.2, contrast=0.3, brightness=0.2
)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 10, 8, 1), np.uint8)
CLASSES = RNG.integers(0, 3, 12)


def configuration(augment: AugmentConfig | None, **image: Any) -> ConvConfig:
    given = {"height": 10, "width": 8, "channels": 1, "rescale": True} | image
    return ConvConfig(
        inputs=(ImageInput(name="face", **given),),
        blocks=(BlockConfig(filters=2),),
        top="average",
        outputs=(OutputConfig(kind="classes", name="class", units=3),),
        augment=augment,
    )


def changed(augment: AugmentConfig, images: Any = IMAGES, *, training: bool) -> Any:
    """What the first convolution sees, in [-1, 1]."""
    model = conv(configuration(augment))
    seen = model.get_layer("conv_1_1").input
    return np.asarray(keras.Model(model.inputs, seen)([images], training=training))


def test_every_change_is_a_layer_that_the_blueprint_has(check) -> None:
    blueprint = configuration(EVERY).blueprint()
    check(blueprint)
    drawn = [row.kind for row in blueprint.rows if row.kind.startswith("Random")]
    assert len(drawn) == len(EVERY.model_fields_set)
    assert not any(
        row.kind.startswith("Random") for row in configuration(AugmentConfig()).blueprint().rows
    )


def test_images_are_changed_in_training_alone_and_each_in_its_own_way() -> None:
    keras.utils.set_random_seed(0)
    same = np.repeat(IMAGES[:1], 8, 0)
    once = changed(EVERY, same, training=True)
    assert len({image.tobytes() for image in once}) == 8
    assert once.min() >= -1 and once.max() <= 1
    np.testing.assert_allclose(changed(EVERY, training=False), IMAGES / 127.5 - 1, atol=1e-6)


def test_a_flip_mirrors_half_of_the_images_and_nothing_else() -> None:
    keras.utils.set_random_seed(1)
    many = np.repeat(IMAGES[:1], 64, 0)
    seen, plain = changed(AugmentConfig(flip="horizontal"), many, training=True), many / 127.5 - 1
    kept = np.isclose(seen, plain, atol=1e-5).all((1, 2, 3))
    mirrored = np.isclose(seen, plain[:, :, ::-1], atol=1e-5).all((1, 2, 3))
    assert (kept ^ mirrored).all() and 16 < mirrored.sum() < 48


def test_the_seed_of_keras_decides_what_is_drawn() -> None:
    def drawn(seed: int) -> bytes:
        keras.utils.set_random_seed(seed)
        return bytes(changed(EVERY, training=True).tobytes())

    assert drawn(3) == drawn(3) != drawn(4)


class _Stops(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 2:
            raise KeyboardInterrupt


def test_a_stopped_training_goes_on_with_the_changes_that_were_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "_SAVING", float("inf"))  # every epoch, however short

    def trained(seed: int, run: Path | None = None, **given: Any) -> list[float]:
        keras.utils.set_random_seed(seed)
        config = configuration(EVERY)
        model = conv(config)
        model.compile(**compile_arguments(config.outputs))
        asked = FitConfig(epochs=4, batch_size=4)
        return list(fit(model, (IMAGES, CLASSES), asked, run=run, **given).history["loss"])

    whole = trained(1)
    with pytest.raises(KeyboardInterrupt):
        trained(1, tmp_path, callbacks=[_Stops()])
    assert trained(2, tmp_path, resume=True) == whole
    assert len(set(whole)) == 4


@pytest.mark.parametrize(
    ("augment", "image", "told"),
    [
        (AugmentConfig(contrast=0.1), {"rescale": False}, r"\[0, 255\] with rescale=True"),
        (AugmentConfig(brightness=0.1), {"rescale": False}, "contrast and brightness must know"),
    ],
)
def test_light_needs_pixels_of_a_known_range(augment, image, told) -> None:
    with pytest.raises(ValidationError, match=told):
        configuration(augment, **image)


def steps(**given: Any) -> ConvConfig:
    return ConvConfig(
        inputs=(SequenceInput(name="steps", length=9, features=7),),
        blocks=(BlockConfig(filters=2, pooling="max"),),
        top="flatten",
        outputs=(OutputConfig(kind="number", name="y"),),
        **given,
    )


def test_only_images_are_augmented() -> None:
    with pytest.raises(
        ValidationError, match="augment and standardize change images, and there is none"
    ):
        steps(augment=EVERY)
    with pytest.raises(ValidationError, match="and there is none among the inputs"):
        steps(standardize=True)
    with pytest.raises(ValidationError, match="contrast and brightness must know"):
        steps(augment=EVERY, as_image=True)


def test_only_spectrograms_have_noise_and_an_equalizer(check) -> None:
    with pytest.raises(ValidationError, match="equalizer and noise change spectrograms"):
        configuration(AugmentConfig(noise=0.1))
    check(steps(as_image=True, augment=AugmentConfig(noise=0.1, equalizer=0.1)).blueprint())


def test_a_standardized_image_is_the_same_in_any_light(check) -> None:
    config = configuration(None).model_copy(update={"standardize": True})
    model = check(config.blueprint())
    seen = keras.Model(model.inputs, model.get_layer("conv_1_1").input)
    dim = IMAGES // 2
    light, dark = (np.asarray(seen([one.astype("float32")])) for one in (2 * dim, dim + 40))
    np.testing.assert_allclose(light, dark, atol=0.02)
    np.testing.assert_allclose(light.mean((1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(light.std((1, 2, 3)), 1, atol=0.02)


def test_a_sequence_read_as_an_image_has_windows_over_its_features_too(check) -> None:
    model = check(steps(as_image=True, augment=AugmentConfig(shift=0.2)).blueprint())
    assert model.get_layer("conv_1_1").kernel.shape == (3, 3, 1, 2)
    assert model.get_layer("pool_1").output.shape == (None, 4, 3, 2)
    assert model.get_layer("steps_translation").output.shape == (None, 9, 7, 1)
    assert check(steps().blueprint()).get_layer("conv_1_1").kernel.shape == (3, 7, 2)
