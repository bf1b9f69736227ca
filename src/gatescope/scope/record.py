"""What a trace is made of: gates, the values between them, and the layers that ran them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple, final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Index = tuple[int, ...]
_AT_A_TIME = 1 << 16  # elements
Phase = Literal["forward", "backward", "update"]
Kind = Literal["gate", "input", "variable", "constant"]


class Summary(NamedTuple):
    """What is known of a tensor's elements without them; the numbers are those of finite ones."""

    elements: int
    not_finite: int
    zeros: int
    minimum: float
    maximum: float
    mean: float
    deviation: float

    @property
    def magnitude(self) -> float:
        """The largest absolute value."""
        return max(abs(self.minimum), abs(self.maximum))


class Source(NamedTuple):
    """Where in Python a gate was asked for."""

    file: str
    line: int
    function: str
    path: str = ""  # of the file, whole

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"


@final
class LayerCall:
    """One call of a layer, or of a loss.

    Args:
        layer: The Keras object.
        caller: The call that it happened in.
        number: How many times the layer had been called before.

    Attributes:
        inputs: What it was given.
        outputs: What it gave.
        step: That of its first gate; None where nothing ran.
        ops: How often each operation ran in it, at each step, forward.
    """

    def __init__(self, layer: Any, caller: LayerCall | None, number: int) -> None:
        self.layer, self.caller, self.number = layer, caller, number
        self.step: int | None = None
        self.ops = Counter[tuple[str, int]]()
        self.inputs: tuple[Value, ...] = ()
        self.outputs: tuple[Value, ...] = ()

    @cached_property
    def path(self) -> str:
        """Names from the outermost layer to this one, with slashes between them."""
        name = str(self.layer.name)
        return f"{self.caller.path}/{name}" if self.caller else name

    def within(self, call: LayerCall | None) -> bool:
        """Whether this is `call`, or happened inside it."""
        return call is None or any(one is call for one in self.chain)

    @property
    def chain(self) -> Iterator[LayerCall]:
        """This call, the one that it happened in, and on to the outermost."""
        call: LayerCall | None = self
        while call:
            yield call
            call = call.caller

    def __repr__(self) -> str:
        return f"<call {self.number} of {self.path}>"


@final
class Value:
    """A tensor that went into gates or came out of one.

    Attributes:
        kind: Whether it came from a gate, from the caller, from a variable, or is a constant.
        name: What it is called, where it has a name.
        shape: Its shape.
        dtype: The name of its data type.
        gate: The gate that it came out of.
        gates: The gates that it went into.
        gradients: The gradients with respect to it, themselves values of the trace, by the number
            of the backward pass: more than one where a step takes gradients several times.
        tensor: TensorFlow's tensor; None where the memory budget left a summary only.
        nbytes: What the elements take, in bytes.
    """

    def __init__(self, tensor: Any, kind: Kind, name: str = "", gate: Gate | None = None) -> None:
        self.kind, self.name, self.gate = kind, name, gate
        self.shape: Index = tuple(tensor.shape)
        self.dtype = str(tensor.dtype.name)
        self.gates: list[Gate] = []
        self.gradients: dict[int, Value] = {}
        self.tensor: Any = tensor
        self.nbytes = _nbytes(tensor, self.shape, self.dtype)
        self._summary: Summary | None = None

    @property
    def gradient(self) -> Value | None:
        """The gradient of the loss with respect to it; of several losses, of the last."""
        return next(reversed(self.gradients.values()), None)

    @property
    def array(self) -> Array | None:
        """The elements, not to be written to; None where only a summary was kept."""
        if self.tensor is None or self.dtype in ("resource", "variant"):
            return None
        return np.asarray(self.tensor)

    @property
    def is_float(self) -> bool:
        """Whether its elements are real numbers that can have a gradient."""
        return "float" in self.dtype

    @property
    def has_gradients(self) -> bool:
        """Whether it can have a gradient, as complex numbers can, too."""
        return self.is_float or "complex" in self.dtype

    @property
    def summary(self) -> Summary | None:
        """What is known of the elements; None of what are no numbers."""
        if self._summary is None and (array := self.array) is not None:
            self._summary = summarize(array)
        return self._summary

    def keep_summary_only(self) -> None:
        """Lets go of the elements."""
        self._summary, self.tensor = self.summary, None

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name or self.gate or ''} {self.dtype}{list(self.shape)}>"


@final
class Gate:
    """One TensorFlow operation that ran: its inputs, its outputs, and where it came from.

    Attributes:
        place: Its place in the order of running.
        op: The operation, such as `MatMul`.
        phase: Whether it ran forward, as part of a gradient, or in the optimizer.
        call: The innermost call of a layer that it ran in.
        step: How many times the same place in the code, on behalf of the same layers, had run
            before: the time step in a loop, the number of the use of a shared layer.
        source: Where it was asked for.
        inputs: What went in.
        outputs: What came out.
        attributes: The operation's settings.
        opaque: Whether other operations ran inside it that nobody saw.
        taped: Whether a gradient tape was told of it.
        custom_gradient: Whether a gradient of a user's own stands for it.
        gradient_of: Of a backward gate, the gate that it passes the gradient through.
    """

    def __init__(
        self,
        place: int,
        op: str,
        phase: Phase,
        call: LayerCall | None,
        source: Source | None,
        inputs: Sequence[Value],
        attributes: Mapping[str, Any],
    ) -> None:
        self.place, self.op, self.phase, self.call = place, op, phase, call
        self.source, self.inputs, self.attributes = source, tuple(inputs), attributes
        self.outputs: tuple[Value, ...] = ()
        self.step = 0
        self.opaque = self.taped = self.custom_gradient = False
        self.gradient_of: Gate | None = None

    @property
    def layer(self) -> str:
        """The path of the layer that it ran in; empty outside of layers."""
        return self.call.path if self.call else ""

    @property
    def name(self) -> str:
        """Layer, operation, and the step where it is not the first."""
        name = f"{self.layer}/{self.op}" if self.layer else self.op
        return f"{name}[{self.step}]" if self.step else name

    @property
    def values(self) -> Iterator[Value]:
        """Its inputs, then its outputs."""
        yield from self.inputs
        yield from self.outputs

    def __repr__(self) -> str:
        return f"<gate {self.place} {self.name}>"


class Pass(NamedTuple):
    """One computation of gradients, by a `tf.GradientTape`.

    Attributes:
        targets: What the gradients are of.
        inner: Whether another tape recorded it, to take gradients of these gradients.
    """

    targets: tuple[Value, ...]
    inner: bool


def _nbytes(tensor: Any, shape: Index, dtype: str) -> int:
    if dtype in ("resource", "variant", "string"):
        return 0
    return int(np.prod(shape, dtype=np.int64)) * int(tensor.dtype.size)


def summarize(array: Array) -> Summary | None:
    """Counts and moments of a tensor's elements; None of what are no numbers."""
    if array.dtype.kind not in "fiub" and "float" not in array.dtype.name:
        return None
    if not array.size:
        return Summary(0, 0, 0, *([float("nan")] * 4))
    flat, moments = array.reshape(-1), list[_Moments]()
    # A part at a time: a copy of the whole would be larger than what the summary is to spare.
    for start in range(0, flat.size, _AT_A_TIME):
        moments.append(_moments(flat[start : start + _AT_A_TIME]))
    counts, zeros, lowest, highest, sums, squares = zip(*moments, strict=True)
    finite = sum(counts)
    if not finite:
        return Summary(flat.size, flat.size, 0, *([float("nan")] * 4))
    mean = sum(sums) / finite
    deviation = math.sqrt(max(sum(squares) / finite - mean * mean, 0.0))
    return Summary(
        flat.size, flat.size - finite, sum(zeros), min(lowest), max(highest), mean, deviation
    )


class _Moments(NamedTuple):
    """Of the finite ones among some numbers."""

    finite: int
    zeros: int
    lowest: float
    highest: float
    sum: float
    squares: float


def _moments(numbers: Array) -> _Moments:
    wide = numbers.astype(np.float64)
    if not np.isfinite(wide).all():
        wide = wide[np.isfinite(wide)]
    if not wide.size:
        return _Moments(0, 0, math.inf, -math.inf, 0.0, 0.0)
    zeros = wide.size - int(np.count_nonzero(wide))
    with np.errstate(over="ignore"):
        squares = float(np.dot(wide, wide))
    return _Moments(
        wide.size, zeros, float(wide.min()), float(wide.max()), float(wide.sum()), squares
    )
