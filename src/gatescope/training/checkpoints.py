"""Saves a training so that it resumes to the bit.

Keras' own formats all lose the state of random number generators. Here everything that a later
step depends on goes into one safetensors file: variables of the model and of the optimizer (seed
generators, moments, moving averages), Keras' global seed generator, and the states of Python's
and NumPy's global generators.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras.src.random.seed_generator import global_seed_generator
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gatescope.errors import CheckpointError
from gatescope.runs.files import atomic_write, remove_unfinished

_FORMAT = "gatescope-checkpoint-1"
_OPTIMIZER = "optimizer/"
_Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """Where a restored training stands.

    Args:
        epoch: Finished epochs, which is `fit`'s `initial_epoch`.
        metadata: What was given to `save_checkpoint`, as JSON brings it back.
    """

    epoch: int
    metadata: Mapping[str, object]


def save_checkpoint(
    path: Path,
    model: keras.Model,
    optimizer: keras.Optimizer,
    *,
    epoch: int,
    metadata: Mapping[str, object],
) -> None:
    """Writes all that the rest of a training depends on; the file before it stays till then.

    Call it in a callback's `on_epoch_end`: when `fit` returns, an optimizer with `use_ema` has
    already overwritten the weights with their averages. Not saved are metrics, which `fit`
    resets at each epoch, callbacks' own state, and the counters of TensorFlow's stateful random
    operations: draw with `keras.random` and derive the order of the data from (seed, epoch).

    Args:
        path: The file to write; its folder must exist. One process at a time may write it.
        model: The model that is trained, built.
        optimizer: Its optimizer.
        epoch: Finished epochs.
        metadata: Anything JSON can hold: history, best score, digest of the configuration.

    Raises:
        CheckpointError: The disk is full or the folder cannot be written; the previous
            checkpoint is intact.
        TypeError: `metadata` holds what JSON cannot.

    Example:
        >>> save_checkpoint(  # doctest: +SKIP
        ...     Path("teach.safetensors"), model, model.optimizer, epoch=3, metadata={}
        ... )
    """
    variables = _variables(model, optimizer)
    tensors = {name: np.asarray(v.numpy(), order="C") for name, v in variables.items()}
    state = json.dumps(
        {"epoch": epoch, "metadata": dict(metadata), "random": _random_state()},
        default=_as_list,
    )
    header = {"format": _FORMAT, "state": state, "sha256": _digest(state, tensors)}
    try:
        atomic_write(path, save(tensors, header))
        remove_unfinished(path)
    except OSError as cause:
        raise CheckpointError(
            f"the checkpoint {path} could not be saved: {cause.strerror or cause}",
            f"a folder that may be written, with {_megabytes(tensors)} MB free",
            "free some space, then resume: what was saved before is intact",
        ) from cause


def load_checkpoint(path: Path, model: keras.Model, optimizer: keras.Optimizer) -> Checkpoint:
    """Restores a training; nothing is assigned unless all of the file fits.

    Variables are matched in order; names of layer and variable, shape and dtype must agree,
    numbers in automatic names (`dense_3`) aside.

    Args:
        path: What `save_checkpoint` wrote.
        model: The same model, built; its values are overwritten.
        optimizer: The same optimizer; what it had before is overwritten too.

    Returns:
        Epoch and metadata.

    Raises:
        CheckpointError: There is no such file, it is damaged, or it belongs to another model.

    Example:
        >>> at = load_checkpoint(path, model, model.optimizer)  # doctest: +SKIP
        >>> model.fit(data, initial_epoch=at.epoch, epochs=12)  # doctest: +SKIP
    """
    state, tensors = _read(path)
    variables = _variables(model, optimizer)
    _check_fit(path, tensors, variables)
    for variable, tensor in zip(variables.values(), tensors.values(), strict=True):
        variable.assign(tensor)
    _set_random_state(state["random"])
    return Checkpoint(state["epoch"], state["metadata"])


def _variables(model: keras.Model, optimizer: keras.Optimizer) -> dict[str, keras.Variable]:
    """Everything that is restored, under names that sort in this order."""
    if model.built and not optimizer.built:
        optimizer.build(model.trainable_variables)
    found = [(variable.path, variable) for variable in model.variables]
    found += [(f"{_OPTIMIZER}{variable.name}", variable) for variable in optimizer.variables]
    found.append(("global_seed_generator", global_seed_generator().state))
    return {f"{index:05d}:{name}": variable for index, (name, variable) in enumerate(found)}


def _random_state() -> dict[str, object]:
    return {"python": random.getstate(), "numpy": np.random.get_state(legacy=False)}


def _set_random_state(state: dict[str, Any]) -> None:
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    np.random.set_state(state["numpy"])


def _as_list(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"metadata of a checkpoint must be JSON, not {type(value).__name__}: {value!r}")


def _digest(state: str, tensors: _Tensors) -> str:
    digest = hashlib.sha256(state.encode())
    for tensor in tensors.values():
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def _megabytes(tensors: _Tensors) -> int:
    return -(-sum(tensor.nbytes for tensor in tensors.values()) // 1_000_000)


def _read(path: Path) -> tuple[dict[str, Any], _Tensors]:
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            _check_format(path, header.get("format"))
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except FileNotFoundError as cause:
        raise CheckpointError(
            f"there is no checkpoint {path}",
            "a file that an earlier training saved",
            "check the path, or train without resuming",
        ) from cause
    except (OSError, SafetensorError) as cause:
        raise _damaged(path, str(cause)) from cause
    if header.get("sha256") != _digest(header.get("state", ""), tensors):
        raise _damaged(path, "its content does not match its checksum")
    return json.loads(header["state"]), tensors


def _check_format(path: Path, found: str | None) -> None:
    if found != _FORMAT:
        raise CheckpointError(
            f"{path} is no checkpoint of this version (its format is {found})",
            f"the format {_FORMAT}",
            "resume with the version of Gatescope that saved it, or start a new run",
        )


def _damaged(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"the checkpoint {path} cannot be read: {why}",
        "the complete, unchanged file that a training saved",
        "restore the file from a copy, or start a new run",
    )


def _check_fit(path: Path, tensors: _Tensors, variables: dict[str, keras.Variable]) -> None:
    """Names the first variable that differs between a file and a training."""
    saved = [(name, tensor.shape, tensor.dtype.name) for name, tensor in tensors.items()]
    built = [(name, tuple(v.shape), v.dtype) for name, v in variables.items()]
    for theirs, ours in zip_longest(saved, built):
        if theirs is None or ours is None or _kind(*theirs) != _kind(*ours):
            raise CheckpointError(
                f"the checkpoint {path} does not fit this model: it holds {_describe(theirs)}, "
                f"where the model or its optimizer has {_describe(ours)}",
                "the model and optimizer that saved it, built (by a call on one batch)",
                "resume with the configuration of that training, or start a new run",
            )


def _kind(name: str, shape: tuple[int, ...], dtype: str) -> tuple[object, ...]:
    """What two variables at the same place must share.

    Keras' paths also tell what else was built before (`dense_3`) and in which scope the first
    call came; the names of optimizer variables repeat whole paths. Neither makes a difference.
    """
    path = re.sub(r"_\d+(?=[_/]|$)", "", name.partition(":")[2])
    if path.startswith(_OPTIMIZER):
        return _OPTIMIZER, path.rpartition("_")[2], shape, dtype
    return *path.split("/")[-2:], shape, dtype


def _describe(variable: tuple[str, tuple[int, ...], str] | None) -> str:
    if variable is None:
        return "nothing"
    name, shape, dtype = variable
    return f"{name.partition(':')[2]} {shape} {dtype}"
