"""What a network is trained on: named inputs and targets, in three parts that share no sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gatescope.data.splits import SPLITS, SplitConfig, split_samples

Array = NDArray[Any]
Kind = Literal["numbers", "image", "text", "sequence", "category", "number", "binary", "classes"]


@dataclass(frozen=True)
class Field:
    """An input or a target.

    Args:
        name: What `fit` and reports call it.
        kind: Of inputs `numbers`, `image`, `text` (indices of words), `sequence` or `category`; of
            targets `number`, `numbers`, `binary` or `classes`.
        shape: Of one sample; empty for a single number.
        classes: Names of what a class, category or word number stands for.
        columns: Names of the numbers of a table.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """Samples, an array of each input and target by its name."""

    x: Mapping[str, Array]
    y: Mapping[str, Array]

    def __len__(self) -> int:
        return len(next(iter(self.x.values())))

    def rows(self, chosen: Array) -> Part:
        """Some of the samples.

        Args:
            chosen: Their numbers, or a mask.
        """
        return Part(
            *({name: one[chosen] for name, one in side.items()} for side in (self.x, self.y))
        )


@dataclass(frozen=True)
class Dataset:
    """Data of a network.

    Args:
        inputs: What goes in.
        targets: What is to come out.
        train: What it learns from.
        validation: What choices are made by, such as when to stop.
        test: What it is judged by, once.
        source: Where it comes from, and under which terms.
    """

    inputs: tuple[Field, ...]
    targets: tuple[Field, ...]
    train: Part
    validation: Part
    test: Part
    source: str


def split(whole: Part, config: SplitConfig, labels: Array) -> tuple[Part, Part, Part]:
    """Splits samples at random.

    Args:
        whole: All samples.
        config: The shares of the parts.
        labels: A class of each sample, from 0, whose shares are kept in every part.

    Returns:
        Training, validation and test part.
    """
    found = split_samples(labels, config)
    train, dev, test = (whole.rows(found.rows(part)) for part in SPLITS)
    return train, dev, test


def standardized(data: Dataset, *names: str) -> Dataset:
    """Inputs or targets brought to mean 0 and deviation 1, as the training part tells.

    Args:
        data: The data.
        *names: Of inputs and targets; a column that never changes stays 0.
    """
    parts = [data.train, data.validation, data.test]
    for name in names:
        side = "x" if name in data.train.x else "y"
        known = getattr(data.train, side)[name]
        mean, spread = known.mean(0, keepdims=True), known.std(0, keepdims=True)
        spread = np.where(spread > 0, spread, 1)
        for place, part in enumerate(parts):
            held = getattr(part, side)
            scaled = ((held[name] - mean) / spread).astype(np.float32)
            parts[place] = replace(part, **{side: {**held, name: scaled}})
    return replace(data, train=parts[0], validation=parts[1], test=parts[2])
