"""The cache of regions: right values, keyed by content, whole or absent, flat in memory."""

from __future__ import annotations

import errno
import resource
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gatescope.caption.features import BATCH, cache_regions, read_photos
from gatescope.data.photos import read_photo
from gatescope.errors import PhotoError
from gatescope.models.regions import RegionConfig, RegionDetector


@pytest.fixture(scope="module")
def detector(tiny_bundle):
    return tiny_bundle.detector


@pytest.fixture(scope="module")
def cache(detector, photos, tmp_path_factory):
    return cache_regions(photos, detector, tmp_path_factory.mktemp("cache"), views=4)


def squashed(photos: list[Path]) -> np.ndarray:
    return np.stack([read_photo(photo, size=64) for photo in photos])


class Counting:
    """A detector that says how many photos went through it."""

    def __init__(self, detector: RegionDetector) -> None:
        self._detector, self.photos = detector, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._detector, name)

    def maps(self, photos: np.ndarray) -> tf.Tensor:
        self.photos += len(photos)
        return self._detector.maps(photos)


def test_cached_regions_are_close_to_those_made_directly(cache, detector, photos):
    assert cache.maps.dtype == cache.features.dtype == np.float16
    direct = detector.regions(squashed(photos))
    maps = detector.maps(squashed(photos)).numpy()
    np.testing.assert_allclose(cache.maps[0], maps, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(cache.boxes[0], direct.boxes, atol=5e-3)
    # At the cache's own boxes: half precision may move a box, and a moved box reads other cells.
    features = detector.features(maps, cache.boxes[0])
    np.testing.assert_allclose(cache.features[0], features, atol=0.03)
    assert cache.features[0].std() > 0.1


def test_the_second_view_is_the_mirrored_photo(cache, detector, photos):
    mirrored = np.ascontiguousarray(squashed(photos)[:, :, ::-1])
    maps = detector.maps(mirrored)
    np.testing.assert_allclose(cache.maps[1], maps, rtol=1e-3, atol=1e-3)
    features = detector.features(maps, cache.boxes[1])
    np.testing.assert_allclose(cache.features[1], features, atol=0.03)
    assert np.abs(cache.features[1].astype(float) - cache.features[0]).max() > 0.1


def windows(photo: np.ndarray, side: int) -> np.ndarray:
    """Every square of a photo, `(places, side, side, 3)`."""
    found = np.lib.stride_tricks.sliding_window_view(photo, (side, side), (0, 1))
    return found.transpose(0, 1, 3, 4, 2).reshape(-1, side, side, 3)


@pytest.mark.parametrize(
    ("mirror", "view", "mirrored"),
    [(True, 2, False), (True, 3, True), (False, 1, False), (False, 3, False)],
)
def test_further_views_are_crops_at_random_places(
    detector, photos, tmp_path, mirror, view, mirrored
):
    seen: list[np.ndarray] = []

    class Watched(Counting):
        def maps(self, photos: np.ndarray) -> tf.Tensor:
            seen.append(photos)
            return super().maps(photos)

    cache_regions(photos, Watched(detector), tmp_path, views=4, mirror=mirror, seed=3)
    crops = seen[view][:, :, ::-1] if mirrored else seen[view]
    places = [
        np.flatnonzero((windows(photo, 51) == crop).all((1, 2, 3))).tolist()
        for photo, crop in zip(squashed(photos), crops, strict=True)
    ]
    assert all(places) and len(set(map(tuple, places))) > 1


def test_crops_are_a_function_of_the_seed(cache, detector, photos, tmp_path):
    other = cache_regions(photos, detector, tmp_path, views=4, seed=1)
    np.testing.assert_array_equal(other.maps[:2], cache.maps[:2])
    assert np.abs(other.maps[2:].astype(float) - cache.maps[2:]).max() > 0.1


def test_one_view_holds_the_photos_alone(cache, detector, photos, tmp_path):
    alone = cache_regions(photos, detector, tmp_path)
    assert len(alone.maps) == len(alone.boxes) == len(alone.features) == 1
    np.testing.assert_array_equal(alone.maps[0], cache.maps[0])


def test_arrays_are_read_from_files(cache):
    for array in (cache.maps, cache.boxes, cache.features):
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable


def test_a_second_time_nothing_is_computed(detector, photos, tmp_path):
    counting = Counting(detector)
    first = cache_regions(photos, counting, tmp_path, views=2)
    assert counting.photos == 2 * len(photos)
    again = cache_regions(photos, counting, tmp_path, views=2)
    assert counting.photos == 2 * len(photos)
    np.testing.assert_array_equal(first.features, again.features)


def test_the_key_is_the_content_and_not_the_name(detector, photos, tmp_path):
    counting = Counting(detector)
    copies = [tmp_path / f"copy {place}.png" for place in range(2)]
    for photo, copy in zip(photos, copies, strict=False):
        shutil.copy(photo, copy)
    cache_regions(photos[:2], counting, tmp_path / "cache")
    counting.photos = 0
    cache_regions(copies, counting, tmp_path / "cache")
    assert counting.photos == 0
    shutil.copy(photos[2], copies[1])  # same name, other content
    changed = cache_regions(copies, counting, tmp_path / "cache")
    assert counting.photos == 2
    direct = detector.regions(squashed(copies)).features
    np.testing.assert_allclose(changed.features[0], direct, atol=0.03)


def test_another_order_is_another_cache(cache, detector, photos, tmp_path):
    backwards = cache_regions(photos[::-1], detector, tmp_path, views=2)
    np.testing.assert_array_equal(backwards.maps[:, ::-1], cache.maps[:2])


def test_other_proposals_keep_the_maps_and_make_regions_anew(detector, photos, tmp_path):
    cache_regions(photos, detector, tmp_path)
    config = detector.config.model_copy(update={"proposals": 2})
    other = RegionDetector(config, detector.trunk, detector.network, detector.top)
    counting = Counting(other)
    fewer = cache_regions(photos, counting, tmp_path)
    assert counting.photos == 0
    assert fewer.boxes.shape[2] == config.count == 7


def test_other_weights_of_the_network_make_regions_anew(detector, photos, tmp_path):
    before = detector.network.get_weights()
    first = cache_regions(photos, detector, tmp_path)
    try:
        detector.network.set_weights([weight + 0.1 for weight in before])
        second = cache_regions(photos, detector, tmp_path)
    finally:
        detector.network.set_weights(before)
    assert np.abs(first.boxes - second.boxes).max() > 1e-3
    assert first.maps.filename == second.maps.filename


class Pulled(BaseException):
    """Stands in for Ctrl-C and worse."""


def test_an_interruption_leaves_nothing_that_is_read_later(detector, photos, tmp_path):
    class Interrupted(Counting):
        def features(self, maps, boxes):
            raise Pulled

    with pytest.raises(Pulled):
        cache_regions(photos, Interrupted(detector), tmp_path)
    names = [path.name for path in tmp_path.iterdir()]
    assert len(names) == 1  # the finished maps
    assert names[0].startswith("maps-")
    counting = Counting(detector)
    whole = cache_regions(photos, counting, tmp_path)
    assert counting.photos == 0
    assert whole.features.any(axis=-1).all()


def test_what_a_killed_process_left_is_not_read(detector, photos, tmp_path):
    whole = cache_regions(photos, detector, tmp_path)
    expected = np.array(whole.features)
    # A kill leaves files of full size, half of them zeros, under the unfinished name.
    for folder in list(tmp_path.iterdir()):
        folder.rename(folder.with_suffix(".unfinished"))
        for file in folder.with_suffix(".unfinished").iterdir():
            data = file.read_bytes()
            file.write_bytes(data[:200] + bytes(len(data) - 200))
    counting = Counting(detector)
    again = cache_regions(photos, counting, tmp_path)
    assert counting.photos == len(photos)
    np.testing.assert_array_equal(again.features, expected)
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_full_disk_is_told_before_the_work_and_leaves_nothing(detector, photos, tmp_path):
    counting = Counting(detector)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError) as told:
            cache_regions(photos, counting, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert told.value.errno == errno.EFBIG
    assert told.value.filename.endswith("maps.npy")
    assert counting.photos == 0
    assert not list(tmp_path.iterdir())


def test_a_disk_that_cannot_hold_the_blocks_is_told(detector, photos, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match=r"No space left on device.*maps\.npy"):
        cache_regions(photos, detector, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unreadable_photo_is_told_and_leaves_nothing(detector, photos, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no photo")
    with pytest.raises(PhotoError, match=r"bad.jpg.* is not a photo"):
        cache_regions([*photos, bad], detector, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_progress_counts_photos_up_to_all_of_them(detector, photos, tmp_path):
    told: list[tuple[str, int, int]] = []
    cache_regions(photos, detector, tmp_path, views=2, progress=lambda *now: told.append(now))
    assert told == [
        ("feature maps", 6, 6),
        ("regions", 6, 12),
        ("regions", 12, 12),
    ]


def test_photos_are_read_in_order_in_batches(photos):
    many = (photos * 12)[: 2 * BATCH + 3]
    batches = list(read_photos(many, 8))
    assert [len(batch) for batch in batches] == [BATCH, BATCH, 3]
    wanted = np.stack([read_photo(photo, size=8) for photo in many])
    np.testing.assert_array_equal(np.concatenate(batches), wanted)


def test_photos_are_read_only_one_batch_ahead(photos, monkeypatch):
    read: list[Path] = []

    def counted(path: Path, *, size: int) -> np.ndarray:
        read.append(path)
        return np.zeros((size, size, 3), np.uint8)

    monkeypatch.setattr("gatescope.caption.features.read_photo", counted)
    batches = read_photos(photos * 100, 8)
    next(batches)
    batches.close()
    assert len(read) <= 2 * BATCH


def anonymous_memory() -> int:
    """Bytes of this process that no file stands behind."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc (Linux)")
def test_anonymous_memory_stays_flat_while_the_data_grow(tmp_path):
    config = RegionConfig(photo_size=32, input_size=512, proposals=4, grid=0)
    network = SimpleNamespace(weights=[])
    maps = tf.ones((BATCH, config.map_size, config.map_size, 112))
    quick = SimpleNamespace(
        config=config,
        trunk=network,
        network=network,
        top=network,
        maps=lambda photos: maps[: len(photos)],
        proposals=lambda maps: (tf.ones((len(maps), config.count, 4)), None),
        features=lambda maps, boxes: tf.ones((len(maps), config.count, 1280)),
    )
    photo = tmp_path / "photo.png"
    Image.new("RGB", (8, 8)).save(photo)

    def grown(photos: int) -> int:
        before = anonymous_memory()
        cache = cache_regions([photo] * photos, quick, tmp_path / "cache", views=2)
        for start in range(0, photos, BATCH):  # an epoch
            assert cache.maps[:, start : start + BATCH].astype(np.float32).all()
        assert cache.maps.nbytes == photos * 2 * 32 * 32 * 112 * 2
        return anonymous_memory() - before

    grown(BATCH)  # pools and arenas fill up once
    assert grown(10 * BATCH) < 30e6  # 147 MB of maps
