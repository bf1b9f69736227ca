"""The same fit under every loss, with and without outliers.

A loss says what a miss costs. The squared error lets a miss twice as large cost four times as much,
so a few wrong labels far off pull the whole fit towards them. The absolute error lets it cost twice
as much, and never mind how far: it fits the median. Huber and log-cosh are squares near 0 and
absolute far away.

Every tenth target of the training part is moved eight deviations up; held-out parts are clean.

Predict: which losses lose most by the outliers?

Data: diabetes, 442 patients, shipped with scikit-learn. Minutes on two cores: 1. Expected: R² 0.25
to 0.55 without outliers under every loss, with outliers below 0.2 for the squared error and 0.2 to
0.55 for absolute errors. Baseline: the mean; ridge regression.
"""

from gatescope.data.bundled import Bundled
from gatescope.models.dense import DenseConfig
from gatescope.models.heads import NumbersInput, OutputConfig
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig

_LOSSES = {
    "squared": "mean_squared_error", "absolute": "mean_absolute_error", "huber": "huber",
    "log-cosh": "log_cosh",
}  # fmt: skip
_LOSS = 'network.outputs=[{{"kind": "number", "name": "progression", "loss": "{}"}}]'


def recipe() -> NetworkRecipe:
    """A linear network under four losses, on clean and on spoiled targets."""
    variants: dict[str, tuple[str, ...]] = {
        name: (_LOSS.format(loss),) for name, loss in _LOSSES.items()
    }
    spoiled = {f"{name}, outliers": (*one, "data.outliers=0.1") for name, one in variants.items()}
    return NetworkRecipe(
        data=Bundled(name="diabetes"),
        network=DenseConfig(
            inputs=(NumbersInput(name="numbers", size=10, normalize=False),),
            outputs=(OutputConfig(kind="number", name="progression"),),
        ),
        training=FitConfig(epochs=60, optimizer=OptimizerConfig(learning_rate=0.01)),
        variants={**variants, **spoiled},
        baselines=("guess", "linear"),
        expected={name: (0.25, 0.55) for name in _LOSSES}
        | {"absolute, outliers": (0.2, 0.55), "huber, outliers": (0.2, 0.55),
           "squared, outliers": (-1, 0.2)},
    )  # fmt: skip
