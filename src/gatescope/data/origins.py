"""Data sets that no package ships: where they come from, under which terms, and how to get them.

A set is downloaded only where its checksum is known from a source that can be trusted; of the
others it is said how to get them by hand.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gatescope.data.archive import open_archive
from gatescope.data.get import Download, Progress, get
from gatescope.errors import DataError, UsageError, nearest

Repack = Callable[[Path], Iterator[tuple[str, bytes]]]


@dataclass(frozen=True)
class Origin:
    """A data set and its public origin.

    Args:
        name: What `gatescope data get` calls it.
        what: What is in it.
        terms: Under which it may be used.
        by_hand: How to get it, where it is not downloaded.
        download: The file; None where its checksum is not known or it is given on request alone.
        repack: Names and contents of the files that the readers want, of what was downloaded in
            another form; they become `NAME.zip`.
    """

    name: str
    what: str
    terms: str
    by_hand: str = ""
    download: Download | None = None
    repack: Repack | None = None


def fetch(name: str, folder: Path, *, progress: Callable[[str, int, int], None]) -> Path:
    """Downloads a data set, checks it, and leaves it as the readers take it.

    Args:
        name: Of the set.
        folder: Where it goes; made if it is not there.
        progress: Told the work's name, and how much of how much is done.

    Returns:
        A file that recipes take as `--data`.

    Raises:
        UsageError: There is no such set, or it has to be got by hand.
        DataError: It cannot be downloaded, or is not what it should be.

    Example:
        >>> fetch("spoken-digits", Path("data"), progress=print)  # doctest: +SKIP
        PosixPath('data/spoken-digits.tar.gz')
    """
    origin = find(name)
    if origin.download is None:
        raise UsageError(
            f"{name} cannot be downloaded by a program: {origin.what}",
            "a set whose checksum is known, and that is given to everybody",
            origin.by_hand,
        )
    made = folder / f"{name}.zip"
    if origin.repack and made.exists():
        return made
    title = f"downloading {origin.download.name}"
    got = get(origin.download, folder, progress=lambda done, size: progress(title, done, size))
    if origin.repack is None:
        return got
    _write_zip(made, origin.repack(got), lambda done, size: progress("repacking", done, size))
    got.unlink()
    return made


def find(name: str) -> Origin:
    """A data set by its name.

    Raises:
        UsageError: There is none of that name.
    """
    if name in ORIGINS:
        return ORIGINS[name]
    raise UsageError(
        f"there is no data set {name!r} to get",
        f"one of {', '.join(ORIGINS)}",
        nearest(name, ORIGINS) or "gatescope data get lists them",
    )


def _write_zip(path: Path, files: Iterator[tuple[str, bytes]], progress: Progress) -> None:
    """Writes all files or none; their contents are packed already."""
    unfinished = path.with_name(f".unfinished.{path.name}")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as packed:
            for count, (name, content) in enumerate(files, 1):
                packed.writestr(name, content)
                progress(count, count)
        os.replace(unfinished, path)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()


_CIFAR = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5")
_CIFAR_SIDE, _CIFAR_NAMES = 32, "batches.meta.txt"


def cifar_images(path: Path) -> Iterator[tuple[str, bytes]]:
    """The photos of CIFAR-10's binary version, as PNG files in folders of splits and classes.

    Args:
        path: The tar, in which each photo is a byte of its class and 3 x 32 x 32 bytes.

    Raises:
        DataError: A file of it is missing or has no whole number of photos.
    """
    archive = open_archive(path)
    files = {name.rpartition("/")[2]: name for name in archive.names}
    classes = _read(archive.read, files, _CIFAR_NAMES).decode().split()
    size = 1 + 3 * _CIFAR_SIDE**2
    parts = [(f"{name}.bin", "train") for name in _CIFAR] + [("test_batch.bin", "test")]
    for file, split in parts:
        content = np.frombuffer(_read(archive.read, files, file), np.uint8)
        if len(content) % size:
            raise _other(path, f"{file} has {len(content):,} bytes")
        for place, row in enumerate(content.reshape(-1, size)):
            pixels = row[1:].reshape(3, _CIFAR_SIDE, _CIFAR_SIDE).transpose(1, 2, 0)
            yield f"{split}/{classes[row[0]]}/{file.partition('.')[0]}_{place:05d}.png", png(pixels)


def _read(read: Callable[[str], bytes], files: dict[str, str], name: str) -> bytes:
    if name not in files:
        raise _other(Path(name), "it is missing")
    return read(files[name])


def _other(path: Path, why: str) -> DataError:
    return DataError(
        f"{path.name} is not what it should be: {why}",
        "the file as its makers published it",
        "delete it and get it again",
    )


def olivetti_images(path: Path) -> Iterator[tuple[str, bytes]]:
    """The faces of Olivetti, ten of each of forty people, as PNG files in a folder a person.

    Args:
        path: The file of MATLAB, with an array `faces` of shape (4096, 400).

    Raises:
        DataError: It has no such array.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        faces = np.asarray(loadmat(path, variable_names=["faces"])["faces"])
    except (KeyError, ValueError, TypeError, OSError, MatReadError) as cause:
        raise _other(path, str(cause)) from cause
    if faces.shape != (4096, 400):
        raise _other(path, f"its faces have the shape {faces.shape}")
    for place, face in enumerate(faces.T.reshape(400, 64, 64).transpose(0, 2, 1)):
        yield f"s{place // 10 + 1}/{place % 10 + 1}.png", png(face.astype(np.uint8))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """An image as the content of a PNG file."""
    packed = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(packed, "png")
    return packed.getvalue()


_LISTED = (
    Origin(
        name="cifar10",
        what="CIFAR-10 (Krizhevsky 2009): 60,000 photos of 32 by 32 pixels, 10 classes",
        terms="not stated; 'Learning Multiple Layers of Features from Tiny Images' is to be cited",
        # From tensorflow-datasets 4.9.10, url_checksums/cifar10.txt. The binary version, for that
        # of Python is a pickle.
        download=Download(
            name="cifar-10-binary.tar.gz",
            url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            size=170_052_171,
        ),
        repack=cifar_images,
    ),
    Origin(
        name="spoken-digits",
        what="Free Spoken Digit Dataset 1.0.9 (Jackson): 2,500 wav files, 5 speakers",
        terms="CC BY-SA 4.0",
        # From tensorflow-datasets 4.9.10, datasets/spoken_digit/checksums.tsv.
        download=Download(
            name="spoken-digits.tar.gz",
            url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
            sha256="8bc44cde129d505cbbb6b365c09f80c663f2aa77578afc634e6141a2f87100c0",
            size=11_975_353,
        ),
    ),
    Origin(
        name="sentence-polarity",
        what="Sentence polarity 1.0 (Pang & Lee 2005): 10,662 sentences of film reviews, 2 classes",
        terms="CC BY 4.0, as NLTK packages it",
        # Of the package of NLTK that this project was developed with.
        download=Download(
            name="sentence-polarity.zip",
            url="https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/"
            "sentence_polarity.zip",
            sha256="6e1ed4405b65c7eabf1d199a7f7c437091ac21da0ea7467b410a74062574566b",
            size=490_256,
        ),
    ),
    Origin(
        name="faces",
        what="Olivetti faces (AT&T Laboratories Cambridge): 400 grey faces of 40 people",
        terms="free for research, AT&T Laboratories Cambridge to be credited",
        # From scikit-learn 1.6 and later, sklearn/datasets/_olivetti_faces.py, which tells no size.
        download=Download(
            name="olivettifaces.mat",
            url="https://ndownloader.figshare.com/files/5976027",
            sha256="b612fb967f2dc77c9c62d3e1266e0c73d5fca46a4b8906c18e454d41af987794",
            size=20_000_000,
            is_exact=False,
        ),
        repack=olivetti_images,
    ),
    Origin(
        name="emotions",
        what="CK+48 (Lucey et al. 2010): 981 grey faces, 7 emotions; given on request alone",
        terms="research; an agreement is to be signed",
        by_hand="ask the Affect Analysis Group of the University of Pittsburgh for the extended "
        "Cohn-Kanade set (CK+), and lay it out as a folder or zip of class folders",
    ),
    Origin(
        name="flickr8k",
        what="Flickr8k (Hodosh, Young & Hockenmaier 2013): 8,000 photos, 5 captions each",
        terms="research and education; the photos belong to their photographers",
        by_hand="ask for it by the form of the University of Illinois (Hockenmaier group), or use "
        "a copy of it; gatescope data check tells whether it is whole",
    ),
    Origin(
        name="birth-weight",
        what="low birth weight (Hosmer & Lemeshow 1989): 189 births, the table birthwt of R's MASS",
        terms="free with R's package MASS",
        by_hand="in R: write.csv(MASS::birthwt, 'low_birth_weight.csv', row.names = FALSE)",
    ),
    Origin(
        name="coco",
        what="COCO 2017 (Lin et al. 2014): photos with boxes of 80 classes, 18 GB",
        terms="annotations CC BY 4.0; photos under the licence that the file names for each",
        by_hand="from cocodataset.org: instances_train2017.json beside a folder of its photos",
    ),
)

ORIGINS = {origin.name: origin for origin in _LISTED}
"""All sets, by their names."""
