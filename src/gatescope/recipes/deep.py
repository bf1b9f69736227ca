"""Depth by itself spoils a network; shortcuts and normalization make two hundred layers train.

A gradient comes back to the first layer through every layer behind it, multiplied by each of them.
Is the factor a little below 1, nothing arrives after two hundred layers; and forward all samples
become alike, so that no layer can tell them apart. A residual layer adds to what it gets, x + f(x):
the 1 in its derivative carries the gradient back as it is. Normalization keeps what is added in
scale. The picture shows the gradient at every layer before the first step.

Predict: how deep can the plain network be, and what will its loss do beyond?

Data: handwritten digits, 1,797 images of 8 by 8 pixels, shipped with scikit-learn. Minutes on two
cores: 3. Expected: test accuracy 0.94 to 1, but below 0.5 of 200 plain layers. Baseline: the network
of 2 layers; logistic regression.
"""

from gatescope.data.bundled import Bundled
from gatescope.models.dense import DenseConfig
from gatescope.models.heads import NumbersInput, OutputConfig
from gatescope.models.network import Depth
from gatescope.recipes.gradients import measure, pictures
from gatescope.recipes.network import NetworkRecipe
from gatescope.training.fit import FitConfig
from gatescope.training.schedules import Cosine

__all__ = ["measure", "pictures", "recipe"]
_RESIDUAL = ("network.residual=true", "network.normalization=layer")


def recipe() -> NetworkRecipe:
    """2, 20 and 200 layers of 32 units, plain and residual."""
    return NetworkRecipe(
        data=Bundled(name="digits", flat=True),
        network=DenseConfig(
            inputs=(NumbersInput(name="numbers", size=64, normalize=False),),
            hidden=Depth(depth=2, width=32),
            outputs=(OutputConfig(kind="classes", name="digit", units=10),),
        ),
        training=FitConfig(epochs=20, schedule=Cosine(warmup=0.1)),
        variants={
            "2 layers": (),
            "20 layers": ("network.hidden.depth=20",),
            "200 layers": ("network.hidden.depth=200",),
            "20 layers, residual": ("network.hidden.depth=20", *_RESIDUAL),
            "200 layers, residual": ("network.hidden.depth=200", *_RESIDUAL),
        },
        baselines=("linear",),
        expected={},
    )  # fmt: skip
