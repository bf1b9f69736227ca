"""New inputs as people have them: files, texts, lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from gatescope.data.csv_file import CsvFile
from gatescope.data.encoding import TableReader
from gatescope.data.file_samples import FileReader
from gatescope.data.reader import RawFile, Reader, Rows, RowsReader
from gatescope.data.splits import shown
from gatescope.errors import DataError, UsageError
from gatescope.recipes.running.prediction import Batch

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


def from_paths(reader: Reader, paths: Sequence[Path]) -> Iterator[Batch]:
    """Files and folders.

    Args:
        reader: Of the network.
        paths: Which.

    Raises:
        UsageError: The network takes no files.
        DataError: A file is missing, or a table lacks columns.
    """
    if not paths:
        return
    if isinstance(reader, RowsReader):
        for path in paths:
            yield from _tables(reader, path)
    elif isinstance(reader, FileReader):
        files = [file for path in paths for file in _files(reader, path)]
        for some in _some(files):
            yield Batch([str(file) for file in some], [_raw(file) for file in some])
    elif reader.takes == "texts":
        for path in paths:
            yield from from_texts(reader, _lines(path))
    else:
        raise _unfit(reader, f"{str(paths[0])!r} is a file")


def _tables(reader: RowsReader, path: Path) -> Iterator[Batch]:
    table = CsvFile(path, reader.columns, reader.decimal)
    first = 1
    for chunk in table.chunks():
        rows = Rows(table.name, chunk.cells, table.decimal, table.has_header, first)
        rows.of(reader.columns)  # what all rows lack is said once
        yield Batch([f"{path.name} {number}" for number in range(first, first + len(rows))], rows)
        first += len(rows)


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
    return [line.strip() for line in lines if line.strip()]


def from_texts(reader: Reader, texts: Sequence[str]) -> Iterator[Batch]:
    """Texts.

    Args:
        reader: Of the network: of texts, or of a table of one column of text.
        texts: Which.

    Raises:
        UsageError: The network takes something else.
    """
    for some in _some(texts):
        names = [text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…" for text in some]
        if reader.takes == "texts":
            yield Batch(names, some)
        elif isinstance(reader, TableReader) and len(reader.columns) == len(reader.texts) == 1:
            yield Batch(names, Rows("the text", {reader.columns[0]: some}))
        else:
            raise _unfit(reader, "a text was given")


def from_json(reader: Reader, lines: Iterable[str]) -> Iterator[Batch]:
    """Lines of JSON: an object a sample, or what the object would hold.

    Args:
        reader: Of the network.
        lines: An object of columns, or a list of values in the order of training; `image` or
            `sound` with a path; `text`; or arrays by the inputs' names.

    Raises:
        DataError: A line is no JSON, or not what the network takes.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _of_json(reader, _parsed(line, number), number)


def _of_json(reader: Reader, value: Any, number: int) -> Batch:
    name = f"line {number}"
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
        return next(iter(from_texts(reader, [held])))
    return Batch([held], [_raw(Path(held))])


def _parsed(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except ValueError as cause:
        raise DataError(
            f"line {number} is no JSON: {cause}", "a JSON object in each line", "mend the line"
        ) from cause


def _cell(value: object) -> str:
    """A value of a JSON object as a cell of a table; missing where it is null."""
    return "" if value is None else str(value)


def _unfit(reader: Reader, what: str) -> UsageError:
    return UsageError(
        f"{what}, and the network takes {reader.takes}",
        _WANTED[reader.takes],
        "name such inputs",
    )


Item = TypeVar("Item")


def _some(items: Iterable[Item]) -> Iterator[list[Item]]:
    rest = iter(items)
    while found := list(islice(rest, _TOGETHER)):
        yield found
