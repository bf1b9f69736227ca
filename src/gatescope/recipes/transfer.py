"""What was learned from a million photos carries over to a few hundred others.

placeholder

Data: a. Minutes on two cores: 8. Expected: b. Baseline: c.
"""

from pathlib import Path

from gatescope.data.images import ImagesConfig
from gatescope.data.sources import ImageFiles
from gatescope.data.splits import SplitConfig
from gatescope.models.pretrained import PretrainedConfig
from gatescope.recipes.from_data import inputs_of, outputs_of
from gatescope.recipes.network import NetworkRecipe
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.schedules import Cosine


def recipe(data: Path) -> NetworkRecipe:
    """EfficientNet-Lite0 frozen, fine-tuned and from scratch."""
    shares = SplitConfig(dev=0.1, test=0.2, seed=0)
    images = ImagesConfig(height=96, width=96, channels=3, split=shares)
    photos = ImageFiles(path=data, images=images)
    found = photos.load()
    return NetworkRecipe(
        data=photos,
        network=PretrainedConfig(inputs=inputs_of(found), frozen=True, outputs=outputs_of(found)),
        training=FitConfig(epochs=10, optimizer=OptimizerConfig(learning_rate=0.001), schedule=Cosine(warmup=0.1)),
        samples=500,
        variants={"frozen": ()},
        baselines=(),
        expected={},
    )  # fmt: skip
