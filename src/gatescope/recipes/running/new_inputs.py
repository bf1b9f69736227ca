"""New inputs as people have them: files, texts, lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gatescope.data.encoding import TableReader
from gatescope.data.file_samples import FileReader
from gatescope.data.reader import RawFile, Reader, Rows, RowsReader
from gatescope.data.splits import shown
from gatescope.data.table import has_names, open_cells
from gatescope.errors import DataError, UsageError
from gatescope.recipes.running.prediction import Batch, Refusal

_TOGETHER = 64
_WANTED = {
    "rows": "CSV files, or lines of JSON objects",
    "images": "image files or folders of them",
    "sounds": "wav files or folders of them",
    "texts": '--text "…", or text files with one text a line',
    "arrays": "lines of JSON objects with an array for each input, on standard input: -",
}
_KEYS = {"images": "image", "sounds": "sound", "texts": "text"}
_LONGEST = 60  # letters of a text's name
Item = TypeVar("Item")


class Sample(NamedTuple):
    """One input that was not read yet.

    Attributes:
        name: What to call it.
        raw: What the network's reader reads.
    """

    name: str
    raw: RawFile | str


def from_paths(reader: Reader, paths: Sequence[Path]) -> Iterator[Batch | Refusal]:
    """Files and folders.

    Args:
        reader: Of the network.
        paths: Which.

    Yields:
        What is in them, in order, and in its place what cannot be read.

    Raises:
        UsageError: The network takes no files.
    """
    if paths and reader.takes == "arrays":
        raise _unfit(reader, f"{str(paths[0])!r} is a file")
    if isinstance(reader, RowsReader):
        for path in paths:
            yield from _refusing(str(path), _tables(reader, path))
    else:
        yield from _together(
            item for path in paths for item in _refusing(str(path), _of_path(reader, path))
        )


def _refusing(name: str, found: Iterable[Item]) -> Iterator[Item | Refusal]:
    """What is found in an input until it can be read no more, and why that is.

    Args:
        name: Of the input.
        found: Read as it is asked for.
    """
    try:
        yield from found
    except DataError as error:
        yield Refusal(name, error)
    except OSError as cause:
        yield Refusal(
            name,
            DataError(
                f"{str(cause.filename or name)!r} cannot be read: {cause.strerror}",
                "a file or folder that is there and can be read",
                "check the path and its permissions",
            ),
        )


def _tables(reader: RowsReader, path: Path) -> Iterator[Batch]:
    if path.is_dir():
        raise DataError(f"{str(path)!r} is a folder", "a table", f"name its tables: {path}/*.csv")
    table = open_cells(path, reader.columns, reader.decimal)
    first, named = 1, has_names(table)
    for chunk in table.chunks():
        rows = Rows(table.name, chunk.cells, table.decimal, named, first)
        rows.of(reader.columns)  # what all rows lack is said once
        yield Batch([f"{path.name} {number}" for number in range(first, first + len(rows))], rows)
        first += len(rows)
    if first == 1:
        raise DataError(
            f"{table.name} has no row below its first line", "a row for each answer", "add rows"
        )


def _of_path(reader: Reader, path: Path) -> Iterator[Sample | Refusal]:
    if isinstance(reader, FileReader):
        for file in _files(reader, path):
            yield from _refusing(str(file), (Sample(raw.name, raw) for raw in map(_raw, [file])))
    else:
        yield from map(_text, _lines(path))


def _files(reader: FileReader, path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(each for each in path.rglob("*") if each.suffix.lower() in reader.suffixes)
    if found:
        return found
    raise DataError(
        f"{str(path)!r} holds no file that the network could read",
        f"files that end in {shown(sorted(reader.suffixes))}",
        "check the path",
    )


def _raw(file: Path) -> RawFile:
    return RawFile(str(file), file.read_bytes())


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text("utf-8").split("\n")
    except UnicodeDecodeError as cause:
        raise DataError(
            f"{str(path)!r} is no text in UTF-8", "texts, one a line", "save it as UTF-8"
        ) from cause
    found = [line.strip() for line in lines if line.strip()]
    if found:
        return found
    raise DataError(f"{str(path)!r} has no text", "texts, one a line", "add lines")


def from_texts(reader: Reader, texts: Sequence[str]) -> Iterator[Batch | Refusal]:
    """Texts.

    Args:
        reader: Of the network: of texts, or of a table of one column of text.
        texts: Which.

    Raises:
        UsageError: The network takes something else.
    """
    if isinstance(reader, TableReader) and len(reader.columns) == len(reader.texts) == 1:
        for text in texts:
            yield Batch([_text(text).name], Rows("the text", {reader.columns[0]: [text]}))
    elif not texts or reader.takes == "texts":
        yield from _together(map(_text, texts))
    else:
        raise _unfit(reader, "a text was given")


def _text(text: str) -> Sample:
    return Sample(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…", text)


def from_json(reader: Reader, lines: Iterable[str]) -> Iterator[Batch | Refusal]:
    """Lines of JSON: an object a sample, or what the object would hold.

    Args:
        reader: Of the network.
        lines: An object of columns, or a list of values in the order of training; `image` or
            `sound` with a path; `text`; or arrays by the inputs' names.

    Yields:
        What is in them, in order, and in its place a line that cannot be read.
    """
    number = read = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            read += 1
            yield from _refusing(f"line {number}", _of_line(reader, line, number))
    if not read:
        error = DataError("there is no line of JSON", "an input in each line", "add lines")
        yield Refusal("standard input", error)


def _of_line(reader: Reader, line: str, number: int) -> Iterator[Batch]:
    """One batch, made when it is asked for."""
    yield _of_json(reader, _parsed(line, number), f"line {number}")


def _of_json(reader: Reader, value: Any, name: str) -> Batch:
    match value:
        case list() if isinstance(reader, RowsReader):
            cells = {str(place): [_cell(one)] for place, one in enumerate(value)}
            return Batch([name], Rows(name, cells, named=False))
        case dict() if isinstance(reader, RowsReader):
            return Batch([name], Rows(name, {key: [_cell(one)] for key, one in value.items()}))
        case dict() if reader.takes == "arrays":
            return Batch([name], [value])
    key = _KEYS.get(reader.takes)
    held = value.get(key) if isinstance(value, Mapping) else value
    if key is None or not isinstance(held, str):
        raise DataError(
            f"{name} is not what the network takes",
            f'{{"{key}": "…"}}' if key else "an object of the table's columns",
            f"the network takes {_WANTED[reader.takes]}",
        )
    if reader.takes == "texts":
        return Batch([_text(held).name], [held])
    return Batch([held], [_raw(Path(held))])


def _parsed(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as cause:
        raise DataError(
            f"line {number} is no JSON: {cause}", "a JSON object in each line", "mend the line"
        ) from cause


def _cell(value: object) -> str:
    """A value of a JSON object as a cell of a table; missing where it is null."""
    return "" if value is None else str(value)


def _together(items: Iterable[Sample | Refusal]) -> Iterator[Batch | Refusal]:
    """Samples in batches, which end where an input is refused, so that all stay in order."""
    some: list[Sample] = []
    for item in items:
        if isinstance(item, Sample):
            some.append(item)
        if some and (len(some) == _TOGETHER or isinstance(item, Refusal)):
            yield _batch(some)
            some = []
        if isinstance(item, Refusal):
            yield item
    if some:
        yield _batch(some)


def _batch(some: Sequence[Sample]) -> Batch:
    return Batch([one.name for one in some], [one.raw for one in some])


def _unfit(reader: Reader, what: str) -> UsageError:
    return UsageError(
        f"{what}, and the network takes {reader.takes}",
        _WANTED[reader.takes],
        "name such inputs",
    )
