"""The same network under every activation: what bends, what saturates, what dies.

Two hidden layers of 64 units read handwritten digits. Without an activation ("linear") they are one
linear layer, however many there are. A sigmoid is flat at both ends and has a slope of 1/4 at most,
so gradients shrink on their way back. relu is flat on one side: a unit that is 0 for every sample
gets no gradient and is dead. Its relatives (leaky_relu, elu, gelu, silu) let a little through.

Predict: which one needs the most epochs? And which one leaves units dead?

Data: handwritten digits, 1,797 images of 8 by 8 pixels, shipped with scikit-learn. Minutes on two
cores: 1. Expected: test accuracy 0.93 to 1, of the sigmoid 0.87 to 0.96, which is still on its way.
Baseline: always the commonest class; logistic regression.
"""

from gatescope.data.bundled import Bundled
from gatescope.models.dense import DenseConfig
from gatescope.models.heads import NumbersInput, OutputConfig
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.recipes.pictures.units import pictures
from gatescope.training.fit import FitConfig

__all__ = ["pictures", "recipe"]
_NAMES = ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus")


def recipe() -> NetworkRecipe:
    """Nine activations, everything else the same."""
    return NetworkRecipe(
        data=Bundled(name="digits", flat=True),
        network=DenseConfig(
            inputs=(NumbersInput(name="numbers", size=64, normalize=False),),
            hidden=(64, 64),
            outputs=(OutputConfig(kind="classes", name="digit", units=10),),
        ),
        training=FitConfig(epochs=20),
        variants={name: (f"network.activation={name}",) for name in _NAMES},
        baselines=("guess", "linear"),
        expected={name: (0.93, 1) for name in _NAMES} | {"sigmoid": (0.87, 0.96)},
    )  # fmt: skip
