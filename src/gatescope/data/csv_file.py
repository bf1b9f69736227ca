"""Tables of text cells, read in chunks: CSV files of any dialect, told by looking."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, chain, compress, islice
from pathlib import Path
from typing import Literal, NoReturn, Protocol

from gatescope.data.columns import SWAPPED, untaken
from gatescope.errors import DataError

CHUNK = 4096  # rows: small beside a batch of photos, large beside what a chunk costs by itself

_SAMPLE = 1 << 16  # characters that are looked at, and so many lines:
_SAMPLE_LINES = 12
_WIDEST = 1 << 25  # characters of a sample, however wide its lines are
# Earlier ones win where several split every row alike: a decimal comma is no delimiter.
_DELIMITERS = "\t;|, "
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.I)  # what Excel writes above a table
# Numbers, with or without a unit, that make sense only if their decimals stand behind a comma.
_ONE_WAY = re.compile(
    r"[^\w.,]*(?:\d{1,3}([.'’\s])\d{3}(?:\1\d{3})*,\d+|\d{1,3}(?:\.\d{3}){2,}"
    r"|\d+,(?!\d{3}(?!\d))\d+|(?:0|\d{4,}),\d{3})(?:\s?[^\d.,]{1,6})?"
)
_EITHER = re.compile(r"[+−-]?[1-9]\d{0,2}[.,]\d{3}")
_LINE_END = re.compile(r"\r\n|\r|\n")
_PACKED = {b"PK\x03\x04": "a zip or Excel file", b"\x1f\x8b": "a gzip file"}


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a table.

    Args:
        lines: Each row's line in the file, for messages.
        cells: The columns by name: text without white space at its ends.
    """

    lines: Sequence[int]
    cells: Mapping[str, Sequence[str]]


class Cells(Protocol):
    """A table of text cells that can be read again and again."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""

    @property
    def decimal(self) -> Literal[".", ","]:
        """What stands before the decimals of its numbers."""

    def chunks(self) -> Iterator[Chunk]:
        """Reads it from its start, the same chunks each time."""


@dataclass(frozen=True)
class KeptCells:
    """A small table, held in memory.

    Args:
        name: What messages call it.
        columns: The names of its columns.
        decimal: What stands before the decimals of its numbers.
        kept: Its rows.
    """

    name: str
    columns: tuple[str, ...]
    decimal: Literal[".", ","]
    kept: tuple[Chunk, ...]

    def chunks(self) -> Iterator[Chunk]:
        """Goes through what is kept."""
        return iter(self.kept)


class CsvFile:
    """A CSV file; delimiter, quotes, decimal sign, encoding and header are told by looking.

    Delimiters are comma, semicolon, tab, bar and spaces, or what a first line `sep=` says; quotes
    are double or single, within them doubled or after a backslash; text is UTF-8, or UTF-16 with a
    byte order mark. Where the first line is no header, columns are called `column 1` and so on; one
    that lacks the name of the first column, as R writes it, gets `row name`. Blank lines are
    skipped.

    Args:
        path: The file.
        named: Columns that it should have: a first line that has all of them, and nothing twice,
            is a header whatever it looks like.
        usual: What stands before decimals where no number of the file says it for certain; as
            most numbers are written, if that is not known either.

    Raises:
        DataError: There is no such file, or it is empty, packed, or in another encoding.

    Example:
        >>> CsvFile(Path("low_birth_weight.csv")).columns[1:4]
        ('low', 'age', 'lwt')
    """

    def __init__(
        self, path: Path, named: Sequence[str] = (), usual: Literal[".", ","] | None = None
    ) -> None:
        csv.field_size_limit(2**31 - 1)  # of all of Python: a cell may hold a book
        self.path, self.name = path, repr(str(path))
        self._encoding = _encoding(path)
        sample = self._sample()
        said = _SEPARATOR.fullmatch(sample[0]) if sample else None
        self._above = 1 if said else 0
        sample = sample[self._above :]
        self._dialect = _dialect(sample, said[1] if said else None)
        rows = _rows_of(sample, self._dialect)
        if not rows:
            raise _empty(self.name)
        header = ["row name", *rows[0]] if _lacks_a_name(rows) else rows[0]
        self.has_header = _is_header(header, rows[1:]) or _names_all(header, named)
        cells = [cell.strip() for row in rows for cell in row]
        self.decimal = _decimal(cells, self._dialect.delimiter, usual)
        self.columns = _names(header if self.has_header else [""] * len(header))

    def chunks(self) -> Iterator[Chunk]:
        """Reads the file from its start.

        Yields:
            Its rows, `CHUNK` at a time.

        Raises:
            DataError: A row has another number of cells than the header, a quote is never closed,
                or the text is in another encoding. The message names the line.
        """
        # In bulk, and row by row only where something is unusual: a table of gigabytes takes
        # minutes to read, and is read again in each epoch.
        with self._open() as file:
            for _ in range(self._above):
                file.readline()
            reader = csv.reader(file, self._dialect)
            try:
                if self.has_header:
                    next(row for row in reader if any(map(str.strip, row)))
                yield from self._chunks(reader)
            except csv.Error as cause:
                raise self._damaged(self._above + reader.line_num, str(cause)) from cause
            except UnicodeDecodeError as cause:
                self._not_text(cause)

    def _chunks(self, reader: _Reader) -> Iterator[Chunk]:
        while True:
            before = self._above + reader.line_num
            cells, widths = _cells_of(reader)
            if not widths:
                return
            after = self._above + reader.line_num
            yield from self._chunk(cells, widths, _lines(cells, widths, before, after))

    def _chunk(self, cells: list[str], widths: list[int], lines: Sequence[int]) -> Iterator[Chunk]:
        """The rows that are not blank, if there are any."""
        width = len(self.columns)
        if set(widths) != {width}:
            rows = _rows(cells, widths)
            full = [any(map(str.strip, row)) for row in rows]
            lines, rows = list(compress(lines, full)), list(compress(rows, full))
            fitted = map(self._fitted, rows, lines)
            cells = list(chain.from_iterable(fitted))
        columns = [list(map(str.strip, cells[place::width])) for place in range(width)]
        if "" in columns[0]:
            full = [any(row) for row in zip(*columns, strict=True)]
            lines = list(compress(lines, full))
            columns = [list(compress(column, full)) for column in columns]
        if lines:
            yield Chunk(tuple(lines), dict(zip(self.columns, columns, strict=True)))

    def _fitted(self, cells: list[str], line: int) -> list[str]:
        width = len(self.columns)
        if len(cells) == width:
            return cells
        if len(cells) == width + 1 and not cells[-1].strip():  # a delimiter at the line's end
            return cells[:-1]
        title = "; if the first line is a title, delete it: the names of columns stand first"
        raise DataError(
            f"line {line} of {self.name} has {len(cells)} cells, the first line {width}",
            f"{width} cells in every row, divided by {self._dialect.delimiter!r}",
            "mend the line; a cell that has the delimiter in it needs quotes"
            f"{title if len(cells) > width == 1 else ''}",
        )

    def _open(self) -> io.TextIOWrapper:
        return self.path.open(encoding=self._encoding, newline="")

    def _sample(self) -> list[str]:
        """The first lines, whole ones: enough to tell a header from what is below it."""
        lines: list[str] = []
        size = 0
        try:
            with self._open() as file:
                while (size < _SAMPLE or len(lines) < _SAMPLE_LINES) and size < _WIDEST:
                    lines.append(file.readline(_WIDEST - size))
                    size += len(lines[-1])
                    if not lines[-1]:
                        return lines[:-1]
        except UnicodeDecodeError as cause:
            self._not_text(cause)
        whole = lines if size < _WIDEST else lines[:-1]
        if len(whole) < 2:
            raise DataError(
                f"line {len(lines)} of {self.name} goes on beyond {_WIDEST:,} characters",
                "lines that end, or fewer columns",
                "check that it is a table as text, or export it again as parquet",
            )
        return whole

    def _damaged(self, line: int, reason: str) -> DataError:
        return DataError(
            f"line {line} of {self.name} cannot be read: {reason}",
            "quotes that are closed, and doubled where they stand within quotes",
            "mend the line, or the quote before it that is never closed",
        )

    def _not_text(self, cause: UnicodeDecodeError) -> NoReturn:
        byte = cause.object[cause.start]
        with self.path.open("rb") as file:
            line = next((number for number, line in enumerate(file, 1) if not _is_utf8(line)), 1)
        raise DataError(
            f"{self.name} is not UTF-8: line {line} has the byte {byte:#04x}",
            "text in UTF-8",
            f"save it as UTF-8, say: iconv -f windows-1252 -t utf-8 {self.path.name} > new",
        ) from cause


class _Reader(Protocol):
    """What `csv.reader` returns."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


def _cells_of(reader: _Reader) -> tuple[list[str], list[int]]:
    """The cells of the next `CHUNK` rows, and how many each row has.

    In one list, for Python looks through all lists that there are for circles, again and again
    while a list for each row is made: that took as long as reading.
    """
    widths: list[int] = []

    def noted(row: list[str]) -> list[str]:
        widths.append(len(row))
        return row

    return list(chain.from_iterable(map(noted, islice(reader, CHUNK)))), widths


def _rows(cells: list[str], widths: list[int]) -> list[list[str]]:
    rest = iter(cells)
    return [list(islice(rest, width)) for width in widths]


def _lines(cells: list[str], widths: list[int], before: int, after: int) -> Sequence[int]:
    """The line at which each row ends."""
    if after - before == len(widths):
        return range(before + 1, after + 1)
    rows = _rows(cells, widths)
    ends = (1 + sum(len(_LINE_END.findall(cell)) for cell in row) for row in rows)
    return list(accumulate(ends, initial=before))[1:]


def _encoding(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r}", "a CSV file", "check the path")
    with path.open("rb") as file:
        begin = file.read(4)
    if not begin:
        raise _empty(repr(str(path)))
    packed = next((what for magic, what in _PACKED.items() if begin.startswith(magic)), None)
    if packed:
        raise DataError(
            f"{str(path)!r} is {packed}", "a CSV file", "unpack it, or export it as CSV"
        )
    is_utf16 = begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return "utf-16" if is_utf16 else "utf-8-sig"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _empty(name: str) -> DataError:
    return DataError(f"{name} is empty", "a header and rows", "download or export it again")


class _Dialect(csv.Dialect):
    lineterminator = "\n"
    quoting = csv.QUOTE_MINIMAL
    skipinitialspace = True
    strict = True


def _dialect(sample: list[str], said: str | None) -> type[_Dialect]:
    """Told from a sample, but for the delimiter where a line above the table said it."""
    text = "".join(sample)
    ends = rf"[{_DELIMITERS}\r\n]"
    single, double = (
        len(re.findall(rf"(?:^|{ends}){quote}[^{quote}\n]*{quote}(?={ends})", text))
        for quote in "'\""
    )

    class Found(_Dialect):
        delimiter = ","
        quotechar = "'" if single > double else '"'
        # A cell that ends in a backslash has one before its quote, too.
        escapechar = "\\" if re.search(rf"""\\["'][^{_DELIMITERS}\r\n"']""", text) else None
        doublequote = True

    def agreement(delimiter: str) -> float:
        """The share of rows that have as many cells as the first, if that is more than one."""
        Found.delimiter = delimiter
        rows = _rows_of(sample, Found)
        width = len(rows[0]) + _lacks_a_name(rows) if rows else 0
        return sum(len(row) == width > 1 for row in rows[1:] or rows) / max(len(rows[1:]), 1)

    best = max(_DELIMITERS, key=agreement)
    # Words of one column of text agree here and there, too.
    Found.delimiter = said or (best if agreement(best) > 0.5 else ",")
    return Found


def _lacks_a_name(rows: list[list[str]]) -> bool:
    """Whether all rows have a cell more than the first, as R writes tables: the rows' names."""
    width = len(rows[0]) + 1
    below = rows[1:]
    return (
        width > 2
        and bool(below)
        and all(len(row) == width for row in below)
        and any(row[-1].strip() for row in below)
    )


def _rows_of(sample: list[str], dialect: type[_Dialect]) -> list[list[str]]:
    """The rows of a sample; not strict, since it may end within quotes."""
    return [row for row in csv.reader(sample, dialect, strict=False) if any(map(str.strip, row))]


def _decimal(
    cells: Sequence[str], delimiter: str, usual: Literal[".", ","] | None
) -> Literal[".", ","]:
    """What stands before decimals: what cells say that can be read in one way only, as `0,57`.

    `12.345` is asked where no other speaks, for its point may divide thousands; `12,345` is not
    where commas are delimiters.
    """
    said = Counter(map(_decimal_of, cells))
    if said[","] == said["."] and delimiter != ",":
        if usual == ",":
            return usual
        said = Counter("," if "," in cell else "." for cell in cells if _EITHER.fullmatch(cell))
    return "," if said[","] > said["."] else "."


def _decimal_of(cell: str) -> str | None:
    """What stands before the decimals of a number, if that is certain."""
    if _ONE_WAY.fullmatch(cell):
        return ","
    return "." if _ONE_WAY.fullmatch(cell.translate(SWAPPED)) else None


def _names_all(first: list[str], named: Sequence[str]) -> bool:
    cells = [cell.strip() for cell in first]
    return bool(named) and set(named) <= set(cells) and len(set(cells)) == len(cells)


def _is_header(first: list[str], rows: list[list[str]]) -> bool:
    """Whether the first line names columns: no number in it, or words above numbers."""
    if not any(map(_is_number, first)):
        return True
    columns = zip(*(row for row in rows if len(row) == len(first)), strict=True)
    return any(
        head and not _is_number(head) and any(cells) and all(map(_is_number, filter(None, cells)))
        for head, cells in zip(first, columns, strict=False)
    )


def _is_number(cell: str) -> bool:
    with suppress(ValueError):
        float(cell.replace(",", "."))
        return "_" not in cell
    return False


def _names(header: list[str]) -> tuple[str, ...]:
    """Names for all columns, none twice."""
    names: dict[str, None] = {}  # in order, and found quickly among thousands
    for place, cell in enumerate(header, start=1):
        names[untaken(cell.strip() or f"column {place}", names, " ")] = None
    return tuple(names)
