"""Data of files as what networks are trained on: tables, images, sounds and texts.

Each source is a frozen configuration with a path, and loads a `Dataset` once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from gatescope.data.datasets import Dataset, Field, Part, Source
from gatescope.data.encoding import NUMBERS, TableReader, free_name
from gatescope.data.file_samples import FileSamples
from gatescope.data.images import ImagesConfig, load_images
from gatescope.data.reader import Reader
from gatescope.data.sounds import SoundsConfig, load_sounds
from gatescope.data.splits import SPLITS, Split
from gatescope.data.streams import Part as StreamedPart
from gatescope.data.streams import Streamed
from gatescope.data.table import SampleName, Table, TableConfig, load_table, sample_table
from gatescope.data.texts import TextSamples, TextsConfig, load_texts
from gatescope.data.words import TextsReader

_KEPT_BYTES = 256_000_000
_LEAST_SAMPLED = 200
_SAMPLED = 5_000  # samples of each split of what is larger


class TableFile(Source):
    """A table in a file, of which one column is the target.

    Args:
        path: A CSV file of any dialect.
        table: How it is read.
    """

    kind: Literal["table"] = "table"
    path: Path
    table: TableConfig

    def _read(self) -> Dataset:
        return dataset_of_table(load_table(self.path, self.table), self.path.name)


class SampleTable(Source):
    """A table that needs no file, of which one column is the target.

    Args:
        name: Of scikit-learn's, or `houses`, which are made here.
        table: How it is read.
    """

    kind: Literal["sample_table"] = "sample_table"
    name: SampleName
    table: TableConfig

    def _read(self) -> Dataset:
        return dataset_of_table(sample_table(self.name, self.table), self.name)


class ImageFiles(Source):
    """Images by class.

    Args:
        path: A folder of class folders, or a zip of such.
        images: How they are read.
    """

    kind: Literal["images"] = "images"
    path: Path
    images: ImagesConfig

    def _read(self) -> Dataset:
        return _of_files(load_images(self.path, self.images), "image", self.path.name)


class SoundFiles(Source):
    """Sounds by class, as log-mel spectrograms.

    Args:
        path: A folder of wav files, or a zip of such.
        sounds: How they are read.
    """

    kind: Literal["sounds"] = "sounds"
    path: Path
    sounds: SoundsConfig

    def _read(self) -> Dataset:
        return _of_files(load_sounds(self.path, self.sounds), "sequence", self.path.name)


class TextFiles(Source):
    """Texts by class, one a line.

    Args:
        path: A folder or a zip.
        texts: How they are read.
    """

    kind: Literal["texts"] = "texts"
    path: Path
    texts: TextsConfig

    def _read(self) -> Dataset:
        return _of_texts(load_texts(self.path, self.texts), self.path.name)


def dataset_of_table(table: Table, source: str) -> Dataset:
    """A table's rows as named inputs and one target.

    Args:
        table: As `load_table` gives it.
        source: Where it comes from.
    """
    encoder = table.encoder
    fields = []
    if encoder.numbers:
        columns = encoder.numbers
        fields.append(Field(NUMBERS, "numbers", (len(columns),), columns=columns))
    for name, (_, categories) in encoder.categories.items():
        fields.append(Field(name, "category", (), ("", *categories)))
    for name, (_, vocabulary) in encoder.texts.items():
        fields.append(Field(name, "text", (vocabulary.length,), vocabulary.words))
    reader = TableReader.of(encoder)
    target = _target(table, {field.name for field in fields})
    return _dataset(table, tuple(fields), target, source, table.notes, reader)


def _target(table: Table, taken: Collection[str]) -> Field:
    target = table.target
    name, columns = free_name(target.name, taken), (target.name,)
    if target.classes:
        return replace(_label(target.classes), name=name, columns=columns)
    return Field(name, "number", columns=columns, mean=target.mean, deviation=target.deviation)


def _of_files(found: FileSamples, kind: Literal["image", "sequence"], source: str) -> Dataset:
    inputs, _ = found.element_spec
    field = Field(kind, kind, tuple(inputs.shape[1:]))
    return _dataset(found, (field,), _label(found.classes), source, found.notes, found.reader)


def _of_texts(found: TextSamples, source: str) -> Dataset:
    words, length = found.vocabulary.words, found.vocabulary.length
    field = Field("text", "text", (length,), words)
    reader = TextsReader(input="text", words=words, length=length)
    return _dataset(found, (field,), _label(found.classes), source, found.notes, reader)


def _label(classes: tuple[str, ...]) -> Field:
    return Field("class", "binary" if len(classes) == 2 else "classes", (), classes)


def _dataset(
    found: Streamed,
    inputs: tuple[Field, ...],
    target: Field,
    source: str,
    notes: tuple[str, ...],
    reader: Reader,
) -> Dataset:
    """Everything in arrays where that is little; else samples, and a stream of everything."""
    is_large = found.nbytes > _KEPT_BYTES
    taken = _sampled(found) if is_large else found.all_arrays()

    def part(split: Split) -> Part:
        x, y = taken[split]
        named = x if isinstance(x, Mapping) else {inputs[0].name: x}
        return Part(dict(named), {target.name: y})

    parts = part("train"), part("dev"), part("test")
    if not is_large:
        return Dataset(inputs, (target,), *parts, source, notes, reader=reader)
    told = (
        f"the data would take {found.nbytes / 1e9:.1f} GB and are read anew in each epoch; "
        f"baselines, pictures and scores of train and dev are of samples of "
        f"{', '.join(f'{len(each):,}' for each in parts)} in train, dev and test"
    )
    return Dataset(inputs, (target,), *parts, source, (*notes, told), found, reader)


def _sampled(found: Streamed) -> dict[Split, StreamedPart]:
    # Of photos ten thousand would be gigabytes by themselves.
    most = min(_SAMPLED, max(_KEPT_BYTES // (3 * found.sample_bytes), _LEAST_SAMPLED))
    return {split: found.sample(split, most) for split in SPLITS}
