"""Data sets by name: their downloads are whole, what they are made into can be read."""

import hashlib
import io
import re
import tarfile

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from gatescope.data import origins
from gatescope.data.archive import open_archive
from gatescope.data.get import Download
from gatescope.data.origins import ORIGINS, Origin, cifar_images, fetch, olivetti_images
from gatescope.errors import DataError, UsageError

CLASSES = ("cat", "dog")


def cifar(folder, **changed):
    """A tar as CIFAR-10's binary version is, of two photos a file."""
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 256, (2, 3073)).astype(np.uint8)
    rows[:, 0] = 0, 1
    files = {f"data_batch_{number}.bin": rows.tobytes() for number in range(1, 6)}
    files |= {"test_batch.bin": rows.tobytes(), "batches.meta.txt": b"cat\ndog\n\n"} | changed
    path = folder / "cifar.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        for name, content in files.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path, rows


def test_every_set_can_be_had_or_says_how() -> None:
    for name, origin in ORIGINS.items():
        assert origin.name == name and origin.what and origin.terms
        if origin.download is None:
            assert origin.by_hand
        else:
            assert re.fullmatch(r"[0-9a-f]{64}", origin.download.sha256)
            assert origin.download.url.startswith("https://")
            assert not origin.download.name.endswith((".pkl", ".pickle"))


def test_cifar_becomes_photos_by_split_and_class(tmp_path) -> None:
    path, rows = cifar(tmp_path)
    files = dict(cifar_images(path))
    assert len(files) == 12 and sum(name.startswith("test/") for name in files) == 2
    assert {name.split("/")[1] for name in files} == set(CLASSES)
    pixels = np.asarray(Image.open(io.BytesIO(files["train/dog/data_batch_3_00001.png"])))
    assert pixels.shape == (32, 32, 3)
    np.testing.assert_array_equal(pixels[:, :, 2].ravel(), rows[1, 1 + 2 * 1024 :])


def test_what_is_not_cifar_is_refused(tmp_path) -> None:
    path, _ = cifar(tmp_path, **{"test_batch.bin": b"short"})
    with pytest.raises(DataError, match=r"test_batch\.bin has 5 bytes"):
        list(cifar_images(path))


def test_faces_become_a_folder_a_person(tmp_path) -> None:
    rng = np.random.default_rng(1)
    faces = rng.integers(0, 256, (4096, 400)).astype(np.uint8)
    path = tmp_path / "faces.mat"
    savemat(path, {"faces": faces})
    files = dict(olivetti_images(path))
    assert len(files) == 400 and {name.split("/")[0] for name in files} == {
        f"s{person}" for person in range(1, 41)
    }
    pixels = np.asarray(Image.open(io.BytesIO(files["s2/3.png"])))
    np.testing.assert_array_equal(pixels, faces[:, 12].reshape(64, 64).T)
    savemat(path, {"faces": faces[:9]})
    with pytest.raises(DataError, match="its faces have the shape"):
        list(olivetti_images(path))


def test_a_set_is_fetched_once_and_repacked(tmp_path, monkeypatch) -> None:
    """From a file in the place of the network; the network is in test_get.py."""
    tar, _ = cifar(tmp_path)
    content = tar.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    download = Download("photos.tar.gz", "https://example.org/photos", digest, len(content))
    asked = []

    def get(download, folder, *, progress):
        asked.append(download.url)
        folder.mkdir(exist_ok=True)
        path = folder / download.name
        path.write_bytes(content)
        progress(len(content), len(content))
        return path

    monkeypatch.setattr(origins, "get", get)
    photos = Origin("photos", "photos", "free", download=download, repack=cifar_images)
    monkeypatch.setitem(ORIGINS, "photos", photos)
    told = []
    for _ in range(2):
        path = fetch("photos", tmp_path / "data", progress=lambda *more: told.append(more))
    assert path == tmp_path / "data" / "photos.zip" and len(asked) == 1
    assert len(open_archive(path).names) == 12
    assert [one.name for one in path.parent.iterdir()] == ["photos.zip"]
    assert told[-1] == ("repacking", 12, 12)


def test_what_cannot_be_fetched_is_said(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"given on request alone[\s\S]*fix: ask the"):
        fetch("emotions", tmp_path, progress=print)
    with pytest.raises(UsageError, match="did you mean 'cifar10'"):
        fetch("cifar", tmp_path, progress=print)
