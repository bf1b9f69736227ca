"""How new inputs become what a network was trained on: plain data, kept with the network.

Each kind of data has a reader. The one that made the arrays of training is the one that is kept,
so what is predicted is read by the same code, with what was learned from the training part alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from gatescope.data.columns import to_numbers
from gatescope.data.splits import shown
from gatescope.errors import DataError, nearest

Array = NDArray[Any]
Arrays = dict[str, Array]
_DIGITS = 5  # behind the first of a column's usual size
Takes = Literal["rows", "images", "sounds", "texts", "arrays"]


class Reader(BaseModel, ABC):
    """Turns inputs as people have them into arrays by the names of a network's inputs.

    Attributes:
        takes: What they are: rows of a table, files of images or sounds, texts, or arrays.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    takes: ClassVar[Takes]

    @abstractmethod
    def read(self, given: Any) -> Arrays:
        """Reads samples.

        Args:
            given: `Rows`, a sequence of `RawFile`s, of texts, or of arrays by name.

        Returns:
            An array of each input, its samples along the first axis.

        Raises:
            DataError: They are not what the network was trained on.
        """

    def notes(self, given: Any) -> list[list[str]]:
        """What should be known of samples that can be read but are unlike those of training.

        Args:
            given: As `read` takes them.

        Returns:
            Of each sample its notes, each a sentence.
        """
        return [[] for _ in range(len(given))]

    @abstractmethod
    def told(self, x: Mapping[str, Array]) -> list[str]:
        """What samples are, in a line each, for people.

        Args:
            x: As `read` gives them.
        """


@dataclass(frozen=True)
class RawFile:
    """A file that was not looked into yet.

    Args:
        name: What messages call it.
        content: Its bytes.
    """

    name: str
    content: bytes


@dataclass(frozen=True)
class Rows:
    """Rows of a table as text.

    Args:
        name: What messages call the table.
        cells: Its columns by name.
        decimal: What stands before the decimals of its numbers.
        named: Whether the columns' names are the table's own.
        first: What number the first row has.
    """

    name: str
    cells: Mapping[str, Sequence[str]]
    decimal: Literal[".", ","] = "."
    named: bool = True
    first: int = 1

    def __len__(self) -> int:
        return len(next(iter(self.cells.values()), ()))

    def of(self, columns: Sequence[str]) -> dict[str, Sequence[str]]:
        """The columns that a network was trained on; of a table without names by their places.

        Args:
            columns: Their names.

        Raises:
            DataError: One is missing.
        """
        missing = [column for column in columns if column not in self.cells]
        if not missing:
            return {column: self.cells[column] for column in columns}
        if not self.named:
            return self._by_place(columns)
        like = [f"{name!r}: {found}" for name in missing if (found := nearest(name, self.cells))]
        raise DataError(
            f"{self.name} has no column {shown(missing)}",
            f"the columns of training: {shown(columns, most=12)}",
            "; ".join(like) or f"add it; the columns here are {shown([*self.cells], most=12)}",
        )

    def only(self, row: int) -> Rows:
        """One row.

        Args:
            row: Its place, from 0.
        """
        cells = {name: [column[row]] for name, column in self.cells.items()}
        return replace(self, cells=cells, first=self.first + row)

    def _by_place(self, columns: Sequence[str]) -> dict[str, Sequence[str]]:
        if len(self.cells) == len(columns):
            return dict(zip(columns, self.cells.values(), strict=True))
        raise DataError(
            f"{self.name} has {len(self.cells)} values a row, the network takes {len(columns)}",
            f"in this order: {shown(columns, most=40)}",
            "give as many, or name them: the first line of a table, or an object in JSON",
        )


class RowsReader(Reader):
    """A reader of rows of a table."""

    takes: ClassVar[Takes] = "rows"

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""

    @property
    def decimal(self) -> Literal[".", ","] | None:
        """What stood before decimals in training, where they were read from text."""
        return None


class NumbersReader(RowsReader):
    """Columns of numbers, each less its mean in training and divided by its deviation there.

    Args:
        input: The name of the network's input.
        names: Those of the columns.
        mean: Of each.
        deviation: Of each; 1 where it did not vary.

    Example:
        >>> reader = NumbersReader(input="x", names=("a",), mean=(1.0,), deviation=(2.0,))
        >>> reader.read(Rows("a table", {"a": ["5"]}))
        {'x': array([[2.]], dtype=float32)}
    """

    kind: Literal["numbers"] = "numbers"
    input: str
    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.names

    def read(self, given: Rows) -> Arrays:
        cells = given.of(self.columns)
        numbers = [column_of(to_numbers, cells[one], one, given) for one in self.columns]
        raw = np.stack(numbers, 1)
        if np.isnan(raw).any():
            row, place = np.argwhere(np.isnan(raw))[0]
            raise DataError(
                f"{given.name} has no {self.columns[place]!r} in row {row + given.first}",
                "a number in every cell: training had no missing ones",
                "fill it in, or leave the row out",
            )
        return {self.input: self.scaled(raw.astype(np.float32))}

    def scaled(self, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Numbers as the network takes them.

        Args:
            numbers: As they are, `(rows, columns)`.
        """
        mean, deviation = (np.array(one, np.float32) for one in (self.mean, self.deviation))
        return ((numbers - mean) / deviation).astype(np.float32)

    def told(self, x: Mapping[str, Array]) -> list[str]:
        numbers = unscaled(x[self.input], self.mean, self.deviation)
        return [described(zip(self.columns, row, strict=True)) for row in numbers.tolist()]


class ArraysReader(Reader):
    """Arrays that are what the network takes already.

    Args:
        shapes: Of one sample, by the name of the input.
    """

    takes: ClassVar[Takes] = "arrays"
    kind: Literal["arrays"] = "arrays"
    shapes: Mapping[str, tuple[int | None, ...]]

    def read(self, given: Sequence[Mapping[str, Any]]) -> Arrays:
        return {name: np.stack([self._one(name, one) for one in given]) for name in self.shapes}

    def _one(self, name: str, sample: Mapping[str, Any]) -> Array:
        if name not in sample:
            raise DataError(
                f"a sample has no {name!r}",
                f"an array for each input: {', '.join(self.shapes)}",
                nearest(name, sample) or f'{{"{name}": [...]}}',
            )
        try:
            array = np.asarray(sample[name], np.float32)
        except (ValueError, TypeError) as cause:
            raise self._misfit(name, "is no array of numbers") from cause
        if _fits(array.shape, self.shapes[name]):
            return array
        raise self._misfit(name, f"is of shape {array.shape}")

    def _misfit(self, name: str, what: str) -> DataError:
        sides = " by ".join("any" if side is None else str(side) for side in self.shapes[name])
        return DataError(
            f"{name!r} of a sample {what}",
            f"numbers of shape {sides}" if sides else "a single number",
            "shape it as training data were",
        )

    def told(self, x: Mapping[str, Array]) -> list[str]:
        count = len(next(iter(x.values())))
        return [f"sample {place + 1}" for place in range(count)]


def _fits(found: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(found) == len(wanted) and all(
        side in (None, there) for side, there in zip(wanted, found, strict=True)
    )


def column_of(read: Any, cells: Sequence[str], column: str, rows: Rows) -> NDArray[np.float64]:
    """Reads one column of a table.

    Args:
        read: A function of cells and of what stands before decimals.
        cells: Its cells.
        column: Its name.
        rows: The table.

    Raises:
        DataError: A cell cannot be read; it is named.
    """
    try:
        return np.asarray(read(cells, rows.decimal), np.float64)
    except ValueError:
        row = next(place for place, cell in enumerate(cells) if not _reads(read, cell, rows))
    raise DataError(
        f"{rows.name} has {cells[row][:40]!r} as {column!r} in row {row + rows.first}",
        "what training had in that column: a number or a date, written the same way",
        "mend the cell",
    )


def _reads(read: Any, cell: str, rows: Rows) -> bool:
    try:
        read([cell], rows.decimal)
    except ValueError:
        return False
    return True


def unscaled(
    scaled: Array, mean: Sequence[float], deviation: Sequence[float]
) -> NDArray[np.float64]:
    """Numbers of a table as they were, but for digits that 32 bits do not hold.

    Args:
        scaled: As a network takes them, `(rows, columns)`.
        mean: Of each column.
        deviation: Of each column.
    """
    numbers = scaled.astype(np.float64) * np.array(deviation) + np.array(mean)
    size = np.maximum(np.abs(mean), deviation)
    step = 10.0 ** (np.floor(np.log10(size)) - _DIGITS)
    found: NDArray[np.float64] = np.round(numbers / step) * step + 0.0  # no -0
    return found


def described(pairs: Iterable[tuple[str, object]]) -> str:
    """Names and values in a line.

    Args:
        pairs: Of them; numbers are written with four digits.

    Example:
        >>> described([("age", 41.0), ("smokes", "yes")])
        'age 41, smokes yes'
    """
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in pairs
    )
