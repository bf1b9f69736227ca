"""Cells of a table as arrays for a network; what that takes is learned from training rows alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, partial
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from gatescope.data.columns import is_blank, is_missing, to_days, to_numbers, untaken
from gatescope.data.moments import Moments
from gatescope.data.reader import Arrays, Rows, RowsReader, column_of, described, unscaled
from gatescope.data.words import Vocabulary, VocabularyFit, words_of

NUMBERS = "numbers"
MISSING = "missing"
UNSEEN = 0
_EPOCH = date(1970, 1, 1).toordinal()

CellColumns = Mapping[str, Sequence[str]]
Decimal = Literal[".", ","]


@dataclass(frozen=True)
class Plan:
    """How each input column of a table is read.

    Args:
        numbers: Columns of numbers, and of dates, in the table's order.
        dates: For those of dates, how they are written.
        categories: Columns of categories.
        texts: Columns of text.
        decimal: What stands before the decimals.
        tokens: How many token ids a text column has at most.
        units: For columns of numbers with a unit, what it is.
        order: All of these columns in the table's order; empty in runs that did not keep it yet.
    """

    numbers: tuple[str, ...]
    dates: Mapping[str, str]
    categories: tuple[str, ...]
    texts: tuple[str, ...]
    decimal: Decimal
    tokens: int
    units: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()

    def read_numbers(self, cells: CellColumns) -> NDArray[np.float64]:
        """Numbers as they are written, of shape `(rows, numbers)`; NaN where one is missing."""
        read = [self.reading(name)(cells[name], self.decimal) for name in self.numbers]
        return np.stack(read, axis=1) if read else np.zeros((_rows(cells), 0))

    def reading(self, name: str) -> Callable[[Sequence[str], Decimal], NDArray[np.float64]]:
        """What makes numbers of a column's cells, given what stands before decimals."""
        if name in self.dates:
            return lambda cells, decimal: to_days(cells, self.dates[name])
        return partial(to_numbers, unit=self.units.get(name, ""))


@dataclass(frozen=True, eq=False)
class Encoder:
    """Turns cells into arrays.

    Numbers become one array: less their mean in training, divided by their deviation there, so
    that a missing one is 0, the mean. A column of which training rows lack a value has a second
    one that is 1 where it is missing. Categories become indices, 0 for what training rows did not
    have; a missing one is a category like any other. Texts become token ids.

    Args:
        plan: How columns are read.
        mean: float64 of shape `(numbers,)`.
        deviation: float64 of shape `(numbers,)`; 1 where a number did not vary.
        flagged: Places among the numbers of those that have a second column.
        categories: For each input of categories its column and categories, from index 1 on.
        texts: For each input of text its column and vocabulary.
    """

    plan: Plan
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    flagged: NDArray[np.intp]
    categories: Mapping[str, tuple[str, tuple[str, ...]]]
    texts: Mapping[str, tuple[str, Vocabulary]]

    @property
    def numbers(self) -> tuple[str, ...]:
        """What the columns of the array of numbers are."""
        names = self.plan.numbers
        return (*names, *(f"{names[place]} {MISSING}" for place in self.flagged))

    def encode(self, cells: CellColumns) -> dict[str, NDArray[Any]]:
        """Turns rows into arrays.

        Args:
            cells: The rows' cells by column.

        Returns:
            `"numbers"`, float32 of shape `(rows, numbers)`, where the table has any; for each
            column of categories int32 of shape `(rows,)`; for each of text int32 of shape
            `(rows, length)`.
        """
        inputs: dict[str, NDArray[Any]] = {}
        if self.plan.numbers:
            inputs[NUMBERS] = self._scaled(self.plan.read_numbers(cells))
        for name, (column, categories) in self.categories.items():
            inputs[name] = _indices(cells[column], categories)
        for name, (column, vocabulary) in self.texts.items():
            inputs[name] = vocabulary.encode(cells[column])
        return inputs

    def _scaled(self, numbers: NDArray[np.float64]) -> NDArray[np.float32]:
        scaled = np.nan_to_num((numbers - self.mean) / self.deviation, nan=0.0)
        flags = np.isnan(numbers[:, self.flagged])
        return np.concatenate([scaled, flags], axis=1).astype(np.float32)


class TableReader(RowsReader):
    """An encoder as plain data.

    Categories that training did not have become the first index, as in training those of other
    parts; missing numbers become the mean. Both are noted where training rows had none.

    Args:
        plan: How columns are read.
        mean: Of each number.
        deviation: Of each number; 1 where it did not vary.
        flagged: Places of numbers that have a second column, which says whether they are missing.
        categories: For each input of categories its column and categories, from index 1 on.
        texts: For each input of text its column, words and length.
    """

    kind: Literal["table"] = "table"
    plan: Plan
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    flagged: tuple[int, ...]
    categories: Mapping[str, tuple[str, tuple[str, ...]]]
    texts: Mapping[str, tuple[str, tuple[str, ...], int]]

    @classmethod
    def of(cls, encoder: Encoder) -> Self:
        """What an encoder knows.

        Args:
            encoder: Learned from training rows.
        """
        return cls(
            plan=encoder.plan,
            mean=tuple(encoder.mean.tolist()),
            deviation=tuple(encoder.deviation.tolist()),
            flagged=tuple(encoder.flagged.tolist()),
            categories=encoder.categories,
            texts={
                name: (column, vocabulary.words, vocabulary.length)
                for name, (column, vocabulary) in encoder.texts.items()
            },
        )

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder."""
        return Encoder(
            self.plan,
            np.array(self.mean),
            np.array(self.deviation),
            np.array(self.flagged, np.intp),
            self.categories,
            {
                name: (column, Vocabulary(words, length))
                for name, (column, words, length) in self.texts.items()
            },
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the table that are read, in its order."""
        if self.plan.order:
            return self.plan.order
        categories = (column for column, _ in self.categories.values())
        texts = (column for column, _, _ in self.texts.values())
        return (*self.plan.numbers, *categories, *texts)

    @property
    def decimal(self) -> Decimal:
        return self.plan.decimal

    def read(self, given: Rows) -> Arrays:
        cells = given.of(self.columns)
        plan = replace(self.plan, decimal=given.decimal)
        for name in plan.numbers:
            column_of(plan.reading(name), cells[name], name, given)
        return replace(self.encoder, plan=plan).encode(cells)

    def notes(self, given: Rows) -> list[list[str]]:
        cells = given.of(self.columns)
        notes: list[list[str]] = [[] for _ in range(len(given))]
        for place, name in enumerate(self.plan.numbers):
            if place not in self.flagged:
                note = (
                    f"{name!r} is missing, as in no row of training: the mean of training, "
                    f"{self._mean_told(place)}, stands for it"
                )
                _note(notes, cells[name], {c for c in set(cells[name]) if is_blank(c)}, note)
        for column, categories in self.categories.values():
            known = {*categories}
            unseen = {cell for cell in set(cells[column]) if category_of(cell) not in known}
            for cell in unseen:
                told = "missing" if is_missing(cell) else repr(cell[:40])
                _note(
                    notes,
                    cells[column],
                    {cell},
                    f"{column!r} is {told}, as in no row of training: it is read as unseen",
                )
        return notes

    def _mean_told(self, place: int) -> str:
        name, mean = self.plan.numbers[place], self.mean[place]
        if name in self.plan.dates:
            return str(date.fromordinal(_EPOCH + round(mean)))
        return f"{mean:.4g}"

    def told(self, x: Mapping[str, NDArray[Any]]) -> list[str]:
        count = len(next(iter(x.values())))
        rows: list[list[tuple[str, object]]] = [[] for _ in range(count)]
        for name, (column, categories) in self.categories.items():
            known = ("(unseen)", *categories)
            for row, index in zip(rows, x[name].tolist(), strict=True):
                row.append((column, known[index]))
        for name, (column, words, _) in self.texts.items():
            for row, ids in zip(rows, x[name].tolist(), strict=True):
                row.append((column, words_of(ids, words)))
        return [described([*self._numbers(x, place), *rest]) for place, rest in enumerate(rows)]

    def _numbers(self, x: Mapping[str, NDArray[Any]], row: int) -> list[tuple[str, object]]:
        names = self.plan.numbers
        if not names:
            return []
        scaled = x[NUMBERS][row]
        (values,) = unscaled(scaled[None, : len(names)], self.mean, self.deviation)
        told: list[object] = values.tolist()
        for place, flag in zip(self.flagged, scaled[len(names) :].tolist(), strict=True):
            told[place] = MISSING if flag else told[place]
        return list(zip(names, told, strict=True))


def _note(notes: list[list[str]], cells: Sequence[str], found: Collection[str], note: str) -> None:
    """Adds a note to the rows whose cell is among some."""
    if found:
        for row, cell in enumerate(cells):
            if cell in found:
                notes[row].append(note)


def _indices(cells: Sequence[str], categories: tuple[str, ...]) -> NDArray[np.int32]:
    index = {category: place for place, category in enumerate(categories, start=1)}
    return np.array([index.get(category_of(cell), UNSEEN) for cell in cells], np.int32)


def category_of(cell: str) -> str:
    """The category that a cell says, all missing ones being one."""
    return MISSING if is_missing(cell) else cell


class EncoderFit:
    """Learns an encoder from training rows as they come by; its memory does not grow with them.

    Args:
        plan: How columns are read.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._moments = Moments(len(plan.numbers))
        self._missing = np.zeros(len(plan.numbers), np.int64)
        self._categories: dict[str, Counter[str]] = {name: Counter() for name in plan.categories}
        self._texts = {name: VocabularyFit(plan.tokens) for name in plan.texts}

    def add(self, cells: CellColumns) -> None:
        """Looks at the next training rows."""
        if not _rows(cells):
            return
        if self._plan.numbers:
            numbers = self._plan.read_numbers(cells)
            self._moments.add(numbers)
            self._missing += np.isnan(numbers).sum(axis=0)
        for name, counts in self._categories.items():
            counts.update(map(category_of, cells[name]))
        for name, vocabulary in self._texts.items():
            vocabulary.add(cells[name])

    def done(self) -> Encoder:
        """What was learned."""
        names = input_names((*self._plan.categories, *self._plan.texts))
        return Encoder(
            self._plan,
            self._moments.mean,
            self._moments.deviation,
            np.flatnonzero(self._missing),
            {
                names[column]: (column, tuple(sorted(counts)))
                for column, counts in self._categories.items()
            },
            {names[column]: (column, fit.done()) for column, fit in self._texts.items()},
        )


def input_names(columns: Sequence[str]) -> dict[str, str]:
    """Names for a network's inputs: letters, digits and underscores, none twice.

    Args:
        columns: The columns' names.

    Returns:
        The input's name for each column; never that of the array of numbers.

    Example:
        >>> input_names(["marital status", "numbers"])
        {'marital status': 'marital_status', 'numbers': 'numbers_2'}
    """
    names: dict[str, str] = {}
    for column in columns:
        names[column] = free_name(column, {NUMBERS, *names.values()})
    return names


def free_name(column: str, taken: Collection[str]) -> str:
    """A name within a network: letters, digits and underscores, and none that is taken.

    Args:
        column: What it is to be like.
        taken: What others are called.

    Example:
        >>> free_name("price (EUR)", {"numbers"})
        'price_EUR'
    """
    wanted = re.sub(r"\W+", "_", column, flags=re.ASCII).strip("_") or "column"
    return untaken(wanted, taken, "_")


def _rows(cells: CellColumns) -> int:
    return len(next(iter(cells.values()), ()))
