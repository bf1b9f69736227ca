"""The first losses of small recipes at their own seeds, as they were when they were found good.

Whatever changes them changes what users get: the order of data, the draws of initializers, a loss,
an optimizer. If that is meant, the new ones, which a failure prints, are put here. Processors round
differently, hence the tolerance.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gatescope.recipes.kinds.lessons import lesson
from gatescope.recipes.kinds.network import prepared
from gatescope.recipes.running.loading import load_recipe
from gatescope.training.fit import fit

TOLERANCE = 0.01
GOLDEN = {
    ("learning-rate", "0.1"): [0.98982, 0.61458, 0.50710],
    ("hidden", "three"): [0.55889, 0.24257, 0.05319],
    ("logistic", None): [0.60295, 0.29019, 0.18312],
    ("activations", "gelu"): [2.07053, 1.26124, 0.56108],
    ("convolution", "two blocks"): [0.51242, 0.05744, 0.02531],
}


@pytest.mark.parametrize(("name", "variant"), GOLDEN, ids=lambda part: str(part))
def test_first_losses_are_what_they_were(name: str, variant: str | None, tmp_path: Path) -> None:
    settings = ["training.epochs=3", "training.precision=float32"]
    recipe = load_recipe(lesson(name), {}).recipe
    alone = (recipe if variant is None else recipe.only(variant)).first(settings)
    model, taught, _ = prepared(alone).job(alone.training)
    losses = fit(model, taught, alone.training).history["loss"]
    assert losses == pytest.approx(GOLDEN[name, variant], rel=TOLERANCE), f"now {losses}"
