"""Opens an element of a trace as scalar gates, down to where its layer's call or step began.

Each operation has a rule: `sums.PRODUCTS` for sums of products, `ELEMENTWISE` for one expression of
the elements at the same place, `RULES` for the rest. An operation without one is opened by its
local derivatives, which TensorFlow's tape gives: each is the number that its input is multiplied
by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gatescope.circuits.expressions import parse
from gatescope.circuits.wires import Wire, apply
from gatescope.scope import eager
from gatescope.scope.labels import label
from gatescope.scope.moves import Element, Origins
from gatescope.scope.record import Gate, Value
from gatescope.scope.sums import (
    PRODUCTS,
    Places,
    Products,
    broadcast_flat,
    channels_last,
    pooled,
    reduced,
)

Floats = npt.NDArray[np.float64]

_FEWER = 3  # terms of a sum inside a sum, as a share of those outside
_MOST_WIRES, _DEEPEST = 250, 80
_OVERFLOWS = 500.0  # for exp, with room to add up

ELEMENTWISE: Mapping[str, str] = MappingProxyType(
    {
        "Abs": "abs(a)",
        "Add": "a + b",
        "AddV2": "a + b",
        "BiasAdd": "a + b",
        "Cos": "cos(a)",
        "Elu": "elu(a)",
        "Exp": "exp(a)",
        "Inv": "1/a",
        "LeakyRelu": "max(a, 0) + alpha*min(a, 0)",
        "Log": "log(a)",
        "Maximum": "max(a, b)",
        "Minimum": "min(a, b)",
        "Mul": "a*b",
        "Neg": "-a",
        "Pow": "a**b",
        "RealDiv": "a/b",
        "Reciprocal": "1/a",
        "Relu": "relu(a)",
        "Relu6": "min(relu(a), 6)",
        "Rsqrt": "1/sqrt(a)",
        "Sigmoid": "sigmoid(a)",
        "Sin": "sin(a)",
        "Softplus": "softplus(a)",
        "Softsign": "a/(1 + abs(a))",
        "Sqrt": "sqrt(a)",
        "Square": "a*a",
        "SquaredDifference": "(a - b)*(a - b)",
        "Sub": "a - b",
        "Tanh": "tanh(a)",
    }
)


@final
class Opening:
    """Wires for elements, made once each.

    Args:
        gate: Where the element was made. What other calls of layers made, or other steps of a
            loop, is an input.
        terms: How many terms of a sum are opened; the others are one wire, with their exact sum.

    Attributes:
        elements: The element that a wire stands for, where it stands for one.
    """

    def __init__(self, gate: Gate | None, terms: int) -> None:
        self.elements: dict[Wire, Element] = {}
        self.origins = Origins()
        self._within = (gate.call, gate.step) if gate else None
        self._terms = terms
        self._wires: dict[Element, Wire] = {}
        self._names: dict[str, int] = {}
        self._inside = 0  # how many sums the present element is inside of
        self._depth = 0

    def wire(self, element: Element) -> Wire:
        """The wire of an element, with all gates behind it that belong to the call."""
        origin = self.origins.origin(element)
        if origin is None:
            return Wire(value=0.0)
        if origin not in self._wires:
            self._depth += 1
            made = self._open(origin)
            self._depth -= 1
            self._wires[origin] = made
            if self.elements.setdefault(made, origin) is origin and made.gate:
                made.name = self._unique(label(origin))
        return self._wires[origin]

    def _open(self, element: Element) -> Wire:
        gate = element.value.gate
        if gate is None or not self._opens(gate, element):
            return self.input(element)
        return open_element(self, gate, element) or self.input(element)

    def _opens(self, gate: Gate, element: Element) -> bool:
        small = len(self._wires) < _MOST_WIRES and self._depth < _DEEPEST and self._most
        kept = all(value.tensor is not None for value in gate.values)
        closed = gate.opaque or not eager.has_gradient(gate.op)
        inside = (gate.call, gate.step) == self._within and element.value.is_float
        return bool(small) and kept and inside and not (closed or eager.is_stateful(gate.op))

    def input(self, element: Element) -> Wire:
        """An element that is not opened: an input of the circuit, or a constant of the network."""
        origin = self.origins.origin(element)
        if origin is None:
            return Wire(value=0.0)
        if origin.value.kind == "constant":
            return Wire(value=origin.number)
        if origin not in self._wires:
            self._wires[origin] = made = Wire(self._unique(label(origin)), origin.number)
            self.elements[made] = origin
        return self._wires[origin]

    def _unique(self, name: str) -> str:
        self._names[name] = count = self._names.get(name, 0) + 1
        return name if count == 1 else f"{name} ({count})"

    def sum_of(self, products: Products) -> Wire:
        """A sum of products: the largest terms opened, the others one wire."""
        numbers = np.full(len(products.factors[0][1]), products.coefficient)
        for value, places in products.factors:
            numbers = numbers * _numbers(value, places)

        def term(place: int) -> Wire:
            factors = [self.wire(Element(v, int(at[place]))) for v, at in products.factors]
            return _product(factors, products.coefficient)

        return self.sum_of_largest(numbers, term)

    def sum_of_largest(
        self, numbers: Floats, term: Callable[[int], Wire], always: Sequence[int] = ()
    ) -> Wire:
        """Opens the largest terms of a sum, and those at some places whatever their size."""
        order = largest_first(np.abs(numbers))[: self._most]
        opened = list(dict.fromkeys([*always, *map(int, order)]))
        self._inside += 1
        wires = [term(place) for place in opened]
        self._inside -= 1
        rest = np.delete(numbers, opened)
        if rest.size:
            wires.append(self.others(rest.size, float(rest.sum())))
        return total(wires)

    @property
    def _most(self) -> int:
        """How many terms of a sum are opened here; none deep inside of others."""
        return self._terms // _FEWER**self._inside

    def others(self, count: int, number: float) -> Wire:
        """One wire for all that is not opened."""
        return Wire(self._unique(f"{count:,} others"), number)


def largest_first(numbers: npt.ArrayLike) -> list[int]:
    """The places of numbers in falling order, NaN before all: it is what a result comes from."""
    known = np.asarray(numbers, np.float64)
    return list(map(int, np.argsort(-np.where(np.isnan(known), np.inf, known), kind="stable")))


def open_element(opening: Opening, gate: Gate, element: Element) -> Wire | None:
    """The wire of an element by the rule of its gate; None where it stays closed."""
    index = element.place
    if gate.op in ELEMENTWISE:
        return _elementwise(opening, gate, index)
    if gate.op in PRODUCTS and element.value is gate.outputs[0]:
        products = PRODUCTS[gate.op](gate, index)
        if products is not None:
            return opening.sum_of(products)
    if gate.op in RULES:
        wire = RULES[gate.op](opening, gate, element)
        if wire is not None:
            return wire
    return _by_derivatives(opening, gate, element)


def total(wires: Sequence[Wire]) -> Wire:
    """The sum of wires."""
    result = wires[0]
    for wire in wires[1:]:
        result = result + wire
    return result


def _numbers(value: Value, places: Places) -> Floats:
    array = value.array
    if array is None:
        return np.full(len(places), np.nan)
    return np.asarray(array.reshape(-1)[places], np.float64)


def _product(factors: Sequence[Wire], coefficient: float = 1.0) -> Wire:
    result = factors[0]
    for factor in factors[1:]:
        result = result * factor
    return result if coefficient == 1.0 else result * coefficient


def _elementwise(opening: Opening, gate: Gate, index: tuple[int, ...]) -> Wire:
    if gate.op == "BiasAdd":
        places = [
            int(np.ravel_multi_index(index, gate.inputs[0].shape)),
            index[-1 if channels_last(gate) else 1],
        ]
    else:
        places = [broadcast_flat(index, value.shape) for value in gate.inputs]
    operands = zip("ab", gate.inputs, places, strict=False)
    wires = {name: opening.wire(Element(value, at)) for name, value, at in operands}
    wires |= {
        name: Wire(value=float(setting))
        for name, setting in gate.attributes.items()
        if name == "alpha"
    }
    (wire,) = parse(ELEMENTWISE[gate.op], wires)
    return wire


def _add_n(opening: Opening, gate: Gate, element: Element) -> Wire:
    numbers = np.array([Element(value, element.flat).number for value in gate.inputs])
    return opening.sum_of_largest(
        numbers, lambda place: opening.wire(Element(gate.inputs[place], element.flat))
    )


def _cast(opening: Opening, gate: Gate, element: Element) -> Wire | None:
    before = Element(gate.inputs[0], element.flat)
    if not before.value.is_float:
        return None
    rounding = element.number - before.number
    wire = opening.wire(before)
    return wire + Wire(value=rounding) if rounding else wire


def _select(opening: Opening, gate: Gate, element: Element) -> Wire:
    condition, yes, no = gate.inputs
    places = [broadcast_flat(element.place, value.shape) for value in gate.inputs]
    chosen = bool(Element(condition, places[0]).number)
    return opening.wire(Element(yes, places[1]) if chosen else Element(no, places[2]))


def _div_no_nan(opening: Opening, gate: Gate, element: Element) -> Wire:
    a, b = (Element(value, broadcast_flat(element.place, value.shape)) for value in gate.inputs)
    return opening.wire(a) / opening.wire(b) if b.number else Wire(value=0.0)


def _largest(opening: Opening, value: Value, places: Places) -> Wire:
    """The winner of a pooling, beside the runners-up."""
    numbers = _numbers(value, places)
    order = largest_first(numbers)
    winners = [int(places[place]) for place in order[: max(2, opening._terms)]]
    result = opening.wire(Element(value, winners[0]))
    for place in winners[1:]:
        result = apply("max", result, opening.wire(Element(value, place)))
    return result


def _max_pool(opening: Opening, gate: Gate, element: Element) -> Wire | None:
    places = pooled(gate, element.place)
    return None if places is None else _largest(opening, gate.inputs[0], places)


def _max(opening: Opening, gate: Gate, element: Element) -> Wire | None:
    places = reduced(gate, element.place)
    numbers = _numbers(gate.inputs[0], places)
    if np.count_nonzero(numbers == numbers.max()) > 1:
        return None  # TensorFlow shares the gradient among equal winners: their derivatives tell
    return _largest(opening, gate.inputs[0], places)


class _Exponentials:
    """The exponentials of a row of logits, and their sum.

    The logits at `always` are opened, the others are inputs. Only where it would overflow is the
    largest logit taken off first, as TensorFlow does always: it cancels.
    """

    def __init__(self, opening: Opening, value: Value, row: int, always: int) -> None:
        self._opening, self._value, self._always = opening, value, always
        width = value.shape[-1]
        self._start = row * width
        logits = _numbers(value, np.arange(self._start, self._start + width))
        highest = float(logits.max())
        self.offset = highest if _OVERFLOWS < abs(highest) < np.inf else 0.0
        self._made: dict[int, Wire] = {}
        self.sum = opening.sum_of_largest(np.exp(logits - self.offset), self.of, [always])

    def logit(self, place: int) -> Wire:
        """The wire of a logit, less what was taken off."""
        element = Element(self._value, self._start + place)
        opens = place == self._always
        wire = self._opening.wire(element) if opens else self._opening.input(element)
        return wire - self.offset if self.offset else wire

    def of(self, place: int) -> Wire:
        """The wire of an exponential."""
        if place not in self._made:
            self._made[place] = apply("exp", self.logit(place))
        return self._made[place]


def _softmax(opening: Opening, gate: Gate, element: Element) -> Wire:
    row, place = divmod(element.flat, element.value.shape[-1])
    exponentials = _Exponentials(opening, gate.inputs[0], row, place)
    return exponentials.of(place) / exponentials.sum


def _log_softmax(opening: Opening, gate: Gate, element: Element) -> Wire:
    row, place = divmod(element.flat, element.value.shape[-1])
    exponentials = _Exponentials(opening, gate.inputs[0], row, place)
    return exponentials.logit(place) - apply("log", exponentials.sum)


def _sparse_cross_entropy(opening: Opening, gate: Gate, element: Element) -> Wire | None:
    if element.value is not gate.outputs[0]:
        return None
    logits, labels = gate.inputs
    right = int(Element(labels, element.flat).number)
    exponentials = _Exponentials(opening, logits, element.flat, right)
    return apply("log", exponentials.sum) - exponentials.logit(right)


def _by_derivatives(opening: Opening, gate: Gate, element: Element) -> Wire | None:
    """Any operation, near its recorded inputs: what each is multiplied by, and the rest."""
    sources = [value for value in gate.inputs if value.is_float]
    with tf.GradientTape() as tape:
        tape.watch([value.tensor for value in sources])
        inputs = [value.tensor for value in gate.inputs]
        outputs = eager.run(gate.op, inputs, gate.attributes, len(gate.outputs), recorded=True)
        number = tf.reshape(outputs[gate.outputs.index(element.value)], [-1])[element.flat]
    slopes = tape.gradient(number, [value.tensor for value in sources])
    terms = [
        (value, int(place), float(slope.reshape(-1)[place]))
        for value, slope in zip(sources, map(_dense, slopes), strict=True)
        if slope is not None
        for place in np.flatnonzero(slope)
    ]
    if not terms:
        return None
    numbers = np.array([slope * Element(value, at).number for value, at, slope in terms])
    summed = opening.sum_of_largest(
        numbers,
        lambda place: opening.wire(Element(*terms[place][:2])) * terms[place][2],
    )
    rest = element.number - float(numbers.sum())
    near = abs(rest) <= 1e-6 * max(1.0, float(np.abs(numbers).max()))
    return summed if near else summed + Wire(value=rest)


def _dense(slope: Any) -> npt.NDArray[Any] | None:
    return None if slope is None else np.asarray(tf.convert_to_tensor(slope))


RULES: Mapping[str, Callable[[Opening, Gate, Element], Wire | None]] = MappingProxyType(
    {
        "AddN": _add_n,
        "Cast": _cast,
        "DivNoNan": _div_no_nan,
        "LogSoftmax": _log_softmax,
        "Max": _max,
        "MaxPool": _max_pool,
        "MaxPool3D": _max_pool,
        "Select": _select,
        "SelectV2": _select,
        "Softmax": _softmax,
        "SparseSoftmaxCrossEntropyWithLogits": _sparse_cross_entropy,
    }
)
