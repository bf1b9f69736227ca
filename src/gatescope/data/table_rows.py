"""The rows of a table that have a target, dealt into splits the same way in each reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gatescope.data.columns import is_blank, number_of
from gatescope.data.csv_file import Cells
from gatescope.data.splits import Dealer, Split, SplitConfig, split_groups, split_index

Taken = dict[str, Sequence[str]]


@dataclass(frozen=True, eq=False)
class DealtRows:
    """Consecutive rows and their splits.

    Args:
        cells: Their cells by column.
        values: float64 of shape `(rows,)`: class indices, or numbers.
        labels: Integers of shape `(rows,)`: class indices; all 0 where the target is a number.
        of: uint8 of shape `(rows,)`: their splits, indices into `SPLITS`.
    """

    cells: Taken
    values: NDArray[np.float64]
    labels: NDArray[np.intp]
    of: NDArray[np.uint8]

    def of_split(self, split: Split) -> tuple[Taken, NDArray[np.float64]]:
        """The cells and target values of a split's rows."""
        return self.some(self.rows_of(split))

    def rows_of(self, split: Split) -> NDArray[np.intp]:
        """The places of a split's rows."""
        return np.flatnonzero(self.of == split_index(split))

    def some(self, rows: NDArray[np.intp]) -> tuple[Taken, NDArray[np.float64]]:
        """The cells and target values of some rows."""
        return take_cells(self.cells, rows), self.values[rows]


@dataclass(frozen=True, eq=False)
class TableRows:
    """Reads a table's rows and deals them into splits.

    Args:
        source: The table.
        target: The column to predict.
        label_of: The class index of each of its cells; `None` where it is a number.
        counts: int64 of shape `(labels,)`: how many rows have each class, or a number.
        config: The shares of the splits.
        unit: What stands at its numbers.
        group: The column of what a row belongs to; `None` where rows stand for themselves.
        split_of: The split of each group.
    """

    source: Cells
    target: str
    label_of: Mapping[str, int] | None
    counts: NDArray[np.int64]
    config: SplitConfig
    unit: str = ""
    group: str | None = None
    split_of: Mapping[str, int] | None = None

    @property
    def seed(self) -> int:
        """Of the splits."""
        return self.config.seed

    def grouped(self, group: str) -> TableRows:
        """The same rows, groups kept whole.

        Args:
            group: The column of what a row belongs to.

        Raises:
            DataError: There are fewer groups than splits.
        """
        counts: dict[str, NDArray[np.int64]] = {}
        for cells, values in self._known():
            for name, label in zip(cells[group], self._labels(values), strict=True):
                counts.setdefault(name, np.zeros(len(self.counts), np.int64))[label] += 1
        of_G = split_groups(np.stack(list(counts.values())), self.config)
        return replace(self, group=group, split_of=dict(zip(counts, of_G.tolist(), strict=True)))

    def dealt(self) -> Iterator[DealtRows]:
        """Goes through all rows that have a target, chunk by chunk."""
        dealer = Dealer(self.counts, self.config) if self.split_of is None else None
        for cells, values in self._known():
            labels = self._labels(values)
            of = dealer.deal(labels) if dealer else self._of_groups(cells)
            yield DealtRows(cells, values, labels, of)

    def _known(self) -> Iterator[tuple[Taken, NDArray[np.float64]]]:
        for chunk in self.source.chunks():
            targets = chunk.cells[self.target]
            known = np.flatnonzero([self._has_value(cell) for cell in targets])
            whole = len(known) == len(targets)
            cells = dict(chunk.cells) if whole else take_cells(chunk.cells, known)
            yield cells, np.array([self._value(cell) for cell in cells[self.target]], np.float64)

    def _has_value(self, cell: str) -> bool:
        return not is_blank(cell) if self.label_of is None else cell in self.label_of

    def _value(self, cell: str) -> float:
        if self.label_of is None:
            return number_of(cell, self.source.decimal, self.unit)
        return self.label_of[cell]

    def _labels(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        return np.zeros(len(values), np.intp) if self.label_of is None else values.astype(np.intp)

    def _of_groups(self, cells: Taken) -> NDArray[np.uint8]:
        split_of, group = self.split_of or {}, str(self.group)
        return np.array([split_of[name] for name in cells[group]], np.uint8)


def take_cells(cells: Mapping[str, Sequence[str]], rows: NDArray[np.intp]) -> Taken:
    """Some rows of each column."""
    places = rows.tolist()
    return {name: list(map(column.__getitem__, places)) for name, column in cells.items()}


def targetless_notes(count: int, target: str) -> Iterator[str]:
    """What is to be said of rows that were left out.

    Args:
        count: How many have no target.
        target: Its column.
    """
    if count:
        yield f"{count:,} rows have no {target!r} and were left out"
