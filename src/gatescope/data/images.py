"""Images in folders that are named by class, or in a zip of such folders."""

from __future__ import annotations

import io
import os
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import PositiveInt

from gatescope.data.archive import open_archive
from gatescope.data.file_samples import FileReader, FileRules, FileSamples, load_files
from gatescope.data.photos import PHOTO_SUFFIXES, read_photo
from gatescope.data.reader import Takes

_WHITE = 255  # in files


class ImagesReader(FileReader):
    """Image files of any size and mode, squashed to one.

    Args:
        height: Pixels.
        width: Pixels.
        channels: 1 for grey, 3 for red, green and blue, whatever the files have.
        white: What white is in the data of training, where that were numbers from 0 on, and the
            network takes numbers up to 1; None where it takes the bytes of files as they are.
    """

    takes: ClassVar[Takes] = "images"
    input: ClassVar[str] = "image"
    suffixes: ClassVar[frozenset[str]] = PHOTO_SUFFIXES
    kind: Literal["images"] = "images"
    height: PositiveInt
    width: PositiveInt
    channels: Literal[1, 3]
    white: PositiveInt | None = None

    def decode(self, name: str, content: bytes) -> NDArray[Any]:
        file = io.BytesIO(content)
        file.name = name  # for messages
        pixels = read_photo(file, size=(self.height, self.width))
        pixels = pixels if self.channels == 3 else _grey(pixels)
        return pixels if self.white is None else pixels * (self.white / _WHITE)

    def finish(self, decoded: NDArray[Any]) -> NDArray[Any]:
        return decoded if self.white is None else (decoded / self.white).astype(np.float32)

    def picture(self, sample: NDArray[Any]) -> NDArray[np.uint8]:
        pixels = sample if self.white is None else sample * _WHITE
        return np.broadcast_to(pixels, (*pixels.shape[:2], 3)).astype(np.uint8)


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]


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
    reader = ImagesReader(height=config.height, width=config.width, channels=config.channels)
    return load_files(archive, names, config, reader)
