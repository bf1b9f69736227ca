"""What a trained network's folder keeps beside it, so that it can be used without its recipe.

- `inputs.json`: how new inputs are read, and what outputs mean. With `model.keras` it is all that
  a prediction needs; the folder may be moved anywhere.
- `origin.json`: the recipe with all its settings, so that the network can be scored again on the
  same parts of the same data.

Both are plain JSON, read into frozen configurations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from gatescope.catalog.pairs import Target
from gatescope.data.datasets import Dataset
from gatescope.data.reader import ArraysReader
from gatescope.data.readers import AnyReader
from gatescope.errors import RunError, UsageError
from gatescope.models import building  # its layers are known to Keras then
from gatescope.models.heads import OutputConfig
from gatescope.runs.files import atomic_write
from gatescope.scope.loading import load_model
from gatescope.training.fit import MODEL, RECIPE

INPUTS, ORIGIN = "inputs.json", "origin.json"
_DEEP = 5_000  # layers
_BATCH = 256
_FROZEN = ConfigDict(frozen=True, extra="forbid")


class Output(BaseModel):
    """What an output of a network says.

    Args:
        name: Of the output.
        title: What people call it, such as a column of a table; the name, where it is empty.
        kind: A number, several, yes or no, one of several classes, or any of several labels.
        classes: Names of what is told apart; of yes or no, the second is yes.
        mean: Of a number that was scaled for training, in its own unit.
        deviation: Likewise; 1 where it was not scaled.
        probable: Whether what it says are probabilities.
    """

    model_config = _FROZEN

    name: str
    title: str = ""
    kind: Target
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0
    probable: bool = True

    @property
    def called(self) -> str:
        """What people call it."""
        return self.title or self.name

    def names(self, units: int) -> tuple[str, ...]:
        """What its classes, labels, or yes and no are called.

        Args:
            units: How many numbers it says.
        """
        usual = ("no", "yes") if self.kind == "binary" else tuple(map(str, range(units)))
        return self.classes or usual

    @property
    def is_number(self) -> bool:
        """Whether it is measured, not told apart."""
        return self.kind in ("number", "numbers")

    def restored(self, numbers: NDArray[Any]) -> NDArray[np.float64]:
        """Numbers in their own unit.

        Args:
            numbers: As the network is trained on them.
        """
        return np.asarray(numbers, np.float64) * self.deviation + self.mean

    def chosen(self, said: NDArray[Any]) -> NDArray[np.intp]:
        """The class of each sample.

        Args:
            said: By an output of classes or of yes and no, `(samples, units)`.
        """
        if self.kind == "classes":
            return said.argmax(-1)
        # A hinge loss parts yes from no at 0.
        return (said[:, 0] > (0.5 if self.probable else 0.0)).astype(np.intp)

    def probabilities(self, said: NDArray[Any]) -> NDArray[Any]:
        """A probability of each class.

        Args:
            said: By an output of classes or of yes and no, `(samples, units)`.

        Returns:
            Of shape `(samples, classes)`.
        """
        if self.kind == "classes":
            return said
        return np.concatenate([1 - said, said], 1)


class Inputs(BaseModel):
    """What `inputs.json` holds.

    Args:
        reader: Makes arrays of new inputs.
        outputs: In the network's order.
    """

    model_config = _FROZEN

    reader: AnyReader
    outputs: tuple[Output, ...]


class Origin(BaseModel):
    """What `origin.json` holds.

    Args:
        recipe: Its name.
        variant: Which of its networks; empty where there is one alone.
        configuration: The recipe with all settings.
    """

    model_config = _FROZEN

    recipe: str
    variant: str
    configuration: Mapping[str, Any]


def keep(folder: Path, data: Dataset, outputs: Sequence[OutputConfig], origin: Origin) -> None:
    """Writes what a network's folder keeps beside it.

    Args:
        folder: Of its run.
        data: What it was trained on.
        outputs: The network's.
        origin: Where it comes from.
    """
    reader = data.reader or ArraysReader(shapes={field.name: field.shape for field in data.inputs})
    fields = {field.name: field for field in data.targets}
    told = tuple(
        Output(
            name=output.name,
            title=fields[output.name].title,
            kind=output.kind,
            classes=fields[output.name].classes,
            mean=fields[output.name].mean,
            deviation=fields[output.name].deviation,
            probable=output.pair.activation in ("sigmoid", "softmax"),
        )
        for output in outputs
    )
    inputs = Inputs.model_validate({"reader": reader, "outputs": told})
    atomic_write(folder / INPUTS, inputs.model_dump_json(indent=1).encode())
    atomic_write(folder / ORIGIN, origin.model_dump_json(indent=1).encode())


def origin_of(recipe: BaseModel, module: Any, variant: str) -> Origin:
    """Where a network comes from.

    Args:
        recipe: With all settings.
        module: Of the recipe.
        variant: Empty where there is one network alone.
    """
    told = recipe.model_dump(mode="json")
    source = getattr(recipe, "data", None)
    if isinstance(path := getattr(source, "path", None), Path):
        told["data"]["path"] = str(path.absolute())
    return Origin(recipe=module.__name__.rpartition(".")[2], variant=variant, configuration=told)


@dataclass(frozen=True)
class Kept:
    """A trained network, and what is known of it.

    Args:
        folder: Of its run.
        model: The network.
        inputs: How it is given inputs and what it says.
    """

    folder: Path
    model: keras.Model
    inputs: Inputs

    def said(self, x: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """What the network says of samples, an array `(samples, units)` an output.

        Args:
            x: By the inputs' names.
        """
        few = len(next(iter(x.values()))) <= _BATCH
        found = (
            # Which begins at once, where `predict` makes a dataset first.
            self.model.predict_on_batch(dict(x))
            if few
            else self.model.predict(dict(x), verbose=0, batch_size=_BATCH)
        )
        return [np.asarray(one) for one in (found if isinstance(found, list) else [found])]


def is_network(folder: Path) -> bool:
    """Whether a folder is the run of a network, or of a recipe with several."""
    return bool(_networks(folder)) or (folder / "results.json").is_file()


def network_folder(folder: Path) -> Path:
    """The folder of one network.

    Args:
        folder: Its own, or that of a recipe that trained it.

    Raises:
        RunError: There is none in it, or it was not trained to the end.
        UsageError: There are several.
    """
    found = _networks(folder)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{str(folder)!r} holds {len(found)} networks",
            "the folder of one",
            f"name one of {', '.join(str(each) for each in found)}",
        )
    begun = [each for each in _around(folder) if (each / RECIPE).is_file()]
    if begun:
        raise RunError(
            f"the training in {str(begun[0])!r} is not finished, or its data cannot be read anew",
            f"a run with {MODEL} and {INPUTS}, as gatescope train NAME leaves it",
            "go on with it: gatescope train NAME --resume --run DIR",
        )
    raise RunError(
        f"{str(folder)!r} holds no trained network",
        f"the folder of a run, with {MODEL} and {INPUTS}",
        "gatescope train NAME makes one, in runs/ unless told otherwise",
    )


def _networks(folder: Path) -> list[Path]:
    return [
        each for each in _around(folder) if (each / MODEL).is_file() and (each / INPUTS).is_file()
    ]


def _around(folder: Path) -> list[Path]:
    """A folder and those in it: a recipe has one for each of its networks."""
    inside = sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
    return [folder, *inside]


def open_network(folder: Path) -> Kept:
    """Opens the network of a run.

    Args:
        folder: Of the network, or of the recipe that trained it alone.

    Raises:
        RunError: There is no network, or one of its files is damaged.
        UsageError: There are several.
        DataError: The model cannot be loaded.
    """
    where = network_folder(folder)
    with building.deep(_DEEP):
        model = load_model(where / MODEL, compiled=False)
    return Kept(where, model, read_inputs(where))


def read_inputs(folder: Path) -> Inputs:
    """How the network of a run is given inputs, and what it says.

    Args:
        folder: Of the network.

    Raises:
        RunError: The file is missing or damaged.
    """
    return _read(Inputs, folder / INPUTS)


def read_origin(folder: Path) -> Origin:
    """Where the network of a run comes from.

    Args:
        folder: Of the network.

    Raises:
        RunError: The file is missing or damaged.
    """
    return _read(Origin, folder / ORIGIN)


Found = TypeVar("Found", bound=BaseModel)


def _read(kind: type[Found], file: Path) -> Found:
    try:
        return kind.model_validate_json(file.read_bytes())
    except (ValidationError, OSError) as cause:
        reason = cause.errors()[0]["msg"] if isinstance(cause, ValidationError) else cause.strerror
        raise RunError(
            f"{str(file)!r} cannot be read: {reason}",
            "the file as gatescope train wrote it",
            "train again, or copy the run's folder whole",
        ) from cause
