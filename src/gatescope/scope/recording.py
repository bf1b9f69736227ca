"""Recording: what runs while it is open becomes gates and values."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from logging import LogRecord
from types import CodeType, FrameType
from typing import Any, NamedTuple, final
from unittest.mock import patch
from weakref import ref

import keras
import numpy as np
import tensorflow as tf

from gatescope.scope import eager
from gatescope.scope.record import Gate, Kind, LayerCall, Pass, Phase, Source, Value
from gatescope.scope.sources import Rank, rank, source_of

_CALLED = (keras.Layer, keras.Operation, keras.losses.Loss)


@final
class Recorder:
    """Gates and values, as TensorFlow tells of them.

    Args:
        root: The frame that what is recorded is called from; the stack is read down to it.
        names: What tensors and variables that no gate makes are called, by `eager.identity`.
        budget: How many bytes of values may be kept; of others a summary is.
    """

    def __init__(self, root: FrameType, names: Mapping[int, tuple[Kind, str]], budget: int) -> None:
        self.gates: list[Gate] = []
        self.calls: list[LayerCall] = []
        self.kept = 0
        self.budget = budget
        self.values: dict[int, Value] = {}
        self.passes: list[Pass] = []
        self._thread = threading.get_ident()
        self._root, self._names = root, names
        self._phase: Phase = "forward"
        self._call: LayerCall | None = None
        self._uses = Counter[object]()
        self._buffers: dict[int, int] = {}
        self._differentiations: list[_Differentiation] = []

    @contextmanager
    def open(self) -> Iterator[None]:
        """Records what runs inside, each operation of compiled functions too."""
        compiled = tf.config.functions_run_eagerly()
        with ExitStack() as opened:
            opened.callback(tf.config.run_functions_eagerly, compiled)
            tf.config.run_functions_eagerly(True)
            opened.callback(tf.get_logger().removeFilter, _is_news)
            tf.get_logger().addFilter(_is_news)
            for called in _CALLED:
                opened.enter_context(_patched(called, "__call__", self._entering))
            opened.enter_context(_patched(tf.GradientTape, "gradient", self._passing_back))
            for optimizer in _defining(keras.Optimizer, "apply"):
                opened.enter_context(_patched(optimizer, "apply", self._updating))
            opened.enter_context(eager.watch_operations(self._ran))
            yield
        self._find_differentiated()

    def value(self, tensor: Any) -> Value:
        """The value of a tensor; one that no gate made is added."""
        number = eager.identity(tensor)
        if number not in self.values:
            kind, name = self._names.get(number, ("constant", ""))
            self._add(number, Value(tensor, kind, name))
        return self.values[number]

    def _add(self, number: int, value: Value) -> None:
        self.values[number] = value
        array, size = value.array, value.nbytes
        if array is None or not size:
            return
        start = array.__array_interface__["data"][0]
        more = size - self._buffers.get(start, 0)  # less for a view of what is kept already
        if more <= 0:
            return
        if self.kept + more > self.budget:
            value.keep_summary_only()
            return
        self.kept += more
        self._buffers[start] = size

    def _ran(
        self,
        operation: str,
        inputs: Sequence[Any],
        attributes: Mapping[str, Any],
        outputs: Sequence[Any],
    ) -> None:
        stack = _Stack(sys._getframe(2), self._root)
        gate = Gate(
            len(self.gates),
            operation,
            self._phase,
            self._call,
            stack.source,
            [self.value(tensor) for tensor in inputs if eager.is_eager(tensor)],
            attributes,
        )
        gate.opaque = eager.is_opaque(operation)
        gate.taped = eager.is_taped(inputs)
        gate.custom_gradient = stack.custom_gradient
        layers = (id(call.layer) for call in self._call.chain) if self._call else ()
        place = (self._phase, stack.path, *layers)
        gate.step, self._uses[place] = self._uses[place], self._uses[place] + 1
        if self._call:
            self._call.step = gate.step if self._call.step is None else self._call.step
            self._call.ops[gate.op, gate.step] += gate.phase == "forward"
        if stack.differentiating is not None:
            self._differentiates(gate, stack.differentiating)
        self.gates.append(gate)
        made = []
        name = _variable_read(gate.inputs)
        for tensor in outputs:
            value = Value(tensor, "gate", name, gate)
            self._add(eager.identity(tensor), value)
            made.append(value)
        gate.outputs = tuple(made)
        for value in dict.fromkeys(gate.inputs):
            value.gates.append(gate)

    def _entering(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Keeps account of which layer is running."""
        counts = Counter[int]()

        @wraps(call)
        def entered(layer: Any, *args: Any, **kwargs: Any) -> Any:
            inside = self._call
            if self._is_elsewhere or (inside is not None and inside.layer is layer):
                return call(layer, *args, **kwargs)
            self._call = LayerCall(layer, inside, counts[id(layer)])
            counts[id(layer)] += 1
            self.calls.append(entering := self._call)
            try:
                outputs = call(layer, *args, **kwargs)
            finally:
                self._call = inside
            entering.inputs = self.values_in([args, kwargs])
            entering.outputs = self.values_in(outputs)
            return outputs

        return entered

    @property
    def _is_elsewhere(self) -> bool:
        """Whether this is another thread: classes are patched for all of them."""
        return threading.get_ident() != self._thread

    def values_in(self, structure: Any) -> tuple[Value, ...]:
        """The values of all tensors in a structure, such as a model's output."""
        flat = tf.nest.flatten(structure, expand_composites=True)
        return tuple(self.value(tensor) for tensor in flat if eager.is_eager(tensor))

    def _passing_back(self, gradient: Callable[..., Any]) -> Callable[..., Any]:
        """Asks every tape for the gradients of all that was recorded, too."""

        @wraps(gradient)
        def passed_back(
            tape: Any,
            target: Any,
            sources: Any,
            output_gradients: Any = None,
            unconnected_gradients: Any = tf.UnconnectedGradients.NONE,
        ) -> Any:
            if self._is_elsewhere or not tf.executing_eagerly():
                return gradient(tape, target, sources, output_gradients, unconnected_gradients)
            asked = tf.nest.flatten(sources)
            values = self.values.values()
            more = [value for value in values if value.tensor is not None and value.has_gradients]
            all_of_them = [*asked, *(value.tensor for value in more)]
            self.passes.append(Pass(self.values_in(target), eager.another_tape_records(tape)))
            number = len(self.passes) - 1
            before, self._phase = self._phase, "backward"
            try:
                found = gradient(tape, target, all_of_them, output_gradients)
                self._link(number, asked, more, found)
                wanted = list(map(_or_zeros(unconnected_gradients), found, asked))
            finally:
                self._phase = before
            return tf.nest.pack_sequence_as(sources, wanted)

        return passed_back

    def _link(
        self, number: int, asked: Sequence[Any], more: Sequence[Value], found: Sequence[Any]
    ) -> None:
        handles = [getattr(variable, "handle", None) for variable in asked]
        values = [None if handle is None else self.value(handle) for handle in handles]
        for value, gradient in zip([*values, *more], map(_dense, found), strict=True):
            if value is not None and eager.is_eager(gradient):
                value.gradients[number] = self.value(gradient)

    def _updating(self, apply: Callable[..., Any]) -> Callable[..., Any]:
        """Tells the optimizer's gates from the others."""

        @wraps(apply)
        def updated(*args: Any, **kwargs: Any) -> Any:
            if self._is_elsewhere:
                return apply(*args, **kwargs)
            before, self._phase = self._phase, "update"
            try:
                return apply(*args, **kwargs)
            finally:
                self._phase = before

        return updated

    def _differentiates(self, gate: Gate, frame: FrameType) -> None:
        """Notes which operation a backward gate passes the gradient through."""
        call, op, arrived = eager.differentiated(frame)
        last = self._differentiations[-1] if self._differentiations else None
        if last is None or last.call() is not call:
            numbers = [eager.identity(part) for part in arrived if eager.is_eager(part)]
            last = _Differentiation(ref(call), op, numbers, [])
            self._differentiations.append(last)
        last.gates.append(gate)

    def _find_differentiated(self) -> None:
        """Finds, for each backward gate, the gate that it passes the gradient through.

        That one's outputs have the very gradients that arrived. Where several have, as along a
        chain of additions, the last to run is the first to be differentiated.
        """
        candidates: dict[tuple[Value, str], list[Gate]] = {}
        for value in self.values.values():
            if (gate := value.gate) is not None:
                for gradient in value.gradients.values():
                    candidates.setdefault((gradient, gate.op), []).append(gate)
        for one in self._differentiations:
            for number in one.arrived:
                arrived = self.values.get(number)
                found = candidates.get((arrived, one.op)) if arrived else None
                if found:
                    _belong(one.gates, found.pop())
                    break
        self._differentiations.clear()
        self._place_sums()

    def _place_sums(self) -> None:
        """Puts what adds up the gradients of a value where that was made, or its variable read."""
        for value in self.values.values():
            read = value.gates[0] if value.kind == "variable" and value.gates else None
            made = value.gate or read
            for adding in (gradient.gate for gradient in value.gradients.values()):
                if made and adding and not adding.call and not adding.gradient_of:
                    adding.call, adding.step, adding.source = made.call, made.step, made.source


class _Differentiation(NamedTuple):
    """One call of an operation's gradient function."""

    call: ref[Any]  # what only that call has; the frame would keep tensors beyond the budget
    op: str
    arrived: list[int]
    gates: list[Gate]


def _belong(gates: Sequence[Gate], forward: Gate) -> None:
    for gate in gates:
        gate.gradient_of = forward
        gate.call, gate.step = forward.call, forward.step
        gate.source = gate.source or forward.source  # its own if a user wrote the gradient


def _variable_read(inputs: Sequence[Value]) -> str:
    """The name of the variable that an operation does nothing but read, if it does."""
    return inputs[0].name if len(inputs) == 1 and inputs[0].kind == "variable" else ""


def _dense(gradient: Any) -> Any:
    """A gradient as one tensor: of a lookup, TensorFlow has only the rows that were looked up."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows = np.zeros(gradient.dense_shape, gradient.values.dtype.as_numpy_dtype)
    np.add.at(rows, np.asarray(gradient.indices), np.asarray(gradient.values))
    return tf.constant(rows)


def _or_zeros(unconnected: Any) -> Callable[[Any, Any], Any]:
    """What stands for no gradient: only where the caller asked, not for all that was recorded."""
    if tf.UnconnectedGradients(unconnected) is tf.UnconnectedGradients.NONE:
        return lambda gradient, _: gradient
    return lambda gradient, source: tf.zeros_like(source) if gradient is None else gradient


def _is_news(record: LogRecord) -> bool:
    """Whether a notice is of more than what a trace does itself: compiled functions are opened."""
    return "tf.function behavior was disabled" not in record.getMessage()


def _defining(owner: type, method: str) -> Iterator[type]:
    """A class, and those below it that have a method of their own."""
    yield owner
    below: type
    for below in owner.__subclasses__():
        yield from (one for one in _defining(below, method) if method in vars(one))


def _patched(
    owner: type, method: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Any:
    return patch.object(owner, method, wrapper(getattr(owner, method)))


@final
class _Stack:
    """What the Python stack tells of an operation.

    Attributes:
        path: The places in the code, from the operation outward.
        source: The line that asked for it; within a gradient function, a line of that.
        differentiating: The frame of the gradient function that it belongs to, if any.
        custom_gradient: Whether it is hidden from tapes behind a gradient of a user's own.
    """

    __slots__ = ("custom_gradient", "differentiating", "path", "source")

    def __init__(self, frame: FrameType | None, root: FrameType) -> None:
        path: list[tuple[CodeType, int]] = []
        best: tuple[Rank, FrameType] | None = None
        inside: tuple[Rank, FrameType] | None = None
        self.differentiating: FrameType | None = None
        self.custom_gradient = False
        while frame is not None and frame is not root:
            code = frame.f_code
            path.append((code, frame.f_lasti))
            ranked = rank(code)
            if ranked > (best[0] if best else Rank.CUSTOM_GRADIENT):
                best = ranked, frame
            if self.differentiating is None:
                if eager.is_gradient_function(code):
                    self.differentiating, inside = frame, best
                else:
                    self.custom_gradient |= ranked is Rank.CUSTOM_GRADIENT
            frame = frame.f_back
        self.path = tuple(path)
        best = inside if self.differentiating else best
        self.source: Source | None = source_of(best[1]) if best else None
