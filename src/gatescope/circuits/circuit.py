"""Circuits: graphs of gates that train, compile, explain and show themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gatescope.circuits import compiled, training, view, words
from gatescope.circuits.expressions import parse
from gatescope.circuits.graph import Graph
from gatescope.circuits.inputs import set_values
from gatescope.circuits.wires import Wire


class Circuit(Graph):
    """A graph of gates with all that can be done with it.

    Args:
        outputs: The wires that the circuit is for; all that lead to them belong to it. Values and
            gradients that they have already are shown as they are.
        train: Names of the inputs that are parameters.

    Raises:
        UsageError: Two inputs share a name, or `train` names no input.
    """

    train = training.train
    compile = compiled.compile_graph
    explain = words.explain_graph
    to_dict, to_svg = view.to_dict, view.to_svg
    __str__, _repr_html_ = view.diagram, view.to_svg


def circuit(
    source: str | Wire | Sequence[Wire], /, *, train: Iterable[str] = (), **values: float
) -> Circuit:
    """Makes a circuit from an expression, or from wires that operators have put together.

    Args:
        source: An expression, several with commas between them, or the wires that are outputs.
        train: Names of the inputs that are parameters.
        **values: Values of inputs; those left out can be given to `forward`.

    Returns:
        The circuit, nothing of it computed yet.

    Raises:
        UsageError: The expression holds what no circuit can, or a name or value does not fit it.

    Example:
        >>> neuron = gs.circuit("sigmoid(w*x + b)", w=2, x=-1, b=3, train=("w", "b"))
        >>> neuron.forward()
        0.7310585786300049
    """
    if isinstance(source, str):
        outputs = parse(source)
    else:
        outputs = [source] if isinstance(source, Wire) else list(source)
    built = Circuit(outputs, [train] if isinstance(train, str) else train)
    set_values(built.inputs, values)
    return built
