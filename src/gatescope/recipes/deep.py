"""Depth by itself spoils a network; shortcuts and normalization make two hundred layers train.

Every layer mixes all that it gets, so two samples are a little more alike behind it than before.
After two hundred layers of relu they are the same, and no last layer can tell them apart. Starting
weights that suit relu (He et al. 2015) keep what goes forward at its size, and that does not help:
what comes back for one class and for another meets the same values, and next to nothing is left.

A residual layer adds to what it gets, x + f(x) (He et al. 2016). So samples stay apart, and the 1
in its derivative carries the gradient back; normalization keeps what is added in scale. The picture
shows both ways, layer by layer, before the first step.

Predict: how deep can the plain network be, and what will its loss do beyond?

Data: handwritten digits, 1,797 images of 8 by 8 pixels, shipped with scikit-learn. Minutes on two
cores: 3. Expected: test accuracy 0.91 to 1 residual, below 0.5 of 200 plain layers. Baseline: the
network of 2 layers; logistic regression.
"""

from gatescope.data.bundled import Bundled
from gatescope.models.dense import DenseConfig
from gatescope.models.heads import NumbersInput, OutputConfig
from gatescope.models.network import Depth
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.recipes.pictures.gradients import measure, pictures
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.schedules import Cosine

__all__ = ["measure", "pictures", "recipe"]
_RESIDUAL = ("network.residual=true", "network.normalization=layer")


def recipe() -> NetworkRecipe:
    """2, 20 and 200 layers of 32 units, plain and residual."""
    adam = OptimizerConfig(learning_rate=0.002)
    return NetworkRecipe(
        data=Bundled(name="digits", flat=True),
        network=DenseConfig(
            inputs=(NumbersInput(name="numbers", size=64, normalize=False),),
            hidden=Depth(depth=2, width=32),
            outputs=(OutputConfig(kind="classes", name="digit", units=10),),
        ),
        training=FitConfig(epochs=20, batch_size=64, optimizer=adam, schedule=Cosine(warmup=0.1)),
        variants={
            "2 layers": (),
            "20 layers": ("network.hidden.depth=20",),
            "200 layers": ("network.hidden.depth=200",),
            "20 layers, residual": ("network.hidden.depth=20", *_RESIDUAL),
            "200 layers, residual": ("network.hidden.depth=200", *_RESIDUAL),
        },
        baselines=("linear",),
        expected={
            "2 layers": (0.92, 1), "200 layers": (0, 0.5),
            "20 layers, residual": (0.92, 1), "200 layers, residual": (0.91, 1),
        },
    )  # fmt: skip
