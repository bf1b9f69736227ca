"""What a trace runs: a model's forward pass, its training step, or a function."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras.src.trainers.compile_utils import CompileLoss

from gatescope.catalog.losses import LOSSES
from gatescope.errors import TraceError, UsageError, nearest
from gatescope.report.cells import without_colours
from gatescope.scope.eager import identity, is_eager
from gatescope.scope.record import Kind

_REFUSALS = (ValueError, TypeError, tf.errors.OpError)
_ENGINE = re.compile(r"\{\{.*?\}\} | \[Op:\w+\] name:")
_WHOLE_INPUT = re.compile(r"Invalid input shape for input .*?\. Expected", re.DOTALL)


class Plan(NamedTuple):
    """What to run, and what the tensors that it gets are called."""

    run: Callable[[], Any]
    names: dict[int, tuple[Kind, str]]


def plan_model(
    model: keras.Model,
    batch: Sequence[Any],
    loss: Any,
    sample_weight: Any,
    training: bool | None,
) -> Plan:
    """Plans a step of a model on a batch.

    Raises:
        TraceError: The model is not built, has no loss for its targets, or there are not one or
            two parts of a batch.
        UsageError: There is no such loss.
    """
    if not model.built:
        raise _not_built(model)
    if batch and isinstance(batch[0], tf.data.Dataset | keras.utils.PyDataset):
        raise _many_batches(batch[0])
    if len(batch) not in (1, 2):
        raise _no_batch(len(batch))
    y = batch[1] if len(batch) == 2 else None
    x, y, weight = (_tensors(_array(part)) for part in (batch[0], y, sample_weight))
    names = _names("x", x) | _names("y", y) | _names("sample_weight", weight)
    trains = y is not None or (bool(training) and _needs_no_targets(model))
    if not trains:
        return Plan(lambda: _forward(model, x, bool(training)), names)
    if model.compiled and loss is None and _has_own_step(model):
        return Plan(lambda: _own_step(model, x, y, weight), names)
    loss_of = _loss(model, loss, x, y, weight)
    return Plan(lambda: _step(model, x, y, training is not False, loss_of), names)


def plan_function(function: Callable[..., Any], arguments: Sequence[Any]) -> Plan:
    """Plans a call of a function, and the gradients of its result if that is one number.

    Raises:
        TraceError: It cannot be called.
    """
    if not callable(function) or isinstance(function, type):
        what = "the class " + function.__name__ if isinstance(function, type) else ""
        raise TraceError(
            f"{what or type(function).__name__} cannot be traced",
            "a built Keras model, or a function of tensors",
            "gs.trace(model, x, y), or gs.trace(function, *arguments)",
        )
    tensors = [_tensors(argument) for argument in arguments]
    names: dict[int, tuple[Kind, str]] = {}
    for name, tensor in zip(_argument_names(function, len(tensors)), tensors, strict=True):
        names |= _names(name, tensor)
    return Plan(lambda: _call(function, tensors), names)


def _forward(model: keras.Model, x: Any, training: bool) -> Any:
    with _refusals(model, x):
        return model(x, training=training)


def _step(model: keras.Model, x: Any, y: Any, training: bool, loss_of: Callable[[Any], Any]) -> Any:
    """A training step up to the optimizer, as `keras.Model.train_step` has it."""
    with tf.GradientTape() as tape:
        tape.watch(_floats(x))
        outputs = _forward(model, x, training)
        with _refusals_of_loss(model, outputs, y):
            loss = loss_of(outputs)
    tape.gradient(loss, model.trainable_variables)
    return outputs


def _own_step(model: keras.Model, x: Any, y: Any, sample_weight: Any) -> None:
    data = keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
    with _refusals(model, x):
        model.train_step(data)


def _call(function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    with tf.GradientTape() as tape:
        tape.watch(_floats(arguments))
        result = function(*arguments)
    if is_eager(result) and result.shape.rank == 0 and result.dtype.is_floating:
        tape.gradient(result, list(tape.watched_variables()))
    return result


def _loss(
    model: keras.Model, loss: Any, x: Any, y: Any, sample_weight: Any
) -> Callable[[Any], Any]:
    """The loss as a function of the model's outputs."""
    if loss is not None:
        _check_losses(loss)
        judge = CompileLoss(loss)  # a loss, a name, a function, or one for each output
        return lambda y_pred: _total(judge(y, y_pred, sample_weight), model.losses)
    if not model.compiled:
        raise TraceError(
            f"the model {model.name!r} has no loss",
            "a compiled model, or a loss",
            'gs.trace(model, x, y, loss="mse"), or model.compile(optimizer, loss)',
        )
    known = inspect.signature(model.compute_loss).parameters
    extra = {"training": True} if "training" in known else {}
    return lambda y_pred: model.compute_loss(
        x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **extra
    )


def _check_losses(loss: Any) -> None:
    for one in tf.nest.flatten(loss):
        try:
            keras.losses.get(one)
        except (ValueError, TypeError):
            known = list(LOSSES)
            raise UsageError(
                f"there is no loss {one!r}",
                "a loss of Keras or its name, a function of y_true and y_pred, or one an output",
                nearest(str(one), known) or "`gatescope catalog losses` lists them",
            ) from None


def _total(loss: Any, added: Sequence[Any]) -> Any:
    """A loss with those that layers added, as `keras.Model.compute_loss` sums them."""
    return keras.ops.sum([loss, *map(keras.ops.sum, added)]) if added else loss


def _has_own_step(model: keras.Model) -> bool:
    return getattr(model.train_step, "__func__", None) is not keras.Model.train_step


def _needs_no_targets(model: keras.Model) -> bool:
    own_loss = getattr(model.compute_loss, "__func__", None) is not keras.Model.compute_loss
    return bool(model.compiled) and (_has_own_step(model) or own_loss or model.loss is None)


def _array(part: Any) -> Any:
    """Numbers in lists as an array; a list of arrays is several inputs."""
    if not isinstance(part, list | tuple) or not part:
        return part
    if not all(isinstance(number, int | float) for number in tf.nest.flatten(part)):
        return part
    with _refusals_of_arrays():
        return np.asarray(part)


def _tensors(structure: Any) -> Any:
    """Arrays, and what can become one, as tensors, of the precision that Keras gives them."""

    def converted(part: Any) -> Any:
        if tf.is_tensor(part) or not hasattr(part, "__array__"):
            return part
        with _refusals_of_arrays():
            array = np.asarray(part)
            wide = array.dtype == np.float64
            return tf.convert_to_tensor(array, keras.config.floatx() if wide else None)

    return tf.nest.map_structure(converted, structure)


@contextmanager
def _refusals_of_arrays() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError) as cause:
        raise TraceError(
            f"a part of the batch is no array of numbers: {_reason(cause)}",
            "numbers, in rows of one length",
            "keras.utils.pad_sequences(rows) makes rows as long as each other",
        ) from cause


def _names(name: str, structure: Any) -> dict[int, tuple[Kind, str]]:
    """The name of each tensor of a structure: `x`, `x[0]`, `x[image]`."""
    found: dict[int, tuple[Kind, str]] = {}
    for path, part in _paths(structure):
        if is_eager(part):
            found[identity(part)] = ("input", _path_name(name, path))
    return found


def _path_name(name: str, path: Sequence[Any]) -> str:
    return name + "".join(f"[{key}]" for key in path)


def _paths(structure: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(structure, dict):
        parts = list(structure.items())
    elif isinstance(structure, list | tuple):
        parts = list(enumerate(structure))
    else:
        flat = tf.nest.flatten(structure, expand_composites=True)
        yield from (((), part) for part in flat)
        return
    for key, part in parts:
        yield from (((key, *path), leaf) for path, leaf in _paths(part))


def _floats(structure: Any) -> list[Any]:
    flat = tf.nest.flatten(structure, expand_composites=True)
    return [part for part in flat if is_eager(part) and part.dtype.is_floating]


def _argument_names(function: Callable[..., Any], count: int) -> list[str]:
    try:
        known = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        known = []
    return [*known, *(f"argument {place}" for place in range(len(known), count))][:count]


def _not_built(model: keras.Model) -> TraceError:
    return TraceError(
        f"the model {model.name!r} is not built: it has no weights yet",
        "a model whose input shape is known",
        "call it on a batch first, model(x), or begin it with keras.Input(shape)",
    )


def _many_batches(data: Any) -> TraceError:
    first = "data[0]" if isinstance(data, keras.utils.PyDataset) else "next(iter(data))"
    return TraceError(
        f"{type(data).__name__.lstrip('_')} holds many batches",
        "one batch: x, or x and the targets y",
        f"x, y = {first}; gs.trace(model, x, y)",
    )


def _no_batch(count: int) -> TraceError:
    return TraceError(
        f"gs.trace got {count} parts of a batch for a model",
        "the batch x, or x and the targets y",
        "gs.trace(model, x, y); several inputs go into one list: gs.trace(model, [a, b], y)",
    )


@contextmanager
def _refusals(model: keras.Model, x: Any) -> Iterator[None]:
    """Tells of a batch that a model does not take."""
    try:
        yield
    except _REFUSALS as cause:
        shapes = getattr(model, "input_shape", None)
        raise TraceError(
            f"the model {model.name!r} failed on this batch: {_reason(cause)}",
            f"inputs of shape {shapes}" if shapes else "a batch as model.fit gets it",
            f"{_shapes('x', x)}: compare it with what the model takes",
        ) from cause


@contextmanager
def _refusals_of_loss(model: keras.Model, outputs: Any, y: Any) -> Iterator[None]:
    """Tells of targets that a loss does not take."""
    try:
        yield
    except _REFUSALS as cause:
        raise TraceError(
            f"the loss of the model {model.name!r} failed on this batch: {_reason(cause)}",
            f"targets, and sample weights if any, that fit: {_shapes('y_pred', outputs)}",
            f"{_shapes('y', y)}; `gatescope catalog loss NAME` tells which labels a loss takes",
        ) from cause


def _reason(cause: Exception) -> str:
    """The first line that says something."""
    lines = map(str.strip, _told(str(cause)).splitlines())
    told = [line for line in lines if line and not line.startswith("Exception encountered")]
    return told[0] if told else type(cause).__name__


def _shapes(name: str, structure: Any) -> str:
    """Shape and type of each tensor: `x[a] is (2, 3) float32, x[b] is (2,) int64`."""
    parts = []
    for path, part in _paths(structure):
        shaped = tf.is_tensor(part)
        told = f"{tuple(part.shape)} {part.dtype.name}" if shaped else type(part).__name__
        parts.append(f"{_path_name(name, path)} is {told}")
    return ", ".join(parts) or f"{name} is empty"


def _told(message: str) -> str:
    """A message without colours, names of devices, and all the numbers of the batch."""
    plain = _ENGINE.sub("", without_colours(message))
    return _WHOLE_INPUT.sub("invalid input shape: expected", plain)
