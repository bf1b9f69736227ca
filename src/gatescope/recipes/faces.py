"""Who is this? A distance between faces tells people apart whom it has never seen.

A classifier of faces can name only whom it was trained on, and is trained anew for every newcomer.
An embedding makes a vector of each image. What is trained is where these lie: a contrastive loss
takes a batch of some people with four images of each, and lets every image be nearest, by the
cosine, to the others of its person. What makes two images one person, in spite of turned heads,
light and faces that are made, holds for everybody. So a newcomer needs one image and no training:
who is asked for is whose known image is the nearest.

The split is by person: nobody of the test part is in training. Of each, one image is known (or
five), drawn at random fifty times; all others are asked for.

Predict: of about ten strangers with one known image each, how often is the nearest one right? By
pixels alone it is six times in ten.

Data: a folder of images by person, or a zip of one; made on 450 grey faces of 30 people (terms
unstated); gatescope data get faces fetches 400 others of 40 people, free for research. Minutes on
two cores: 1. Expected: rank-1 0.6 to 1 of one known image, 0.85 to 1 of five. Baseline: 50
principal components of the pixels (eigenfaces), under the same protocol.
"""

from pathlib import Path

from gatescope.data.images import ImagesConfig
from gatescope.data.sources import ImageFiles
from gatescope.data.splits import SplitConfig
from gatescope.models.augment import AugmentConfig
from gatescope.models.conv import BlockConfig, ConvConfig
from gatescope.models.heads import OutputConfig
from gatescope.recipes.kinds.embedding import EmbeddingRecipe
from gatescope.recipes.kinds.from_data import inputs_of
from gatescope.recipes.pictures.neighbours import pictures
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.schedules import Cosine

__all__ = ["pictures", "recipe"]


def recipe(data: Path) -> EmbeddingRecipe:
    """Four convolutions to a vector of 64 numbers."""
    split = SplitConfig(dev=0.15, test=0.3, seed=0)
    images = ImagesConfig(height=56, width=48, channels=1, unseen_classes=True, split=split)
    source = ImageFiles(path=data, images=images)
    block = BlockConfig(filters=16, normalization="batch", pooling="max")
    return EmbeddingRecipe(
        data=source,
        network=ConvConfig(
            inputs=inputs_of(source.load()),
            augment=AugmentConfig(
                flip="horizontal", shift=0.05, rotation=0.02, zoom=0.1, contrast=0.3,
                brightness=0.1,
            ),
            blocks=(
                block,
                block.model_copy(update={"filters": 32}),
                block.model_copy(update={"filters": 64}),
                block.model_copy(update={"filters": 128, "pooling": "none"}),
            ),
            top="average",
            outputs=(OutputConfig(kind="numbers", name="vector", units=64),),
        ),
        training=FitConfig(
            epochs=80, batch_size=64, restore_best=False, schedule=Cosine(warmup=0.05),
            optimizer=OptimizerConfig(
                name="adamw", learning_rate=0.003, settings={"weight_decay": 0.01}
            ),
        ),
        expected={"rank-1 of one known": (0.6, 1), "rank-1 of 5 known": (0.85, 1)},
    )  # fmt: skip
