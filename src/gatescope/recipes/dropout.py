"""Dropout: units left out at random, so that none can rely on another.

A network that is larger than its data learns them by heart: training accuracy rises, that on new
photos stays. Dropout sets a share of the units to 0 in every step of training, others in each, and
the rest are enlarged to make up for it. What is learned must hold with any half of the witnesses,
as if many networks voted that share their weights (Srivastava et al. 2014). Behind convolutions
whole channels are left out, for a unit's neighbours in its map know what it knows.

Left on while predicting, dropout makes each pass another network's vote. Where the votes differ the
network does not know, and says so (Gal & Ghahramani 2016, arXiv:1506.02142).

Predict: at which place does dropout help most, and what does it cost in training accuracy?

Data: photos by class, as CIFAR-10's 10,000 (Krizhevsky 2009; terms unstated; gatescope data get
cifar10-subset) or a folder of class folders. Minutes on two cores: 6. Expected of CIFAR-10's: test
accuracy 0.5 to 0.62 without, 0.53 to 0.65 with little dropout of channels and much of units.
Baseline: the same network without dropout; 50 principal components and logistic regression.
"""

from pathlib import Path

from gatescope.models.conv import BlockConfig, ConvConfig
from gatescope.recipes.kinds.from_data import inputs_of, outputs_of, photos_by_class
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.recipes.pictures.masks import measure, pictures
from gatescope.training.fit import FitConfig
from gatescope.training.schedules import Cosine

__all__ = ["measure", "pictures", "recipe"]
_BLOCKS = (32, 64, 128)
# Of CIFAR-10.
_BANDS = {"no dropout": (0.5, 0.62), "channels 0.1, units 0.5": (0.53, 0.65)}


def recipe(data: Path) -> NetworkRecipe:
    """No dropout, dropout of units, of channels, and of both.

    Args:
        data: A folder of class folders, or a zip of such.
    """
    photos = photos_by_class(data, 32)
    found = photos.load()
    blocks = tuple(BlockConfig(filters=filters, pooling="max") for filters in _BLOCKS)
    channels = [f"network.blocks={_dropping(rate)}" for rate in (0.1, 0.2)]
    return NetworkRecipe(
        data=photos,
        network=ConvConfig(
            inputs=inputs_of(found), blocks=blocks, top="flatten", hidden=(256,),
            outputs=outputs_of(found),
        ),
        training=FitConfig(epochs=20, schedule=Cosine(), monitor="val_accuracy"),
        samples=4_000,
        variants={
            "no dropout": (),
            "units 0.5": ("network.dropout=0.5",),
            "channels 0.1": (channels[0],),
            "channels 0.1, units 0.5": (channels[0], "network.dropout=0.5"),
            "channels 0.2, units 0.5": (channels[1], "network.dropout=0.5"),
        },
        baselines=("guess", "components"),
        expected=_BANDS if data.name.startswith("cifar10") else {},
    )  # fmt: skip


def _dropping(rate: float) -> str:
    each = '{{"filters": {}, "pooling": "max", "dropout": {}}}'
    return f"[{', '.join(each.format(filters, rate) for filters in _BLOCKS)}]"
