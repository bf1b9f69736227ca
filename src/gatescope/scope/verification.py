"""Proves a trace: every gate is computed again, gradients are checked by differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gatescope.scope import eager
from gatescope.scope.record import Array, Gate, Index, Pass, Value
from gatescope.scope.words import plural

# Computed again, floats may differ in their last digits where threads add up in another order.
_SAME = 1e-5
_STEP = 1e-5  # of a central difference, relative to the element
# The recorded gradients are of single precision, and sums of many terms, which may cancel.
_RELATIVE, _OF_THE_LARGEST, _OF_THE_TERMS = 2e-3, 2e-5, 2e-6
# In half precision each of these is at least so many times what one rounding loses.
_RELATIVE_ROUNDINGS, _TERMS_ROUNDINGS = 4, 1
_KINK = 1e-3
_DOUBLE = (
    (eager.FLOAT16, eager.FLOAT64),
    (eager.BFLOAT16, eager.FLOAT64),
    (eager.FLOAT32, eager.FLOAT64),
    (eager.COMPLEX64, eager.COMPLEX128),
)
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
    gates: Sequence[Gate], passes: Sequence[Pass], samples: int, seed: int
) -> Verification:
    """See `Trace.verify`."""
    with np.errstate(all="ignore"):  # of what is not finite it is told that it is
        return _verified(gates, passes, samples, seed)


def _verified(
    gates: Sequence[Gate], passes: Sequence[Pass], samples: int, seed: int
) -> Verification:
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
    for value, number, index in _sampled(gates, passes, samples, np.random.default_rng(seed)):
        try:
            wrong = _differenced(value, number, index)
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
    a, b = recorded, expected
    if a.shape != b.shape:
        return Mismatch("value", value, (), float(a.size), float(b.size))
    far = _far(a, b) if value.has_gradients else a != b
    if not far.any():
        return None
    index = tuple(map(int, np.argwhere(far)[0]))
    return Mismatch("value", value, index, _number(a[index]), _number(b[index]))


def _far(a: Array, b: Array) -> npt.NDArray[np.bool_]:
    """Where floats differ by more than rounding."""
    a, b = _wide(a), _wide(b)
    near = _SAME * max(np.abs(b[np.isfinite(b)]).max(initial=0.0), 1e-30)
    return ~np.isclose(a, b, rtol=_SAME, atol=near, equal_nan=True)


def _wide(array: Array) -> Array:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _number(element: Any) -> float:
    """An element as a real number; of a complex one, its magnitude."""
    return float(abs(element) if np.iscomplexobj(element) else element)


def _sampled(
    gates: Sequence[Gate], passes: Sequence[Pass], samples: int, random: np.random.Generator
) -> Iterator[tuple[Value, int, Index]]:
    """Some elements of every gradient, but for those of the targets, where it begins."""
    for value in dict.fromkeys(value for gate in gates for value in gate.inputs):
        size = int(np.prod(value.shape))
        for number in value.gradients if value.is_float else ():
            if value in passes[number].targets:
                continue
            for flat in random.choice(size, min(size, samples), replace=False):
                yield value, number, tuple(map(int, np.unravel_index(flat, value.shape)))


def _differenced(value: Value, number: int, index: Index) -> Mismatch | None:
    """Compares an element's gradient with central differences of the gates that use it.

    By the chain rule it is the sum, over the gates that the value goes into, of what a small change
    of the element does to their outputs, weighted by the gradients of these.
    """
    recorded, array = value.gradients[number].array, value.array
    if recorded is None or array is None:
        raise _UncheckableError("only summaries were kept")
    parts = [_through(gate, value, number, index) for gate in value.gates]
    expected, terms = (sum(part) for part in zip(*parts, strict=True))
    scale = float(np.abs(recorded).max())
    if not np.isfinite(terms) or not np.isfinite(scale):
        raise _UncheckableError("not finite")
    here = float(recorded[index])
    if abs(here - expected) <= _tolerance(value, expected, terms, scale):
        return None
    return Mismatch("gradient", value, index, here, expected)


def _tolerance(value: Value, expected: float, terms: float, largest: float) -> float:
    """What a gradient may be off, given the sum of the magnitudes of the terms that make it."""
    rounding = max(_rounding(part) for gate in value.gates for part in gate.values)
    relative = max(_RELATIVE, _RELATIVE_ROUNDINGS * rounding)
    of_the_terms = max(_OF_THE_TERMS, _TERMS_ROUNDINGS * rounding)
    return relative * abs(expected) + of_the_terms * terms + _OF_THE_LARGEST * max(largest, 1e-30)


def _rounding(value: Value) -> float:
    return {"float16": 2.0**-10, "bfloat16": 2.0**-7}.get(value.dtype, 0.0)


def _through(gate: Gate, value: Value, number: int, index: Index) -> tuple[float, float]:
    """What the loss gains, through one gate, for each unit of an element.

    Returns:
        That, and the sum of the magnitudes of what it gains through each element of the outputs.
    """
    if gate.custom_gradient:
        raise _UncheckableError("a custom gradient")
    upstream = [output.gradients.get(number) for output in gate.outputs]
    if any(output.tensor is None and output.has_gradients for output in gate.outputs):
        raise _UncheckableError("only summaries were kept")  # whose gradients nobody asked for
    if not any(upstream):
        return 0.0, 0.0
    _check_differentiable(gate, [part for part in upstream if part])
    if not gate.taped or not eager.has_gradient(gate.op):
        return 0.0, 0.0
    weights = [part.array if part else None for part in upstream]
    element = float(np.asarray(value.array)[index])
    step = _STEP * max(1.0, abs(element))
    low, here, high = (
        _weighted(_moved(gate, value, index, element + move), weights)
        for move in (-step, 0.0, step)
    )
    left, right = float((here - low).sum() / step), float((high - here).sum() / step)
    heaviest = max(float(np.abs(weight).max(initial=0)) for weight in weights if weight is not None)
    if abs(left - right) > _KINK * max(abs(left), abs(right)) + _OF_THE_LARGEST * heaviest:
        raise _UncheckableError("at a kink")
    return (left + right) / 2, float(np.abs(high - low).sum() / (2 * step))


def _check_differentiable(gate: Gate, upstream: Sequence[Value]) -> None:
    if gate.opaque or eager.is_stateful(gate.op):
        raise _UncheckableError("through opaque or stateful gates")
    if any(part.tensor is None for part in (*gate.inputs, *upstream)):
        raise _UncheckableError("only summaries were kept")


def _moved(gate: Gate, value: Value, index: Index, element: float) -> list[Array]:
    """The gate's outputs in double precision, with one element of an input moved."""
    inputs = [_double(part, index, element, part is value) for part in gate.inputs]
    attributes = gate.attributes
    for narrow, wide in _DOUBLE:
        attributes = eager.retyped(gate.op, attributes, narrow, wide)
    try:
        found = eager.run(gate.op, inputs, attributes, len(gate.outputs))
    except (tf.errors.OpError, TypeError, ValueError):
        raise _UncheckableError("the operation has no double precision") from None
    return [np.asarray(tensor) for tensor in found]


def _double(part: Value, index: Index, element: float, moves: bool) -> Any:
    if not part.has_gradients:
        return part.tensor
    array = _wide(np.asarray(part.tensor))
    if moves:
        array[index] = element
    return tf.constant(array)


def _weighted(outputs: Sequence[Array], weights: Sequence[Array | None]) -> Array:
    """What each element of the outputs contributes, one after the other."""
    pairs = zip(outputs, weights, strict=True)
    terms = [
        np.real(out * np.conj(_wide(weight))).ravel() for out, weight in pairs if weight is not None
    ]
    return np.concatenate(terms)
