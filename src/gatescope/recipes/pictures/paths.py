"""The ways that trainings take down one loss surface."""

from __future__ import annotations

import io
from collections.abc import Sequence

import keras
import numpy as np
from PIL import Image

from gatescope.recipes.kinds.network import Trained
from gatescope.recipes.pictures.zeros import measure
from gatescope.report.html import Html, figure, paragraph, section
from gatescope.training.surface import WeightPath, loss_surface, plane_of_paths

__all__ = ["callbacks", "measure", "pictures"]


def callbacks() -> Sequence[keras.callbacks.Callback]:
    """Keeps where the weights have been, of each training."""
    return [WeightPath()]


def pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    """The loss on the plane in which the paths vary most, and the paths.

    The plane is that of the trainings that went down; what leapt away leaves the picture.

    Args:
        trained: Networks that are built alike.
    """
    paths = {one.name: _points(one) for one in trained}
    down = {one.name: paths[one.name] for one in trained if _went_down(one)}
    best = max((one for one in trained if one.name in down), key=lambda one: one.scores["dev"])
    data = best.data.train
    inputs, targets = dict(data.x), next(iter(data.y.values()))
    drawn = loss_surface(best.model, (inputs, targets), plane_of_paths(down), paths=paths)
    pixels = np.asarray(Image.open(io.BytesIO(drawn.figure())).convert("RGB"))
    told = (
        "The loss around the weights, on the plane in which the paths vary most; "
        f"{drawn.unseen:.0%} of their spread lies outside of it. A dot is an epoch."
    )
    names = ", ".join(paths)
    shown = figure(pixels, alt=f"Loss surface with the paths of {names}", caption=names,
                   lossless=True)  # fmt: skip
    return [section("Ways down one surface", paragraph(told), shown)]


def _points(one: Trained) -> np.ndarray:
    (path,) = (each for each in one.callbacks if isinstance(each, WeightPath))
    return path.points


def _went_down(one: Trained) -> bool:
    losses = one.fitted.history["loss"]
    return max(losses) <= losses[0]
