"""Gates of a recurrent layer over time, as heat maps of step and unit."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from nicegui import ui

from gatescope.studio import charts
from gatescope.studio.frame import card, text
from gatescope.studio.rooms.network.looks import Array, LayerLook, SampleLook
from gatescope.studio.rooms.network.pictures import note

_MOST_CELLS = 3_000  # of a heat map, that a browser draws at once
_SHARES = ("input", "forget", "output", "update", "reset")
_SAYS: Mapping[str, str] = MappingProxyType(
    {
        "input": "Input gate: how much of the candidate is written into the cell",
        "forget": "Forget gate: how much of the cell is kept",
        "output": "Output gate: how much of the cell is said",
        "candidate": "Candidate: what is proposed",
        "cell": "Cell: what is held",
        "update": "Update gate: how much of the state before is kept",
        "reset": "Reset gate: how much of the state before the candidate sees",
        "hidden": "Hidden state: what is said",
    }
)


def draw_gates(look: LayerLook, sample: SampleLook | None) -> None:
    """Draws a card for each direction of a recurrent layer.

    Args:
        look: The layer.
        sample: What it reads; words of a text are told at their steps.
    """
    for name, gates in look.gates.items():
        title = "Gates over time" if len(look.gates) == 1 else f"Gates over time: {name}"
        with card(title, level=3):
            steps = next(iter(gates.values())).shape[0]
            labels = _labels(sample, steps)
            with ui.element("div").classes("gs-columns even"):
                for gate, values in gates.items():
                    _draw_gate(gate, values, labels)
            if look.difference is not None:
                note(
                    "Computed anew from the weights, step by step; what the layer said differs by "
                    f"{look.difference:.1e} at most."
                )


def _labels(sample: SampleLook | None, steps: int) -> list[str]:
    words = next((one.words for one in sample.inputs if len(one.words) == steps), ()) \
        if sample else ()  # fmt: skip
    return [f"{step} {words[step]}" if words else str(step) for step in range(steps)]


def _draw_gate(gate: str, values: Array, labels: list[str]) -> None:
    steps, units = values.shape
    shown = min(units, max(8, _MOST_CELLS // max(1, steps)))
    options = charts.heat_map(
        values[:, :shown].T.tolist(), x=labels, y=list(range(shown)), x_label="step",
        y_label="unit", signed=gate not in _SHARES,
    )  # fmt: skip
    if gate in _SHARES:
        options["visualMap"] |= {"min": 0, "max": 1, "text": ["1", "0"]}
    options.pop("aria", None)  # by which ECharts would overwrite the label
    options["grid"] |= {"left": 56}
    every = max(1, -(-shown // 8))
    options["yAxis"] |= {"nameGap": 36, "axisLabel": {"interval": every - 1}}
    with ui.element("div"):
        text(_SAYS[gate] + (f" (the first {shown} of {units} units)" if shown < units else ""))
        charts.chart(options, f"{_SAYS[gate]}, {steps} steps by {units} units", height="14rem")
        if np.isnan(values).any():
            note("Empty steps are padding, and are skipped.")
