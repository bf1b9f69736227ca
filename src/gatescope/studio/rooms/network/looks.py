"""What the room shows, as plain data that one process sends to the other.

Nothing here needs TensorFlow: the process of the pages does without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Place = tuple[int, ...]


@dataclass(frozen=True)
class Asked:
    """A network and a sample.

    Args:
        folder: Of the run.
        sample: Its place.
        text: In place of a sample, for a network of texts; empty for none.
    """

    folder: Path
    sample: int = 0
    text: str = ""


@dataclass(frozen=True)
class Where:
    """A number of a network.

    Args:
        layer: That it belongs to, as `LayerRow.name` has it; empty for what the model computes
            outside of layers.
        place: Within the layer's output of the sample, along each axis.
        gate: The place of the gate that made it, for what is no layer's output; None for others.
    """

    layer: str
    place: Place
    gate: int | None = None


@dataclass(frozen=True)
class LayerRow:
    """A line of the list of layers; None of what cannot be told."""

    name: str
    kind: str
    shape: tuple[int | None, ...] | None
    parameters: int
    unshared: int | None
    dense: int | None
    multiply_adds: int | None


@dataclass(frozen=True)
class Overview:
    """A network as a whole.

    Args:
        what: Which of the run's it is, in words.
        source: Where samples come from, in words.
        count: Of samples.
        takes_text: Whether an own text may be typed.
        layers: In order.
        totals: Of them all.
    """

    what: str
    source: str
    count: int
    takes_text: bool
    layers: tuple[LayerRow, ...]
    totals: LayerRow


@dataclass(frozen=True)
class InputLook:
    """An input of the sample.

    Args:
        name: Of the input.
        array: Without the batch axis.
        span: The smallest and largest number that samples have.
        words: Of a text, the word of each place.
        columns: Names of numbers.
    """

    name: str
    array: Array
    span: tuple[float, float]
    words: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class SampleLook:
    """A sample, and what the network says of it.

    Args:
        inputs: By themselves.
        told: The sample in words and in its own units; empty where that is not known.
        answers: What each output says, by its name: a name and a number each.
        truth: What is true, by the output's name; nothing where that is not known.
    """

    inputs: tuple[InputLook, ...]
    told: str
    answers: Mapping[str, Sequence[tuple[str, float]]]
    truth: Mapping[str, str]


@dataclass(frozen=True)
class Winners:
    """A maximum pooling.

    Args:
        source: What goes in, `(height, width, channels)`.
        rows: The row in it that each element of the output came from.
        columns: Likewise.
    """

    source: Array
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]


@dataclass(frozen=True)
class LayerLook:
    """A layer at work on the sample.

    Args:
        name: As the list has it.
        kind: Its class.
        calls: How often it ran.
        output: Of its last call, without the batch axis; None where it holds no numbers.
        ops: Its operations, those of equal steps once: name, output, mean ± deviation, where asked
            for.
        more_ops: How many are not listed.
        kernel: Of a convolution or a dense layer.
        winners: Of a maximum pooling.
        gates: Of a recurrent layer: the course of each direction, `(steps, units)` by gate.
        difference: The largest between what those gates come to and what the layer said.
        mask: Of dropout: what each number is multiplied by in training.
        rate: Of dropout.
    """

    name: str
    kind: str
    calls: int
    output: Array | None
    ops: tuple[tuple[str, ...], ...]
    more_ops: int
    kernel: Array | None = None
    winners: Winners | None = None
    gates: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    difference: float | None = None
    mask: Array | None = None
    rate: float = 0.0


@dataclass(frozen=True)
class Link:
    """A number that can be opened.

    Args:
        label: What it is called.
        number: What it is.
        where: How to ask for it; None for what has nothing behind it, such as a pixel.
        share: What it contributes to the number that it was reached from.
    """

    label: str
    number: float
    where: Where | None
    share: float = 0.0


@dataclass(frozen=True)
class Written:
    """A number as the sum that it is, see `gatescope.scope.written`.

    Args:
        op: The operation that adds up.
        terms: Of each product: what is multiplied and its number, the weight and its number.
        sum: What that comes to.
        steps: What is done then: the operation, what else goes in and its number, the result.
    """

    op: str
    terms: tuple[tuple[str, float, str, float], ...]
    sum: float
    steps: tuple[tuple[str, str, float | None, float], ...]


@dataclass(frozen=True)
class UnitLook:
    """A number of the network.

    Args:
        where: How to ask for it.
        label: What it is called.
        number: What it is.
        svg: Its circuit.
        words: Each gate of it in a sentence.
        written: The sum that it is; None where its layer does something else.
        path: From it to the input, along the largest contributions.
        behind: What contributes most, weights among it.
    """

    where: Where
    label: str
    number: float
    svg: str
    words: tuple[str, ...]
    written: Written | None
    path: tuple[Link, ...]
    behind: tuple[Link, ...]


@dataclass(frozen=True)
class FieldLook:
    """What a number sees of an input.

    Args:
        input: The input's name.
        seen: Which elements it can see, without the batch axis.
        gradient: What each does to it.
    """

    input: str
    seen: NDArray[np.bool_]
    gradient: Array
