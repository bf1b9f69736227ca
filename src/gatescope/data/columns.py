"""What the columns of a table hold: told from all of their cells, read once and in chunks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import compress
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gatescope.errors import DataError

Kind = Literal["number", "date", "category", "text", "id", "constant"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MAX_CATEGORIES = 1000

# As pandas reads them, but for "none", which is often a kind of its own; "?" is UCI's.
_MISSING = frozenset({"", "?", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null"})
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
SWAPPED = str.maketrans(".,", ",.")
_ID_NAME = re.compile(r"(^|[\W_])(id|idx|index|key|uuid|guid|nr|no|row|column 1)$", re.I)
_MOSTLY = 0.9  # of a column's values are numbers: then the rest is taken for mistakes
_FEW = 20  # different values: marks and counts that may as well be kinds
_WORDS = 4  # words a value on average: a text


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return len(cell) < 6 and cell.lower() in _MISSING


def to_numbers(cells: Sequence[str], decimal: Literal[".", ","]) -> NDArray[np.float64]:
    """Reads cells as numbers.

    Args:
        cells: Text without white space at its ends.
        decimal: What stands before the decimals.

    Returns:
        float64 of shape `(cells,)`: NaN where a value is missing.

    Raises:
        ValueError: A cell is no number; see `number_of`.
    """
    if decimal == ".":
        with suppress(ValueError):  # a missing value, or thousands, or no number
            return _floats(cells)
    texts = ["nan" if is_missing(cell) else cell for cell in cells]
    if decimal == ".":
        with suppress(ValueError):
            return _floats(texts)
    return np.array([number_of(text, decimal) for text in texts], np.float64)


def _floats(cells: Sequence[str]) -> NDArray[np.float64]:
    return np.array(list(map(float, cells)), np.float64)


def _none_missing(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """The cells as numbers, if all are, and none is missing or has its thousands divided."""
    with suppress(ValueError):
        numbers = _floats(cells)
        return None if np.isnan(numbers).any() else numbers
    return None


def number_of(cell: str, decimal: Literal[".", ","]) -> float:
    """Reads one cell as a number; thousands may be divided by the other sign.

    Raises:
        ValueError: It is none.

    Example:
        >>> number_of("1,234.5", "."), number_of("1.234,5", ",")
        (1234.5, 1234.5)
    """
    if decimal == ",":
        cell = cell.translate(SWAPPED)
    return float(cell.replace(",", "") if _THOUSANDS.fullmatch(cell) else cell)


def _iso(cell: str) -> datetime:
    return datetime.fromisoformat(cell)


def _written(form: str) -> Callable[[str], datetime]:
    return lambda cell: datetime.strptime(cell, form)


# Earlier ones win where a column fits several: 03/04/2020 is March where no day is above 12.
_DATES: dict[str, Callable[[str], datetime]] = {
    "year-month-day": _iso,
    "day.month.year": _written("%d.%m.%Y"),
    "month/day/year": _written("%m/%d/%Y"),
    "day/month/year": _written("%d/%m/%Y"),
}


def to_days(cells: Sequence[str], form: str) -> NDArray[np.float64]:
    """Reads dates as days since 1970, times of day as fractions.

    Args:
        cells: Dates, with or without a time; without a time zone they are taken for UTC.
        form: A key of the known forms, as `ColumnSurvey.date_form` has it.

    Returns:
        float64 of shape `(cells,)`: NaN where a value is missing.

    Raises:
        ValueError: A cell is no such date.

    Example:
        >>> to_days(["02.01.1970", ""], "day.month.year")
        array([ 1., nan])
    """
    return np.array([_days(cell, _DATES[form]) for cell in cells])


def _days(cell: str, read: Callable[[str], datetime]) -> float:
    if is_missing(cell):
        return np.nan
    moment = read(cell)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() / 86400


@dataclass
class ColumnSurvey:
    """Looks a column over as its cells come by; its memory does not grow with them.

    Args:
        name: The column's name.
        decimal: What stands before the decimals of its numbers.
        missing: How many cells held no value.
        values: How many did.
        numbers: How many of the values were numbers.
        words: How many words the values had.
        counts: How often each different value was there; `None` when there were more than
            `MAX_CATEGORIES`.
        no_number: Line and text of the first value that is no number.
        infinite: Line and text of the first number that 32 bits cannot hold.
    """

    name: str
    decimal: Literal[".", ","]
    missing: int = 0
    values: int = 0
    numbers: int = 0
    words: int = 0
    counts: Counter[str] | None = field(default_factory=Counter)
    no_number: tuple[int, str] | None = None
    infinite: tuple[int, str] | None = None
    _whole: bool = True
    _repeated: bool = False
    _counts_up: bool = True
    _last: float | None = None
    _dates: list[str] = field(default_factory=lambda: list(_DATES))

    def add(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        """Looks at the next cells.

        Args:
            cells: Text without white space at its ends.
            lines: Their lines in the file.
        """
        numbers = _none_missing(cells) if self.decimal == "." else None
        if numbers is None and not _MISSING.isdisjoint(map(str.lower, set(cells))):
            full = [not is_missing(cell) for cell in cells]
            cells, lines = list(compress(cells, full)), list(compress(lines, full))
            self.missing += len(full) - len(cells)
        self.values += len(cells)
        self._count(cells)
        self._add_numbers(self._read(cells, lines) if numbers is None else numbers, cells, lines)

    def _count(self, values: Sequence[str]) -> None:
        if self.counts is not None:
            self.counts.update(values)
            self._repeated = self._repeated or len(self.counts) < self.values
            if len(self.counts) > MAX_CATEGORIES:
                self.counts = None

    def _read(self, cells: Sequence[str], lines: Sequence[int]) -> NDArray[np.float64]:
        try:
            return to_numbers(cells, self.decimal)
        except ValueError:
            numbers = np.array(list(map(self._number, cells, lines)))
            self._add_words(list(compress(cells, np.isnan(numbers).tolist())))
            return numbers

    def _add_numbers(
        self, numbers: NDArray[np.float64], cells: Sequence[str], lines: Sequence[int]
    ) -> None:
        numbered = ~np.isnan(numbers)
        self.numbers += int(numbered.sum())
        # What training gets is 32 bits wide.
        too_large = numbered & (np.abs(numbers) > np.finfo(np.float32).max)
        if self.infinite is None and too_large.any():
            place = int(too_large.argmax())
            self.infinite = lines[place], cells[place]
        self._add_order(numbers[numbered & ~too_large])

    def _number(self, cell: str, line: int) -> float:
        try:
            return number_of(cell, self.decimal)
        except ValueError:
            self.no_number = self.no_number or (line, cell)
            return np.nan

    def _add_words(self, texts: list[str]) -> None:
        self.words += sum(len(text.split()) for text in texts)
        self._dates = [form for form in self._dates if all(_is_date(text, form) for text in texts)]

    def _add_order(self, numbers: NDArray[np.float64]) -> None:
        self._whole = self._whole and not (numbers % 1).any()
        before = np.array([] if self._last is None else [self._last])
        self._counts_up = self._counts_up and bool((np.diff(np.append(before, numbers)) == 1).all())
        self._last = numbers[-1] if len(numbers) else self._last

    @property
    def date_form(self) -> str | None:
        """How its dates are written, where all of its values are dates."""
        return self._dates[0] if self._dates and self.values and not self.numbers else None

    @property
    def is_whole(self) -> bool:
        """Whether all of its values are whole numbers."""
        return self._whole and self.numbers == self.values and not self.infinite

    @property
    def has_few(self) -> bool:
        """Whether it has so few different values that numbers may as well be kinds."""
        return self.counts is not None and len(self.counts) <= _FEW

    @property
    def kind(self) -> Kind:
        """What the column holds."""
        if self.values == 0 or (self.counts and len(self.counts) == 1 and not self.missing):
            return "constant"
        if self.numbers == self.values:
            return "id" if self._names_rows() else "number"
        if self.numbers >= _MOSTLY * self.values and not self.has_few:
            return "number"
        if self.date_form:
            return "date"
        return self._kind_of_text()

    def _names_rows(self) -> bool:
        named = _ID_NAME.search(self.name) is not None
        return self.is_whole and not self._repeated and (named or self._counts_up)

    def _kind_of_text(self) -> Kind:
        different = len(self.counts) if self.counts is not None else self.values
        if different > self.values / 2 and self.words >= _WORDS * self.values:
            return "text"
        if self.counts is None or (different > _FEW and different > self.values / 2):
            return "id"
        return "category"

    def refuse(self, kind: Kind, table: str) -> None:
        """Raises where the column's cells do not go with a kind.

        Args:
            kind: The kind.
            table: What to call the table.

        Raises:
            DataError: There is text among numbers, an infinite number, something that is no date,
                or too many categories.
        """
        column = f"the column {self.name!r} of {table}"
        if kind == "number" and self.no_number:
            raise self._text_among_numbers(column, *self.no_number)
        if kind == "number" and self.infinite:
            line, cell = self.infinite
            raise DataError(
                f"{column} has an infinite number in line {line}: {cell}",
                "numbers that 32 bits can hold: up to 3.4e38",
                "mend the cell, or leave it empty: a missing value is handled",
            )
        if kind == "date" and not self.date_form:
            raise DataError(
                f"{column} is said to hold dates, and does not throughout",
                f"dates written in one way: {', '.join(_DATES)}",
                f"mend its cells, or say kinds={{{self.name!r}: 'category'}}",
            )
        if kind == "category" and self.counts is None:
            raise DataError(
                f"{column} has more than {MAX_CATEGORIES:,} categories",
                f"at most {MAX_CATEGORIES:,}",
                f"leave it out: --drop {self.name!r}, or drop=({self.name!r},) in Python",
            )

    def _text_among_numbers(self, column: str, line: int, cell: str) -> DataError:
        return DataError(
            f"{column} has text in line {line}: {cell[:40]!r}; "
            f"{self.numbers:,} of its {self.values:,} values are numbers",
            "numbers throughout, or empty cells where there is no value",
            f"mend or empty the cell, or say that they are kinds: "
            f"kinds={{{self.name!r}: 'category'}}",
        )


def _is_date(text: str, form: str) -> bool:
    try:
        _DATES[form](text)
    except ValueError:
        return False
    return True
