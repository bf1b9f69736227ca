"""One number of a layer written out as the sum that it is: products, bias, activation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gatescope.scope.labels import label, label_of
from gatescope.scope.moves import Element, Origins, number_of
from gatescope.scope.opening import ELEMENTWISE
from gatescope.scope.record import Gate, Index
from gatescope.scope.sums import PRODUCTS, Products, broadcast_flat


class Term(NamedTuple):
    """A product.

    Attributes:
        source: What is multiplied, such as `image[0, 6, 7, 0]`.
        place: Its place along each axis.
        number: Its number.
        weight: What it is multiplied by; empty where all terms have the same coefficient.
        weight_number: That one's number.
    """

    source: str
    place: Index
    number: float
    weight: str
    weight_number: float

    @property
    def product(self) -> float:
        """Both multiplied."""
        return self.number * self.weight_number


class Step(NamedTuple):
    """What is done to the sum then.

    Attributes:
        op: TensorFlow's operation, such as `BiasAdd` or `Relu`.
        other: What else goes in, such as `conv/bias[2]`; empty where nothing does.
        other_number: That one's number; None likewise.
        result: What comes of it.
    """

    op: str
    other: str
    other_number: float | None
    result: float


@dataclass(frozen=True)
class WrittenSum:
    """A number as the sum that it is.

    Attributes:
        op: The operation that adds up, such as `Conv2D`.
        terms: In the order of the weights; what lies in the padding is no term.
        sum: What the operation came to.
        steps: What is done to that, in order; the last one's result is the number.
    """

    op: str
    terms: tuple[Term, ...]
    sum: float
    steps: tuple[Step, ...]

    @property
    def result(self) -> float:
        """The number."""
        return self.steps[-1].result if self.steps else self.sum


def written_sum(element: Element) -> WrittenSum | None:
    """Writes out a number of a layer that multiplies and adds.

    Args:
        element: The number, such as `trace.neuron("conv", (0, 5, 6, 2)).element`.

    Returns:
        The sum; None where the layer does something else, such as a recurrent one, or where only
        summaries of values were kept.

    Example:
        >>> written = written_sum(trace.neuron("conv", (0, 5, 6, 2)).element)  # doctest: +SKIP
        >>> len(written.terms), [step.op for step in written.steps]  # doctest: +SKIP
        (9, ['BiasAdd', 'Relu'])
    """
    origins, steps = Origins(), list[Step]()
    call = element.value.gate.call if element.value.gate else None
    current: Element | None = element
    while current := origins.origin(current) if current else None:
        gate = current.value.gate
        if gate is None or gate.call is not call or not _is_kept(gate):
            return None
        products = PRODUCTS[gate.op](gate, current.place) if gate.op in PRODUCTS else None
        if products is not None:
            return WrittenSum(gate.op, _terms(products), current.number, tuple(steps[::-1]))
        made, others = _parted(gate, current, origins)
        if len(made) != 1 or len(others) > 1:
            return None
        steps.append(_step(gate.op, others, current.number))
        current = made[0]
    return None


def _is_kept(gate: Gate) -> bool:
    return all(value.tensor is not None for value in gate.values)


def _parted(gate: Gate, current: Element, origins: Origins) -> tuple[list[Element], list[Element]]:
    """What goes into an elementwise gate: what was computed, and weights and constants."""
    if gate.op not in ELEMENTWISE and gate.op != "Softmax":
        return [], []
    made, others = list[Element](), list[Element]()
    for value in gate.inputs:
        if value.is_float:
            element = Element(value, broadcast_flat(current.place, value.shape))
            origin = origins.origin(element) or element
            # The reading of a variable has its name.
            computed = origin.value.kind == "gate" and not origin.value.name
            (made if computed else others).append(origin)
    return made, others


def _step(op: str, others: Sequence[Element], result: float) -> Step:
    if not others:
        return Step(op, "", None, result)
    (other,) = others
    named = "" if other.value.kind == "constant" else label(other)
    return Step(op, named, other.number, result)


def _terms(products: Products) -> tuple[Term, ...]:
    (value, places), *rest = products.factors
    array = value.array
    named = label_of(value)
    indices = [
        tuple(map(int, one)) for one in zip(*np.unravel_index(places, value.shape), strict=True)
    ]
    if not rest:
        weights = [("", products.coefficient)] * len(places)
    else:
        other, at = rest[0]
        numbers = other.array
        weights = [(label(Element(other, int(flat))), number_of(numbers, int(flat))) for flat in at]
    return tuple(
        Term(f"{named}{list(index)}", index, number_of(array, int(flat)), *weight)
        for flat, index, weight in zip(places, indices, weights, strict=True)
    )
