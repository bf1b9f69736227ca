"""The inputs of a graph: by their names, with their values, as parameters that move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gatescope.circuits.refusals import finite, none_missing
from gatescope.circuits.wires import Wire
from gatescope.errors import UsageError, nearest


def by_name(inputs: Iterable[Wire]) -> dict[str, Wire]:
    """The inputs under their names.

    Raises:
        UsageError: Two of them share a name.
    """
    named: dict[str, Wire] = {}
    for wire in inputs:
        if wire.name in named:
            raise UsageError(
                f"two wires are called {wire.name!r}",
                "one wire for each input; used twice, its gradients add up",
                f"make {wire.name!r} once and use it again, or rename one",
            )
        named[wire.name] = wire
    return named


def find(inputs: Mapping[str, Wire], name: str) -> Wire:
    """The input of a name.

    Raises:
        UsageError: There is none; the nearest is offered.
    """
    if name in inputs:
        return inputs[name]
    raise UsageError(
        f"the circuit has no input {name!r}",
        f"one of {', '.join(inputs)}" if inputs else "no name: the circuit has constants only",
        nearest(name, inputs) or "use it in the expression, or leave it out",
    )


def set_values(inputs: Mapping[str, Wire], values: Mapping[str, float]) -> None:
    """Gives inputs their values, all or none.

    Raises:
        UsageError: A name is no input's, or a value is no finite number.
    """
    checked = [(find(inputs, name), finite(value, name)) for name, value in values.items()]
    for wire, value in checked:
        wire.value = value


def known_values(wires: Sequence[Wire]) -> list[float]:
    """The values of wires.

    Raises:
        UsageError: Some have none.
    """
    values = [wire.value for wire in wires if wire.value is not None]
    if len(values) < len(wires):
        none_missing({wire.name: wire.value for wire in wires})
    return values


def need_parameters(parameters: Mapping[str, Wire], inputs: Mapping[str, Wire]) -> None:
    """Refuses to train nothing.

    Raises:
        UsageError: The circuit has no parameters.
    """
    if parameters:
        return
    raise UsageError(
        "the circuit has no parameters",
        f"one or more of its inputs ({', '.join(inputs)}) named as such",
        f"gs.circuit(…, train={tuple(inputs)[:1]!r})",
    )


def movable(
    parameters: Mapping[str, Wire], inputs: Mapping[str, Wire]
) -> list[tuple[Wire, float, float]]:
    """The parameters with their values and gradients.

    Raises:
        UsageError: There are none, or they have no gradients yet.
    """
    need_parameters(parameters, inputs)
    moves = [
        (wire, wire.value, wire.gradient)
        for wire in parameters.values()
        if wire.value is not None and wire.gradient is not None
    ]
    if len(moves) == len(parameters):
        return moves
    raise UsageError(
        "the parameters have no gradients yet",
        "values and gradients on every wire",
        "circuit.forward(), then circuit.backward(), then circuit.step(…)",
    )
