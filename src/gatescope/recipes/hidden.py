"""Hidden layers bend the boundary between classes, which a single layer can only draw straight.

Two rings, one inside the other: no straight line parts them, so a network without hidden layers is
right about as often as a coin. One hidden layer of relu folds the plane along as many lines as it
has units, and a few folds make a ring. More layers fold what was folded before.

Predict: how many hidden layers do the rings need? And the spirals (--set data.name=spirals)?

Data: made here. Minutes on two cores: 0.3. Expected: test accuracy 0.3 to 0.65 without hidden
layers, 0.97 to 1 with one, two or three. Baseline: logistic regression; five nearest neighbours.
"""

from gatescope.data.bundled import Bundled
from gatescope.models.dense import DenseConfig
from gatescope.models.heads import NumbersInput, OutputConfig
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.recipes.pictures.surfaces import pictures
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig

__all__ = ["pictures", "recipe"]


def recipe() -> NetworkRecipe:
    """The same training with no, one, two and three hidden layers of 16 units."""
    return NetworkRecipe(
        data=Bundled(name="circles"),
        network=DenseConfig(
            inputs=(NumbersInput(name="numbers", size=2, normalize=False),),
            outputs=(OutputConfig(kind="binary", name="side"),),
        ),
        training=FitConfig(epochs=60, optimizer=OptimizerConfig(learning_rate=0.01)),
        variants={
            "no hidden layer": (),
            "one": ("network.hidden=[16]",),
            "two": ("network.hidden=[16, 16]",),
            "three": ("network.hidden=[16, 16, 16]",),
        },
        baselines=("linear", "nearest"),
        expected={"no hidden layer": (0.3, 0.65), "one": (0.97, 1), "three": (0.97, 1)},
    )  # fmt: skip
