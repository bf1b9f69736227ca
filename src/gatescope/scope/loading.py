"""Models and batches from files; nothing in them is unpickled or run."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gatescope.errors import DataError, UsageError, nearest
from gatescope.scope.record import Array

_IN_PYTHON = "in Python, where your own code is known: gs.trace(model, x, y)"
_NAMED = re.compile(r"locate (?:class|object|function) '([^']+)'")
_NUMPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"


def load_model(path: Path, *, compiled: bool = True) -> keras.Model:
    """Loads a `.keras` file; Python code in it is refused, not run.

    Args:
        path: The file.
        compiled: Whether its loss and optimizer are loaded, too.

    Raises:
        UsageError: It is no `.keras` file.
        DataError: It is damaged, or needs code that it does not hold.
    """
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise UsageError(
            f"{str(path)!r} is no .keras file",
            'a model saved by model.save("model.keras")',
            f"load it as you are used to and save it anew, or trace it {_IN_PYTHON}",
        )
    try:
        with warnings.catch_warnings():
            # Such as that the optimizer's variables do not fit, which a trace does not need.
            warnings.simplefilter("ignore", UserWarning)
            return keras.saving.load_model(path, compile=compiled, safe_mode=True)
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        ImportError,
        OSError,
        RuntimeError,
        zipfile.BadZipFile,
    ) as cause:
        raise _unloadable(path, str(cause)) from cause


def _unloadable(path: Path, reason: str) -> DataError:
    if "Lambda" in reason or "unsafe" in reason:
        return DataError(
            f"{str(path)!r} holds Python code (a Lambda layer), which is not run",
            "a model of layers alone",
            f"trace it {_IN_PYTHON}",
        )
    if "locate" in reason or "custom_objects" in reason:
        named = _NAMED.search(reason)
        found = repr(named.group(1)) if named else "a layer or loss"
        return DataError(
            f"{str(path)!r} needs {found}, which is no part of Keras",
            "a model of Keras' own layers and losses",
            f"trace it {_IN_PYTHON}; a loss alone is replaced by --loss NAME",
        )
    first = next((line for line in reason.splitlines() if line.strip()), "no reason given")
    return DataError(
        f"{str(path)!r} cannot be loaded: {first.strip()}",
        'a whole file, saved by model.save("model.keras") of Keras 3',
        "save the model anew",
    )


def load_inputs(path: Path, model: keras.Model, samples: int | None = None) -> Any:
    """Loads a batch of a model's inputs from a `.npy`, or a `.npz` of arrays by the inputs' names.

    Args:
        path: The file.
        model: The model.
        samples: Only so many of the first.

    Returns:
        An array, or arrays in the structure of `model.input`.

    Raises:
        UsageError: It is no such file, or an input is missing.
        DataError: It holds Python objects, or is damaged.
    """
    structure = _structure(model, "input")
    pairs = keras.tree.flatten_with_path(structure) if structure is not None else []
    names = [
        str(path[-1]) if path and isinstance(path[-1], str) else part.name for path, part in pairs
    ]
    return _load(path, "input", names, structure, samples)


def load_targets(path: Path, model: keras.Model, samples: int | None = None) -> Any:
    """Loads a batch of targets, by the outputs' names where there are several.

    Args:
        path: The file.
        model: The model.
        samples: Only so many of the first.

    Returns:
        An array, or arrays in the structure of `model.output`.

    Raises:
        UsageError: It is no such file, or an output is missing.
        DataError: It holds Python objects, or is damaged.
    """
    names = list(getattr(model, "output_names", None) or [])
    return _load(path, "output", names, _structure(model, "output"), samples)


def _structure(model: keras.Model, what: str) -> Any:
    """The symbolic inputs or outputs; None of a subclassed model."""
    found = getattr(model, what, None)
    return getattr(model, f"{what}s", None) if found is None else found


def _load(path: Path, what: str, names: Sequence[str], structure: Any, samples: int | None) -> Any:
    arrays = {name: array[:samples] for name, array in _arrays(path).items()}
    if len(arrays) == 1 and len(names) < 2:
        (array,) = arrays.values()
        return array
    missing = [name for name in names if name not in arrays]
    if missing or not names:
        raise _not_named(path, what, names, missing, arrays)
    found = [arrays[name] for name in names]
    return found[0] if len(found) == 1 else keras.tree.pack_sequence_as(structure, found)


def _not_named(
    path: Path, what: str, names: Sequence[str], missing: Sequence[str], arrays: Mapping[str, Array]
) -> UsageError:
    example = ", ".join(f"{name}=…" for name in names[:3])
    near = nearest(missing[0], list(arrays)) if missing and len(arrays) > 1 else ""
    return UsageError(
        f"{str(path)!r} has no array for the {what} {missing[0]!r}"
        if missing
        else f"{str(path)!r} has {len(arrays)} arrays, and the model's {what}s have no names",
        f"an array for each {what}: {', '.join(names)}" if names else "one array",
        near or f'np.savez("{what}s.npz", {example or "x"})',
    )


def _arrays(path: Path) -> dict[str, Array]:
    """The arrays of a file, that of a `.npy` under no name."""
    with path.open("rb") as file:
        begin = file.read(len(_NUMPY))
    if not begin.startswith((_NUMPY, _ZIP)):
        raise UsageError(
            f"{str(path)!r} is no file of NumPy's",
            "a batch as .npy, or .npz of arrays by name",
            'np.save("x.npy", x), with x as the model gets it: photos are arrays there, too',
        )
    try:
        found = np.load(path, allow_pickle=False)
        arrays = {"": found} if isinstance(found, np.ndarray) else dict(found)
    except (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile) as cause:
        raise _unreadable(path, str(cause)) from cause
    for name, array in arrays.items():
        if not array.ndim:
            raise UsageError(
                f"{name or str(path)!r} is one number",
                "a batch, its samples in the first axis",
                "np.save the array with its batch axis: x[None] for one sample",
            )
    return arrays


def _unreadable(path: Path, reason: str) -> DataError:
    if "allow_pickle" in reason:
        return DataError(
            f"{str(path)!r} holds pickled Python objects, which are never unpickled",
            "an array of numbers",
            'np.save("x.npy", np.asarray(x, "float32"))',
        )
    return DataError(
        f"{str(path)!r} is damaged: {reason or 'it ends too early'}",
        "a whole .npy or .npz file",
        "save it anew with np.save or np.savez",
    )
