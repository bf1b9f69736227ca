"""From dense to convolution: fewer numbers to learn, because places share them.

A dense layer over an image is a convolution whose window is the whole image: every unit has a
weight for every pixel. A locally connected layer looks at small windows, but has weights of its own
at each place. A convolution has the same weights at all places: what it learned of an edge in one
corner holds in the other. That is the sharing of parameters: as good with a fraction of them, which
leaves room for depth, and two blocks of convolutions read best.

Predict: which of the three has the most parameters, and which reads digits best?

Data: handwritten digits, 1,797 images of 8 by 8 pixels, shipped with scikit-learn. Minutes on two
cores: 2. Expected: test accuracy 0.93 to 1 dense, 0.96 to 1 shared, 0.98 to 1 of two blocks.
Baseline: logistic regression; nearest neighbours.
"""

from gatescope.data.bundled import Bundled
from gatescope.models.conv import BlockConfig, ConvConfig
from gatescope.models.heads import ImageInput, OutputConfig
from gatescope.recipes.filters import pictures
from gatescope.recipes.network import NetworkRecipe
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.schedules import Cosine

__all__ = ["pictures", "recipe"]
_OWN = '{"filters": 16, "shared": false, "pooling": "max"}'
_TWO = '[{"filters": 32, "convolutions": 2, "normalization": "batch", "pooling": "max"}, ' \
       '{"filters": 64, "normalization": "batch"}]'  # fmt: skip


def recipe() -> NetworkRecipe:
    """Windows as large as the image, windows with own weights, and windows that share them."""
    adam = OptimizerConfig(learning_rate=0.003)
    return NetworkRecipe(
        data=Bundled(name="digits"),
        network=ConvConfig(
            inputs=(ImageInput(name="image", height=8, width=8, channels=1, rescale=False),),
            blocks=(BlockConfig(filters=16, pooling="max"),),
            top="flatten",
            outputs=(OutputConfig(kind="classes", name="digit", units=10),),
        ),
        training=FitConfig(epochs=25, optimizer=adam, schedule=Cosine()),
        variants={
            "dense": ('network.blocks=[{"filters": 64, "kernel": 8, "padding": "valid"}]',),
            "locally connected": (f"network.blocks=[{_OWN}]",),
            "convolution": (),
            "two blocks": (f"network.blocks={_TWO}",),
        },
        baselines=("linear", "nearest"),
        expected={"dense": (0.93, 1), "convolution": (0.96, 1), "two blocks": (0.98, 1)},
    )  # fmt: skip
