"""How a layer's magnitudes grew before a step, by the probes of the run."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gatescope.runs.open import Run

_MOST_POINTS = 8


class Point(NamedTuple):
    """A probed step: the largest output, and the sizes of gradient and weights."""

    step: int
    output: float
    gradient: float
    weight: float


class Drift(NamedTuple):
    """Magnitudes of a layer at steps that were probed before one that went wrong.

    Attributes:
        layer: The layer.
        points: At most eight, evenly apart, the first and the last among them.
    """

    layer: str
    points: tuple[Point, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {"layer": self.layer, "points": [point._asdict() for point in self.points]}

    def __str__(self) -> str:
        rows = [("step", "largest output", "gradient", "weights")]
        rows += [
            (f"{one.step:,}", f"{one.output:.3g}", f"{one.gradient:.3g}", f"{one.weight:.3g}")
            for one in self.points
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
        return "\n".join([self._growth(), *lines])

    def _growth(self) -> str:
        first, last = self.points[0], self.points[-1]
        said = f"{self.layer!r} before it: "
        if len(self.points) < 2:
            return f"{said}probed once"
        parts = [
            f"{name} × {new / old:.3g}"
            for name, old, new in zip(
                ("output", "gradient", "weights"), first[1:], last[1:], strict=True
            )
            if old > 0 and np.isfinite(new / old)
        ]
        return f"{said}{', '.join(parts)} between steps {first.step:,} and {last.step:,}"


def drift_of(run: Run, layer: str | None, step: int) -> Drift | None:
    """The drift of a layer, or of the last one where the loss is concerned.

    Args:
        run: The run.
        layer: The path of the layer, such as `model/lstm/lstm_cell`; the innermost part that was
            probed counts.
        step: The step that went wrong.

    Returns:
        None where no probe was taken before.
    """
    known = run.layers
    inner = [part for part in reversed((layer or "").split("/")) if part in known]
    if not known:
        return None
    name = inner[0] if inner else known[-1]
    table = run.probes
    taken = (table["layer"] == name) & (table["step"] < step)
    rows = np.flatnonzero(taken)
    if not len(rows):
        return None
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, _MOST_POINTS).astype(int))]
    return Drift(name, tuple(_point(table, row) for row in chosen))


def _point(table: dict[str, Any], row: int) -> Point:
    largest = max(abs(float(table["minimum"][row])), abs(float(table["maximum"][row])))
    rest = (float(table[name][row]) for name in ("gradient", "weight"))
    return Point(int(table["step"][row]), largest, *rest)
