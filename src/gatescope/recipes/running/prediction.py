"""What a trained network says of new inputs, in the words and units of its data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatescope.data.reader import Reader, Rows
from gatescope.errors import DataError
from gatescope.recipes.kinds.kept import Kept, Output


@dataclass(frozen=True)
class Batch:
    """Some inputs that were not read yet.

    Args:
        names: What to call each.
        raw: What the network's reader reads.
    """

    names: Sequence[str]
    raw: Any

    def ones(self) -> Iterator[Batch]:
        """Each by itself."""
        for place, name in enumerate(self.names):
            one = self.raw.only(place) if isinstance(self.raw, Rows) else [self.raw[place]]
            yield Batch([name], one)


@dataclass(frozen=True)
class Answer:
    """What a network says of one input.

    Args:
        input: What it is called.
        outputs: Of each output by its name: `class` or `labels` with `probabilities` (or with a
            `score`, where they are none), `number` or `numbers`.
        notes: In what the input is unlike those of training, each a sentence.
    """

    input: str
    outputs: Mapping[str, Mapping[str, Any]]
    notes: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        outputs = {name: dict(said) for name, said in self.outputs.items()}
        return {"input": self.input, "outputs": outputs, "notes": list(self.notes)}


@dataclass(frozen=True)
class Refusal:
    """An input that cannot be read.

    Args:
        input: What it is called.
        error: Why.
    """

    input: str
    error: DataError

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"input": self.input, "error": self.error.happened}


def predict(kept: Kept, batches: Iterable[Batch | Refusal]) -> Iterator[Answer | Refusal]:
    """Asks a network.

    Args:
        kept: The network.
        batches: New inputs, and in their places those that are refused already.

    Yields:
        An answer to each input in order, or why there is none: an input that cannot be read does
        not stop the others.

    Example:
        >>> kept = open_network(Path("runs/iris"))  # doctest: +SKIP
        >>> rows = Rows("new", {"petal length": ["1.4"], "petal width": ["0.2"]})  # doctest: +SKIP
        >>> next(predict(kept, [Batch(["1"], rows)])).outputs["class"]["class"]  # doctest: +SKIP
        'setosa'
    """
    for batch in batches:
        if isinstance(batch, Refusal):
            yield batch
            continue
        try:
            x = kept.inputs.reader.read(batch.raw)
        except DataError:
            yield from _one_by_one(kept, batch)
        else:
            yield from _answers(kept, batch.names, x, kept.inputs.reader.notes(batch.raw))


def _one_by_one(kept: Kept, batch: Batch) -> Iterator[Answer | Refusal]:
    reader = kept.inputs.reader
    read = [(one, _read(reader, one.raw)) for one in batch.ones()]
    good = [(one, x) for one, x in read if not isinstance(x, DataError)]
    if good:
        together = {name: np.concatenate([x[name] for _, x in good]) for name in good[0][1]}
        names = [one.names[0] for one, _ in good]
        notes = [note for one, _ in good for note in reader.notes(one.raw)]
        answers = _answers(kept, names, together, notes)
    for one, x in read:
        yield Refusal(one.names[0], x) if isinstance(x, DataError) else next(answers)


def _read(reader: Reader, raw: Any) -> dict[str, NDArray[Any]] | DataError:
    try:
        return reader.read(raw)
    except DataError as error:
        return error


def _answers(
    kept: Kept,
    names: Sequence[str],
    x: Mapping[str, NDArray[Any]],
    notes: Sequence[Sequence[str]],
) -> Iterator[Answer]:
    outputs = kept.inputs.outputs
    said = kept.said(x)
    for place, name in enumerate(names):
        told = {
            output.called: answer(output, one[place : place + 1])
            for output, one in zip(outputs, said, strict=True)
        }
        yield Answer(name, told, notes[place])


def answer(output: Output, said: NDArray[Any]) -> dict[str, Any]:
    """What one output says of one sample.

    Args:
        output: What it means.
        said: Of shape `(1, units)`.
    """
    if output.is_number:
        numbers = output.restored(said)[0].tolist()
        return {"number": numbers[0]} if output.kind == "number" else {"numbers": numbers}
    names = output.names(said.shape[-1])
    if output.kind == "labels":
        return _labels(output, names, said)
    chosen = {"class": names[int(output.chosen(said)[0])]}
    if not output.probable:
        return {**chosen, "score": float(said.max())}
    shares = output.probabilities(said)[0].tolist()
    return {**chosen, "probabilities": dict(zip(names, shares, strict=True))}


def _labels(output: Output, names: Sequence[str], said: NDArray[Any]) -> dict[str, Any]:
    least = 0.5 if output.probable else 0.0
    numbers = dict(zip(names, said[0].tolist(), strict=True))
    found = [name for name, number in numbers.items() if number > least]
    return {"labels": found, "probabilities" if output.probable else "scores": numbers}
