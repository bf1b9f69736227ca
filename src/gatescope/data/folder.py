"""A data set's folder: its text and JSON files, and its photos, never a file outside it."""

from __future__ import annotations

import codecs
import json
import os
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gatescope.errors import DataError

# Where the usual data sets keep their photos: looked into before other folders.
_PHOTO_FOLDERS = ("images", "flicker8k_dataset", "flickr30k_images")

# Where the usual data sets keep their text: the data set's folder is the one above.
_TEXT_FOLDERS = ("annotations", "flickr8k_text")

_Schema = TypeVar("_Schema", bound=BaseModel)


class PhotoFolder:
    """Finds the photos that a data set's files name.

    Data sets name their photos without saying where they are, so a name is looked up in the
    folder itself and then in the folders up to two levels below it, those with the usual names
    (`images`, ...) first. Each folder is listed once: further names cost no file access.

    Args:
        root: The data set's folder.

    Example:
        >>> PhotoFolder(Path("flickr8k")).find("1000268201_693b08cb0e.jpg")
        PosixPath('/data/flickr8k/images/1000268201_693b08cb0e.jpg')
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        below = subfolders(str(self.root))
        nested = [folder for parent in below for folder in subfolders(parent)]
        self._places = [str(self.root), *below, *nested]
        self._listings: dict[str, dict[str, bool]] = {}

    def find(self, name: str) -> Path | None:
        """Looks a photo up.

        Args:
            name: The photo's name as the data set's file has it: with or without folders,
                relative to the data set's folder, or absolute.

        Returns:
            The photo's path, or `None` where there is no such file.

        Raises:
            DataError: The name, or a link that it leads to, leaves the data set's folder.
        """
        within = os.path.join(self.root, "")
        name_here = os.path.realpath(name) if os.path.isabs(name) else name.replace("\\", "/")
        path = os.path.normpath(os.path.join(within, name_here))
        if not path.startswith(within):
            raise self._outside(name)
        folder, file = os.path.split(path.removeprefix(within))
        for place in self._places:
            listing = self._listing(os.path.normpath(os.path.join(place, folder)))
            if file in listing:
                if not listing[file]:
                    raise self._outside(name)
                return Path(place, folder, file)
        return None

    def _listing(self, folder: str) -> dict[str, bool]:
        """Maps the names of a folder's files to whether they lie inside the root."""
        if folder not in self._listings:
            folder_is_inside = self._is_inside(folder)
            self._listings[folder] = {
                entry.name: self._is_inside(entry.path) if entry.is_symlink() else folder_is_inside
                for entry in _entries(folder)
                if not entry.is_dir()
            }
        return self._listings[folder]

    def _is_inside(self, path: str) -> bool:
        return Path(path).resolve().is_relative_to(self.root)

    def _outside(self, name: str) -> DataError:
        return DataError(
            f"the photo {name!r} is outside the data set's folder {str(self.root)!r}",
            "photos in the data set's folder or below it",
            "copy or move the photos there, and name them relative to it",
        )


def subfolders(folder: str) -> list[str]:
    """Lists the folders in a folder that are not hidden.

    Args:
        folder: The folder.

    Returns:
        Their paths, sorted, those with the usual names of photo folders first.
    """
    names = [e.name for e in _entries(folder) if not e.name.startswith(".") and e.is_dir()]
    names.sort(key=lambda name: (name.lower() not in _PHOTO_FOLDERS, name))
    return [os.path.join(folder, name) for name in names]


def root_of(file: Path) -> Path:
    """The data set's folder, given its caption or box file.

    Args:
        file: The file.

    Returns:
        The folder that holds the file, or the one above where that is for text only
        (`annotations`, `Flickr8k_text`).
    """
    folder = file.resolve().parent
    return folder.parent if folder.name.lower() in _TEXT_FOLDERS else folder


def read_text(path: Path) -> str:
    """Reads a text file: UTF-8 with or without a byte order mark, or UTF-16 with one.

    Args:
        path: The file.

    Returns:
        The text, with its line ends as they are in the file.

    Raises:
        DataError: The file cannot be read, or is in another encoding.
    """
    try:
        content = path.read_bytes()
    except OSError as cause:
        raise DataError(
            f"{str(path)!r} cannot be read: {cause.strerror}",
            "a file that you may read",
            "check the path and the file's permissions",
        ) from cause
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as cause:
        # Guessing a code page would fill the vocabulary with words that nobody wrote.
        line = content.count(b"\n", 0, cause.start) + 1
        raise DataError(
            f"{str(path)!r} is not UTF-8: line {line} has the byte {content[cause.start]:#04x}",
            "text in UTF-8",
            f"save it as UTF-8, say: iconv -f windows-1252 -t utf-8 {path.name} > new",
        ) from cause


def read_json(path: Path) -> object:
    """Reads a JSON file.

    Args:
        path: The file.

    Returns:
        The parsed content.

    Raises:
        DataError: The file cannot be read or is not JSON.
    """
    try:
        return json.loads(read_text(path))
    except DataError:
        raise
    except (ValueError, RecursionError) as cause:
        raise DataError(
            f"{str(path)!r} is not JSON: {cause}",
            "a complete JSON file",
            "download or export it again",
        ) from cause


def validated(schema: type[_Schema], content: object, path: Path) -> _Schema:
    """Checks the parsed content of a JSON file against a schema.

    Args:
        schema: The pydantic model.
        content: The parsed content.
        path: The file, for the message.

    Returns:
        The content as the model.

    Raises:
        DataError: The content does not fit; the message names the first place.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as cause:
        first = cause.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"{str(path)!r} has {cause.error_count()} wrong entries, the first at {place}",
            f"{place}: {first['msg']}",
            "export the file again, or mend the entry",
        ) from cause


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        # A folder that a photo's name only seems to mention, or that we may not see into.
        return []
