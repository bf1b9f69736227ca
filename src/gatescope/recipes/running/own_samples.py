"""Samples that a trained network can be looked at with: its own data, wherever they are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from gatescope.data.datasets import Dataset, Part
from gatescope.data.reader import Reader
from gatescope.errors import DataError, GatescopeError, RunError
from gatescope.models import building
from gatescope.recipes.kinds.kept import Inputs, Output, read_inputs
from gatescope.recipes.running.evaluation import trained_on
from gatescope.runs.folder import model_file
from gatescope.scope.loading import load_model
from gatescope.training.fit import MODEL

Array = NDArray[Any]
_KEPT_DATA = ("evaluate.npz", "training.npz")
_DRAWN = 16  # samples of random numbers
_OPEN_SIZE = 32  # of an axis whose size the model leaves open
_DEEP = 5_000  # layers


@dataclass(frozen=True)
class Looked:
    """A network of a run, and samples to look at it with.

    Args:
        folder: Of the run.
        model: The network.
        what: Which one of the run's it is, in words.
        samples: Arrays by the names of inputs and targets.
        source: Where the samples come from, in words.
        outputs: What its outputs mean; empty where that is not known.
        reader: Makes inputs of a text; None where that is not known.
        words: Names of the numbers of an input, by its name: the words of a text.
        columns: Names of an input's columns, by its name.
    """

    folder: Path
    model: keras.Model
    what: str
    samples: Part
    source: str
    outputs: tuple[Output, ...] = ()
    reader: Reader | None = None
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def look_at(folder: Path) -> Looked:
    """Opens the network of a run with its own samples.

    These are the test part of a recipe's data; what `gatescope run` kept of a script's data; or
    random numbers where there are neither.

    Args:
        folder: Of the run.

    Raises:
        RunError: It keeps no model.
        DataError: The model cannot be loaded.
    """
    file = model_file(folder)
    if not folder.is_dir():
        raise RunError(
            f"there is no run {folder.name!r} any more",
            "a run that is still there",
            "gatescope runs",
        )
    if file is None:
        raise RunError(
            f"{folder.name!r} keeps no model",
            f"a run with {MODEL}, as a finished gatescope train leaves it",
            "gatescope train convolution",
        )
    with building.deep(_DEEP):
        model = load_model(file, compiled=False)
    inputs = _inputs(folder)
    what = "as trained" if file.parent == folder else "as it was before training"
    told: dict[str, Any] = {"outputs": inputs.outputs, "reader": inputs.reader} if inputs else {}
    data, why = _data(folder)
    if data is not None and _fits(data.test.x, model):
        named = {"words": "classes", "columns": "columns"}
        told |= {
            name: {one.name: getattr(one, attribute) for one in data.inputs}
            for name, attribute in named.items()
        }
        return Looked(folder, model, what, data.test, f"test part: {data.source}", **told)
    kept = _kept(folder, model)
    if kept is not None:
        return Looked(folder, model, what, kept, "kept of the script's own data", **told)
    drawn = Part(_drawn(model), {})
    return Looked(folder, model, what, drawn, f"random numbers, for {why}", **told)


def of_text(looked: Looked, text: str) -> Part:
    """A text as the network's own reader reads it.

    Args:
        looked: A network of one text.
        text: Any.

    Raises:
        DataError: The network takes no text, or cannot read this one.
    """
    if looked.reader is None or looked.reader.takes != "texts":
        raise DataError("the network takes no text", "a network of texts", "choose a sample")
    return Part(looked.reader.read([text]), {})


def named_inputs(model: keras.Model) -> dict[str, Any]:
    """A model's symbolic inputs by their names.

    Args:
        model: Functional or sequential.
    """
    return {str(one.name): one for one in getattr(model, "inputs", None) or ()}


def arranged(model: keras.Model, x: Mapping[str, Array]) -> Any:
    """Arrays in the structure that a model is called with: by name, or the one alone.

    Args:
        model: Functional or sequential.
        x: Arrays by the inputs' names.
    """
    arrays = {name: x[name] for name in named_inputs(model)}
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def _inputs(folder: Path) -> Inputs | None:
    try:
        return read_inputs(folder)
    except RunError:
        return None


def _data(folder: Path) -> tuple[Dataset | None, str]:
    """The data of a recipe; or why there are none."""
    try:
        return trained_on(folder), ""
    except (RunError, OSError):
        return None, "it is not known what the network was trained on"
    except GatescopeError as error:
        return None, f"its data cannot be read: {error.happened}"


def _fits(x: Mapping[str, Array], model: keras.Model) -> bool:
    wanted = named_inputs(model)
    return wanted.keys() <= x.keys() and all(
        _has_shape(x[name], tuple(one.shape)) for name, one in wanted.items()
    )


def _has_shape(array: Array, shape: tuple[int | None, ...]) -> bool:
    return array.ndim == len(shape) and all(
        size in (None, found) for size, found in zip(shape[1:], array.shape[1:], strict=True)
    )


def _kept(folder: Path, model: keras.Model) -> Part | None:
    """What the run kept of the data that a script gave to `fit`."""
    names = list(named_inputs(model))
    for file in _KEPT_DATA:
        try:
            with np.load(folder / "kept" / file, allow_pickle=False) as held:
                arrays = {name: held[name] for name in held.files}
        except (OSError, ValueError, KeyError, EOFError):
            continue
        x = [array for name, array in arrays.items() if name == "x" or name.startswith("x/")]
        y = {name: array for name, array in arrays.items() if name == "y" or name.startswith("y/")}
        found = {
            name: arrays.get(f"x/{name}", array) for name, array in zip(names, x, strict=False)
        }
        if len(x) == len(names) and _fits(found, model):
            return Part(found, y)
    return None


def _drawn(model: keras.Model) -> dict[str, Array]:
    """Random numbers of the shapes that a model takes, always the same."""
    random = np.random.default_rng(0)
    found = {}
    for name, one in named_inputs(model).items():
        shape = (_DRAWN, *(size or _OPEN_SIZE for size in one.shape[1:]))
        whole = "int" in str(one.dtype)
        found[name] = (
            random.integers(0, 2, shape).astype(str(one.dtype))
            if whole
            else random.uniform(size=shape).astype(np.float32)
        )
    return found
