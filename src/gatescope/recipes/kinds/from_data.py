"""Inputs and outputs of a network as its data have them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from gatescope.data.datasets import Dataset, Field
from gatescope.data.images import ImagesConfig
from gatescope.data.sources import ImageFiles
from gatescope.data.splits import SplitConfig
from gatescope.errors import ConfigurationError
from gatescope.models.heads import (
    CategoryInput,
    ImageInput,
    InputConfig,
    NumbersInput,
    OutputConfig,
    SequenceInput,
    TextInput,
)
from gatescope.models.network import NetworkConfig


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


Network = TypeVar("Network", bound=NetworkConfig)


def matched(network: Network, data: Dataset) -> Network:
    """The network with the sizes of its data, which alone fit: `--set` may have changed the data.

    Args:
        network: Its inputs and outputs are named as the data name them; it need not have all.
        data: What it is trained on.

    Raises:
        ConfigurationError: It has an input or output that the data have not, or have of another
            kind.

    Example:
        >>> matched(network, Bundled(name="wine").load()).inputs[0].size  # doctest: +SKIP
        13
    """
    inputs = {each.name: each for each in inputs_of(data)}
    outputs = {each.name: each for each in outputs_of(data)}
    sizes = {
        "inputs": tuple(_sized(each, inputs, "input") for each in network.inputs),
        "outputs": tuple(_sized(each, outputs, "output") for each in network.outputs),
    }
    return network.model_copy(update=sizes)


Head = TypeVar("Head", InputConfig, OutputConfig)

_SIZES = (
    "size",
    "categories",
    "tokens",
    "length",
    "features",
    "height",
    "width",
    "channels",
    "units",
)


def _sized(head: Head, known: Mapping[str, Head], what: str) -> Head:
    found = known.get(head.name)
    if found is None or found.kind != head.kind:
        have = ", ".join(f"{name!r} ({each.kind})" for name, each in known.items())
        raise ConfigurationError(
            f"the network has the {what} {head.name!r} of kind {head.kind!r}, and the data have "
            + ("none of that name" if found is None else f"{found.kind!r} there"),
            f"what the data have: {have}",
            f"set network.{what}s, too, or take other data",
        )
    sizes = {name: getattr(found, name) for name in _SIZES if hasattr(found, name)}
    return head.model_copy(update=sizes)


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
