"""How many units of hidden layers are dead, and how many outputs lie where activations are flat."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from gatescope.catalog.activations import ACTIVATIONS
from gatescope.recipes.kinds.network import Trained
from gatescope.report.html import Html, paragraph, section, table


def pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    """Dead and saturated units of each hidden layer, on the test samples.

    Args:
        trained: Dense networks.
    """
    rows = [row for one in trained for row in _rows(one)]
    columns = ["activation", "layer", "units", "dead", "outputs that are 0", "saturated"]
    return [
        section(
            "Dead and saturated units",
            paragraph(
                "Dead: 0 for every test sample. Saturated: where the activation's slope is next to "
                "nothing, by the catalog's range."
            ),
            table(rows, columns, caption="After training"),
        )
    ]


def _rows(one: Trained) -> list[tuple[object, ...]]:
    layers = [each for each in one.model.layers if isinstance(each, keras.layers.Dense)][:-1]
    if not layers:
        return []
    seen = keras.Model(one.model.inputs, [layer.output for layer in layers])
    found = seen.predict(dict(one.data.test.x), verbose=0, batch_size=256)
    outputs = found if isinstance(found, list) else [found]
    return [
        (
            one.name, layer.name, values.shape[-1], int((values == 0).all(0).sum()),
            float((values == 0).mean()), _saturated(one.name, values),
        )
        for layer, values in zip(layers, map(np.asarray, outputs), strict=True)
    ]  # fmt: skip


def _saturated(name: str, values: np.ndarray) -> float | None:
    """The share of outputs within a hundredth of a bound; None where there are no two bounds."""
    row = ACTIVATIONS.get(name)
    if row is None or not np.isfinite(row.range.low) or not np.isfinite(row.range.high):
        return None
    low, high = row.range
    margin = 0.01 * (high - low)
    return float(((values < low + margin) | (values > high - margin)).mean())
