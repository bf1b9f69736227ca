"""What does this face feel? Seven expressions, read in people whom the network has never seen.

Several images show each person, often three frames of the same second. Split at random, a network
knows nearly every test image from training and seems to read expressions. Split by person, which
the names of the files tell, it must have learned what a smile is and not who smiles.

There are few people, so images are changed at random in training: mirrored, shifted, turned and
zoomed a little. What does not change an expression is to change no answer. Nor is light, so each
image is brought to mean 0 and deviation 1. Convolutions find edges and folds anywhere; a dense
layer behind the last map, and not its mean, knows where they were: the same fold is anger between
the brows and nothing on the chin.

Predict: which expressions are taken for each other, and where does the network look for fear?

Data: a folder of images by expression, or a zip of one, with the person in each file's name as in
S010_004.png, or told by --group; made on CK+48 (981 images of 118 people, given for research on
request: gatescope data get emotions tells by whom). Minutes on two cores: 1. Expected: test
accuracy 0.83 to 1. Baseline: always the commonest class; 50 principal components and logistic
regression.
"""

from pathlib import Path

from gatescope.data.images import ImagesConfig
from gatescope.data.sources import ImageFiles
from gatescope.data.splits import SplitConfig
from gatescope.models.augment import AugmentConfig
from gatescope.models.conv import BlockConfig, ConvConfig
from gatescope.recipes.kinds.from_data import inputs_of, outputs_of
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.recipes.pictures.occlusion import pictures
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.schedules import Cosine

__all__ = ["pictures", "recipe"]


def recipe(data: Path, group: str = r"(S\d+)_") -> NetworkRecipe:
    """Four convolutions, and a dense layer that knows where things are."""
    split = SplitConfig(dev=0.15, test=0.2, seed=0)
    images = ImagesConfig(height=48, width=48, channels=1, group=group, split=split)
    source = ImageFiles(path=data, images=images)
    block = BlockConfig(filters=16, normalization="batch", pooling="max")
    last = BlockConfig(filters=128, normalization="batch", pooling="max", dropout=0.3)
    return NetworkRecipe(
        data=source,
        network=ConvConfig(
            inputs=inputs_of(source.load()),
            augment=AugmentConfig(flip="horizontal", shift=0.06, rotation=0.03, zoom=0.1),
            standardize=True,
            blocks=(
                block,
                block.model_copy(update={"filters": 32}),
                block.model_copy(update={"filters": 64}),
                last,
            ),
            top="flatten",
            outputs=outputs_of(source.load()),
        ),
        training=FitConfig(
            epochs=50, restore_best=False, schedule=Cosine(warmup=0.05),
            optimizer=OptimizerConfig(
                name="adamw", learning_rate=0.003, settings={"weight_decay": 0.01}
            ),
        ),
        baselines=("guess", "components"),
        expected={"test": (0.83, 1)},
    )  # fmt: skip
