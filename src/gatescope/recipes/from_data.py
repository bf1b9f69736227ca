"""Inputs and outputs of a network as its data have them."""

from __future__ import annotations

from pathlib import Path

from gatescope.data.datasets import Dataset, Field
from gatescope.data.images import ImagesConfig
from gatescope.data.sources import ImageFiles
from gatescope.data.splits import SplitConfig
from gatescope.models.heads import (
    CategoryInput,
    ImageInput,
    InputConfig,
    NumbersInput,
    OutputConfig,
    SequenceInput,
    TextInput,
)


def inputs_of(data: Dataset, *, embedding: int = 16) -> tuple[InputConfig, ...]:
    """An input for each that the data have.

    Args:
        data: What the network is trained on.
        embedding: Numbers that stand for a word; categories have no more than half as many as
            there are of them.

    Example:
        >>> [each.kind for each in inputs_of(Bundled(name="digits").load())]  # doctest: +SKIP
        ['image']
    """
    return tuple(_input(field, embedding, data) for field in data.inputs)


def _input(field: Field, embedding: int, data: Dataset) -> InputConfig:
    name, shape = field.name, field.shape
    match field.kind:
        case "image":
            height, width, channels = shape
            rescale = data.train.x[name].dtype.kind == "u"
            return ImageInput(
                name=name, height=height, width=width, channels=channels, rescale=rescale
            )
        case "text":
            return TextInput(
                name=name, tokens=len(field.classes), length=shape[0], embedding=embedding
            )
        case "sequence":
            return SequenceInput(name=name, length=shape[0], features=shape[1])
        case "category":
            count = len(field.classes)
            return CategoryInput(
                name=name, categories=count, embedding=min(embedding, (count + 1) // 2)
            )
        case _:
            return NumbersInput(name=name, size=shape[0], normalize=False)


def outputs_of(data: Dataset) -> tuple[OutputConfig, ...]:
    """An output for each target that the data have.

    Args:
        data: What the network is trained on.
    """
    return tuple(_output(field) for field in data.targets)


def _output(field: Field) -> OutputConfig:
    match field.kind:
        case "classes":
            return OutputConfig(kind="classes", name=field.name, units=len(field.classes))
        case "binary":
            return OutputConfig(kind="binary", name=field.name)
        case "numbers":
            return OutputConfig(kind="numbers", name=field.name, units=field.shape[0])
        case _:
            return OutputConfig(kind="number", name=field.name)


def photos_by_class(path: Path, side: int) -> ImageFiles:
    """Photos in colour, squashed to squares, of which a tenth is held out to choose by.

    Args:
        path: A folder of class folders, or a zip of such; without folders `train` and `test`
            around them, a fifth is held out to test.
        side: Pixels.
    """
    shares = SplitConfig(dev=0.1, test=0.2, seed=0)
    images = ImagesConfig(height=side, width=side, channels=3, split=shares)
    return ImageFiles(path=path, images=images)
