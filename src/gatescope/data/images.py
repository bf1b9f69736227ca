"""Images in folders that are named by class, or in a zip of such folders."""

from __future__ import annotations

import io
import os
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import PositiveInt

from gatescope.data.archive import open_archive
from gatescope.data.file_samples import FileRules, FileSamples, load_files
from gatescope.data.photos import PHOTO_SUFFIXES, read_photo


class ImagesConfig(FileRules):
    """How images are read.

    Args:
        height: Pixels; images of another size are squashed to it.
        width: Pixels.
        channels: 1 for grey, 3 for red, green and blue, whatever the files have.
    """

    height: PositiveInt
    width: PositiveInt
    channels: Literal[1, 3]


def load_images(path: str | os.PathLike[str], config: ImagesConfig) -> FileSamples:
    r"""Loads images by class.

    JPEG, PNG, GIF, WebP, TIFF, BMP and PPM of any size and mode are read as `read_photo` does.
    Where the outermost folders are splits (`train`, `dev` or `val`, `test`), these are kept.

    Args:
        path: A folder or a zip.
        config: How images are read, labelled and split.

    Returns:
        The images: uint8 of shape `(height, width, channels)` each.

    Raises:
        DataError: There is no such path or no image in it, none that can be read, one without a
            label or group, one class only, or too few for the splits.

    Example:
        >>> config = ImagesConfig(
        ...     height=48, width=48, channels=1, group=r"(S\d+)_",
        ...     split=SplitConfig(dev=0.1, test=0.1, seed=0),
        ... )
        >>> load_images("facial_emotions.zip", config).classes[:2]
        ('anger', 'contempt')
    """
    archive = open_archive(path)
    names = [name for name in archive.names if PurePosixPath(name).suffix.lower() in PHOTO_SUFFIXES]

    def decode(name: str, content: bytes) -> NDArray[np.uint8]:
        file = io.BytesIO(content)
        file.name = name  # for messages
        pixels = read_photo(file, size=(config.height, config.width))
        return pixels if config.channels == 3 else _grey(pixels)

    return load_files(archive, names, config, decode, _as_they_are)


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]


def _as_they_are(images: NDArray[Any]) -> NDArray[Any]:
    return images
