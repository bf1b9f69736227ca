"""Images that gradients paint, and how far they are from what is wanted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gatescope.data.samples import SAMPLES, sample_photo
from gatescope.errors import ConfigurationError, DataError, PhotoError
from gatescope.models.efficientnet_lite import maps
from gatescope.recipes.kinds.canvas import Canvas, chosen_photo, paint
from gatescope.recipes.kinds.dreaming import as_noise
from gatescope.recipes.kinds.stylizing import gram, with_colours_of

CAT = chosen_photo("cat", 48)


@pytest.mark.parametrize("crop", [(32, 48), (31, 47), (32, 33)])
def test_a_canvas_begins_as_its_photo_whatever_its_sides(crop: tuple[int, int]) -> None:
    photo = CAT[: crop[0], : crop[1]]
    clipped = np.clip(photo, 255 * 0.01, 255 * 0.99)
    assert np.abs(Canvas(photo).photo() - clipped).max() <= 1


def test_painting_reaches_a_colour_that_is_asked_for() -> None:
    grey = np.full((16, 24, 3), 128, np.uint8)
    asked = tf.constant([200.0, 90.0, 60.0])
    canvas = Canvas(grey)
    terms = paint(
        canvas, lambda _, pixels: tf.reduce_mean((pixels - asked) ** 2)[None] / 1000, steps=300,
        learning_rate=0.05, shift=4, seed=0, console=None,
    )  # fmt: skip
    assert terms.shape == (300, 1) and terms[-1] < terms[0] / 100
    assert np.abs(canvas.photo().astype(int) - asked.numpy()).max() < 20


def test_the_same_seed_paints_the_same() -> None:
    def painted(seed: int) -> np.ndarray:
        canvas = Canvas(CAT)
        paint(canvas, lambda _, p: -tf.reduce_mean(p[:, :8, :8])[None] / 255, steps=3,
              learning_rate=0.1, shift=8, seed=seed, console=None)  # fmt: skip
        return canvas.photo()

    assert (painted(1) == painted(1)).all()
    assert (painted(1) != painted(2)).any()


def test_a_gram_matrix_forgets_places_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    map_ = rng.normal(size=(1, 4, 5, 3)).astype(np.float32)
    moved = rng.permutation(map_.reshape(20, 3)).reshape(map_.shape)
    expected = np.einsum("byxc,byxd->cd", map_, map_) / 20
    np.testing.assert_allclose(gram(map_), expected, rtol=1e-5)
    np.testing.assert_allclose(gram(moved), expected, rtol=1e-4, atol=1e-6)


def test_colours_of_another_photo_have_its_mean_and_covariance() -> None:
    rng = np.random.default_rng(0)
    other = np.clip(rng.normal((90, 120, 150), (5, 10, 15), (40, 40, 3)), 0, 255).astype(np.uint8)
    found = with_colours_of(CAT, other).reshape(-1, 3)
    np.testing.assert_allclose(found.mean(0), other.reshape(-1, 3).mean(0), atol=1)
    np.testing.assert_allclose(np.cov(found.T), np.cov(other.reshape(-1, 3).T), atol=12)


def test_colours_of_a_grey_photo_are_grey() -> None:
    found = with_colours_of(CAT, chosen_photo("moon", 48)).astype(int)
    assert np.ptp(found, -1).max() <= 2


def test_noise_has_every_pixel_of_the_photo_once() -> None:
    noise = as_noise(CAT, 0)
    assert noise.shape == CAT.shape and (noise != CAT).any()
    assert (np.sort(noise.reshape(-1, 3), 0) == np.sort(CAT.reshape(-1, 3), 0)).all()


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_shipped(name: str) -> None:
    assert sample_photo(name).shape[-1] == 3


def test_a_photo_of_the_users_is_shrunk_and_a_folder_gives_its_first(tmp_path: Path) -> None:
    for name, light in (("b.png", 0), ("a.png", 200)):
        Image.new("RGB", (80, 40), (light, 0, 0)).save(tmp_path / name)
    found = chosen_photo(str(tmp_path), 32)
    assert found.shape == (16, 32, 3) and (found[..., 0] == 200).all()


def test_what_is_no_photo_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no photo 'cta'[\s\S]*tissue[\s\S]*'cat'"):
        chosen_photo("cta", 32)
    file = tmp_path / "notes.txt"
    file.write_text("words")
    with pytest.raises(PhotoError, match="is not a photo"):
        chosen_photo(str(file), 32)


def test_a_layer_that_there_is_not_gets_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"no layer 'block4_ad'[\s\S]*'block4_add'"):
        maps(["block4_ad"])
