"""What a network is trained on: named inputs and targets, in three parts that share no sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from gatescope.data.reader import NumbersReader, Reader
from gatescope.data.splits import SPLITS, Split, SplitConfig, split_index, split_samples

if TYPE_CHECKING:
    from gatescope.data.streams import Streamed

Array = NDArray[Any]
Kind = Literal["numbers", "image", "text", "sequence", "category", "number", "binary", "classes"]


@dataclass(frozen=True)
class Field:
    """An input or a target.

    Args:
        name: What `fit` and the network call it.
        kind: Of inputs `numbers`, `image`, `text` (indices of words), `sequence` or `category`; of
            targets `number`, `numbers`, `binary` or `classes`.
        shape: Of one sample; empty for a single number.
        classes: Names of what a class, category or word number stands for.
        columns: Names of the numbers of a table; of a target, its column.
        mean: Of a target that is scaled, in its own unit.
        deviation: Likewise; 1 where it is not scaled.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def is_number(self) -> bool:
        """Whether a target is measured, not told apart."""
        return self.kind in ("number", "numbers")

    @property
    def title(self) -> str:
        """What people call a target."""
        return self.columns[0] if len(self.columns) == 1 else self.name


@dataclass(frozen=True)
class Part:
    """Samples, an array of each input and target by its name."""

    x: Mapping[str, Array]
    y: Mapping[str, Array]

    def __len__(self) -> int:
        return len(next(iter(self.x.values())))

    def rows(self, chosen: Array | slice) -> Part:
        """Some of the samples.

        Args:
            chosen: Their numbers, a mask, or a slice, which copies nothing.
        """
        return Part(
            *({name: one[chosen] for name, one in side.items()} for side in (self.x, self.y))
        )

    def pieces(self, nbytes: int = 8_000_000) -> Iterator[Part]:
        """The samples in their order, some at a time, of which none is copied.

        Models copy what they are given to predict.

        Args:
            nbytes: What the inputs of a piece take, about.
        """
        count = len(self)
        held = sum(one.nbytes for one in self.x.values())
        size = max(nbytes * count // max(held, 1), 1)
        return (self.rows(slice(start, start + size)) for start in range(0, count, size))


@dataclass(frozen=True)
class Dataset:
    """Data of a network.

    Data that are too large for memory are `streamed`, and the parts are samples of theirs, for
    whatever has to look at arrays: pictures and simple models.

    Args:
        inputs: What goes in.
        targets: What is to come out.
        train: What it learns from.
        dev: What choices are made by, such as when to stop.
        test: What it is judged by, once.
        source: Where it comes from, and under which terms.
        notes: What should be known of it, each a sentence.
        streamed: Where all of it comes from, in batches; None where the parts are all.
        reader: Makes `x` of new inputs, as it made that of the parts; None where inputs are
            arrays alone.
    """

    inputs: tuple[Field, ...]
    targets: tuple[Field, ...]
    train: Part
    dev: Part
    test: Part
    source: str
    notes: tuple[str, ...] = ()
    streamed: Streamed | None = None
    reader: Reader | None = None

    def part(self, split: Split) -> Part:
        """The samples of a split.

        Args:
            split: `"train"`, `"dev"` or `"test"`.
        """
        return (self.train, self.dev, self.test)[split_index(split)]


class Source(BaseModel, ABC):
    """Where data comes from.

    A configuration loads its data once, so a recipe may look at them to say what the network is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @cached_property
    def _loaded(self) -> Dataset:
        return self._read()

    def load(self) -> Dataset:
        """The data, split."""
        return self._loaded

    def __getstate__(self) -> dict[Any, Any]:
        """Another process, which it is sent to, loads its data itself."""
        state = super().__getstate__()
        held = {name: state["__dict__"][name] for name in type(self).model_fields}
        return {**state, "__dict__": held}

    @abstractmethod
    def _read(self) -> Dataset:
        """Reads them."""


def split(whole: Part, config: SplitConfig, labels: Array) -> tuple[Part, Part, Part]:
    """Splits samples at random.

    Args:
        whole: All samples.
        config: The shares of the parts.
        labels: A class of each sample, from 0, whose shares are kept in every part.

    Returns:
        Training, dev and test part.
    """
    found = split_samples(labels, config)
    train, dev, test = (whole.rows(found.rows(part)) for part in SPLITS)
    return train, dev, test


def standardized(data: Dataset, *names: str) -> Dataset:
    """Inputs or targets brought to mean 0 and deviation 1, as the training part tells.

    Args:
        data: The data.
        *names: Of inputs, which are columns of numbers, and of targets, which are a number; a
            column that never changes stays 0.
    """
    for name in names:
        data = _input_scaled(data, name) if name in data.train.x else _target_scaled(data, name)
    return data


def _input_scaled(data: Dataset, name: str) -> Dataset:
    columns = next(field.columns for field in data.inputs if field.name == name)
    reader = numbers_reader(name, columns, *_scale(data.train.x[name]))
    kept = reader if len(data.inputs) == 1 else data.reader
    return replace(_changed(data, "x", name, reader.scaled), reader=kept)


def _target_scaled(data: Dataset, name: str) -> Dataset:
    mean, deviation = _scale(data.train.y[name])
    data = _changed(data, "y", name, lambda y: ((y - mean) / deviation).astype(np.float32))
    (field,) = (each for each in data.targets if each.name == name)
    scaled = replace(field, mean=float(mean.item()), deviation=float(deviation.item()))
    targets = tuple(scaled if each is field else each for each in data.targets)
    return replace(data, targets=targets)


def numbers_reader(
    name: str, columns: Sequence[str], mean: Array, deviation: Array
) -> NumbersReader:
    """The reader of columns of numbers.

    Args:
        name: Of the input.
        columns: Their names.
        mean: What is subtracted from each.
        deviation: What each is divided by then.
    """
    shape = (len(columns),)
    means, deviations = (np.broadcast_to(one, shape).tolist() for one in (mean, deviation))
    return NumbersReader(
        input=name, names=tuple(columns), mean=tuple(means), deviation=tuple(deviations)
    )


def _scale(known: Array) -> tuple[Array, Array]:
    spread = known.std(0)
    return known.mean(0), np.where(spread > 0, spread, np.ones_like(spread))


def _changed(data: Dataset, side: str, name: str, change: Callable[[Array], Array]) -> Dataset:
    """The same data, one array of each part changed."""

    def of(part: Part) -> Part:
        held = getattr(part, side)
        return replace(part, **{side: {**held, name: change(held[name])}})

    return replace(data, train=of(data.train), dev=of(data.dev), test=of(data.test))
