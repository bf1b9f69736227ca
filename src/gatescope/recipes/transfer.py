"""What was learned from a million photos carries over to a few hundred others.

The first layers of a network of photos find edges, the next ones textures and parts, whatever the
photos show; only the last ones name things. So a network that was trained on ImageNet, here
EfficientNet-Lite0, knows most of what is needed for photos that it has never seen. Frozen, it gives
1,280 numbers for each photo, and only a new last layer learns, in seconds. Fine-tuned, all of it
learns, with a low rate, for a high one would wash out what is there. From scratch, the same network
has to find all of that in the photos at hand.

Predict: how many photos does the frozen network need to beat what is trained from scratch on 3,000?

Data: photos by class, as CIFAR-10's 10,000 (Krizhevsky 2009; terms unstated; gatescope data get
cifar10-subset) or a folder of class folders. Minutes on two cores: 9. Expected of CIFAR-10's: test
accuracy 0.8 to 1 fine-tuned on all, 0.65 to 0.8 frozen on 3,000, 0 to 0.65 from scratch. Baseline:
the network from scratch; always the commonest class.
"""

from pathlib import Path

from gatescope.models.pretrained import PretrainedConfig
from gatescope.recipes.kinds.from_data import inputs_of, outputs_of, photos_by_class
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.schedules import Cosine

# Of CIFAR-10.
_BANDS = {
    "from scratch, 300": (0, 0.45), "from scratch, 3000": (0, 0.65),
    "frozen, 300": (0.48, 0.68), "frozen, 3000": (0.65, 0.8),
    "fine-tuned, 300": (0.5, 0.72), "fine-tuned, 3000": (0.72, 0.9), "fine-tuned, all": (0.8, 1),
}  # fmt: skip


def recipe(data: Path) -> NetworkRecipe:
    """EfficientNet-Lite0 frozen, fine-tuned and from scratch, on few photos and on more.

    Args:
        data: A folder of class folders, or a zip of such.
    """
    photos = photos_by_class(data, 96)
    found = photos.load()
    adam = OptimizerConfig(learning_rate=0.001)
    tuned = ("network.frozen=false", "training.optimizer.learning_rate=0.0003")
    scratch = ("network.frozen=false", "network.start=random")
    return NetworkRecipe(
        data=photos,
        network=PretrainedConfig(inputs=inputs_of(found), frozen=True, outputs=outputs_of(found)),
        training=FitConfig(epochs=5, optimizer=adam, schedule=Cosine(warmup=0.1)),
        variants={
            "from scratch, 300": ("samples=300", "training.epochs=20", *scratch),
            "from scratch, 3000": ("samples=3000", *scratch),
            "frozen, 300": ("samples=300", "training.epochs=20"),
            "frozen, 3000": ("samples=3000", "training.epochs=20"),
            "fine-tuned, 300": ("samples=300", "training.epochs=10", *tuned),
            "fine-tuned, 3000": ("samples=3000", *tuned),
            "fine-tuned, all": ("training.epochs=3", *tuned),
        },
        baselines=("guess",),
        expected=_BANDS if data.name.startswith("cifar10") else {},
    )  # fmt: skip
