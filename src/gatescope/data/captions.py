"""Photos with captions, from any of the usual formats, told apart by looking."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gatescope.data.caption_files import (
    FORMATS,
    CaptionEntry,
    listed_twice,
    read_caption_file,
    split_lists,
)
from gatescope.data.folder import PhotoFolder, root_of, subfolders
from gatescope.errors import DataError, UsageError

# Looked for in a folder and in the folders just below it; the first pattern that is found counts.
_COCO_PATTERN = "captions_*.json"
_PATTERNS = (
    _COCO_PATTERN, "captions.json", "dataset_*.json", "dataset.json",
    "Flickr8k.token.txt", "*.token",
    "captions.csv", "captions.tsv", "captions.txt", "results.csv",
    "*.json",
)  # fmt: skip


@dataclass(frozen=True)
class CaptionedPhoto:
    """A photo and what people wrote about it.

    Args:
        path: The photo's file, which exists.
        captions: At least one caption, as written but for white space at its ends.
        split: `"train"`, `"dev"` or `"test"`.
    """

    path: Path
    captions: tuple[str, ...]
    split: str


@dataclass(frozen=True)
class CaptionDataset:
    """Photos with captions, and what had to be left out.

    Args:
        root: The data set's folder, links resolved; every photo is in it or below it.
        format: The caption files' format, in words.
        photos: The photos that have a file and a caption.
        split_source: Where the splits come from, in words.
        missing: Names of photos that have captions but no file.
        without_captions: Names of photos that are listed but have no caption.
        unlisted: Names of photos that have captions but are in none of the split lists.
        empty_captions: How many captions held nothing but white space.
    """

    root: Path
    format: str
    photos: tuple[CaptionedPhoto, ...]
    split_source: str = "the data set's own"
    missing: tuple[str, ...] = ()
    without_captions: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    empty_captions: int = 0

    def split(self, name: str) -> tuple[CaptionedPhoto, ...]:
        """The photos of one split.

        Args:
            name: `"train"`, `"dev"` or `"test"`.

        Returns:
            The photos, in the caption file's order; none where the data set lacks the split.

        Raises:
            UsageError: There is no split of that name.
        """
        if name not in ("train", "dev", "test"):
            raise UsageError(f"there is no split {name!r}", "train, dev or test", "name one")
        return tuple(photo for photo in self.photos if photo.split == name)


def load_captions(path: str | os.PathLike[str]) -> CaptionDataset:
    """Loads photos with captions, in whichever of the usual formats they are.

    Known are COCO captions JSON (`annotations/captions_*.json`), Karpathy's `dataset_*.json`,
    the token files of Flickr8k and Flickr30k with their split lists, and tables: `captions.csv`
    or `captions.tsv` with the columns `photo` (or `image`, `file`, `filename`), `caption` and
    maybe `split`, one caption a row, which includes Kaggle's `captions.txt` and `results.csv`.
    Where a folder has several, the first in this order is taken; name the file to take another.
    Photos may lie anywhere in the folder, up to two levels down, but never outside it.

    Splits are those of the files (`restval` counts as train, `val` as dev). Where the files give
    none, a hash of each photo's name puts a tenth into dev and a tenth into test, so that a photo
    keeps its split when others are added; where they give a train split but no dev split, a tenth
    of train becomes dev. There is always a photo to train on and, with two photos, one in dev.

    Args:
        path: The data set's folder, or its caption file.

    Returns:
        The data set. No photo has been opened yet: see `gatescope.data.check`.

    Raises:
        DataError: There is no such path, no caption file, none in a known format or in UTF-8, a
            photo outside the folder or in two splits, or none of the photos has a file.

    Example:
        >>> dataset = load_captions("flickr8k")
        >>> dataset.split("dev")[0].captions[0]
        'A child and a woman are at waters edge in a big city .'
    """
    root, files = _caption_files(Path(path))
    contents = [read_caption_file(file) for file in files]
    entries = _merged(entry for _, part in contents for entry in part)
    lists = {} if any(entry.split for entry in entries.values()) else split_lists(files[0].parent)
    unlisted = tuple(name for name in entries if lists and name not in lists)

    captions = {name: tuple(filter(None, map(_cleaned, e.captions))) for name, e in entries.items()}
    kept = [name for name, texts in captions.items() if texts and (name in lists or not lists)]
    photo_folder = PhotoFolder(root)
    paths = {name: found for name in kept if (found := photo_folder.find(name))}
    if not paths:
        raise _nothing_left(root, files, kept)

    splits, split_source = _splits({name: entries[name].split or lists.get(name) for name in paths})
    return CaptionDataset(
        root=photo_folder.root,
        format=contents[0][0],
        photos=tuple(CaptionedPhoto(paths[name], captions[name], splits[name]) for name in paths),
        split_source=split_source,
        missing=tuple(name for name in kept if name not in paths),
        without_captions=tuple(name for name in {**captions, **lists} if not captions.get(name)),
        unlisted=unlisted,
        empty_captions=sum(len(entries[name].captions) - len(captions[name]) for name in entries),
    )


def split_by_name(names: Iterable[str], *, with_test: bool) -> dict[str, str]:
    """Splits photos by a hash of their names, which adding other photos does not change.

    About a tenth goes to dev and, if wanted, a tenth to test; the rest is for training. Of one
    photo train gets it, of more than one dev gets at least one.

    Args:
        names: The photos' names.
        with_test: Whether there is to be a test split.

    Returns:
        The split of each name.
    """
    shares = {name: _share(name) for name in names}
    test_end = 0.2 if with_test else 0.1
    splits = {
        name: "dev" if share < 0.1 else "test" if share < test_end else "train"
        for name, share in shares.items()
    }
    ranked = sorted(shares, key=lambda name: (shares[name], name))
    if len(ranked) > 1:
        splits[ranked[0]] = "dev"
    splits[ranked[-1]] = "train"
    return splits


def _share(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _caption_files(path: Path) -> tuple[Path, list[Path]]:
    """The data set's folder, and the caption files in it."""
    if path.is_file():
        return root_of(path), [path]
    if not path.is_dir():
        raise DataError(f"there is no {str(path)!r}", "a data set's folder", "check the path")
    folders = [path, *map(Path, subfolders(str(path)))]
    for pattern in _PATTERNS:
        found = [file for folder in folders for file in sorted(folder.glob(pattern))]
        files = [file for file in found if file.is_file() and not file.name.startswith(".")]
        if len(files) > 1 and pattern != _COCO_PATTERN:
            raise DataError(
                f"{str(path)!r} has {len(files)} files like {pattern}",
                "one caption file",
                f"name the one you mean, say {str(files[0])!r}",
            )
        if files:
            return root_of(path / "file"), files
    raise DataError(
        f"there is no caption file in {str(path)!r}",
        FORMATS,
        "write a captions.csv with the columns photo,caption, or name the caption file itself",
    )


def _merged(entries: Iterable[CaptionEntry]) -> dict[str, CaptionEntry]:
    """One entry a photo, with the captions of all its mentions."""
    captions: dict[str, list[str]] = {}
    splits: dict[str, str | None] = {}
    for entry in entries:
        captions.setdefault(entry.name, []).extend(entry.captions)
        first = splits.get(entry.name) or entry.split
        if first and entry.split not in (None, first):
            raise listed_twice(entry.name, first, str(entry.split))
        splits[entry.name] = first
    return {name: CaptionEntry(name, tuple(captions[name]), splits[name]) for name in captions}


def _cleaned(caption: str) -> str:
    # JSON can hold half of a surrogate pair, which could never be written to a file again.
    whole = caption.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.strip()


def _splits(given: dict[str, str | None]) -> tuple[dict[str, str], str]:
    """The split of each photo, and where it comes from, given what the files say."""
    if not any(given.values()):
        splits = split_by_name(given, with_test=True)
        return splits, "by a hash of the names: 80 % train, 10 % dev, 10 % test"
    # Of several COCO files, one may have a name without a split.
    splits = {name: split or "train" for name, split in given.items()}
    train = [name for name, split in splits.items() if split == "train"]
    if train and "dev" not in splits.values():
        splits |= split_by_name(train, with_test=False)
        return splits, "the data set's own, but dev: 10 % of train by a hash of the names"
    return splits, "the data set's own"


def _nothing_left(root: Path, files: list[Path], kept: list[str]) -> DataError:
    if not kept:
        return DataError(
            f"{str(files[0])!r} has no caption", "at least one photo with a caption", "add some"
        )
    return DataError(
        f"none of the {len(kept)} photos of {str(files[0])!r} was found, {kept[0]!r} for one",
        f"photos in {str(root)!r} or in its folders (images, ...)",
        "put the photos there, or check the names in the caption file",
    )
