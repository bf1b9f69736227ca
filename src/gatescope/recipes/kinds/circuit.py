"""Recipes of circuits: a few gates, driven to a target by gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import FiniteFloat, PositiveFloat, PositiveInt
from rich.console import Console

from gatescope.circuits.circuit import circuit
from gatescope.circuits.view import nodes_of
from gatescope.recipes.kinds.recipe import Recipe
from gatescope.recipes.kinds.results import Band, Results
from gatescope.report.graph_svg import svg_graph
from gatescope.report.html import paragraph, section
from gatescope.report.plots import line_chart
from gatescope.report.series import Series


class CircuitRecipe(Recipe):
    """A circuit and what it is to become.

    Args:
        expression: What its gates compute.
        values: Of all inputs, before.
        train: Inputs that the gradient moves.
        toward: What the output is to be.
        loss: How a miss counts.
        learning_rate: How far a step goes, as a multiple of the gradient.
        steps: How many.
        expected: The band of `output` and of inputs after training.
    """

    expression: str
    values: Mapping[str, FiniteFloat]
    train: tuple[str, ...]
    toward: FiniteFloat
    loss: str
    learning_rate: PositiveFloat
    steps: PositiveInt
    expected: Mapping[str, Band]

    def run(self, module: Any, folder: Path, *, resume: bool, console: Console | None) -> Results:
        """Trains the circuit: a moment, of which nothing has to be kept."""
        return run_circuit(self)


def run_circuit(recipe: CircuitRecipe) -> Results:
    """Trains the circuit.

    Args:
        recipe: Which, and how.
    """
    trained = circuit(recipe.expression, train=recipe.train, **recipe.values)
    trained.forward()
    before = trained.outputs[0].value
    steps = trained.train(
        toward=recipe.toward, loss=recipe.loss, learning_rate=recipe.learning_rate,
        steps=recipe.steps,
    )  # fmt: skip
    last = steps[-1]
    scores = {"output": last.outputs[0], "loss": last.loss, **last.parameters}
    moves = [
        Series(name, range(len(steps)), [one.parameters[name] for one in steps])
        for name in recipe.train
    ]
    losses = Series("loss", range(len(steps)), [one.loss for one in steps])
    return Results(
        scores, recipe.expected, {"before training": float(before or 0)},
        rows=[(s.number, s.outputs[0], s.loss, *s.gradients.values()) for s in steps],
        columns=["step", "output", "loss", *(f"d loss/d {name}" for name in recipe.train)],
        pictures=[
            section(
                "The circuit",
                paragraph("Values above each wire, gradients of the loss below, after training."),
                svg_graph(nodes_of(trained), recipe.expression),
            ),
            section(
                "Descent",
                line_chart([losses], title="Loss", x_label="step", y_label=recipe.loss),
                line_chart(moves, title="Parameters", x_label="step", y_label="value"),
            ),
        ],
    )  # fmt: skip
