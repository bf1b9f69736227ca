"""Training a circuit: a loss behind its outputs, then gradient descent, every step kept."""

from __future__ import annotations

from collections.abc import Sequence

from gatescope.circuits import losses
from gatescope.circuits.graph import Graph
from gatescope.circuits.inputs import known_values, movable, need_parameters
from gatescope.circuits.refusals import finite
from gatescope.circuits.steps import Step
from gatescope.circuits.wires import Wire
from gatescope.errors import UsageError


def train(
    graph: Graph,
    *,
    toward: float | Sequence[float],
    loss: str = "squared",
    learning_rate: float = 0.01,
    steps: int = 10,
) -> list[Step]:
    """Moves the parameters down the loss's gradient, a few times.

    Afterwards every wire has the gradient of the loss. `circuit.history` keeps the steps of all
    trainings, those before an error too.

    Args:
        graph: The circuit.
        toward: What the output should be, or what each of several outputs should.
        loss: How a miss counts, one of `LOSSES`; of several outputs the losses add up.
        learning_rate: How far a step goes, as a multiple of the gradient.
        steps: How many.

    Returns:
        The circuit before the first step and after each.

    Raises:
        UsageError: There are no parameters, or an argument cannot mean anything.
        GateError: A gate has no value or no gradient, as when the learning rate is too high.

    Example:
        >>> circuit = gs.circuit("a*x", a=4, x=5, train=["a"])
        >>> circuit.train(toward=50)[-1].outputs
        (49.970703125,)
    """
    _check(graph, learning_rate, steps)
    judged = with_loss(graph, toward=toward, loss=loss)
    first = graph.history[-1].number if graph.history else 0
    taken: list[Step] = []
    try:
        judged.forward()
        for number in range(steps + 1):
            judged.backward()
            taken.append(_record(graph, judged.outputs[0], first + number))
            graph.history.append(taken[-1])
            if number < steps:
                judged.step(learning_rate)
    finally:
        graph.failure = judged.failure
    return taken


def with_loss(graph: Graph, *, toward: float | Sequence[float], loss: str) -> Graph:
    """The circuit with a loss behind its outputs, which is then its only output.

    Args:
        graph: The circuit, whose wires are used.
        toward: What the output should be, or what each of several outputs should.
        loss: One of `LOSSES`; of several outputs the losses add up.

    Raises:
        UsageError: There is no such loss, or another number of targets than of outputs.
    """
    return Graph([_loss_of_all(graph, toward, loss)], graph.parameters)


def _check(graph: Graph, learning_rate: float, steps: int) -> None:
    need_parameters(graph.parameters, graph.inputs)
    finite(learning_rate, "learning_rate")
    if steps < 0 or steps != int(steps):
        raise UsageError(f"steps is {steps}", "a whole number, 0 or more", "steps=10")


def _loss_of_all(graph: Graph, toward: float | Sequence[float], loss: str) -> Wire:
    targets = list(toward) if isinstance(toward, Sequence) else [toward]
    if len(targets) != len(graph.outputs):
        raise UsageError(
            f"{len(targets)} targets for {len(graph.outputs)} outputs",
            "one for each output",
            f"toward={(0,) * len(graph.outputs)}",
        )
    parts = [losses.loss(loss, *pair) for pair in zip(graph.outputs, targets, strict=True)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _record(graph: Graph, loss: Wire, number: int) -> Step:
    (value,) = known_values([loss])
    outputs = tuple(known_values(graph.outputs))
    moves = movable(graph.parameters, graph.inputs)
    return Step(
        number,
        value,
        outputs,
        {wire.name: value for wire, value, _ in moves},
        {wire.name: gradient for wire, _, gradient in moves},
    )
