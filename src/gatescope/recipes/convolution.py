"""From dense to convolution: fewer numbers to learn, because places share them.

A dense layer over an image is a convolution whose window is the whole image: every unit has a
weight for every pixel. A locally connected layer looks at small windows, but has weights of its own
at each place. A convolution has the same weights at all places: what it learned of an edge in one
corner holds in the other. That is the sharing of parameters: as good with a fraction of them, which
leaves room for depth, and two blocks of convolutions read best.

Predict: which of the three has the most parameters, and which reads digits best?

Data: handwritten digits, 1,797 images of 8 by 8 pixels, shipped with scikit-learn, or photos by
class (--data PATH), such as gatescope data get cifar10-subset. Minutes on two cores: 2, of 10,000
photos 12. Expected: test accuracy 0.93 to 1 dense, 0.96 to 1 shared, 0.98 to 1 of two blocks.
Baseline: logistic regression on principal components; nearest neighbours.
"""

from pathlib import Path

from gatescope.data.bundled import Bundled
from gatescope.models.conv import BlockConfig, ConvConfig
from gatescope.recipes.kinds.from_data import inputs_of, outputs_of, photos_by_class
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.recipes.pictures.filters import pictures
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.schedules import Cosine

__all__ = ["pictures", "recipe"]
_DENSE = 'network.blocks=[{{"filters": 64, "kernel": {}, "padding": "valid"}}]'
_TWO = '[{"filters": 32, "convolutions": 2, "normalization": "batch", "pooling": "max"}, ' \
       '{"filters": 64, "normalization": "batch"}]'  # fmt: skip
_BANDS = {"dense": (0.93, 1), "convolution": (0.96, 1), "two blocks": (0.98, 1)}  # of digits


def recipe(data: Path | None = None) -> NetworkRecipe:
    """Windows as large as the image, windows with own weights, and windows that share them.

    Args:
        data: A folder of class folders with photos, or a zip of such; None for digits.
    """
    source = photos_by_class(data, 32) if data else Bundled(name="digits")
    found = source.load()
    adam = OptimizerConfig(learning_rate=0.003)
    return NetworkRecipe(
        data=source, baselines=("components", "nearest"), expected={} if data else _BANDS,
        network=ConvConfig(
            inputs=inputs_of(found), blocks=(BlockConfig(filters=16, pooling="max"),),
            top="flatten", outputs=outputs_of(found),
        ),
        training=FitConfig(epochs=25, optimizer=adam, schedule=Cosine()),
        variants={
            "dense": (_DENSE.format(found.inputs[0].shape[0]),),
            "local": ('network.blocks=[{"filters": 16, "shared": false, "pooling": "max"}]',),
            "convolution": (),
            "two blocks": (f"network.blocks={_TWO}",),
        },
    )  # fmt: skip
