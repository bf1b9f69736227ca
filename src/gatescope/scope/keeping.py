"""What a run keeps of a training's start, so that a remedy can be proved later.

The model as it was before, and a sample of the data: of arrays, rows drawn at a seed of their own;
of what can be read only once, the first batches as they pass.
"""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final
from unittest.mock import patch

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gatescope.runs.record import KEEP_CAP, RunWriter
from gatescope.scope.bad_step import beside_graphs, of_any_shape, seldom

BATCHES = 8
"""Batches that are kept of data that passes."""
ROWS = 4_096
"""Rows that are kept of arrays, at most."""
_SHARE = 4  # of the cap, what a sample may take
_SEED = 0

Arrays = dict[str, npt.NDArray[Any]]


def keep_start(
    run: RunWriter, model: keras.Model, given: Mapping[str, Any], cap: int = KEEP_CAP
) -> dict[str, object]:
    """Keeps the model and samples of arrays, and says what it kept.

    Args:
        run: The record.
        model: The model, compiled and not yet trained.
        given: The arguments of `fit`.
        cap: Bytes that all of it may have.
    """
    room = cap // _SHARE
    kept: dict[str, object] = {"model": keep_model(run, model, cap - 2 * room)}
    training = [given.get(name) for name in ("x", "y", "sample_weight")]
    validation = list(_three(given.get("validation_data")))
    for name, parts in (("training", training), ("validation", validation)):
        sample = draw(parts, room)
        if sample is not None:
            kept[name] = _keep_sample(run, name, *sample)
    return kept


def keep_asked(
    run: RunWriter, name: str, given: Mapping[str, Any], cap: int = KEEP_CAP
) -> dict[str, object] | None:
    """Keeps a sample of what a trained model is asked about; nothing where that is no arrays.

    Args:
        run: The record, which may be finished.
        name: `evaluate` or `predict`.
        given: The arguments of that.
        cap: Bytes that all of the run's files may have.
    """
    sample = draw([given.get("x"), given.get("y"), None], cap // (2 * _SHARE))
    return None if sample is None else _keep_sample(run, name, *sample)


def keep_model(run: RunWriter, model: keras.Model, cap: int) -> dict[str, object]:
    """Keeps a model: as `.keras`, or its weights alone where its classes forbid that."""
    size = sum(int(np.prod(one.shape)) * 4 for one in model.variables)
    if size > cap:
        return {"file": None, "why": f"{size} bytes of weights, more than {cap}"}
    try:
        saved = _saved(model)
    except Exception as error:  # noqa: BLE001 - a user's own classes may raise anything
        return _keep_weights(run, model, error, cap)
    file = "model.keras"
    return {"file": file if run.keep(file, saved, cap) else None, "built": bool(model.built)}


def draw(parts: Sequence[Any], room: int) -> tuple[Arrays, int] | None:
    """Rows of inputs, targets and sample weights, the same of each, in their order.

    Args:
        parts: These three.
        room: Bytes that they may have.

    Returns:
        Arrays by name, and of how many rows they were drawn; nothing where the data is no arrays.
    """
    named = {
        f"{name}{path}": array
        for name, part in zip(("x", "y", "sample_weight"), parts, strict=True)
        for path, array in _arrays(part)
    }
    if not named or any(array is None for array in named.values()):
        return None
    arrays: Arrays = {name: np.asarray(array) for name, array in named.items() if array is not None}
    count = min(map(len, arrays.values()))
    each = sum(array.nbytes // max(1, len(array)) for array in arrays.values())
    rows = min(count, ROWS, room // max(1, each))
    chosen = np.sort(np.random.default_rng(_SEED).choice(count, rows, replace=False))
    return {name: array[chosen] for name, array in arrays.items()}, count


class Room(NamedTuple):
    """Room for batches of one structure.

    Attributes:
        place: Its number.
        paths: Where in the structure each tensor stands.
        batches: A variable for each tensor of each batch.
    """

    place: int
    paths: Sequence[str]
    batches: Sequence[Sequence[tf.Variable]]


@final
class Passing:
    """Keeps the first batches of a training as they pass through its step; never inside XLA."""

    def __init__(self) -> None:
        self._taken = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._used = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self._rooms: dict[str, Room] = {}

    def restart(self, wanted: bool) -> None:
        """Begins anew, for another training with the same graph."""
        self._taken.assign(0 if wanted else BATCHES)

    def see(self, data: Any) -> None:
        """Copies a batch, if it is one of the first and has the structure of the very first."""
        named = dict(zip(("x", "y", "sample_weight"), _three(data), strict=True))
        flat = [(path, part) for path, part in _flat(named) if part is not None]
        if not all(isinstance(part, tf.Tensor) for _, part in flat):
            return
        room = self._room(flat)

        def copy(batch: Sequence[tf.Variable]) -> Callable[[], tf.Tensor]:
            def copied() -> tf.Tensor:
                for variable, (_, part) in zip(batch, flat, strict=True):
                    variable.assign(part)
                self._used.assign(room.place)
                return self._taken.assign_add(1)

            return copied

        def kept() -> tf.Tensor:
            branches = [copy(batch) for batch in room.batches]
            return tf.switch_case(tf.cast(self._taken.value(), tf.int32), branches)

        alike = tf.equal(self._taken, 0) | tf.equal(self._used, room.place)
        seldom((self._taken < BATCHES) & alike, kept)

    def _room(self, flat: Sequence[tuple[str, tf.Tensor]]) -> Room:
        key = str([(path, part.dtype) for path, part in flat])
        if key not in self._rooms:
            types = [part.dtype for _, part in flat]
            batches = beside_graphs(
                lambda: [[of_any_shape(dtype) for dtype in types] for _ in range(BATCHES)]
            )
            self._rooms[key] = Room(len(self._rooms), [path for path, _ in flat], batches)
        return self._rooms[key]

    def arrays(self) -> Arrays:
        """What passed, and an empty room for the next."""
        taken, used = int(self._taken.numpy()), int(self._used.numpy())
        found: Arrays = {}
        for room in self._rooms.values():
            if room.place == used and taken:
                columns = zip(*room.batches[:taken], strict=True)
                for path, column in zip(room.paths, columns, strict=True):
                    found |= _joined(path, [np.asarray(variable.numpy()) for variable in column])
            for variable in (one for batch in room.batches for one in batch):
                variable.assign(tf.zeros([0], variable.dtype))
        self._taken.assign(BATCHES)
        return found


def keep_passed(run: RunWriter, name: str, arrays: Arrays, cap: int = KEEP_CAP) -> object:
    """Keeps the first batches, as many rows of them as there is room for."""
    numeric = {path: array for path, array in arrays.items() if array.dtype.kind != "O"}
    if not numeric or sum(array.nbytes for array in numeric.values()) > cap // _SHARE:
        return {"file": None, "why": "the first batches are text, or too large"}
    file = f"{name}.npz"
    content = {"file": file, "how": f"the first {BATCHES} batches", "rows": _rows(numeric)}
    return content if run.keep(file, _packed(numeric)) else {"file": None}


def _keep_sample(run: RunWriter, name: str, arrays: Arrays, count: int) -> dict[str, object]:
    file = f"{name}.npz"
    kept = run.keep(file, _packed(arrays))
    rows = _rows(arrays)
    return {"file": file if kept else None, "how": "rows drawn", "rows": rows, "of": count}


def _keep_weights(
    run: RunWriter, model: keras.Model, error: Exception, cap: int
) -> dict[str, object]:
    file, why = "weights.npz", f"{type(error).__name__}: {error}"
    arrays = {variable.path: np.asarray(variable) for variable in model.variables}
    kept = bool(arrays) and run.keep(file, _packed(arrays), cap)
    return {"file": file if kept else None, "built": bool(model.built), "why": why}


def _saved(model: keras.Model) -> bytes:
    with tempfile.TemporaryDirectory() as folder, patch.object(warnings, "showwarning", _silent):
        file = Path(folder) / "model.keras"
        keras.saving.save_model(model, file)
        return file.read_bytes()


def _silent(*_: Any) -> None:
    """Keras warns of classes that it can save and not load; a proof says so itself."""


def _packed(arrays: Arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _three(data: Any) -> tuple[Any, Any, Any]:
    if data is None:
        return None, None, None
    return keras.utils.unpack_x_y_sample_weight(data)


def _flat(structure: Any) -> list[tuple[str, Any]]:
    pairs = keras.tree.flatten_with_path(structure)
    return [("/".join(map(str, path)), part) for path, part in pairs]


def _arrays(part: Any) -> list[tuple[str, npt.NDArray[Any] | None]]:
    if part is None:
        return []
    if isinstance(part, list) and part and not hasattr(part[0], "shape"):
        return [("", _array(np.asarray(part)))]  # a list of numbers, as beginners pass one
    return [(f"/{path}" if path else "", _array(one)) for path, one in _flat(part)]


def _array(part: Any) -> npt.NDArray[Any] | None:
    """What is an array already; a data set, a generator or text in objects is none."""
    if not hasattr(part, "shape") or not hasattr(part, "dtype") or hasattr(part, "__next__"):
        return None if not hasattr(part, "to_numpy") else _plain(part.to_numpy())
    return _plain(np.asarray(part))


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    return array if array.ndim and array.dtype.kind in "biufcSU" else None


def _joined(path: str, parts: Sequence[npt.NDArray[Any]]) -> Arrays:
    if len({part.shape[1:] for part in parts}) == 1 and parts[0].ndim:
        return {path: np.concatenate(parts)}
    return {f"{path}@{place}": part for place, part in enumerate(parts)}


def _rows(arrays: Arrays) -> int:
    return max((len(array) for array in arrays.values() if array.ndim), default=0)
