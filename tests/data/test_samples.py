import socket
import sys
import urllib.request

import numpy as np
import pytest
from skimage import data as skimage_data

from gatescope.data import samples
from gatescope.data.samples import sample_photos
from gatescope.errors import PhotoError


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr("skimage.data._fetchers._fetch", refuse)
    monkeypatch.setitem(sys.modules, "pooch", None)  # importing it would fail


@pytest.mark.usefixtures("no_network")
def test_at_least_eight_photos_are_read_without_network():
    photos = sample_photos()
    assert len(photos) >= 8
    for name, photo in photos.items():
        assert photo.dtype == np.uint8, name
        assert photo.ndim == 3 and photo.shape[2] == 3 and min(photo.shape[:2]) >= 200, name
        assert photo.std() > 10, name


def test_names_are_plain_words():
    assert all(name.isalpha() and name.islower() for name in sample_photos())


def test_photos_are_all_different():
    assert len({photo.tobytes() for photo in sample_photos().values()}) == len(sample_photos())


def test_the_pixels_are_those_of_the_packages_own_loaders():
    photos = sample_photos()
    assert np.array_equal(photos["cat"], skimage_data.chelsea())
    assert np.array_equal(photos["photographer"][..., 1], skimage_data.camera())


def test_a_photo_that_the_package_lacks_is_named(monkeypatch):
    monkeypatch.setitem(samples._FILES, "unicorn", ("skimage", "data/unicorn.png"))
    with pytest.raises(PhotoError, match=r"unicorn.*\n.*expected.*\n.*fix: .*install"):
        sample_photos()
