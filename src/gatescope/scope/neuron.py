"""`trace.neuron`: one number of a real network, opened as a circuit."""

from __future__ import annotations

from html import escape
from itertools import islice
from typing import Any, final

import numpy as np

from gatescope.circuits.circuit import Circuit
from gatescope.circuits.wires import Wire
from gatescope.errors import GatescopeError, TraceError, UsageError, nearest
from gatescope.scope.labels import label, label_of
from gatescope.scope.moves import Element, Origins
from gatescope.scope.opening import Opening, largest_first
from gatescope.scope.record import Index, Value


@final
class Neuron(Circuit):
    """One number of a network as a circuit of scalar gates, with values and gradients.

    The inputs of the circuit are what its layer got from other layers, from its weights and from
    the batch. Of a large sum the largest terms are drawn; one wire has the exact sum of the others.
    Gradients are those that flow through this number: a wire's own gradient in the trace adds up
    what flows through all that use it.

    Attributes:
        name: The layer and the index, such as `conv2d[0, 5, 7, 12]`.
        element: The number of the trace that was opened.
    """

    def __init__(self, element: Element, terms: int) -> None:
        self.name, self.element, self._terms = label(element), element, terms
        gate = element.value.gate
        self._opening = Opening(gate, terms)
        with np.errstate(all="ignore"):  # NaN and infinities are shown as they are
            output = self._opening.wire(element)
            super().__init__([output])
            self._share = self._evaluate()

    def __repr__(self) -> str:
        return f"<neuron {self.name} = {self.element.number:.4g}>"

    @property
    def heading(self) -> str:
        """Which number it is, and what the gradients below the wires are of."""
        of = "this number" if self.element.gradient is None else "the loss"
        return f"{self.name}: above each wire its value, below it the gradient of {of}"

    def __str__(self, *arguments: Any, **settings: Any) -> str:
        return f"{self.heading}\n\n{super().__str__(*arguments, **settings)}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.heading)}</p>{self.to_svg()}"

    def _evaluate(self) -> dict[Wire, float]:
        """Sets values and gradients; returns each wire's share in the output."""
        share: dict[Wire, float] = {}
        gradient = self.element.gradient
        try:
            self.forward()
            self.backward()
            for wire in self.wires:
                if wire.value is not None and wire.gradient is not None:
                    share[wire] = wire.value * wire.gradient
            self.backward(1.0 if gradient is None else gradient)
        except GatescopeError:  # NaN or infinity somewhere: the trace has what there is
            for wire, element in self._opening.elements.items():
                wire.gradient = element.gradient
                if not np.isfinite(element.number):
                    share[wire] = element.number
        for wire, element in self._opening.elements.items():
            wire.value = element.number
        return share

    @property
    def contributions(self) -> dict[str, float]:
        """What each input of the circuit adds to the number, by its derivative: the largest first.

        A weight and what it is multiplied with have the same share. Of a number that is not finite
        those inputs come first that are not finite either: it came from them.
        """
        shares = {name: self._share.get(wire, 0.0) for name, wire in self.inputs.items()}
        order = largest_first([abs(share) for share in shares.values()])
        names = list(shares)
        return {names[place]: shares[names[place]] for place in order}

    def element_of(self, wire: Wire) -> Element | None:
        """The number of the trace that a wire stands for; None for one inside an operation."""
        return self._opening.elements.get(wire)

    def follow(self, most: int = 3, to: str | None = None) -> list[Neuron]:
        """Opens the inputs that contributed most, the largest first, weights left out.

        Args:
            most: How many at most.
            to: Only those that come from this input of the network, such as `photo`.

        Returns:
            Neurons of the layers before; none where only the batch and weights are left.

        Raises:
            UsageError: This number comes from no such input.

        Example:
            >>> [neuron.name for neuron in trace.neuron("dense", unit=3).follow()]
            ['max_pooling2d[0, 5, 6, 1]', 'max_pooling2d[0, 5, 5, 1]', …]
        """
        return self._behind(_coming_from(self.element.value, to), most)

    def path(self, to: str | None = None, most: int | None = None) -> list[Neuron]:
        """This neuron, its largest input, that one's largest input, and on to the batch.

        Args:
            to: See `follow`.
            most: How many neurons at most; None for all the way, which takes a while through the
                steps of a recurrent layer.

        Example:
            >>> print(*(neuron.name for neuron in neuron.path()), sep=" ← ")
            dense[0, 3] ← max_pooling2d[0, 5, 6, 1] ← conv2d[0, 10, 13, 1]
        """
        known, found = _coming_from(self.element.value, to), [self]
        while len(found) != most and (behind := found[-1]._behind(known, 1)):
            found += behind
        return found

    def _behind(self, known: set[Value], most: int) -> list[Neuron]:
        """Opens the inputs that contributed most, of those that are known."""
        behind = (self.element_of(self.inputs[name]) for name in self.contributions)
        opened = (part for part in behind if part and part.value.gate and part.value in known)
        return [Neuron(element, self._terms) for element in islice(opened, most)]


def open_neuron(value: Value, index: Index, terms: int) -> Neuron:
    """Opens an element of a value.

    Raises:
        UsageError: The index is out of range, or no terms are to be drawn.
        TraceError: Only a summary of the value was kept, or its elements are no real numbers.
    """
    if not isinstance(terms, int | np.integer) or terms < 1:
        raise UsageError(f"terms is {terms!r}", "1 or more terms of a sum to draw", "terms=8")
    if not value.is_float:
        raise TraceError(
            f"{label_of(value)} holds {value.dtype}, which has no neurons",
            "a value of real numbers",
            "name a layer that computes with floats",
        )
    if value.tensor is None:
        raise TraceError(
            f"only a summary of {label_of(value)} was kept",
            "a value that the memory budget had room for",
            "gs.trace(…, memory_budget=4 * 2**30), or a smaller batch",
        )
    element = Element(value, int(np.ravel_multi_index(_checked(value, index), value.shape)))
    return Neuron(_inside(element), terms)


def index_of(value: Value, index: Index | None, unit: int | None, sample: int) -> Index:
    """An index from what of it was given.

    Raises:
        UsageError: It takes more to say which element is meant, or less.
    """
    if index is not None and unit is not None:
        raise UsageError(
            f"both the index {index} and unit={unit} were given",
            "one or the other: a unit goes with a sample",
            f"trace.neuron(…, unit={unit}, sample={sample})",
        )
    if index is not None:
        return tuple(np.atleast_1d(np.asarray(index, dtype=object)))
    rank = len(value.shape)
    if rank == 2 and unit is not None:
        return (sample, unit)
    if rank < 2 and unit is None:
        return (sample,)[:rank]
    last = ", ".join(str(size - 1) for size in value.shape)
    raise UsageError(
        f"{label_of(value)} has {_sizes(value)} elements, and it was not said which one",
        f"an index of {rank} numbers, up to ({last})",
        f"trace.neuron(…, {tuple(size // 2 for size in value.shape)})",
    )


def _checked(value: Value, index: Index) -> Index:
    shape = value.shape
    whole = all(isinstance(place, int | np.integer) for place in index)
    if len(index) == len(shape) and whole:
        axes = list(zip(index, shape, strict=True))
        if all(-size <= place < size for place, size in axes):
            return tuple(int(place) % size for place, size in axes)
    ranges = ", ".join(f"0 to {size - 1}" for size in shape)
    raise UsageError(
        f"{label_of(value)} has no element {list(index)}",
        f"{len(shape)} numbers, in the ranges ({ranges})",
        f"trace.neuron(…, {tuple(size // 2 for size in shape)})",
    )


def _sizes(value: Value) -> str:
    return " × ".join(map(str, value.shape)) or "no"


def _inside(element: Element) -> Element:
    """Goes on, where a layer only hands on what layers inside it made, to where they made it.

    The output of a recurrent layer is one of its cell's, at some step.
    """
    gate = element.value.gate
    if gate is None or gate.call is None:
        return element
    origin = Origins().origin(element)
    made = origin.value.gate if origin else None
    return origin if origin and made and made.call and made.call.within(gate.call) else element


def _coming_from(value: Value, to: str | None) -> set[Value]:
    """What went into a value, of that which comes from an input of the network.

    Args:
        value: A value of the trace.
        to: Only what comes from this input.

    Raises:
        UsageError: Nothing comes from there.
    """
    before = _before(value)
    found: set[Value] = set()
    for current in sorted(before, key=lambda one: one.gate.place if one.gate else -1):
        sources = current.gate.inputs if current.gate else ()
        if _is_input(current, to) or not found.isdisjoint(sources):
            found.add(current)
    if to is not None and value not in found:
        known = sorted(one.name for one in before if _is_input(one, None))
        raise UsageError(
            f"{label_of(value)} does not come from an input {to!r}",
            f"one of {', '.join(known)}" if known else "no name: it comes from weights alone",
            nearest(to, known) or "leave it out to follow all",
        )
    return found


def _is_input(value: Value, to: str | None) -> bool:
    named = to in (None, value.name, value.name.partition("[")[0])
    return value.kind == "input" and named


def _before(value: Value) -> set[Value]:
    """A value, and all that went into it."""
    seen, waiting = {value}, [value]
    while waiting:
        gate = waiting.pop().gate
        for source in gate.inputs if gate else ():
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return seen
