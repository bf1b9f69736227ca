"""A network before there is one: its layers in order, each with its shape and its weights.

Drawn as one writes a Keras functional model, and checked while it is drawn, without TensorFlow.
`gatescope.models.building` makes the model of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatescope.errors import ConfigurationError
from gatescope.models.shapes import RULES, Misfit, Shape, Window, sides, window
from gatescope.report.cells import aligned, format_columns

INPUT = "InputLayer"
_COLUMNS = ("layer", "kind", "behind", "output", "parameters")


@dataclass(frozen=True)
class Row:
    """One layer.

    Attributes:
        name: Of the layer, and of no other.
        kind: Its class, as Keras calls it.
        settings: What the class is given, as Keras spells it.
        inputs: Names of the layers that it reads.
        shape: What it puts out, without the batch axis.
        trainable: Weights that training changes.
        fixed: Weights that training leaves or only follows with, such as means.
    """

    name: str
    kind: str
    settings: Mapping[str, Any]
    inputs: tuple[str, ...]
    shape: Shape
    trainable: int
    fixed: int

    @property
    def parameters(self) -> int:
        """All weights, as `layer.count_params()` counts them."""
        return self.trainable + self.fixed


class Blueprint:
    """The layers of a network, from which `build` makes a Keras model.

    Args:
        name: Of the model.

    Attributes:
        outputs: Names of the layers that are the model's outputs, in order.

    Example:
        >>> blueprint = Blueprint("line")
        >>> x = blueprint.input("x", (3,))
        >>> blueprint.layer("Dense", "y", x, units=1).parameters
        4
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.outputs: list[str] = []
        self._rows: dict[str, Row] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        """The layers, each behind all that it reads."""
        return tuple(self._rows.values())

    @property
    def parameters(self) -> int:
        """All weights, as `model.count_params()` counts them."""
        return sum(row.parameters for row in self.rows)

    @property
    def trainable(self) -> int:
        """Weights that training changes."""
        return sum(row.trainable for row in self.rows)

    def input(self, name: str, shape: Shape, dtype: str = "float32") -> Row:
        """Begins with an input.

        Raises:
            ConfigurationError: Its name is taken, by a layer or by what Keras makes masks with.
        """
        if re.fullmatch(r"(any|not_equal)(_\d+)?", name):
            raise ConfigurationError(
                f"an input is called {name!r}, as Keras calls what finds padding",
                "a name of its own",
                f"call it {name}_input",
            )
        return self._kept(Row(name, INPUT, {"shape": shape, "dtype": dtype}, (), shape, 0, 0))

    def layer(self, kind: str, name: str, *inputs: Row, **settings: Any) -> Row:
        """Puts a layer behind others.

        Args:
            kind: Its class, a key of `RULES`.
            name: Of the layer.
            *inputs: What it reads.
            **settings: Of the class, as Keras spells them.

        Raises:
            ConfigurationError: It cannot take those shapes, or there is a layer of that name.
        """
        try:
            found = RULES[kind](*(row.shape for row in inputs), **settings)
        except Misfit as misfit:
            raise self._error(misfit, name, inputs, settings) from None
        return self._kept(Row(name, kind, settings, tuple(row.name for row in inputs), *found))

    def _kept(self, row: Row) -> Row:
        if row.name in self._rows:
            raise ConfigurationError(
                f"two layers are called {row.name!r}",
                "a name of its own for each input, output and layer",
                f"call the input or output {row.name!r} by another name",
            )
        return self._rows.setdefault(row.name, row)

    def _error(
        self, misfit: Misfit, name: str, inputs: Sequence[Row], settings: Mapping[str, Any]
    ) -> ConfigurationError:
        slid = window(settings)
        if slid is None:
            return ConfigurationError(
                f"layer {name}: {misfit.happened}", misfit.expected, misfit.fix
            )
        path = self._path(inputs[0])
        return ConfigurationError(
            f"layer {name}: {misfit.happened}: {_way(path)}",
            f"{misfit.expected} before {name}",
            f"{_least(path, slid)} as {path[0].name}, or fewer layers that shrink it",
        )

    def _path(self, row: Row) -> list[Row]:
        """The layers from the input to this one."""
        path = [row]
        while path[-1].inputs:
            path.append(self._rows[path[-1].inputs[0]])
        return path[::-1]

    def to_dict(self) -> dict[str, Any]:
        """Layers and totals as plain data, ready for JSON."""
        names = ("name", "kind", "inputs", "shape", "parameters")
        layers = [{name: getattr(row, name) for name in names} for row in self.rows]
        return {"layers": layers, "parameters": self.parameters, "trainable": self.trainable}

    def __str__(self) -> str:
        total = f"{self.name}: {self.parameters:,} parameters, {self.trainable:,} trainable"
        rows = [
            (row.name, row.kind, ", ".join(row.inputs), sides(row.shape), row.parameters)
            for row in self.rows
        ]
        cells = [column for column, _ in format_columns(rows, len(_COLUMNS))]
        return f"{total}\n\n{aligned([_COLUMNS, *zip(*cells, strict=True)], left=4)}"


def _way(path: Sequence[Row]) -> str:
    """How the positions of the input became so few: `photo 28×28 → pool_1 14×14`."""
    maps = [row for row in path if len(row.shape) == len(path[-1].shape)]
    moved = (
        row
        for row, before in zip(maps[1:], maps, strict=False)
        if row.shape[:-1] != before.shape[:-1]
    )
    return " → ".join(f"{row.name} {sides(row.shape[:-1])}" for row in (maps[0], *moved))


def _least(path: Sequence[Row], last: Window) -> str:
    """The smallest input of which a last window leaves anything."""
    least = last.least(1)
    for row in reversed(path):
        if slid := window(row.settings):
            least = slid.least(least)
    return f"at least {sides((least,) * len(path[-1].shape[:-1]))}"
