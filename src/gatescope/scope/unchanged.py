"""Puts everything back as it was: variables, optimizers, random streams."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from gatescope.scope.eager import identity, run, same_random_stream
from gatescope.scope.record import Gate, Kind, Value

_EAGER = tf.__internal__.EagerTensor


class Alive(NamedTuple):
    """The variables and unbuilt optimizers of this process."""

    variables: list[Any]
    names: dict[int, tuple[Kind, str]]
    unbuilt: list[Any]


def alive() -> Alive:
    """Finds them all, for what a user's function or training step changes may be anywhere."""
    plain, kinds = type(tf.Variable(0.0)), dict[type, str]()
    found: dict[str, list[Any]] = {"variable": [], "keras": [], "optimizer": [], "": []}
    for thing in gc.get_objects():
        kind = kinds.get(type(thing))
        if kind is None:
            kind = kinds.setdefault(type(thing), _kind(type(thing), plain))
        if kind:
            found[kind].append(thing)
    # A graph that is gone, as of an export to SavedModel, leaves variables that nobody can read.
    readable = [one for one in found["variable"] if isinstance(one.handle, _EAGER)]
    variables = [variable for variable in readable if variable.is_initialized()]
    names = {identity(variable.handle): variable.name.removesuffix(":0") for variable in variables}
    for variable in found["keras"]:
        handle = getattr(variable._value, "handle", None)
        if handle is not None and identity(handle) in names:
            names[identity(handle)] = variable.path
    unbuilt = [optimizer for optimizer in found["optimizer"] if not optimizer.built]
    return Alive(variables, {key: ("variable", name) for key, name in names.items()}, unbuilt)


def _kind(type_: type, plain: type) -> str:
    if issubclass(type_, plain):
        return "variable"
    if issubclass(type_, keras.Variable):
        return "keras"
    return "optimizer" if issubclass(type_, keras.Optimizer) else ""


@contextmanager
def unchanged(found: Alive, gates: Sequence[Gate]) -> Iterator[None]:
    """Undoes what happens inside, in these gates, to variables, optimizers and random streams.

    A variable is read, which copies nothing until it is written to; one that is made inside, as
    metrics make some, is put back to its first value. What is not undone: the
    position of TensorFlow's stateful random operations with a seed of their own (such as
    `tf.random.uniform(…, seed=1)`), lookup tables, datasets, and Python objects.
    """
    before = [(variable, variable.read_value()) for variable in found.variables]
    python, numpy = random.getstate(), np.random.get_state()
    optimizers = [(optimizer, list(_refilling(optimizer))) for optimizer in found.unbuilt]
    with ExitStack() as undo, same_random_stream():
        undo.callback(np.random.set_state, numpy)
        undo.callback(random.setstate, python)
        undo.callback(_write_back, before)
        undo.callback(_restart, gates)
        undo.callback(_empty, optimizers)
        yield


def _write_back(before: Sequence[tuple[Any, Any]]) -> None:
    for variable, value in before:
        now = np.asarray(variable.read_value())
        if now.__array_interface__["data"] != np.asarray(value).__array_interface__["data"]:
            variable.assign(value)


def _restart(gates: Sequence[Gate]) -> None:
    """Gives the variables that were made by gates the value that they had at first."""
    first: dict[Value, Gate] = {}
    for gate in gates:
        if gate.op == "AssignVariableOp" and gate.inputs[0].gate is not None:
            first.setdefault(gate.inputs[0], gate)
    for gate in first.values():
        handle, value = (part.tensor for part in gate.inputs)
        if value is not None:
            run(gate.op, [handle, value], gate.attributes, 0)


def _refilling(thing: Any) -> Iterator[Callable[[], None]]:
    """What gives an object the attributes, and these the contents, that it has now.

    The containers stay the same objects: TensorFlow's checkpoints hold on to them.
    """
    attributes = getattr(thing, "__dict__", {})
    for container in (thing, attributes):
        if (kind := _container(container)) is not None:
            yield partial(_refill, kind, container, kind.copy(container))
    for part in attributes.values():
        if _container(part) is not None:
            yield from _refilling(part)


def _container(thing: Any) -> Any:
    """Of which built-in kind a container is; isinstance would take proxies, too."""
    return next((kind for kind in (list, dict, set) if issubclass(type(thing), kind)), None)


def _refill(kind: Any, container: Any, contents: Any) -> None:
    # The built-in methods, for those of tracked containers do more than that.
    kind.clear(container)
    (list.extend if kind is list else kind.update)(container, contents)


def _empty(optimizers: Sequence[tuple[Any, Sequence[Callable[[], None]]]]) -> None:
    """Makes optimizers that were built meanwhile what they were."""
    for optimizer, refilling in optimizers:
        if optimizer.built:
            for refill in refilling:
                refill()
