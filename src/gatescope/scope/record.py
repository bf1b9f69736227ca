"""What a trace is made of: gates, the values between them, and the layers that ran them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple, final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Index = tuple[int, ...]
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

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"


@final
class LayerCall:
    """One call of a layer, or of a loss.

    Args:
        layer: The Keras object.
        caller: The call that it happened in.
        number: How many times the layer had been called before.
    """

    def __init__(self, layer: Any, caller: LayerCall | None, number: int) -> None:
        self.layer, self.caller, self.number = layer, caller, number
        self.inputs: tuple[Value, ...] = ()
        self.outputs: tuple[Value, ...] = ()

    @cached_property
    def path(self) -> str:
        """Names from the outermost layer to this one, with slashes between them."""
        name = str(self.layer.name)
        return f"{self.caller.path}/{name}" if self.caller else name

    def within(self, call: LayerCall | None) -> bool:
        """Whether this is `call`, or happened inside it."""
        return call is None or self is call or bool(self.caller and self.caller.within(call))

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
        gradient: The gradient of the loss with respect to it, itself a value of the trace.
        tensor: TensorFlow's tensor; None where the memory budget left a summary only.
    """

    def __init__(self, tensor: Any, kind: Kind, name: str = "", gate: Gate | None = None) -> None:
        self.kind, self.name, self.gate = kind, name, gate
        self.shape: Index = tuple(tensor.shape)
        self.dtype = str(tensor.dtype.name)
        self.gates: list[Gate] = []
        self.gradient: Value | None = None
        self.tensor: Any = tensor
        self._summary: Summary | None = None

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
    def nbytes(self) -> int:
        """What the elements take, in bytes."""
        if self.dtype in ("resource", "variant", "string"):
            return 0
        return math.prod(self.shape) * int(self.tensor.dtype.size)

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
        self.opaque = self.custom_gradient = False
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


def summarize(array: Array) -> Summary | None:
    """Counts and moments of a tensor's elements; None of what are no numbers."""
    if array.dtype.kind not in "fiubV" and "float" not in array.dtype.name:
        return None
    numbers = array.astype(np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return Summary(numbers.size, numbers.size, 0, *([float("nan")] * 4))
    return Summary(
        numbers.size,
        numbers.size - finite.size,
        int(np.count_nonzero(finite == 0)),
        float(finite.min()),
        float(finite.max()),
        float(finite.mean()),
        float(finite.std()),
    )
