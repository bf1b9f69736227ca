"""Proves a trace: every gate is computed again, gradients are checked by differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import tensorflow as tf

from gatescope.scope import eager
from gatescope.scope.record import Array, Gate, Index, Value
from gatescope.scope.words import plural

# Computed again, floats may differ in their last digits where threads add up in another order.
_SAME = 1e-5
_STEP = 1e-5  # of a central difference, relative to the element
# The recorded gradients are of single precision, and sums of many terms.
_RELATIVE, _OF_THE_LARGEST = 2e-3, 2e-5
_KINK = 1e-3
_MOST_SHOWN = 5


class Mismatch(NamedTuple):
    """A recorded number that is not what it should be."""

    what: Literal["value", "gradient"]
    value: Value
    element: Index
    recorded: float
    expected: float

    def __str__(self) -> str:
        of = (
            f"gate {self.value.gate.place} {self.value.gate.name}"
            if self.value.gate
            else (f"{self.value.kind} {self.value.name}")
        )
        place = list(self.element)
        return f"{self.what} of {of}{place}: {self.recorded:.7g}, should be {self.expected:.7g}"


class Verification(NamedTuple):
    """What `verify` found.

    Attributes:
        recomputed: How many gates gave what was recorded.
        gradients: How many elements of gradients agree with central differences.
        not_recomputed: How many gates could not be computed again, by reason.
        not_differenced: How many sampled elements could not be checked, by reason.
        mismatches: What differs.
    """

    recomputed: int
    gradients: int
    not_recomputed: dict[str, int]
    not_differenced: dict[str, int]
    mismatches: tuple[Mismatch, ...]

    @property
    def ok(self) -> bool:
        """Whether all that could be checked agrees."""
        return not self.mismatches

    def __str__(self) -> str:
        lines = [
            f"{plural(self.recomputed, 'gate')} computed again from their inputs, "
            f"{plural(self.gradients, 'element')} of gradients checked by central differences: "
            + ("all agree" if self.ok else f"{len(self.mismatches)} differ")
        ]
        lines += [f"  {mismatch}" for mismatch in self.mismatches[:_MOST_SHOWN]]
        for what, reasons in (
            ("gates not computed again", self.not_recomputed),
            ("elements of gradients not checked", self.not_differenced),
        ):
            lines += [f"  {count} {what}: {reason}" for reason, count in reasons.items()]
        return "\n".join(lines)


class _UncheckableError(Exception):
    """Why something cannot be checked."""


def verify_gates(
    gates: Sequence[Gate], losses: Iterable[Value], samples: int, seed: int
) -> Verification:
    """See `Trace.verify`."""
    again, why_not = Counter[bool](), Counter[str]()
    mismatches: list[Mismatch] = []
    for gate in gates:
        try:
            found = list(_recomputed(gate))
        except _UncheckableError as reason:
            why_not[str(reason)] += 1
            continue
        mismatches += found
        again[not found] += 1
    checked, unchecked = Counter[bool](), Counter[str]()
    for value, index in _sampled(gates, set(losses), samples, np.random.default_rng(seed)):
        try:
            wrong = _differenced(value, index)
        except _UncheckableError as reason:
            unchecked[str(reason)] += 1
            continue
        mismatches += [wrong] if wrong else []
        checked[wrong is None] += 1
    return Verification(
        again[True], checked[True], dict(why_not), dict(unchecked), tuple(mismatches)
    )


def _recomputed(gate: Gate) -> Iterator[Mismatch]:
    """What differs from the record when a gate is computed again."""
    if gate.opaque:
        raise _UncheckableError("opaque")
    if eager.is_stateful(gate.op):
        raise _UncheckableError("stateful: variables, random streams")
    if any(value.tensor is None for value in gate.values):
        raise _UncheckableError("only summaries were kept")
    inputs = [value.tensor for value in gate.inputs]
    again = eager.run(gate.op, inputs, gate.attributes, len(gate.outputs))
    for value, tensor in zip(gate.outputs, again, strict=True):
        if (wrong := _different(value, tensor)) is not None:
            yield wrong


def _different(value: Value, again: Any) -> Mismatch | None:
    recorded = value.array
    if recorded is None or value.dtype == "string":
        return None
    expected = np.asarray(again)
    if recorded.shape == expected.shape and recorded.tobytes() == expected.tobytes():
        return None
    a, b = recorded.astype(np.float64), expected.astype(np.float64)
    if a.shape != b.shape:
        return Mismatch("value", value, (), float(a.size), float(b.size))
    near = _SAME * max(np.abs(b[np.isfinite(b)]).max(initial=0.0), 1e-30)
    far = ~(np.isclose(a, b, rtol=_SAME, atol=near * value.is_float, equal_nan=True))
    if not far.any():
        return None
    index = tuple(map(int, np.argwhere(far)[0]))
    return Mismatch("value", value, index, float(a[index]), float(b[index]))


def _sampled(
    gates: Sequence[Gate], losses: set[Value], samples: int, random: np.random.Generator
) -> Iterator[tuple[Value, Index]]:
    """Some elements of every value that has a gradient, but for the losses, where it begins."""
    for value in dict.fromkeys(value for gate in gates for value in gate.inputs):
        if value.gradient is None or not value.is_float or value in losses:
            continue
        size = int(np.prod(value.shape))
        for flat in random.choice(size, min(size, samples), replace=False):
            yield value, tuple(map(int, np.unravel_index(flat, value.shape)))


def _differenced(value: Value, index: Index) -> Mismatch | None:
    """Compares an element's gradient with central differences of the gates that use it.

    By the chain rule it is the sum, over the gates that the value goes into, of what a small change
    of the element does to their outputs, weighted by the gradients of these.
    """
    recorded = value.gradient.array if value.gradient else None
    array = value.array
    if recorded is None or array is None:
        raise _UncheckableError("only summaries were kept")
    expected = sum(_through(gate, value, index) for gate in value.gates)
    scale = float(np.abs(recorded).max())
    if not np.isfinite(expected) or not np.isfinite(scale):
        raise _UncheckableError("not finite")
    here = float(recorded[index])
    if abs(here - expected) <= _RELATIVE * abs(expected) + _OF_THE_LARGEST * max(scale, 1e-30):
        return None
    return Mismatch("gradient", value, index, here, expected)


def _through(gate: Gate, value: Value, index: Index) -> float:
    """What the loss gains, through one gate, for each unit of an element."""
    if gate.custom_gradient:
        raise _UncheckableError("a custom gradient")
    upstream = [output.gradient for output in gate.outputs]
    if not any(upstream) or not eager.has_gradient(gate.op):
        return 0.0
    _check_differentiable(gate, [part for part in upstream if part])
    weights = [part.array if part else None for part in upstream]
    element = float(np.asarray(value.array)[index])
    step = _STEP * max(1.0, abs(element))
    low, here, high = (
        _weighted(_moved(gate, value, index, element + move), weights)
        for move in (-step, 0.0, step)
    )
    left, right = (here - low) / step, (high - here) / step
    if abs(left - right) > _KINK * max(abs(left), abs(right)) + _OF_THE_LARGEST:
        raise _UncheckableError("at a kink")
    return (left + right) / 2


def _check_differentiable(gate: Gate, upstream: Sequence[Value]) -> None:
    if gate.opaque or eager.is_stateful(gate.op):
        raise _UncheckableError("through opaque or stateful gates")
    if any(part.tensor is None for part in (*gate.inputs, *upstream)):
        raise _UncheckableError("only summaries were kept")
    if {part.dtype for part in gate.inputs} & {"float16", "bfloat16"}:
        raise _UncheckableError("half precision")


def _moved(gate: Gate, value: Value, index: Index, element: float) -> list[Array]:
    """The gate's outputs in double precision, with one element of an input moved."""
    inputs = [_double(part, index, element, part is value) for part in gate.inputs]
    attributes = eager.retyped(gate.op, gate.attributes, eager.FLOAT32, eager.FLOAT64)
    try:
        found = eager.run(gate.op, inputs, attributes, len(gate.outputs))
    except (tf.errors.OpError, TypeError, ValueError):
        raise _UncheckableError("the operation has no double precision") from None
    return [np.asarray(tensor) for tensor in found]


def _double(part: Value, index: Index, element: float, moves: bool) -> Any:
    if not part.is_float:
        return part.tensor
    array = np.asarray(part.tensor).astype(np.float64)
    if moves:
        array[index] = element
    return tf.constant(array)


def _weighted(outputs: Sequence[Array], weights: Sequence[Array | None]) -> float:
    pairs = zip(outputs, weights, strict=True)
    return sum(
        float((out * weight.astype(np.float64)).sum())
        for out, weight in pairs
        if weight is not None
    )
