"""A playground: data, a dense network and its training, opened to be steered, or as a script."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from gatescope.data.bundled import Bundled
from gatescope.data.datasets import Dataset, Part
from gatescope.data.sources import TableFile
from gatescope.data.splits import SplitConfig
from gatescope.data.table import TableConfig, load_table, open_cells
from gatescope.errors import ConfigurationError, DataError
from gatescope.models.dense import DenseConfig
from gatescope.models.heads import OUTPUT_NAME, losses_for
from gatescope.recipes.kinds.agreement import Agreement
from gatescope.recipes.kinds.from_data import inputs_of, outputs_of
from gatescope.recipes.kinds.preparing import prepare
from gatescope.training.fit import FitConfig
from gatescope.training.steering import SteeredTraining

Floats = NDArray[Any]

_DRAWING = Lock()  # Keras draws first weights from generators that all threads share


@final
class Playground(BaseModel):
    """Everything that decides what a steered training does.

    Args:
        data: What it learns from; its dev part is held out.
        network: As the data have inputs and outputs: see `network_for`.
        training: How it is trained.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Annotated[Bundled | TableFile, Field(discriminator="kind")]
    network: DenseConfig
    training: FitConfig

    def open(self) -> SteeredTraining:
        """Builds the network and stands before its first step. Threads may call this at once.

        Raises:
            ConfigurationError: Parts of it do not go together.
            DataError: The data cannot be used.

        Example:
            >>> with playground.open() as training:
            ...     training.step(10)  # doctest: +SKIP
        """
        data = self.data.load()
        with _DRAWING:
            prepared = prepare(self.network, data, self.training)
        job = prepared.job(self.training)
        return SteeredTraining(prepared.learner, job.data, job.validation, self.training)

    def score(self, part: Part, answers: Floats) -> float:
        """How right answers are: accuracy of classes, R² of a number.

        Args:
            part: The samples.
            answers: What the network says of them. Shape: (samples, outputs).
        """
        (target,) = self.data.load().targets
        agreement = Agreement(target)
        agreement.add(part.y[target.name], self.shares(answers))
        return agreement.score

    def shares(self, answers: Floats) -> Floats:
        """Answers as shares from 0 to 1, whatever the loss takes; numbers stay what they are.

        Args:
            answers: What the network says. Shape: (..., outputs).
        """
        (output,) = self.network.outputs
        if output.kind == "binary" and output.pair.activation != "sigmoid":
            return (np.clip(answers, -1, 1) + 1) / 2  # a margin: no belongs at −1, yes at 1
        return answers


def network_for(data: Dataset, *, loss: str | None = None, **settings: Any) -> DenseConfig:
    """A dense network with the inputs and outputs of data of numbers.

    Args:
        data: What it is to be trained on.
        loss: As the catalog spells it; None for the usual one.
        **settings: Of the network, such as `hidden`.

    Raises:
        ConfigurationError: The data have other inputs than numbers, or several, or another number
            of targets than one, or the loss is none for them.
    """
    inputs, outputs = inputs_of(data), outputs_of(data)
    if [each.kind for each in inputs] != ["numbers"] or len(outputs) != 1:
        raise ConfigurationError(
            f"the data have {', '.join(each.kind for each in inputs) or 'no'} input(s)",
            "columns of numbers and one target",
            "leave the other columns out",
        )
    (output,) = outputs
    known = losses_for(output.kind)
    if loss is not None and loss not in known:
        raise ConfigurationError(
            f"{loss} is no loss for a target of kind {output.kind!r} here",
            f"one of {', '.join(known)}",
            "choose one of these",
        )
    asked = output.model_copy(update={"loss": loss})
    return DenseConfig(inputs=inputs, outputs=(asked,), **settings)


def own_table(path: Path, target: str, held_out: float, seed: int) -> TableFile:
    """A table of one's own, of which columns of numbers are learned from.

    Args:
        path: CSV of any dialect.
        target: The column to predict; empty for the last whose name an output can have.
        held_out: Share of the rows that is not learned from.
        seed: Of the split.

    Raises:
        DataError: It is no table, has no such column, or no column of numbers beside it.
    """
    columns = open_cells(path).columns
    fit = [name for name in columns if re.fullmatch(OUTPUT_NAME, name)]
    if not fit or (target in columns and target not in fit):
        raise DataError(
            f"an output of a network cannot be called {target or columns[-1]!r}",
            "letters, digits, _, . and -, of which the first is a letter or a digit",
            "rename the column in the file, or choose another",
        )
    split = SplitConfig(dev=held_out, test=0.0, seed=seed)
    asked = TableConfig(target=target or fit[-1], split=split)
    found = load_table(path, asked)
    numbers = set(found.encoder.numbers)
    if not numbers:
        raise DataError(
            f"no column beside {asked.target!r} holds numbers",
            "a table with two columns of numbers or more",
            "choose another column to predict, or another file",
        )
    others = (one.name for one in found.columns if one.use == "input" and one.name not in numbers)
    return TableFile(path=path, table=asked.model_copy(update={"drop": tuple(others)}))
