"""Keeps the first training step that went wrong: its batch, and all state as it was before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar, final

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.framework.attr_value_pb2 import AttrValue

ResultT = TypeVar("ResultT")
_SMALL = 65_536  # elements of what a forward pass may change, copied before each
_WHOLE = 16_384  # elements of a gradient that is looked at in full


class KeptStep(NamedTuple):
    """A step that went wrong, as it was before it changed anything.

    Attributes:
        step: Its number, from 0.
        batch: Its inputs, targets and sample weights, in the structure that the step got.
        variables: The model's variables, by path.
        optimizer: The optimizers' variables, by path.
    """

    step: int
    batch: Any
    variables: dict[str, npt.NDArray[Any]]
    optimizer: dict[str, npt.NDArray[Any]]


@final
class BadStep:
    """Variables beside the model's, written to in the step that goes wrong and in no other.

    A forward pass changes seeds and statistics; these are small and copied before each step. All
    else is copied once, when loss or gradients are not finite, before the optimizer applies them.

    Args:
        model: The model.
        static: Whether shapes must be known when a graph is built, as XLA wants it.
    """

    def __init__(self, model: keras.Model, static: bool) -> None:
        self._model, self._static = model, static
        self.at = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self._state: list[Any] = []
        self._early: dict[int, tuple[Any, tf.Variable]] = {}
        self._copies = Copies([], static)
        self._optimizers: dict[int, tuple[list[Any], Copies]] = {}
        self._batches = Batches()

    def forget(self) -> None:
        """Waits for a first bad step again, as another training begins."""
        self.at.assign(-1)

    def _make_room(self) -> None:
        """Makes copies of what the model has by now: some make weights in their first step."""
        state = state_of(self._model)
        if list(map(id, state)) == list(map(id, self._state)):
            return
        changing = set(map(id, self._model.non_trainable_variables))
        self._state = state
        self._early = {
            id(variable): (variable, _copy(variable))
            for variable in state
            if id(variable) in changing and np.prod(variable.shape) <= _SMALL
        }
        latest = [self._early.get(id(one), (one, one))[1] for one in state]
        self._copies = Copies(latest, self._static)

    def before_forward(self) -> list[Any]:
        """Copies what a forward pass changes; returns the operations."""
        beside_graphs(self._make_room)
        return [
            copy.assign(tf.convert_to_tensor(variable), read_value=False)
            for variable, copy in self._early.values()
        ]

    def before_update(
        self, optimizer: Any, evidence: Sequence[tf.Tensor], step: tf.Tensor, data: Any
    ) -> tf.Tensor:
        """Copies weights and optimizer if this step is the first bad one.

        Args:
            optimizer: What is about to update.
            evidence: The loss and gradients, any of which not finite is bad.
            step: The number of the step.
            data: The batch, to be copied too; None where `after_step` does.

        Returns:
            What the update has to wait for.
        """
        beside_graphs(self._make_room)
        copies = beside_graphs(partial(self._copies_of, optimizer))
        batch, parts = self._batches.of(data)

        def keep(step: tf.Tensor, parts: Sequence[tf.Tensor]) -> tf.Tensor:
            self._copies.take()
            copies.take()
            self._batches.take(batch, parts)
            return self.at.assign(step)

        def look_closer(step: tf.Tensor, *seen: tf.Tensor) -> tf.Tensor:
            bad = tf.reduce_any([_has_bad(part) for part in seen[: len(evidence)]])
            kept = partial(keep, step, seen[len(evidence) :])
            return tf.cond(bad & (self.at < 0), kept, lambda: self.at + 0)

        # One number tells: it is not finite if any of them is not.
        told = tf.add_n([tf.cast(tf.reduce_sum(_telltale(part)), tf.float32) for part in evidence])
        given = (step, *evidence, *parts)
        if self._static or tf.executing_eagerly():
            return seldom(~tf.math.is_finite(told), lambda: look_closer(*given))
        # In Python, which takes hold of the variables when it comes to that: an operation that is
        # handed them all would cost in every step.
        return tf.cond(
            tf.math.is_finite(told),
            lambda: tf.constant(-1, tf.int64),
            lambda: tf.py_function(look_closer, given, tf.int64),
        )

    def after_step(self, data: Any, step: tf.Tensor) -> None:
        """Copies the batch if this step was the first bad one; for what XLA has no shapes for."""
        batch, parts = self._batches.of(data)

        def keep() -> tf.Tensor:
            self._batches.take(batch, parts)
            return step + 0

        seldom(tf.equal(self.at, step), keep)

    def kept(self) -> KeptStep | None:
        """The first bad step, if there was one."""
        step = int(self.at.numpy())
        if step < 0:
            return None
        batch = self._batches.taken()
        optimizer: dict[str, npt.NDArray[Any]] = {}
        for variables, copies in self._optimizers.values():
            if copies.taken:
                optimizer |= _by_path(variables, copies.read())
        return KeptStep(step, batch, _by_path(self._state, self._copies.read()), optimizer)

    def _copies_of(self, optimizer: Any) -> Copies:
        if id(optimizer) not in self._optimizers:
            variables = list(optimizer.variables)
            self._optimizers[id(optimizer)] = variables, Copies(variables, self._static)
        return self._optimizers[id(optimizer)][1]


class Batch(NamedTuple):
    """Room for batches of one structure: a graph is built for each, and any may come again.

    Attributes:
        place: Its number.
        structure: What the batches are made of, tensors as their specifications.
        copies: A variable for each tensor.
    """

    place: int
    structure: Any
    copies: Sequence[tf.Variable]


@final
class Batches:
    """Room for a batch of each structure that a training step was built for."""

    def __init__(self) -> None:
        self._known: dict[str, Batch] = {}
        self._last = beside_graphs(lambda: tf.Variable(-1, dtype=tf.int64, trainable=False))

    def of(self, data: Any) -> tuple[Batch, list[Any]]:
        """The room for batches such as one, and the tensors of that; for None there is none."""
        structure = tf.nest.map_structure(_specification, data)
        parts = [part for part in tf.nest.flatten(data, expand_composites=True) if part is not None]
        types = [part.dtype for part in parts]
        key = f"{structure}"
        if key not in self._known:
            copies = beside_graphs(lambda: [of_any_shape(dtype) for dtype in types])
            self._known[key] = Batch(len(self._known), structure, copies)
        return self._known[key], parts

    def take(self, batch: Batch, parts: Sequence[Any]) -> None:
        """Copies a batch, if there is one."""
        for copy, part in zip(batch.copies, parts, strict=True):
            copy.assign(part)
        if parts:
            self._last.assign(batch.place)

    def taken(self) -> Any:
        """The batch that was copied last, in its structure; None if there was none."""
        place = int(self._last.numpy())
        if place < 0:
            return None
        batch = next(one for one in self._known.values() if one.place == place)
        arrays = iter([copy.numpy() for copy in batch.copies])
        places = tf.nest.flatten(batch.structure, expand_composites=True)
        filled = [None if one is None else next(arrays) for one in places]
        return tf.nest.pack_sequence_as(batch.structure, filled, expand_composites=True)


@final
class Copies:
    """Copies of variables in one buffer for each type: a graph has few inputs more by them."""

    def __init__(self, variables: Sequence[Any], static: bool) -> None:
        self._kinds: dict[tf.DType, list[Any]] = {}
        for variable in variables:
            self._kinds.setdefault(tf.as_dtype(variable.dtype), []).append(variable)
        self._variables = variables
        self._buffers = {
            kind: tf.Variable(tf.zeros([_size(some)], kind), trainable=False)
            if static
            else of_any_shape(kind)
            for kind, some in self._kinds.items()
        }

    def take(self) -> None:
        """Writes what the variables hold now into the buffers."""
        for kind, variables in self._kinds.items():
            flat = [tf.reshape(tf.convert_to_tensor(variable), [-1]) for variable in variables]
            self._buffers[kind].assign(tf.concat(flat, 0))

    @property
    def taken(self) -> bool:
        """Whether the buffers hold copies."""
        return all(
            int(tf.size(buffer)) == _size(self._kinds[kind])
            for kind, buffer in self._buffers.items()
        )

    def read(self) -> list[npt.NDArray[Any]]:
        """The copies, in the order of the variables."""
        found: dict[int, npt.NDArray[Any]] = {}
        for kind, variables in self._kinds.items():
            sizes = [_size([variable]) for variable in variables]
            parts = np.split(self._buffers[kind].numpy(), np.cumsum(sizes)[:-1])
            for variable, part in zip(variables, parts, strict=True):
                found[id(variable)] = part.reshape(variable.shape)
        return [found[id(variable)] for variable in self._variables]


def state_of(model: keras.Model) -> list[Any]:
    """The variables of a model, but for those of metrics."""
    metrics = set(map(id, model.metrics_variables))
    return [variable for variable in model.variables if id(variable) not in metrics]


def _by_path(
    variables: Sequence[Any], values: Sequence[npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    """Values by the paths of their variables; of equal paths, the second is `path (2)`."""
    found: dict[str, npt.NDArray[Any]] = {}
    for variable, value in zip(variables, values, strict=True):
        path, count = variable.path, 1
        while path in found:
            count += 1
            path = f"{variable.path} ({count})"
        found[path] = value
    return found


def _size(variables: Sequence[Any]) -> int:
    return sum(int(np.prod(variable.shape)) for variable in variables)


def _specification(part: Any) -> Any:
    return None if part is None else tf.type_spec_from_value(part)


def _telltale(part: Any) -> tf.Tensor:
    """A part of a loss or gradient that is not finite if anything behind it is not.

    A large matrix's gradient adds products of an input and what came back: its first row has the
    latter for every unit, and the first of a stack of matrices likewise. An input that is not
    finite shows in the loss.
    """
    shape, size = part.shape, part.shape.num_elements()
    if shape.rank is not None and shape.rank > 1 and (size is None or size > _WHOLE):
        first = (0,) * max(1, shape.rank - 2)
        # Rows of IndexedSlices stand for a token each: none tells of another.
        part = part if size is None else part[first]
    return tf.cast(part, tf.float32)


def _has_bad(part: Any) -> tf.Tensor:
    return tf.reduce_any(~tf.math.is_finite(part))


def seldom(condition: tf.Tensor, work: Callable[[], tf.Tensor]) -> tf.Tensor:
    """`tf.cond` for what hardly ever happens: everything that `work` takes is one operation's.

    TensorFlow would lower it to a switch for each tensor and variable, run in every step.
    """
    found = tf.cond(condition, work, lambda: tf.constant(-1, tf.int64))
    if not tf.executing_eagerly():
        operation = found.op
        while operation.type not in ("If", "StatelessIf"):
            operation = operation.inputs[0].op
        operation._set_attr("_lower_using_switch_merge", AttrValue(b=False))
    return found


def beside_graphs(make: Callable[[], ResultT]) -> ResultT:
    """Makes variables while a graph is built, in a thread that builds none.

    A `tf.function` lets its first trace alone make variables, and other data are traced again.
    """
    if tf.executing_eagerly():
        return make()
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(make).result()


def _copy(variable: Any) -> tf.Variable:
    return tf.Variable(tf.zeros(variable.shape, variable.dtype), trainable=False)


def of_any_shape(dtype: Any) -> tf.Variable:
    """A variable of any shape, which takes no memory until it is written to."""
    empty = tf.zeros([0], dtype)
    return tf.Variable(empty, trainable=False, shape=tf.TensorShape(None), validate_shape=False)
