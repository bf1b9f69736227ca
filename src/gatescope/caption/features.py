"""Regions of photos, made once and kept on disk as float16 arrays that are memory-mapped.

A cache belongs to exactly one list of photos, one region configuration and one set of weights:
its folder's name is a digest of all three. It is filled under another name and renamed when
complete, so a half-filled one is never read. Training then never runs the frozen CNN again, and
its memory stays flat, since the arrays are files that the system pages in.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gatescope.data.photos import content_key, read_photo
from gatescope.models.efficientnet_lite import HEAD_CHANNELS, STRIDE_16_CHANNELS
from gatescope.models.regions import RegionDetector

BATCH = 32
CROP = 0.8  # side of a cropped view
Progress = Callable[[str, int, int], None]
Shapes = dict[str, tuple[tuple[int, ...], type[np.generic]]]


@dataclass(frozen=True, eq=False)
class RegionCache:
    """Memory-mapped regions of photos, in the photos' order.

    Args:
        maps: Stride-16 maps `(views, photos, rows, columns, 112)`, float16.
        boxes: `(views, photos, regions, 4)`, float32.
        features: `(views, photos, regions, 1280)`, float16. The first view is the photo itself.
    """

    maps: NDArray[np.float16]
    boxes: NDArray[np.float32]
    features: NDArray[np.float16]


def cache_regions(
    photos: Sequence[Path],
    detector: RegionDetector,
    folder: Path,
    *,
    views: int = 1,
    mirror: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> RegionCache:
    """Returns the regions of photos, computing what `folder` does not hold yet.

    Args:
        photos: Files that can be read, in the order of the arrays.
        detector: Makes maps, boxes and features.
        folder: Where caches lie, one folder each.
        views: Views of each photo: the photo itself, the photo mirrored left to right, then crops
            of four fifths of its sides at random places, every other one mirrored.
        mirror: Whether views are mirrored; without, all but the first are crops as they are.
        seed: Of the crops' places.
        progress: Called with what is being made, photos done and photos in all.

    Returns:
        Arrays over files; reading them reads the disk.

    Raises:
        PhotoError: A photo cannot be read.
        OSError: The disk is full; no half-filled cache stays.
    """
    count, config = len(photos), detector.config
    side = config.map_size
    maps_key = _digest(
        [content_key(photo) for photo in photos],
        (config.photo_size, config.input_size, views, mirror, seed),
        _weights_digest(detector.trunk),
    )
    shapes: Shapes = {"maps": ((views, count, side, side, STRIDE_16_CHANNELS), np.float16)}
    maps = _filled(
        folder / f"maps-{maps_key}",
        shapes,
        lambda arrays: _fill_maps(
            arrays["maps"], photos, detector, mirror, np.random.default_rng(seed), progress
        ),
    )["maps"]
    regions_key = _digest(
        maps_key, config.model_dump_json(), *map(_weights_digest, (detector.network, detector.top))
    )
    shapes = {
        "boxes": ((views, count, config.count, 4), np.float32),
        "features": ((views, count, config.count, HEAD_CHANNELS), np.float16),
    }
    regions = _filled(
        folder / f"regions-{regions_key}",
        shapes,
        lambda arrays: _fill_regions(arrays["boxes"], arrays["features"], maps, detector, progress),
    )
    return RegionCache(maps, regions["boxes"], regions["features"])


def read_photos(photos: Sequence[Path], size: int) -> Iterator[NDArray[np.uint8]]:
    """Yields batches `(photos, size, size, 3)`, decoding one ahead of the reader on two threads."""
    with ThreadPoolExecutor(2) as pool:

        def decode(start: int) -> list[Future[NDArray[np.uint8]]]:
            files = photos[start : start + BATCH]
            return [pool.submit(read_photo, file, size=size) for file in files]

        ahead = decode(0)
        for start in range(BATCH, len(photos) + BATCH, BATCH):
            batch, ahead = ahead, decode(start)
            yield np.stack([pixels.result() for pixels in batch])


def _fill_maps(
    maps: NDArray[np.float16],
    photos: Sequence[Path],
    detector: RegionDetector,
    mirror: bool,
    rng: np.random.Generator,
    progress: Progress | None,
) -> None:
    done = 0
    for batch in read_photos(photos, detector.config.photo_size):
        for place, view in enumerate(maps):
            pixels = _view(batch, place, mirror, rng)
            view[done : done + len(batch)] = detector.maps(np.ascontiguousarray(pixels)).numpy()
        done += len(batch)
        if progress:
            progress("feature maps", done, len(photos))


def _view(
    photos_BHWC: NDArray[np.uint8], place: int, mirror: bool, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """One view of each photo, by its place among the views."""
    if place > int(mirror):
        size = photos_BHWC.shape[1]
        side = round(CROP * size)
        corners = rng.integers(0, size - side, (len(photos_BHWC), 2), endpoint=True)
        photos_BHWC = np.stack(
            [
                photo[top : top + side, left : left + side]
                for photo, (top, left) in zip(photos_BHWC, corners, strict=True)
            ]
        )
    return photos_BHWC[:, :, ::-1] if mirror and place % 2 else photos_BHWC


def _fill_regions(
    boxes: NDArray[np.float32],
    features: NDArray[np.float16],
    maps: NDArray[np.float16],
    detector: RegionDetector,
    progress: Progress | None,
) -> None:
    views, count = maps.shape[:2]
    for view in range(views):
        for start in range(0, count, BATCH):
            part = slice(start, min(count, start + BATCH))
            batch = tf.constant(maps[view, part], tf.float32)
            found, _ = detector.proposals(batch)
            boxes[view, part] = found.numpy()
            features[view, part] = detector.features(batch, found).numpy()
            if progress:
                progress("regions", view * count + part.stop, views * count)


def _filled(
    folder: Path,
    shapes: Shapes,
    fill: Callable[[Mapping[str, NDArray[Any]]], None],
) -> dict[str, NDArray[Any]]:
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            arrays = {
                name: _allocated(unfinished / f"{name}.npy", shape, dtype)
                for name, (shape, dtype) in shapes.items()
            }
            fill(arrays)
            for array in arrays.values():
                array.flush()
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        unfinished.rename(folder)
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in shapes}


def _allocated(path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> np.memmap[Any, Any]:
    try:
        array = np.lib.format.open_memmap(path, "w+", dtype, shape)
        # Without its blocks a mapped file is sparse, and a full disk a SIGBUS at some write.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as cause:  # which names no file
        raise OSError(cause.errno, cause.strerror, str(path)) from cause
    return array


def _weights_digest(model: keras.Model) -> str:
    return _digest(*(np.asarray(weight).tobytes() for weight in model.weights))


def _digest(*parts: object) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
    return digest.hexdigest()[:16]
