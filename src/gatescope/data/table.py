"""Tables: a file, or one that needs none, as inputs and targets of a network.

A file is read twice before training, in chunks: once to tell what its columns hold, once to learn
scaling, categories and vocabularies from the rows of the training split. Then it is read again in
each epoch. No reading keeps more than some chunks, so memory does not grow with the file; a small
one is read once and kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import sklearn.datasets
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from gatescope.data.columns import MAX_CATEGORIES, ColumnSurvey, Kind, number_of, said_kind
from gatescope.data.csv_file import Cells, Chunk, CsvFile, KeptCells
from gatescope.data.encoding import MISSING, NUMBERS, Decimal, Encoder, EncoderFit, Plan
from gatescope.data.houses import house_cells
from gatescope.data.leaks import ROWS, leaking_columns
from gatescope.data.moments import Moments
from gatescope.data.parquet_file import MAGIC, ParquetFile
from gatescope.data.splits import (
    SPLITS,
    Split,
    SplitConfig,
    absent_notes,
    count_labels,
    shown,
    split_index,
)
from gatescope.data.streams import Part, Room, Streamed, joined, order_of, take
from gatescope.data.table_rows import DealtRows, TableRows, Taken, take_cells, targetless_notes
from gatescope.errors import DataError, UsageError, nearest

SampleName = Literal["breast_cancer", "diabetes", "digits", "houses", "iris", "wine"]
SAMPLE_TABLES: tuple[SampleName, ...] = get_args(SampleName)

_KEPT_BYTES = 8_000_000
_SHUFFLED = 8  # chunks at a time
_WHY = {"id": "names rows, nearly each has its own", "constant": "has one value only"}
_NAMED = 12  # columns in one sentence
_TITLES = 20  # lines that may stand above a header
_SAMPLED = 10_000  # rows of each split that are kept for looking at


class TableConfig(BaseModel):
    """How a table is read.

    Args:
        target: The column to predict.
        split: How rows are split.
        kinds: What columns hold, where looking at them does not tell: numbers that are codes of
            categories, say, or classes that are to be numbers.
        drop: Columns to leave out.
        group: The column of what a row belongs to, a person say; no group is in two splits.
        tokens: How many token ids a column of text has at most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str
    split: SplitConfig
    kinds: Mapping[str, Kind] = {}
    drop: tuple[str, ...] = ()
    group: str | None = None
    tokens: int = Field(default=10_000, ge=3)


@dataclass(frozen=True)
class Column:
    """What was found out about a column.

    Args:
        name: The column's name.
        kind: What it holds.
        missing: How many rows have no value.
        use: What becomes of it.
    """

    name: str
    kind: Kind
    missing: int
    use: Literal["input", "target", "group", "left out"]


@dataclass(frozen=True, eq=False)
class Target:
    """What is predicted.

    Args:
        name: The column's name.
        classes: Its classes in the order of their indices; empty where it is a number.
        mean: The numbers' mean in training; 0 for classes.
        deviation: The numbers' standard deviation in training; 1 for classes.
    """

    name: str
    classes: tuple[str, ...]
    mean: float
    deviation: float

    def restore(self, predicted: NDArray[Any]) -> NDArray[np.float64]:
        """Turns predicted numbers back into the column's own units.

        Args:
            predicted: Numbers as a network predicts them, of any shape.
        """
        return np.asarray(predicted, np.float64) * self.deviation + self.mean


@dataclass(frozen=True, eq=False)
class Table(Streamed):
    """A table, split and ready for training.

    The order of an epoch shuffles rows within some ten thousand consecutive ones: a file that is
    sorted should be shuffled once beforehand.

    Args:
        columns: What was found out about each column.
        target: What is predicted.
        sizes: How many rows each split has.
        encoder: What was learned from the training rows, and turns rows into arrays.
        notes: What should be known, each a sentence: columns left out, missing values, classes
            that a split lacks, columns that tell the target.
    """

    columns: tuple[Column, ...]
    target: Target
    sizes: Mapping[Split, int]
    encoder: Encoder
    notes: tuple[str, ...]
    _rows: TableRows
    _sampled: Mapping[Split, tuple[Taken, NDArray[np.float64]]]

    def sample(self, split: Split, most: int) -> Part:
        """Some rows of a split, drawn when the table was read.

        Args:
            split: `"train"`, `"dev"` or `"test"`.
            most: How many; a table that is read in chunks kept about 10,000 of each split.
        """
        self._count(split)
        cells, values = self._sampled[split]
        rows = np.arange(min(most, len(values)))
        return self.encoder.encode(take_cells(cells, rows)), self._targets(values[rows])

    def all_arrays(self) -> dict[Split, Part]:
        """All rows of every split at once; none where a split has no share.

        Returns:
            Inputs and targets of each split.
        """
        rooms = {split: Room(self.element_spec, self.sizes[split]) for split in SPLITS}
        for rows in self._rows.dealt():  # once, since reading takes longer than all else
            encoded, targets = self.encoder.encode(rows.cells), self._targets(rows.values)
            for split, room in rooms.items():
                places = rows.rows_of(split)
                room.add((take(encoded, places), targets[places]))
        return {split: room.arrays for split, room in rooms.items()}

    @property
    def _total(self) -> int:
        return sum(self.sizes.values())

    def _count(self, split: Split) -> int:
        split_index(split)
        if self.sizes[split]:
            return self.sizes[split]
        raise UsageError(
            f"the split {split!r} has no rows",
            f"a split with rows: {shown([s for s in SPLITS if self.sizes[s]])}",
            f"give {split} a share, say {split}=0.1",
        )

    def _parts(self, split: Split) -> Iterator[Part]:
        for rows in self._rows.dealt():
            cells, values = rows.of_split(split)
            if len(values):
                yield self.encoder.encode(cells), self._targets(values)

    def _targets(self, values: NDArray[np.float64]) -> NDArray[Any]:
        if self.target.classes:
            return values.astype(np.int32)
        scaled = (values - self.target.mean) / self.target.deviation
        return scaled[:, None].astype(np.float32)

    def _shuffled(self, seed: int, epoch: int) -> Iterator[Part]:
        parts = self._parts("train")
        number = 0
        while some := list(islice(parts, _SHUFFLED)):
            inputs, targets = joined(some)
            order = order_of(len(targets), seed, epoch, number)
            yield take(inputs, order), targets[order]
            number += 1

    @cached_property
    def element_spec(self) -> Any:
        nothing: dict[str, list[str]] = {name: [] for name in self._rows.source.columns}
        example = self.encoder.encode(nothing), self._targets(np.zeros(0))
        return tf.nest.map_structure(
            lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), example
        )


def load_table(path: str | os.PathLike[str], config: TableConfig) -> Table:
    """Loads a CSV file of any dialect, or a parquet file where pyarrow is installed.

    Numbers, dates (as numbers of days), categories and texts are told by looking; columns of one
    value and those that only name rows are left out. A target of words, or of up to 20 different
    whole numbers, is read as classes. `config.kinds` has the last word. Empty cells, `NA`, `NaN`,
    `null`, `?` and Excel's `#N/A` and `#DIV/0!` are missing values, and among numbers and dates
    `-`, `.` and `None`, too; rows without a target are left out.

    Args:
        path: The file.
        config: How it is read.

    Returns:
        The table; look at its `notes`.

    Raises:
        DataError: The file cannot be read, a column of the configuration is not in it, the target
            has one class only, there is text or an infinite number among numbers, or too few rows.

    Example:
        >>> fifths = SplitConfig(dev=0.2, test=0.2, seed=0)
        >>> table = load_table(
        ...     "low_birth_weight.csv", TableConfig(target="low", split=fifths, drop=("bwt",))
        ... )
        >>> table.target.classes, dict(table.sizes)
        (('0', '1'), {'train': 113, 'dev': 38, 'test': 38})
    """
    file = open_cells(Path(path), (config.target,))
    if Path(path).stat().st_size > _KEPT_BYTES:
        return _table(file, config)
    return _table(KeptCells(file.name, file.columns, file.decimal, tuple(file.chunks())), config)


def open_cells(path: Path, named: Sequence[str] = (), usual: Decimal | None = None) -> Cells:
    """A table of text cells from a file, told by how it begins.

    Args:
        path: CSV of any dialect, or parquet.
        named: Columns that it should have, as `CsvFile` takes them.
        usual: The decimal sign where no number tells it, likewise.

    Raises:
        DataError: There is no such file, or it cannot be read.
    """
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(MAGIC)) == MAGIC:
                return ParquetFile(path)
    return CsvFile(path, named, usual)


def has_names(table: Cells) -> bool:
    """Whether the names of columns are a table's own, as of a CSV file with a header."""
    return not isinstance(table, CsvFile) or table.has_header


def sample_table(name: str, config: TableConfig) -> Table:
    """Loads a table that needs no file: those that scikit-learn ships, and houses made here.

    Args:
        name: `breast_cancer`, `digits`, `iris` and `wine` have classes, `diabetes` a number; their
            column to predict is called `target`. `houses` has a `price`, and columns of every
            kind; see `gatescope.data.houses`.
        config: How it is read.

    Returns:
        The table, of the same type as one from a file.

    Raises:
        UsageError: There is no sample of that name.
        DataError: As `load_table`.

    Example:
        >>> tenths = SplitConfig(dev=0.1, test=0.1, seed=0)
        >>> sample_table("iris", TableConfig(target="target", split=tenths)).target.classes
        ('setosa', 'versicolor', 'virginica')
    """
    if name not in SAMPLE_TABLES:
        raise UsageError(
            f"there is no sample table {name!r}",
            ", ".join(SAMPLE_TABLES),
            nearest(name, SAMPLE_TABLES) or "name one of these",
        )
    cells = house_cells() if name == "houses" else _shipped(name)
    rows = Chunk(range(1, len(next(iter(cells.values()))) + 1), cells)
    return _table(KeptCells(f"the sample table {name!r}", tuple(cells), ".", (rows,)), config)


def _shipped(name: str) -> dict[str, list[str]]:
    bunch = getattr(sklearn.datasets, f"load_{name}")()
    classes = bunch.get("target_names")
    targets = bunch.target if classes is None else np.asarray(classes)[bunch.target]
    columns = [*bunch.data.T.tolist(), targets.tolist()]
    names = (*map(str, bunch.feature_names), "target")
    # repr, since it is read back exactly.
    texts = [[cell if isinstance(cell, str) else repr(cell) for cell in cells] for cells in columns]
    return dict(zip(names, texts, strict=True))


def _table(source: Cells, config: TableConfig) -> Table:
    surveys = _surveyed(source, config)
    columns = tuple(_column(survey, source, config) for survey in surveys.values())
    target = surveys[config.target]
    classes, label_of = _classes(target, source, config)
    counts = _label_counts(target, classes, label_of)
    rows = TableRows(source, config.target, label_of, counts, config.split, target.unit)
    if config.group is not None:
        rows = rows.grouped(config.group)
    fitted = _fitted(rows, _plan(columns, surveys, source, config))
    mean, deviation = (0.0, 1.0) if classes else fitted.target_scale
    return Table(
        columns=columns,
        target=Target(config.target, classes, mean, deviation),
        sizes=dict(zip(SPLITS, fitted.counts.sum(axis=1).tolist(), strict=True)),
        encoder=fitted.encoder,
        notes=(
            *_column_notes(columns, surveys, target, classes),
            *absent_notes(fitted.counts, classes),
            *_leak_notes(fitted, config, classes=bool(classes)),
        ),
        _rows=rows,
        _sampled=fitted.sampled,
    )


def _surveyed(source: Cells, config: TableConfig) -> dict[str, ColumnSurvey]:
    """The first reading."""
    grouped = () if config.group is None else (config.group,)
    for name in (config.target, *grouped, *config.drop, *config.kinds):
        if name not in source.columns:
            raise _no_column(name, source)
    surveys = {name: ColumnSurvey(name, source.decimal) for name in source.columns}
    for chunk in source.chunks():
        for name, survey in surveys.items():
            survey.add(chunk.cells[name], chunk.lines)
    if not surveys[config.target].values:
        rows = surveys[config.target].missing
        raise DataError(
            f"none of the {rows} rows of {source.name} has a {config.target!r}",
            "rows with a value in the column to predict",
            "add rows, or name another target",
        )
    return surveys


def _no_column(name: str, source: Cells) -> DataError:
    """Says why, where the names of the columns are not in the first line."""
    happened = f"{source.name} has no column {name!r}"
    fix = nearest(name, source.columns) or "check the name"
    first = next(source.chunks(), None)
    rows = zip(first.lines, zip(*first.cells.values(), strict=True), strict=True) if first else ()
    line = next((line for line, row in islice(rows, _TITLES) if name in row), None)
    if line is not None:
        happened += f": its first line does not have it, line {line} has"
        fix = f"delete what stands above line {line}: the names of columns stand first"
    elif source.columns == tuple(f"column {place}" for place, _ in enumerate(source.columns, 1)):
        happened += ": its first line was taken for data, since it has numbers in it"
        fix = "name a column that is in the first line: then that is the header; or add a header"
    return DataError(happened, f"one of its columns: {shown(source.columns, most=12)}", fix)


def _column(survey: ColumnSurvey, source: Cells, config: TableConfig) -> Column:
    if survey.name == config.target:
        return Column(survey.name, _target_kind(survey, config), survey.missing, "target")
    kind = config.kinds.get(survey.name, survey.kind)
    if survey.name == config.group:
        return Column(survey.name, kind, survey.missing, "group")
    if survey.name in config.drop or kind in ("id", "constant"):
        return Column(survey.name, kind, survey.missing, "left out")
    survey.refuse(kind, source.name)
    return Column(survey.name, kind, survey.missing, "input")


def _target_kind(survey: ColumnSurvey, config: TableConfig) -> Literal["number", "category"]:
    """Whether the target is a number or classes."""
    kind = config.kinds.get(survey.name, survey.kind)
    if survey.name not in config.kinds and survey.numbers == survey.values:
        kind = "category" if survey.is_whole and survey.has_few else "number"
    return "number" if kind in ("number", "date") else "category"


def _classes(
    survey: ColumnSurvey, source: Cells, config: TableConfig
) -> tuple[tuple[str, ...], dict[str, int] | None]:
    """The target's classes, and the class of each cell; none and `None` for a number."""
    only = list(survey.counts or ())
    if len(only) == 1:
        raise DataError(
            f"the column {survey.name!r} of {source.name} has one value only: {only[0]!r}",
            "at least two classes, or numbers that differ",
            "add rows of another class, or name another target",
        )
    if survey.name not in config.kinds:
        _refuse_target(survey, source.name)
    kind = _target_kind(survey, config)
    survey.refuse(kind, source.name)
    if kind == "number":
        return (), None
    whole = survey.is_whole and not survey.unit
    class_of = {
        cell: str(int(number_of(cell, source.decimal))) if whole else cell
        for cell in survey.counts or {}
    }
    classes = sorted(set(class_of.values()), key=int if whole else str)
    return tuple(classes), {cell: classes.index(name) for cell, name in class_of.items()}


def _refuse_target(survey: ColumnSurvey, table: str) -> None:
    """Raises where a column can be read, but not be predicted."""
    line, cell = survey.no_number or (0, "")
    column = f"the column {survey.name!r} of {table}"
    if survey.kind == "date":
        raise DataError(
            f"{column} holds dates, as {cell!r} in line {line}, and dates are not predicted",
            "a target of numbers or of classes",
            "write a column of numbers, say of days until then, and name that as the target",
        )
    if survey.numbers < survey.values and survey.kind in ("id", "text"):
        different = f"more than {MAX_CATEGORIES:,}" if survey.counts is None else len(survey.counts)
        raise DataError(
            f"{column} has {different} different texts in {survey.values:,} rows, as "
            f"{cell[:40]!r} in line {line}: too many to be classes",
            "numbers, or classes that many rows share",
            "name another target; if these are numbers, write all of them in one way, as 5123.40 "
            f"or $5,123.40; if they are classes: {said_kind(survey.name, 'category')}",
        )


def _label_counts(
    survey: ColumnSurvey, classes: tuple[str, ...], label_of: Mapping[str, int] | None
) -> NDArray[np.int64]:
    if label_of is None or survey.counts is None:
        return np.array([survey.values])
    counts = np.zeros(len(classes), np.int64)
    for cell, count in survey.counts.items():
        counts[label_of[cell]] += count
    return counts


def _plan(
    columns: tuple[Column, ...],
    surveys: Mapping[str, ColumnSurvey],
    source: Cells,
    config: TableConfig,
) -> Plan:
    inputs = [column for column in columns if column.use == "input"]
    if not inputs:
        raise DataError(
            f"no column of {source.name} is left to predict {config.target!r} from"
            f"{_left_out(columns, config)}",
            "at least one column of numbers, dates, categories or text",
            f"if one was left out wrongly: {said_kind(_any_left_out(columns, config), 'number')}",
        )

    def of(*kinds: Kind) -> tuple[str, ...]:
        return tuple(column.name for column in inputs if column.kind in kinds)

    return Plan(
        numbers=of("number", "date"),
        dates={name: str(surveys[name].date_form) for name in of("date")},
        categories=of("category"),
        texts=of("text"),
        decimal=source.decimal,
        tokens=config.tokens,
        units={name: surveys[name].unit for name in of("number") if surveys[name].unit},
        order=tuple(column.name for column in inputs),
    )


def _left_out(columns: tuple[Column, ...], config: TableConfig) -> str:
    """Which columns were, and why; empty where there were none."""
    why = [
        f"{column.name!r} {'is dropped' if column.name in config.drop else _WHY[column.kind]}"
        for column in columns
        if column.use == "left out"
    ]
    more = f", and {len(why) - _NAMED} more" if len(why) > _NAMED else ""
    return f": {', '.join(why[:_NAMED])}{more}" if why else ""


def _any_left_out(columns: tuple[Column, ...], config: TableConfig) -> str:
    named = [column.name for column in columns if column.use == "left out"]
    return next((name for name in named if name not in config.drop), "COLUMN")


@dataclass(frozen=True, eq=False)
class _Fitted:
    """What the second reading found.

    Args:
        encoder: What was learned.
        counts: How many rows of each label each split has.
        target_scale: Mean and standard deviation of the target in training.
        sampled: Some rows of each split and their target values.
    """

    encoder: Encoder
    counts: NDArray[np.int64]
    target_scale: tuple[float, float]
    sampled: dict[Split, tuple[Taken, NDArray[np.float64]]]


def _fitted(rows: TableRows, plan: Plan) -> _Fitted:
    """The second reading."""
    fit, target = EncoderFit(plan), Moments(1)
    counts = np.zeros((len(SPLITS), len(rows.counts)), np.int64)
    samples = {split: _Sample(rows, split) for split in SPLITS}
    for dealt in rows.dealt():
        counts += count_labels(dealt.of, dealt.labels, len(rows.counts))
        cells, values = dealt.of_split("train")
        fit.add(cells)
        target.add(values[:, None])
        for split, sample in samples.items():
            sample.add(dealt, dealt.rows_of(split))
    scale = (float(target.mean[0]), float(target.deviation[0]))
    sampled = {split: sample.done() for split, sample in samples.items()}
    return _Fitted(fit.done(), counts, scale, sampled)


class _Sample:
    """Rows of a split, each as likely to be among them as any other."""

    def __init__(self, rows: TableRows, split: Split) -> None:
        share = {"dev": rows.config.dev, "test": rows.config.test}
        share["train"] = 1 - sum(share.values())
        self._rate = _SAMPLED / max(rows.counts.sum() * share[split], 1)
        self._random = np.random.default_rng((rows.seed, split_index(split)))
        self._cells: dict[str, list[str]] = {name: [] for name in rows.source.columns}
        self._values: list[NDArray[np.float64]] = []

    def add(self, dealt: DealtRows, rows: NDArray[np.intp]) -> None:
        cells, values = dealt.some(rows[self._random.random(len(rows)) < self._rate])
        for name, column in cells.items():
            self._cells[name] += column
        self._values.append(values)

    def done(self) -> tuple[Taken, NDArray[np.float64]]:
        values = np.concatenate(self._values)
        order = self._random.permutation(len(values))
        return take_cells(self._cells, order), values[order]


def _column_notes(
    columns: tuple[Column, ...],
    surveys: Mapping[str, ColumnSurvey],
    target: ColumnSurvey,
    classes: tuple[str, ...],
) -> Iterator[str]:
    yield from targetless_notes(target.missing, target.name)
    if classes and target.numbers == target.values:
        yield (
            f"{target.name!r} is read as {len(classes)} classes; "
            f"to read it as a number: {said_kind(target.name, 'number')}"
        )
    yield from _alike_notes(target.name, classes)
    for column in columns:
        survey = surveys[column.name]
        if column.use == "left out" and column.kind == "constant":
            yield f"{column.name!r} was left out: it has one value only"
        elif column.use == "left out" and column.kind == "id":
            keep = said_kind(column.name, "number")
            numbers = survey.numbers == survey.values
            yield (
                f"{column.name!r} was left out: it names rows, nearly each has its own"
                f"{f'; to keep it: {keep}' if numbers else ''}"
            )
        elif column.use in ("input", "target"):
            yield from _reading_notes(column, survey)


def _reading_notes(column: Column, survey: ColumnSurvey) -> Iterator[str]:
    if column.kind == "number" and survey.unit:
        yield f"{column.name!r} is read as numbers without their {survey.unit!r}"
    if column.kind == "date" and survey.other_date_form:
        yield (
            f"{column.name!r} is read as {survey.date_form}: "
            f"{survey.other_date_form} would fit all of its rows, too"
        )
    if column.use == "input" and column.missing:
        total = column.missing + survey.values
        yield f"{column.name!r} is missing in {column.missing:,} of {total:,} rows"


def _alike_notes(target: str, classes: tuple[str, ...]) -> Iterator[str]:
    spelled: dict[str, str] = {}
    for name in classes:
        other = spelled.setdefault("".join(name.casefold().split()), name)
        if other != name:
            yield f"the classes {other!r} and {name!r} of {target!r} differ in case or spaces only"


def _leak_notes(fitted: _Fitted, config: TableConfig, *, classes: bool) -> Iterator[str]:
    cells, values = fitted.sampled["train"]
    cells, values = take_cells(cells, np.arange(min(ROWS, len(values)))), values[:ROWS]
    inputs = dict(fitted.encoder.encode(cells))
    numbers = inputs.pop(NUMBERS, np.zeros((len(values), 0))).T
    columns = dict(zip(fitted.encoder.numbers, numbers, strict=True))
    columns |= {name: array for name, array in inputs.items() if array.ndim == 1}
    for name, score in leaking_columns(columns, values, classes=classes).items():
        column = name.removesuffix(f" {MISSING}") if name not in cells else name
        yield (
            f"{name!r} alone tells {config.target!r}, to {score:.1%}: "
            f"if it was made from it, leave it out: --drop {column!r}, or drop=({column!r},) in "
            "Python"
        )
