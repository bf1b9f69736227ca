"""Learning rates: too small, right, too large; and what penalties do to the weights.

A step is the gradient times the learning rate. Too small, and the descent is still on its way when
the epochs end; too large, and it leaps over the valley, to and fro or out of it. In between lies a
range of about a factor of ten that works. Momentum and Adam take other ways down the same surface;
the picture shows all of them on the plane in which they vary most. A penalty on the sizes of
weights (L1) drives those that do not matter to 0, one on their squares (L2) makes all of them
smaller.

Predict: at which rate does the loss rise? And which penalty leaves weights at 0?

Data: Fisher's iris, 150 flowers, shipped with scikit-learn. Minutes on two cores: 0.5. Expected:
test accuracy 0.9 to 1 at the right rate, below 0.9 at the smallest. Baseline: always the commonest
class; logistic regression.
"""

from gatescope.data.bundled import Bundled
from gatescope.models.dense import DenseConfig
from gatescope.models.heads import NumbersInput, OutputConfig
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.recipes.pictures.paths import callbacks, measure, pictures
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig

__all__ = ["callbacks", "measure", "pictures", "recipe"]


def recipe() -> NetworkRecipe:
    """Four rates, two other optimizers, and two penalties at the right rate."""
    return NetworkRecipe(
        data=Bundled(name="iris"),
        network=DenseConfig(
            inputs=(NumbersInput(name="numbers", size=4, normalize=False),),
            hidden=(16,),
            outputs=(OutputConfig(kind="classes", name="class", units=3),),
        ),
        training=FitConfig(
            epochs=40, batch_size=16, restore_best=False,
            optimizer=OptimizerConfig(name="sgd", learning_rate=0.1),
        ),
        variants={
            "0.0001": ("training.optimizer.learning_rate=0.0001",),
            "0.01": ("training.optimizer.learning_rate=0.01",),
            "0.1": (),
            "10": ("training.optimizer.learning_rate=10",),
            "0.01 with momentum": (
                "training.optimizer.learning_rate=0.01",
                'training.optimizer.settings={"momentum": 0.9}',
            ),
            "Adam": ("training.optimizer.name=adam", "training.optimizer.learning_rate=0.01"),
            "0.1 with L1": ("network.l1=0.02",),
            "0.1 with L2": ("network.l2=0.02",),
        },
        baselines=("guess", "linear"),
        expected={"0.0001": (0, 0.9), "0.1": (0.9, 1), "0.1 with L1": (0.9, 1)},
    )  # fmt: skip
