"""Other data of the same form, read as the training data of a network were, with their labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatescope.data.archive import open_archive
from gatescope.data.columns import is_blank, is_missing, number_of, unit_of
from gatescope.data.csv_file import Cells
from gatescope.data.datasets import Part, Source
from gatescope.data.file_samples import FileReader, labels_by_name, left_out_notes, unreadable_notes
from gatescope.data.reader import RawFile, Reader, Rows, RowsReader
from gatescope.data.sources import ImageFiles, SoundFiles, TableFile, TextFiles
from gatescope.data.splits import shown
from gatescope.data.table import has_names, open_cells
from gatescope.data.table_rows import targetless_notes
from gatescope.data.texts import texts_of
from gatescope.errors import DataError, UsageError, nearest

_TOLD = 5  # notes on values that training did not have


class Wanted(NamedTuple):
    """The target of training.

    Attributes:
        name: Of the target.
        title: What people call it; its column, where it is one of a table.
        classes: Their names; none of a number.
        mean: Of a number in training.
        deviation: Likewise.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    mean: float
    deviation: float

    def classes_of(self, labels: Sequence[str], where: str) -> NDArray[np.int32]:
        """The index of each label.

        Args:
            labels: Names of classes.
            where: They come from.

        Raises:
            DataError: One was not in training.
        """
        index = {name: place for place, name in enumerate(self.classes)}
        new = sorted(set(labels) - index.keys())
        if new:
            raise DataError(
                f"{where} has classes that were not in training: {shown(new)}",
                f"the classes of training: {shown(self.classes, most=12)}",
                nearest(new[0], self.classes) or "leave them out, or train with them",
            )
        return np.array([index[label] for label in labels], np.int32)


class Labelled(NamedTuple):
    """Samples that have a label.

    Attributes:
        part: The samples.
        notes: What should be known of them, each a sentence.
    """

    part: Part
    notes: tuple[str, ...] = ()


def labelled(source: Source, path: Path, reader: Reader, wanted: Wanted) -> Labelled:
    """Reads all of other data, with what was learned in training.

    Args:
        source: Where the training data came from, and how they were read.
        path: The other data: a file or folder of the same form.
        reader: Kept with the network.
        wanted: The target.

    Returns:
        All samples that have a label and can be read.

    Raises:
        UsageError: The training data came from no file.
        DataError: The data cannot be read, or have classes that training did not have.
    """
    if isinstance(source, TableFile) and isinstance(reader, RowsReader):
        return _table(path, reader, wanted)
    if isinstance(source, TextFiles):
        return _texts(source, path, reader, wanted)
    if isinstance(source, ImageFiles | SoundFiles) and isinstance(reader, FileReader):
        return _files(source, path, reader, wanted)
    raise UsageError(
        "the network was trained on data that need no file",
        "a network of tables, images, sounds or texts",
        "leave --data out",
    )


def _table(path: Path, reader: RowsReader, wanted: Wanted) -> Labelled:
    file = open_cells(path, (wanted.title, *reader.columns), reader.decimal)
    if wanted.title not in file.columns:
        raise DataError(
            f"{file.name} has no column {wanted.title!r}",
            f"the column that the network predicts beside {shown(reader.columns)}",
            nearest(wanted.title, file.columns)
            or f"add it; the columns here are {shown(file.columns, most=12)}",
        )
    cells: dict[str, list[str]] = {name: [] for name in file.columns}
    for chunk in file.chunks():
        for name, column in chunk.cells.items():
            cells[name] += column
    lacks = is_missing if wanted.classes else is_blank
    known = [place for place, cell in enumerate(cells[wanted.title]) if not lacks(cell)]
    kept = {name: [column[place] for place in known] for name, column in cells.items()}
    if not known:
        raise DataError(
            f"none of the {len(cells[wanted.title])} rows of {file.name} has a {wanted.title!r}",
            "rows with a value in the column that is predicted",
            "gatescope predict needs none",
        )
    rows = Rows(file.name, kept, file.decimal, has_names(file))
    part = Part(reader.read(rows), {wanted.name: _targets(kept[wanted.title], file, wanted)})
    without = len(cells[wanted.title]) - len(known)
    return Labelled(part, (*targetless_notes(without, wanted.title), *_unlike(reader, rows)))


def _unlike(reader: RowsReader, rows: Rows) -> Iterator[str]:
    """In what rows are unlike those of training."""
    counts = Counter(note for notes in reader.notes(rows) for note in notes).most_common()
    for note, count in counts[:_TOLD]:
        yield f"in {count:,} of {len(rows):,} rows {note}"
    if len(counts) > _TOLD:
        yield f"{len(counts) - _TOLD:,} more values are unlike those of training"


def _targets(cells: Sequence[str], file: Cells, wanted: Wanted) -> NDArray[Any]:
    if wanted.classes:
        return wanted.classes_of([_class(cell, wanted.classes) for cell in cells], file.name)
    try:
        numbers = np.array([number_of(cell, file.decimal, unit_of(cell)) for cell in cells])
    except ValueError as cause:
        raise DataError(
            f"the column {wanted.title!r} of {file.name} has text: {cause}",
            "numbers, as in training",
            "mend the cell",
        ) from cause
    return ((numbers - wanted.mean) / wanted.deviation)[:, None].astype(np.float32)


def _class(cell: str, classes: Sequence[str]) -> str:
    """A cell as the class that it says: `1.0` where classes are whole numbers is `1`."""
    try:
        whole = str(int(float(cell)))
    except ValueError:
        return cell
    return whole if whole in classes else cell


def _files(
    source: ImageFiles | SoundFiles, path: Path, reader: FileReader, wanted: Wanted
) -> Labelled:
    archive = open_archive(path)
    rules = source.images if isinstance(source, ImageFiles) else source.sounds
    names = [
        name for name in archive.names if PurePosixPath(name).suffix.lower() in reader.suffixes
    ]
    found = labels_by_name(archive, names, rules)
    decoded, labels, unreadable = [], [], []
    for name, named in found.items():
        try:
            decoded.append(reader.read([RawFile(name, archive.read(name))])[reader.input])
        except DataError:
            unreadable.append(name)
        else:
            labels.append(named.label)
    if not decoded:
        raise DataError(
            f"none of the {len(found)} files of {archive.name} can be read",
            "files as those of training",
            "download or export them again",
        )
    x = {reader.input: np.concatenate(decoded)}
    part = Part(x, {wanted.name: wanted.classes_of(labels, archive.name)})
    notes = (*unreadable_notes(unreadable, len(found)), *left_out_notes(archive, names, rules))
    return Labelled(part, notes)


def _texts(source: TextFiles, path: Path, reader: Reader, wanted: Wanted) -> Labelled:
    archive, texts, labels = open_archive(path), [], []
    for name, pattern in source.texts.classes.items():
        of_class = list(texts_of(archive, name, pattern, source.texts.encoding))
        texts += of_class
        labels += [name] * len(of_class)
    targets = {wanted.name: wanted.classes_of(labels, archive.name)}
    return Labelled(Part(reader.read(texts), targets))
