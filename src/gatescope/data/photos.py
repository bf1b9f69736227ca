"""Photos: any file that people call a photo becomes one array of red, green and blue."""

from __future__ import annotations

import hashlib
import io
import os
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import jpeg_factory
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from gatescope.errors import DataError, PhotoError, UsageError

# Room for the 108-megapixel photos of today's phones; 360 MB once decoded.
MAX_PIXELS = 120_000_000

PHOTO_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".webp", ".tif", ".tiff",
    ".bmp", ".ppm", ".pgm", ".pbm", ".pnm",
})  # fmt: skip

# Opened through their plugins, because Image.open judges a photo's size by a limit and by warning
# filters that belong to the whole process; and only these, because Pillow's list has formats
# (EPS) that run other programs.
_OPENERS: tuple[tuple[bytes, Callable[[IO[bytes]], ImageFile]], ...] = (
    (rb"\xff\xd8\xff", jpeg_factory),
    (rb"\x89PNG\r\n\x1a\n", PngImageFile),
    (rb"GIF8[79]a", GifImageFile),
    (rb"RIFF.{4}WEBP", WebPImageFile),
    (rb"II[*+]\0|MM\0[*+]", TiffImageFile),
    (rb"BM", BmpImageFile),
    (rb"P[1-6]\s", PpmImageFile),
)
_HEIF = rb".{4}ftyp(hei|hev|mif|msf|avi)"

# What Pillow raises on damaged files: as fuzzing found, and what Pillow itself looks out for.
_DECODING_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, ArithmeticError,
    struct.error, Image.DecompressionBombError,
)  # fmt: skip


def read_photo(
    path_or_file: str | os.PathLike[str] | IO[bytes],
    *,
    size: int | tuple[int, int] | None = None,
    longest: int | None = None,
    most_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Reads one photo as red, green and blue, upright.

    This is the one way from a file to pixels for training, evaluation and captioning. JPEG
    (CMYK too), PNG, GIF, WebP, TIFF, BMP and PPM are told by their first bytes, not by their
    names. EXIF rotation is applied, transparency is laid on white, 16-bit grey is scaled to 8
    bits, and of an animation the first frame is taken. With `size`, the photo is squashed to it
    whatever its aspect ratio, by antialiased bilinear interpolation; a large JPEG is then
    decoded at the smallest scale that keeps at least twice `size` on each side.

    Args:
        path_or_file: The photo's path, or a file open for reading bytes (read from its start).
        size: Height and width of the result in pixels, one number for both where they are equal;
            `None` keeps the photo's own.
        longest: Where there is no `size`: a larger photo is shrunk until its longer side has this
            many pixels, by the same interpolation and as cheaply.
        most_pixels: Of a photo that is read, before it is shrunk; at most 120 million.

    Returns:
        uint8 array of shape `(height, width, 3)`.

    Raises:
        PhotoError: There is no such file, or it is empty, truncated, damaged, not a photo, or
            has more pixels than are read.
        UsageError: `size` or `longest` is less than 1.

    Example:
        >>> read_photo("china.jpg", size=224).shape
        (224, 224, 3)
    """
    sides = (size, size) if isinstance(size, int) else size
    if sides is not None and min(sides) < 1:
        raise UsageError(
            f"size={size} for a photo", "at least 1 pixel a side", "pass size=224, say"
        )
    if longest is not None and longest < 1:
        raise UsageError(
            f"longest={longest} for a photo", "at least 1 pixel", "pass longest=960, say"
        )
    wanted = _Wanted(sides, longest, min(most_pixels, MAX_PIXELS))
    if not isinstance(path_or_file, (str, os.PathLike)):
        return _read_open_file(path_or_file, repr(getattr(path_or_file, "name", "photo")), wanted)
    with _open_file(path_or_file) as file:
        return _read_open_file(file, repr(os.fsdecode(path_or_file)), wanted)


class _Wanted(NamedTuple):
    """What is made of a photo: its height and width, or its longer side, if it is shrunk."""

    size: tuple[int, int] | None
    longest: int | None
    most_pixels: int


def find_photos(path: str | os.PathLike[str]) -> list[Path]:
    """Lists the photos that a path means: itself, or all photos in the folder and below it.

    Photos are told by their extensions. Hidden files and folders (a leading dot) are skipped,
    linked folders are not entered.

    Args:
        path: A photo or a folder. A file is returned whatever its extension.

    Returns:
        The photos' paths, sorted.

    Raises:
        DataError: There is no such path, or the folder holds no photo.

    Example:
        >>> find_photos("holiday")
        [PosixPath('holiday/beach.jpg'), PosixPath('holiday/day 2/dinner.png')]
    """
    path = Path(path)
    if not path.is_dir():
        if path.exists():
            return [path]
        raise DataError(
            f"there is no {os.fspath(path)!r}", "a photo or a folder of photos", "check the path"
        )
    photos = sorted(walk_photos(path))
    if photos:
        return photos
    raise DataError(
        f"no photo in {os.fspath(path)!r}",
        "a folder with photos in it or below it: .jpg, .png, .webp, .gif, .tif or .bmp",
        "check the path, or convert the photos to JPEG or PNG",
    )


def walk_photos(folder: Path) -> Iterator[Path]:
    """Goes through the photos in a folder and below it, as `find_photos` does, in no order.

    Args:
        folder: The folder.

    Yields:
        The photos' paths.
    """
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in PHOTO_SUFFIXES:
                yield Path(parent, name)


def content_key(path: str | os.PathLike[str]) -> str:
    """Names a photo by its content: two files have the same key when their bytes are the same.

    Args:
        path: The photo.

    Returns:
        SHA-256 of the file's bytes, 64 hexadecimal digits.

    Raises:
        PhotoError: The file cannot be opened.

    Example:
        >>> content_key("cat.jpg") == content_key("copy of cat.jpg")
        True
    """
    with _open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open_file(path: str | os.PathLike[str]) -> io.BufferedReader:
    name = repr(os.fsdecode(path))
    # Opening a named pipe would wait for ever, so what is no plain file is refused beforehand.
    if os.path.exists(path) and not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "a device or a pipe"
        raise PhotoError(f"{name} is {kind}", "the file of one photo", "name a photo in it")
    try:
        return open(path, "rb")
    except (OSError, ValueError) as cause:  # ValueError: a null byte in the path
        reason = getattr(cause, "strerror", None) or str(cause)
        raise PhotoError(
            f"{name} cannot be opened: {reason}",
            "a photo that exists and that you may read",
            "check the path and the file's permissions",
        ) from cause


def _read_open_file(file: IO[bytes], name: str, wanted: _Wanted) -> np.ndarray:
    if not file.seekable():
        file = io.BytesIO(file.read())
    file.seek(0)
    prefix = file.read(16)
    file.seek(0)
    opener = next((opener for magic, opener in _OPENERS if re.match(magic, prefix, re.S)), None)
    if opener is None:
        raise _not_a_photo(prefix, name)
    with _damage_reported(name):
        image = opener(file)
    _check_pixels(image, name, wanted.most_pixels)
    with _damage_reported(name):
        return _decode(image, wanted)


@contextmanager
def _damage_reported(name: str) -> Iterator[None]:
    try:
        yield
    except _DECODING_ERRORS as cause:
        raise PhotoError(
            f"{name} cannot be decoded: {cause}",
            "a complete, undamaged photo",
            "copy or download it again, or save it anew as JPEG or PNG in a photo editor",
        ) from cause


def _not_a_photo(prefix: bytes, name: str) -> PhotoError:
    if not prefix:
        happened, fix = f"{name} is empty (0 bytes)", "copy or download it again"
    elif re.match(_HEIF, prefix, re.S):
        happened, fix = f"{name} is a HEIC or AVIF photo", "export it as JPEG"
    else:
        happened, fix = f"{name} is not a photo", "name a photo, or convert it to JPEG or PNG"
    return PhotoError(happened, "a JPEG, PNG, WebP, GIF, TIFF, BMP or PPM file", fix)


def _check_pixels(image: ImageFile, name: str, most: int) -> None:
    if image.width * image.height > most:
        raise PhotoError(
            f"{name} says that it has {image.width} x {image.height} pixels",
            f"at most {most:,} pixels (a small file that says more may be a bomb)",
            "make it smaller in a photo editor",
        )


def _decode(image: ImageFile, wanted: _Wanted) -> np.ndarray:
    size, longest = wanted.size, wanted.longest
    least = size or (longest and (longest, longest))
    if least:
        image.draft(None, (2 * least[1], 2 * least[0]))
    image.load()
    # Photos with damaged EXIF data are good photos; in place, the turn stays done even where
    # writing the data back fails.
    with suppress(*_DECODING_ERRORS):
        ImageOps.exif_transpose(image, in_place=True)
    rgb = _to_rgb(image)
    if size is not None:
        rgb = rgb.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    elif longest is not None:
        rgb.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    return np.array(rgb)


def _to_rgb(image: ImageFile) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _grey_from_16_bits(image).convert("RGB")
    if image.has_transparency_data:
        return _laid_on_white(image.convert("RGBA"))
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        # Pillow takes every CMYK JPEG for Adobe's, whose inks are stored inverted.
        return ImageChops.invert(image).convert("RGB")
    return image.convert("RGB")


def _grey_from_16_bits(image: ImageFile) -> Image.Image:
    grey = np.asarray(image)
    if grey.dtype.kind == "f" or grey.min() < 0 or grey.max() > 65535:
        raise ValueError("it has more than 16 bits a sample")
    return Image.fromarray(((grey.astype(np.uint32) + 128) // 257).astype(np.uint8))


def _laid_on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white
