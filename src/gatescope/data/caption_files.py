"""Caption files of other people's formats, each read into the same plain entries."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from gatescope.data.folder import read_json, read_text, validated
from gatescope.errors import DataError

FORMATS = (
    "COCO captions JSON, Karpathy's dataset_*.json, Flickr8k or Flickr30k token files, "
    "or captions.csv / captions.tsv"
)
_PHOTO_COLUMNS = ("photo", "image", "file", "filename", "file_name", "image_name")
_CAPTION_COLUMNS = ("caption", "comment")
SPLIT_NAMES = {
    "train": "train", "training": "train", "restval": "train",
    "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class CaptionEntry:
    """What a caption file says about one photo.

    Args:
        name: The photo's name as the file has it.
        captions: The captions, raw.
        split: `"train"`, `"dev"` or `"test"`; `None` where the file gives no split.
    """

    name: str
    captions: tuple[str, ...]
    split: str | None


def read_caption_file(path: Path) -> tuple[str, list[CaptionEntry]]:
    """Reads a caption file in whichever of the known formats it is.

    Args:
        path: The file.

    Returns:
        The format's name, and an entry for each mention of a photo (a photo may have several).

    Raises:
        DataError: The file is in none of the formats, or is damaged.
    """
    if path.suffix.lower() == ".json":
        return _read_json_captions(path)
    text = read_text(path)
    if re.match(r"[^\t\n]+#\d+\t", text):
        return "Flickr token file", _read_tokens(text, path)
    return "caption table", _read_table(text, path)


def split_lists(folder: Path) -> dict[str, str]:
    """Reads Flickr8k's split lists, `Flickr_8k.trainImages.txt` and its companions.

    Args:
        folder: The folder that may hold them.

    Returns:
        The split of each listed photo by name; empty where there is no list.

    Raises:
        DataError: A photo is listed in two splits.
    """
    splits: dict[str, str] = {}
    for split in ("train", "dev", "test"):
        path = folder / f"Flickr_8k.{split}Images.txt"
        text = read_text(path) if path.is_file() else ""
        for name in filter(None, map(str.strip, text.split("\n"))):
            if splits.setdefault(name, split) != split:
                raise listed_twice(name, splits[name], split)
    return splits


def listed_twice(name: str, first: str, second: str) -> DataError:
    """The error for a photo that a data set puts into two splits.

    Args:
        name: The photo.
        first: One split.
        second: The other split.

    Returns:
        The error.
    """
    return DataError(
        f"the photo {name!r} is in both {first} and {second}",
        "each photo in one split, or scores would be too good to be true",
        "take it out of one of them",
    )


class _CocoImage(BaseModel):
    id: int | str
    file_name: str


class _CocoCaption(BaseModel):
    image_id: int | str
    caption: str


class _CocoCaptions(BaseModel):
    images: list[_CocoImage]
    annotations: list[_CocoCaption]


class _KarpathySentence(BaseModel):
    raw: str


class _KarpathyImage(BaseModel):
    filename: str
    filepath: str = ""
    split: str | None = None
    sentences: list[_KarpathySentence]


class _KarpathyDataset(BaseModel):
    images: list[_KarpathyImage]


def _read_json_captions(path: Path) -> tuple[str, list[CaptionEntry]]:
    content = read_json(path)
    if "caption" in _first_keys(content, "annotations"):
        return "COCO captions", _coco_entries(validated(_CocoCaptions, content, path), path)
    if "sentences" in _first_keys(content, "images"):
        return "Karpathy splits", _karpathy_entries(validated(_KarpathyDataset, content, path))
    if "bbox" in _first_keys(content, "annotations"):
        found = "holds boxes, not captions"
    elif isinstance(content, dict):
        found = f"has no captions in a known form; its keys: {', '.join(map(str, content))[:200]}"
    else:
        found = f"has no captions in a known form; it is a {type(content).__name__}"
    raise DataError(
        f"{str(path)!r} {found}",
        FORMATS,
        "name another file, or write a captions.csv with the columns photo,caption",
    )


def _first_keys(content: object, name: str) -> Iterable[str]:
    """Keys of the first entry of a list in a JSON object; none where it has another form."""
    entries = content.get(name) if isinstance(content, dict) else None
    first = entries[0] if isinstance(entries, list) and entries else None
    return first if isinstance(first, dict) else ()


def _coco_entries(coco: _CocoCaptions, path: Path) -> list[CaptionEntry]:
    in_name = re.search(r"(?:^|_)(train|val|dev|test)", path.stem.lower())
    split = SPLIT_NAMES[in_name[1]] if in_name else None
    captions: dict[str, list[str]] = {str(image.id): [] for image in coco.images}
    for annotation in coco.annotations:
        captions.setdefault(str(annotation.image_id), []).append(annotation.caption)
    names = {str(image.id): image.file_name for image in coco.images}
    # A caption whose photo the file does not list is kept, to be counted as a missing photo.
    return [
        CaptionEntry(names.get(id_, f"image_id {id_}"), tuple(texts), split)
        for id_, texts in captions.items()
    ]


def _karpathy_entries(dataset: _KarpathyDataset) -> list[CaptionEntry]:
    return [
        CaptionEntry(
            f"{image.filepath}/{image.filename}".lstrip("/"),
            tuple(sentence.raw for sentence in image.sentences),
            None if image.split is None else _known_split(image.split, image.filename),
        )
        for image in dataset.images
    ]


def _known_split(word: str, place: str) -> str:
    if word.strip().lower() in SPLIT_NAMES:
        return SPLIT_NAMES[word.strip().lower()]
    raise DataError(
        f"the split {word!r} ({place}) is unknown", f"one of {', '.join(SPLIT_NAMES)}", "rename it"
    )


def _read_tokens(text: str, path: Path) -> list[CaptionEntry]:
    entries = []
    # Only "\n" ends a line: captions may hold "\r" or U+2028, where str.splitlines would cut.
    for number, line in enumerate(text.split("\n"), start=1):
        match = re.fullmatch(r"([^\t]+)#\d+\t([^\n]*)", line)
        if match:
            entries.append(CaptionEntry(match[1], (match[2],), None))
        elif line.strip():
            raise _bad_line(path, number, "name.jpg#0<TAB>caption")
    return entries


def _read_table(text: str, path: Path) -> list[CaptionEntry]:
    header = text.partition("\n")[0]
    delimiter = max("\t;|,", key=header.count)
    rows = _rows(text, delimiter)
    columns = [column.strip().lower() for column in (rows[0][1] if rows else [])]
    photo, caption = _column(columns, _PHOTO_COLUMNS), _column(columns, _CAPTION_COLUMNS)
    if photo is None or caption is None:
        raise DataError(
            f"{str(path)!r} has no caption table; its first line: {header.strip()[:100]!r}",
            f"{FORMATS}; a table's first line names the columns photo, caption and maybe split",
            "write the line photo,caption above the table, or name another file",
        )
    split = _column(columns, ("split",))
    entries = []
    for number, row in rows[1:]:
        if caption == len(columns) - 1:
            # An unquoted comma in the last column belongs to the caption.
            row[caption:] = [delimiter.join(row[caption:])] if row[caption:] else []
        if len(row) != len(columns) or not row[photo].strip():
            raise _bad_line(path, number, delimiter.join(columns))
        in_split = None if split is None else _known_split(row[split], f"line {number}")
        entries.append(CaptionEntry(row[photo].strip(), (row[caption],), in_split))
    return entries


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Splits a table into rows with the numbers of their (last) lines, blank lines left out."""
    if delimiter == "|":
        # Flickr30k's results.csv lacks a separator in one row: "2199200615.jpg| 4   A dog ...".
        text = re.sub(r"^([^|\n]+\| *\d+)  +(?=[^|\n]*$)", r"\1|", text, flags=re.M)
    # Only "\n" ends a line; csv would stop at another "\r" than that of a "\r\n".
    lines = [line.rstrip("\r").replace("\r", " ") for line in text.split("\n")]
    try:
        reader = csv.reader((line + "\n" for line in lines), delimiter=delimiter, strict=True)
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error:
        # Quotes that belong to the captions: nothing is quoted then, and a line is a row.
        rows = [(number, line.split(delimiter)) for number, line in enumerate(lines, start=1)]
    return [(number, row) for number, row in rows if any(field.strip() for field in row)]


def _column(columns: list[str], names: tuple[str, ...]) -> int | None:
    return next((columns.index(name) for name in names if name in columns), None)


def _bad_line(path: Path, number: int, expected: str) -> DataError:
    return DataError(
        f"line {number} of {str(path)!r} has no photo and caption in the expected form",
        expected,
        "mend or delete the line",
    )
