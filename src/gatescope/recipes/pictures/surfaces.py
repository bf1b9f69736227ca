"""What networks say of every point of the plane."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from gatescope.data.datasets import Dataset
from gatescope.recipes.kinds.network import Trained
from gatescope.report.figures import Surface, surfaces
from gatescope.report.html import Html, figure, paragraph, section

_SIDE, _MARGIN = 120, 0.4


def pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    """The decision surface of each network, and the test samples on it.

    Args:
        trained: Networks of two numbers and one probability.
    """
    drawn = [_surface(one) for one in trained]
    names = ", ".join(one.name for one in trained)
    return [
        section(
            "What the network says of every point",
            paragraph("Colour is the probability of the second class; dots are test samples."),
            figure(
                surfaces(drawn), alt=f"Decision surfaces: {names}", caption=names, lossless=True
            ),
        )
    ]


def _surface(one: Trained) -> Surface:
    points, low, high = _grid(one.data)
    (name,) = (field.name for field in one.data.inputs)
    (target,) = (field.name for field in one.data.targets)
    said = _said(one.model, {name: points})
    title = f"{one.name}: {one.scores['test']:.2f}"
    test = one.data.test
    return Surface(title, said.reshape(_SIDE, _SIDE), (low, high), test.x[name], test.y[target])


def _said(model: keras.Model, x: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.asarray(model.predict(x, verbose=0, batch_size=4_096))[:, 0]


def _grid(data: Dataset) -> tuple[NDArray[np.float32], float, float]:
    """Points on a square around all samples, row by row from below."""
    known = next(iter(data.train.x.values()))
    reach = float(np.abs(known).max()) + _MARGIN
    line = np.linspace(-reach, reach, _SIDE, dtype=np.float32)
    across, up = np.meshgrid(line, line)
    return np.stack([across.ravel(), up.ravel()], 1), -reach, reach
