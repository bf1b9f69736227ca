"""Files as samples: labels and groups from their names, split, decoded when they are needed.

All files are decoded once when a data set is loaded, so that those that cannot be read are known
beforehand. What they gave is kept where it is small enough; otherwise each epoch decodes anew.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from gatescope.data.archive import Archive, without_common_folders
from gatescope.data.caption_files import SPLIT_NAMES
from gatescope.data.reader import Arrays, RawFile, Reader
from gatescope.data.splits import (
    SPLITS,
    Split,
    SplitConfig,
    Splits,
    absent_notes,
    count_labels,
    shown,
    split_index,
    split_samples,
)
from gatescope.data.streams import Numbered, Spec
from gatescope.errors import DataError, UsageError

_KEPT_BYTES = 256_000_000
_TOGETHER = 128  # files decoded at a time
_THREADS = 4

Decode = Callable[[str, bytes], NDArray[Any]]


class FileReader(Reader):
    """A reader of files, each decoded by itself."""

    input: ClassVar[str]
    suffixes: ClassVar[frozenset[str]]

    @abstractmethod
    def decode(self, name: str, content: bytes) -> NDArray[Any]:
        """An array of one file; all are of the same shape.

        Args:
            name: What messages call it.
            content: Its bytes.

        Raises:
            DataError: It cannot be used.
        """

    @abstractmethod
    def finish(self, decoded: NDArray[Any]) -> NDArray[Any]:
        """What is done to decoded files before a network gets them.

        Args:
            decoded: Of shape `(files, ...)`.
        """

    @abstractmethod
    def picture(self, sample: NDArray[Any]) -> NDArray[np.uint8]:
        """A sample to look at.

        Args:
            sample: As the network gets it.

        Returns:
            Of shape `(height, width, 3)`.
        """

    def read(self, given: Sequence[RawFile]) -> Arrays:
        decoded = np.stack([self.decode(one.name, one.content) for one in given])
        return {self.input: self.finish(decoded)}

    def told(self, x: Mapping[str, NDArray[Any]]) -> list[str]:
        return [""] * len(x[self.input])


class FileRules(BaseModel):
    """How a file's name tells its label and its group.

    Args:
        split: How files are split, where their folders (`train`, `dev` or `val`, `test`) do not
            say. Where folders name no dev split, it is taken from train.
        label: A regular expression whose first group, found in the name, is the label; `None`
            where the outermost folder is.
        group: One whose first group is what the file belongs to (a person, a speaker); `None`
            where files stand for themselves. No group is in two splits.
        unseen_classes: Whether each class is in one split alone, as where people are to be told
            apart of whom no image was trained on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: SplitConfig
    label: str | None = None
    group: str | None = None
    unseen_classes: bool = False

    @field_validator("label", "group")
    @classmethod
    def _has_a_group(cls, rule: str | None) -> str | None:
        try:
            if rule is not None and re.compile(rule).groups < 1:
                raise ValueError(f"{rule!r} has no group; put what counts in parentheses")
        except re.error as cause:
            raise ValueError(f"{rule!r} is no regular expression: {cause}") from cause
        return rule

    @model_validator(mode="after")
    def _splits_by_one_thing(self) -> Self:
        if self.unseen_classes and self.group is not None:
            raise ValueError("with unseen_classes a class is its own group: leave group out")
        return self


@dataclass(frozen=True)
class UnreadableFile:
    """A file that cannot be used.

    Args:
        name: Its name in the data set.
        reason: What is wrong with it.
    """

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class FileSamples(Numbered):
    """Files with labels, split and ready for training.

    Args:
        classes: The labels' names in the order of their indices.
        names: The files' names.
        labels: int32 of shape `(files,)`: indices into `classes`.
        splits: Which file is in which split.
        unreadable: Files that were left out since they cannot be read.
        notes: What should be known, each a sentence.
        decode_files: Decodes files: float or integer of shape `(files, ...)`.
        reader: What makes arrays of files.
        kept: All files decoded; `None` where they are decoded when they are needed.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: NDArray[np.int32]
    splits: Splits
    unreadable: tuple[UnreadableFile, ...]
    notes: tuple[str, ...]
    decode_files: Callable[[Sequence[str]], NDArray[Any]]
    reader: FileReader
    kept: NDArray[Any] | None

    def _rows(self, split: Split) -> NDArray[np.intp]:
        rows = self.splits.rows(split)
        if len(rows):
            return rows
        filled = [name for name in SPLITS if len(self.splits.rows(name))]
        raise UsageError(
            f"the split {split!r} has no files",
            f"a split with files: {shown(filled)}",
            f"give {split} a share, say {split}=0.1",
        )

    @property
    def _total(self) -> int:
        return len(self.names)

    @cached_property
    def element_spec(self) -> Spec:
        sample = self.reader.finish(self._decoded(np.arange(1)))
        return (
            tf.TensorSpec((None, *sample.shape[1:]), sample.dtype),
            tf.TensorSpec((None,), tf.int32),
        )

    def _part(self, rows: NDArray[np.intp]) -> tuple[NDArray[Any], NDArray[np.int32]]:
        return self.reader.finish(self._decoded(rows)), self.labels[rows]

    def _decoded(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        if self.kept is not None:
            return self.kept[rows]
        return self.decode_files([self.names[row] for row in rows])


def load_files(
    archive: Archive,
    names: Sequence[str],
    rules: FileRules,
    reader: FileReader,
    decode: Decode | None = None,
) -> FileSamples:
    """Labels, decodes and splits files.

    Args:
        archive: Where they are.
        names: Which of its files are samples.
        rules: How names tell labels, groups and splits.
        reader: Makes arrays of files.
        decode: In the place of the reader's, for who wants to look at what it gives.

    Raises:
        DataError: There is no file, none that can be read, one without a label or group, one
            label only, or too few for the splits.
    """
    decode = decode or reader.decode
    labelled = labels_by_name(archive, names, rules)
    readable, kept, unreadable = _examined(archive, list(labelled), decode)
    if not readable:
        raise DataError(
            f"none of the {len(unreadable)} files of {archive.name} can be read, "
            f"{unreadable[0].name!r} for one: {unreadable[0].reason}",
            "files that can be read",
            "download or export them again",
        )
    classes = tuple(sorted({labelled[name].label for name in readable}, key=_numbers_first))
    if len(classes) < 2:
        raise DataError(
            "; ".join(
                (
                    f"{archive.name} has one class only: {classes[0]!r}",
                    *left_out_notes(archive, names, rules),
                )
            ),
            "at least two classes to tell apart",
            "add files of another class, or say how names tell the label: label='...'",
        )
    labels = np.array([classes.index(labelled[name].label) for name in readable], np.int32)
    splits = _splits([labelled[name] for name in readable], labels, rules, classes)

    def decode_files(some: Sequence[str]) -> NDArray[Any]:
        with ThreadPoolExecutor(_THREADS) as pool:
            return np.stack(list(pool.map(lambda name: decode(name, archive.read(name)), some)))

    absent = () if rules.unseen_classes else absent_notes(splits.counts, classes)
    return FileSamples(
        classes=classes,
        names=tuple(readable),
        labels=labels,
        splits=splits,
        unreadable=tuple(unreadable),
        notes=(
            *_notes(archive, unreadable, len(labelled)),
            *left_out_notes(archive, names, rules),
            *absent,
        ),
        decode_files=decode_files,
        reader=reader,
        kept=kept,
    )


@dataclass(frozen=True)
class Named:
    """What a file's name says.

    Args:
        label: Its class.
        group: What it belongs to, if that is asked for.
        split: The split that its folder names.
    """

    label: str
    group: str | None
    split: Split | None


def labels_by_name(archive: Archive, names: Sequence[str], rules: FileRules) -> dict[str, Named]:
    """What the names of files say.

    Args:
        archive: Where they are.
        names: Which of its files are samples.
        rules: How names tell labels, groups and splits.

    Raises:
        DataError: There is no file, or one without a label or group.
    """
    if not names:
        raise DataError(
            f"{archive.name} has no file of this kind",
            "files in folders that are named by class",
            "check the path",
        )
    shorter = without_common_folders(names)
    by_split = _are_by_split(shorter.values())
    labelled = {}
    for name, short in shorter.items():
        folder, _, rest = short.partition("/")
        label = (
            _found(rules.label, name, "label") if rules.label else _folder(rest, short, by_split)
        )
        group = _found(rules.group, name, "group") if rules.group else None
        split = split_named(folder) if by_split else None
        labelled[name] = Named(label, group, split)
    return labelled


def _are_by_split(shorter: Iterable[str]) -> bool:
    """Whether the outermost folders of files are splits."""
    outermost = {name.partition("/")[0].lower() for name in shorter}
    return len(outermost) > 1 and outermost <= SPLIT_NAMES.keys()


def split_named(folder: str) -> Split:
    """The split that a folder's name means."""
    return SPLITS[split_index(SPLIT_NAMES[folder.lower()])]


def _folder(rest: str, short: str, by_split: bool) -> str:
    folder, slash, _ = (rest if by_split else short).partition("/")
    if slash:
        return folder
    raise DataError(
        f"the file {short!r} is in no folder that would be its class",
        "files in folders that are named by class",
        "put it into one, or say how names tell the label: label='...'",
    )


def _found(rule: str, name: str, what: str) -> str:
    found = re.search(rule, name)
    if found and found.group(1):
        return found.group(1)
    raise DataError(
        f"the rule {rule!r} finds no {what} in the name {name!r}",
        f"a rule that finds the {what} in each file's name",
        f"change {what}=..., or take the file out",
    )


def _examined(
    archive: Archive, names: list[str], decode: Decode
) -> tuple[list[str], NDArray[Any] | None, list[UnreadableFile]]:
    """The files that can be read, what they gave if it is little, and the rest."""
    readable: list[str] = []
    unreadable: list[UnreadableFile] = []
    kept: list[NDArray[Any]] | None = []

    def attempt(name: str) -> NDArray[Any] | UnreadableFile:
        try:
            return decode(name, archive.read(name))
        except DataError as cause:
            return UnreadableFile(name, cause.happened)

    with ThreadPoolExecutor(_THREADS) as pool:
        # Not all at once: what is decoded and waits takes memory.
        for start in range(0, len(names), _TOGETHER):
            some = names[start : start + _TOGETHER]
            for name, result in zip(some, pool.map(attempt, some), strict=True):
                if isinstance(result, UnreadableFile):
                    unreadable.append(result)
                    continue
                readable.append(name)
                if result.nbytes * len(names) > _KEPT_BYTES:
                    kept = None
                if kept is not None:
                    kept.append(result)
    return readable, np.stack(kept) if kept else None, unreadable


def _splits(
    named: list[Named], labels: NDArray[np.int32], rules: FileRules, classes: Sequence[str]
) -> Splits:
    config, count = rules.split, len(classes)
    groups: list[Any] | None = None
    spread = labels
    if rules.unseen_classes:
        # A class that is whole in one split cannot be in the same share in all of them.
        groups, spread = labels.tolist(), np.zeros_like(labels)
    elif named[0].group is not None:
        groups = [file.group for file in named]
    if named[0].split is None:
        of = split_samples(spread, config, groups=groups).of
        return Splits(of, count_labels(of, labels, count))
    of = np.array([split_index(str(file.split)) for file in named], np.uint8)
    train = np.flatnonzero(of == 0)
    if config.dev and not (of == 1).any():
        rest = split_samples(
            spread[train],
            SplitConfig(dev=config.dev, test=0, seed=config.seed),
            groups=[groups[row] for row in train] if groups else None,
        )
        of[train] = rest.of
    found = Splits(of, count_labels(of, labels, count))
    if rules.unseen_classes:
        _check_apart(found, classes)
    return found


def _check_apart(splits: Splits, classes: Sequence[str]) -> None:
    """Refuses folders of splits that have classes in common."""
    shared = np.flatnonzero((splits.counts > 0).sum(axis=0) > 1)
    if len(shared):
        raise DataError(
            f"{shown([classes[at] for at in shared.tolist()])} would be in more than one split",
            "each class in one of the folders train, dev and test alone, to be unseen in training",
            "move its files into one of them, or take the folders of splits away",
        )


def _notes(archive: Archive, unreadable: list[UnreadableFile], count: int) -> Iterator[str]:
    if archive.skipped:
        yield (
            f"{len(archive.skipped)} names lead out of {archive.name} and were left out: "
            f"{shown(archive.skipped)}"
        )
    yield from unreadable_notes([file.name for file in unreadable], count)


def unreadable_notes(names: Sequence[str], count: int) -> Iterator[str]:
    """What is to be said of files that were left out.

    Args:
        names: Of those that cannot be read.
        count: How many there are in all.
    """
    if names:
        yield f"{len(names)} of {count} files cannot be read and were left out: {shown(names)}"


def left_out_notes(archive: Archive, names: Sequence[str], rules: FileRules) -> Iterator[str]:
    """What is to be said of folders that look like classes and are none, and of files in classes.

    Args:
        archive: Where they are.
        names: Which of its files are samples.
        rules: How names tell labels.
    """
    shorter = without_common_folders(names)
    deep = 2 if _are_by_split(shorter.values()) else 1  # folders down to a class
    common = next((name.removesuffix(short) for name, short in shorter.items()), "")
    inside = sorted(
        name.removeprefix(common)
        for name in {*archive.names} - {*names}
        if name.startswith(common) and name.removeprefix(common).count("/") >= deep
    )
    if inside:
        yield f"files of another kind in folders of classes were left out: {shown(inside)}"
    if rules.label is None:
        empty = (name.removeprefix(common) for name in archive.empty if name.startswith(common))
        filled = {_folders(name, deep) for name in shorter.values()}
        found = {_folders(f"{name}/", deep) for name in empty} | {_folders(n, deep) for n in inside}
        bare = sorted(name for name in found - filled if name.count("/") == deep - 1)
        if bare:
            yield f"folders without a file to learn from are no classes: {shown(bare)}"


def _folders(name: str, deep: int) -> str:
    """The outermost folders of a file."""
    return "/".join(name.split("/")[:-1][:deep])


def _numbers_first(name: str) -> tuple[bool, int, str]:
    """Sorts `2` before `10`."""
    return (False, int(name), name) if name.isdecimal() else (True, 0, name)
