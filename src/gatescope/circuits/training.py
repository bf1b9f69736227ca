"""Training a circuit: a loss behind its outputs, then gradient descent, every step kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from gatescope.circuits import failures
from gatescope.errors import UsageError

if TYPE_CHECKING:
    from gatescope.circuits.circuit import Circuit
    from gatescope.circuits.wires import Wire


class Step(NamedTuple):
    """The circuit after some steps: what it came to, and the loss's gradients that move it on."""

    number: int
    loss: float
    outputs: tuple[float, ...]
    parameters: dict[str, float]
    gradients: dict[str, float]


def train(
    circuit: Circuit,
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
        circuit: The circuit.
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
    from gatescope.circuits.circuit import Circuit

    _check(circuit, learning_rate, steps)
    judged = Circuit([_loss_of_all(circuit, toward, loss)], circuit.parameters)
    first = circuit.history[-1].number if circuit.history else 0
    taken: list[Step] = []
    try:
        judged.forward()
        for number in range(steps + 1):
            judged.backward()
            taken.append(_record(circuit, judged.outputs[0], first + number))
            circuit.history.append(taken[-1])
            if number < steps:
                judged.step(learning_rate)
    finally:
        circuit.failure = judged.failure
    return taken


def _check(circuit: Circuit, learning_rate: float, steps: int) -> None:
    failures.need_parameters(circuit)
    failures.finite(learning_rate, "learning_rate")
    if steps < 0 or steps != int(steps):
        raise UsageError(f"steps is {steps}", "a whole number, 0 or more", "steps=10")


def _loss_of_all(circuit: Circuit, toward: float | Sequence[float], loss: str) -> Wire:
    from gatescope.circuits import losses

    targets = list(toward) if isinstance(toward, Sequence) else [toward]
    if len(targets) != len(circuit.outputs):
        raise UsageError(
            f"{len(targets)} targets for {len(circuit.outputs)} outputs",
            "one for each output",
            f"toward={(0,) * len(circuit.outputs)}",
        )
    parts = [losses.loss(loss, *pair) for pair in zip(circuit.outputs, targets, strict=True)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _record(circuit: Circuit, loss: Wire, number: int) -> Step:
    (value,) = failures.known_values([loss])
    outputs = tuple(failures.known_values(circuit.outputs))
    moves = failures.movable(circuit)
    return Step(
        number,
        value,
        outputs,
        {wire.name: value for wire, value, _ in moves},
        {wire.name: gradient for wire, _, gradient in moves},
    )
