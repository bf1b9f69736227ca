"""What the columns of a table hold: told from all of their cells, read once and in chunks."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gatescope.errors import DataError

Kind = Literal["number", "date", "category", "text", "id", "constant"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MAX_CATEGORIES = 1000

# As pandas reads them, and as Excel writes what it could not compute; "?" is UCI's.
_MISSING = frozenset(
    {"", "?", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null"}
    | {"#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!"}
)
_LONGEST_MISSING = max(map(len, _MISSING))
# Missing among numbers and dates; elsewhere a kind of its own, as the classes + and - are.
_BLANK = frozenset({"-", "--", "–", "—", ".", "..", "none"})
_NOTHING = _MISSING | _BLANK
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:([,'’ \u00a0\u2009\u202f])\d{3}(?:\1\d{3})*)(?:\.\d+)?")
_DIVIDERS = re.compile(r"[,'’ \u00a0\u2009\u202f]")
_CODES = "AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|INR|JPY|NOK|PLN|SEK|USD"
_CURRENCY = rf"(?:[A-Z]{{0,2}}[$€£¥₹₽₩₺₪₫₴₦]|(?:{_CODES})\b)"
_BEGIN = re.compile(r"[+−-]?(?:[\d.,]|inf)", re.I)
_AFTER_SIGN = re.compile(r"^([+−-])\s+")
_UNIT = re.compile(
    rf"[+−-]?(?P<front>{_CURRENCY})?\s?[+−-]?\.?\d[\d.,'’\s]*?"
    rf"(?P<back>[%‰℃℉]|°\s?[CF]?|{_CURRENCY}|[^\W\d_]{{1,12}}[²³]?(?:/[^\W\d_]{{1,6}}[²³]?)?)?"
)
SWAPPED = str.maketrans(".,", ",.")
_TIME_NAME = re.compile(
    r"(^|[\W_])(year|quarter|month|week|day|date|hour|minute|second|time|step|t)s?$", re.I
)
_ID_NAME = re.compile(r"(^|[\W_])(id|idx|index|key|uuid|guid|nr|no|row|column 1)$", re.I)
_MOSTLY = 0.9  # of a column's values are numbers: then the rest is taken for mistakes
_FEW = 20  # different values: marks and counts that may as well be kinds
_WORDS = 4  # words a value on average: a text


def said_kind(column: str, kind: Kind) -> str:
    """How one says what a column holds: on the command line, and in Python."""
    setting = json.dumps({column: kind}, ensure_ascii=False)
    return f"--set 'data.table.kinds={setting}', or kinds={{{column!r}: {kind!r}}} in Python"


def untaken(wanted: str, taken: Container[str], divider: str) -> str:
    """A name that is not taken: the one that is wanted, or that with a number behind it.

    Example:
        >>> untaken("size", {"size"}, " ")
        'size 2'
    """
    name, again = wanted, 1
    while name in taken:
        again += 1
        name = f"{wanted}{divider}{again}"
    return name


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return len(cell) <= _LONGEST_MISSING and cell.lower() in _MISSING


def is_blank(cell: str) -> bool:
    """Whether a cell among numbers or dates says that there is no value."""
    return len(cell) <= _LONGEST_MISSING and cell.lower() in _NOTHING


def to_numbers(
    cells: Sequence[str], decimal: Literal[".", ","], unit: str = ""
) -> NDArray[np.float64]:
    """Reads cells as numbers.

    Args:
        cells: Text without white space at its ends.
        decimal: What stands before the decimals.
        unit: As `number_of` takes it.

    Returns:
        float64 of shape `(cells,)`: NaN where a value is missing.

    Raises:
        ValueError: A cell is no number; see `number_of`.
    """
    if decimal == ".":
        with suppress(ValueError):  # a missing value, or thousands, or no number
            return _floats(cells)
    texts = ["nan" if is_blank(cell) else cell for cell in cells]
    if decimal == ".":
        with suppress(ValueError):
            return _floats(texts)
    return np.array([number_of(text, decimal, unit) for text in texts], np.float64)


def _floats(cells: Sequence[str]) -> NDArray[np.float64]:
    numbers = np.array(list(map(float, cells)), np.float64)
    if "_" in "".join(cells):
        raise ValueError("Python alone reads 1_2 as 12")
    return numbers


def _none_missing(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """The cells as numbers, if all are, and none is missing or has its thousands divided."""
    with suppress(ValueError):
        numbers = _floats(cells)
        return None if np.isnan(numbers).any() else numbers
    return None


def number_of(cell: str, decimal: Literal[".", ","], unit: str = "") -> float:
    """Reads one cell as a number; thousands may be divided by the other sign, a quote or a space.

    Args:
        cell: Text without white space at its ends.
        decimal: What stands before the decimals.
        unit: What may stand before or behind the number.

    Raises:
        ValueError: It is none.

    Example:
        >>> number_of("1,234.5", "."), number_of("1.234,5", ","), number_of("−1 234 €", ",", "€")
        (1234.5, 1234.5, -1234.0)
    """
    if unit and unit_of(cell) == unit:
        cell = _AFTER_SIGN.sub(r"\1", cell.replace(unit, "").strip())
    cell = cell.replace("−", "-")
    if decimal == ",":
        cell = cell.translate(SWAPPED)
    if "_" in cell:
        raise ValueError(f"could not convert string to float: {cell!r}")
    return float(_DIVIDERS.sub("", cell) if _THOUSANDS.fullmatch(cell) else cell)


def unit_of(cell: str) -> str:
    """What stands before or behind a number: a currency, a sign or a word; empty without one.

    Example:
        >>> unit_of("-$5"), unit_of("20.4 °C"), unit_of("5"), unit_of("K5")
        ('$', '°C', '', '')
    """
    found = None if cell[:1].islower() else _UNIT.fullmatch(cell)  # most texts, at no cost
    if found is None or (found["front"] and found["back"]):
        return ""
    return found["front"] or found["back"] or ""


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = re.compile(
    r"(?P<date>.*?)(?:(?:T|,?\s+)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d+)?))?"
    r"(?:\s?(?P<half>[AP])\.?M\.?)?)?",
    re.I,
)
_YEAR, _MONTH, _DAY = r"(?P<y>\d{4}|\d{2})", r"(?P<m>\d{1,2})", r"(?P<d>\d{1,2})"
_LONG_YEAR = r"(?P<y>\d{4})"
_NAME = rf"(?P<m>{'|'.join(_MONTHS)})(?:uary|ruary|ch|il|e|y|ust|t|tember|ober|ember)?\.?"

# Earlier ones win where a column fits several: 03/04/2020 is March where no day is above 12.
_DATES: dict[str, re.Pattern[str]] = {
    form: re.compile(pattern, re.I)
    for form, pattern in {
        "year-month-day": rf"{_LONG_YEAR}-{_MONTH}-{_DAY}",
        "year/month/day": rf"{_LONG_YEAR}(?P<by>[/.]){_MONTH}(?P=by){_DAY}",
        "day.month.year": rf"{_DAY}\.{_MONTH}\.{_YEAR}",
        "month/day/year": rf"{_MONTH}/{_DAY}/{_YEAR}",
        "day/month/year": rf"{_DAY}/{_MONTH}/{_YEAR}",
        "day-month-year": rf"{_DAY}-{_MONTH}-{_YEAR}",
        "month-day-year": rf"{_MONTH}-{_DAY}-{_YEAR}",
        "day month year": rf"{_DAY}(?:st|nd|rd|th|\.)?[\s-]*{_NAME}[\s,-]*{_YEAR}",
        "month day, year": rf"{_NAME}[\s-]*{_DAY}(?:st|nd|rd|th)?[\s,-]+{_YEAR}",
    }.items()
}
_ALIKE = {"month/day/year": "day/month/year", "day-month-year": "month-day-year"}


def _moment(cell: str, form: str) -> datetime:
    """Reads a date of a form, with or without a time.

    Raises:
        ValueError: It is none.
    """
    if form == "year-month-day":
        with suppress(ValueError):  # and its times and zones
            return datetime.fromisoformat(cell)
    timed = _TIME.fullmatch(cell)
    found = _DATES[form].fullmatch(timed["date"]) if timed else None
    if timed is None or found is None:
        raise ValueError(f"{cell!r} is no date as {form}")
    year, month = int(found["y"]), found["m"].lower()
    if len(found["y"]) == 2:  # as POSIX has it
        year += 1900 if year > 68 else 2000
    day = datetime(
        year, _MONTHS.index(month) + 1 if month in _MONTHS else int(month), int(found["d"])
    )
    return day + _time_of_day(timed)


def _time_of_day(timed: re.Match[str]) -> timedelta:
    if timed["hour"] is None:
        return timedelta()
    hour, minute, second = int(timed["hour"]), int(timed["minute"]), float(timed["second"] or 0)
    if timed["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(f"{hour} is no hour of half a day")
        hour = hour % 12 + (12 if timed["half"] in "Pp" else 0)
    if hour > 23 or minute > 59 or second >= 60:
        raise ValueError(f"{timed[0]!r} has no time of day")
    return timedelta(hours=hour, minutes=minute, seconds=second)


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
    return np.array([_days(cell, form) for cell in cells])


def _days(cell: str, form: str) -> float:
    if is_blank(cell):
        return np.nan
    moment = _moment(cell, form)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() / 86400


@dataclass
class ColumnSurvey:
    """Looks a column over as its cells come by; its memory does not grow with them.

    Args:
        name: The column's name.
        decimal: What stands before the decimals of its numbers.
        words: How many words the values had that are no bare numbers.
        infinite: Line and text of the first number that 32 bits cannot hold.
    """

    name: str
    decimal: Literal[".", ","]
    words: int = 0
    infinite: tuple[int, str] | None = None
    _missing: int = 0
    _values: int = 0  # but for blanks
    _blanks: Counter[str] = field(default_factory=Counter)
    _counts: Counter[str] | None = field(default_factory=Counter)
    _unit: str = ""
    _bare: int = 0  # numbers without a unit
    _marked: int = 0  # numbers with the unit
    _not_bare: tuple[int, str] | None = None
    _not_marked: tuple[int, str] | None = None
    _whole: bool = True
    _repeated: bool = False
    _counts_up: bool = True
    _first: float | None = None
    _last: float | None = None
    _dates: list[str] = field(default_factory=lambda: list(_DATES))

    def add(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        """Looks at the next cells.

        Args:
            cells: Text without white space at its ends.
            lines: Their lines in the file.
        """
        numbers = _none_missing(cells) if self.decimal == "." else None
        if numbers is None and not _NOTHING.isdisjoint(map(str.lower, set(cells))):
            full = [not is_blank(cell) for cell in cells]
            blanks = [cell for cell in cells if is_blank(cell) and not is_missing(cell)]
            self._blanks.update(blanks)
            cells, lines = list(compress(cells, full)), list(compress(lines, full))
            self._missing += len(full) - len(cells) - len(blanks)
        self._values += len(cells)
        self._count(cells)
        if numbers is None:
            numbers = self._read(cells, lines)
        else:
            self._add_bare(cells, lines)
        self._add_numbers(numbers, cells, lines)

    def _count(self, values: Sequence[str]) -> None:
        if self._counts is not None:
            self._counts.update(values)
            self._repeated = self._repeated or len(self._counts) < self._values
            if len(self._counts) > MAX_CATEGORIES:
                self._counts = None

    def _read(self, cells: Sequence[str], lines: Sequence[int]) -> NDArray[np.float64]:
        try:
            numbers = to_numbers(cells, self.decimal)
        except ValueError:
            return self._read_mixed(cells, lines)
        self._add_bare(cells, lines)
        return numbers

    def _read_mixed(self, cells: Sequence[str], lines: Sequence[int]) -> NDArray[np.float64]:
        numbers = np.array([_number_or_nan(cell, self.decimal) for cell in cells])
        bare = ~np.isnan(numbers)
        self._add_bare(*_some(cells, lines, bare))
        texts, text_lines = _some(cells, lines, ~bare)
        if texts:
            self._not_bare = self._not_bare or (text_lines[0], texts[0])
            self._add_words(texts)
            numbers[~bare] = self._read_marked(texts, text_lines)
        return numbers

    def _add_words(self, texts: list[str]) -> None:
        self.words += sum(len(text.split()) for text in texts)
        self._dates = [form for form in self._dates if all(_is_date(text, form) for text in texts)]

    def _read_marked(self, texts: list[str], lines: list[int]) -> NDArray[np.float64]:
        """Numbers with the unit that the first one has."""
        units = list(map(unit_of, texts))
        self._unit = self._unit or next(filter(None, units), "")
        numbers = np.array(
            [
                _number_or_nan(text, self.decimal, unit) if unit and unit == self._unit else np.nan
                for text, unit in zip(texts, units, strict=True)
            ]
        )
        others = np.flatnonzero(np.isnan(numbers))
        self._marked += len(texts) - len(others)
        if len(others):
            self._add_unmarked(lines[others[0]], texts[others[0]])
        return numbers

    def _add_bare(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        self._bare += len(cells)
        if cells:
            self._add_unmarked(lines[0], cells[0])

    def _add_unmarked(self, line: int, cell: str) -> None:
        if self._not_marked is None or line < self._not_marked[0]:
            self._not_marked = line, cell

    def _add_numbers(
        self, numbers: NDArray[np.float64], cells: Sequence[str], lines: Sequence[int]
    ) -> None:
        numbered = ~np.isnan(numbers)
        # What training gets is 32 bits wide.
        too_large = numbered & (np.abs(numbers) > np.finfo(np.float32).max)
        if self.infinite is None and too_large.any():
            place = int(too_large.argmax())
            self.infinite = lines[place], cells[place]
        self._add_order(numbers[numbered & ~too_large])

    def _add_order(self, numbers: NDArray[np.float64]) -> None:
        self._whole = self._whole and not (numbers % 1).any()
        before = np.array([] if self._last is None else [self._last])
        self._counts_up = self._counts_up and bool((np.diff(np.append(before, numbers)) == 1).all())
        if len(numbers):
            self._first = numbers[0] if self._first is None else self._first
            self._last = numbers[-1]

    @property
    def unit(self) -> str:
        """What stands at nearly all of its values, which are numbers otherwise."""
        return self._unit if self._values and self._marked >= _MOSTLY * self._values else ""

    @property
    def numbers(self) -> int:
        """How many of the values are numbers: with the unit, if there is one."""
        return self._marked if self.unit else self._bare

    @property
    def no_number(self) -> tuple[int, str] | None:
        """Line and text of the first value that is no number."""
        return self._not_marked if self.unit else self._not_bare

    @property
    def _takes_blanks(self) -> bool:
        """Whether `-` and the like say that a number or a date is missing."""
        numbers = 0 < _MOSTLY * self._values <= self.numbers
        return numbers or self.date_form is not None

    @property
    def missing(self) -> int:
        """How many cells hold no value."""
        return self._missing + (self._blanks.total() if self._takes_blanks else 0)

    @property
    def values(self) -> int:
        """How many cells do."""
        return self._values + (0 if self._takes_blanks else self._blanks.total())

    @property
    def counts(self) -> Counter[str] | None:
        """How often each different value is there; `None` of more than `MAX_CATEGORIES`."""
        if self._counts is None or self._takes_blanks:
            return self._counts
        return self._counts + self._blanks

    @property
    def date_form(self) -> str | None:
        """How its dates are written, where all of its values are dates."""
        return self._dates[0] if self._dates and self._values and not self._bare else None

    @property
    def other_date_form(self) -> str | None:
        """How its dates may be written just as well: with day and month swapped."""
        other = _ALIKE.get(self.date_form or "")
        return other if other in self._dates else None

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
        """Whether numbers are only those of the rows: by their name, or 1, 2, 3 and so on."""
        counted = self._counts_up and self._first in (0, 1) and not _TIME_NAME.search(self.name)
        named = _ID_NAME.search(self.name) is not None
        return self.is_whole and not self.unit and not self._repeated and (named or counted)

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
        if kind == "number" and self.no_number and self.numbers < self.values:
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
                f"mend its cells, or say {said_kind(self.name, 'category')}",
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
            f"{self.numbers:,} of its {self.values:,} values are numbers"
            f"{f' with {self.unit!r}' if self.unit else ''}",
            "numbers throughout, or empty cells where there is no value",
            f"mend or empty the cell, or say that they are kinds: "
            f"{said_kind(self.name, 'category')}",
        )


def _is_date(text: str, form: str) -> bool:
    try:
        _moment(text, form)
    except ValueError:
        return False
    return True


def _number_or_nan(cell: str, decimal: Literal[".", ","], unit: str = "") -> float:
    if not unit and not _BEGIN.match(cell):  # told sooner than by an exception
        return np.nan
    try:
        return number_of(cell, decimal, unit)
    except ValueError:
        return np.nan


def _some(
    cells: Sequence[str], lines: Sequence[int], which: NDArray[np.bool_]
) -> tuple[list[str], list[int]]:
    chosen = which.tolist()
    return list(compress(cells, chosen)), list(compress(lines, chosen))
