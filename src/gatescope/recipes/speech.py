"""Which digit was that? Words as pictures of sound, heard from a voice that was never heard before.

A spectrogram shows which frequencies sound when, on the mel scale, on which steps are as wide as we
hear them. So a word is a picture, and convolutions read it.

What a word is and who says it are both in that picture, and so are room and microphone; of six
speakers a network learns all of it, and at random splits it seems perfect. Split by speaker it must
do without. So what is the speaker's own is taken away: every sound is cut where it is 25 decibels
below its loudest and stretched to 32 frames, and its loudest place is 0. What cannot be taken away
is made random in training: pace and pitch by shifting and zooming, the microphone by an equalizer,
the room by a floor of noise.

Predict: which digits are taken for each other by a voice that is new?

Data: a folder of wav files, or a zip of one, with digit and speaker in each name, as in
7_theo_3.wav, or told by --label and --group; made on the Free Spoken Digit Dataset (3,000
recordings of 6 speakers, CC BY-SA 4.0), gatescope data get spoken-digits. Minutes on two cores: 1.
Expected: test accuracy 0.7 to 1, by the speaker. Baseline: the commonest class; the nearest
neighbour by mean MFCC.
"""

from pathlib import Path

from gatescope.data.sounds import SoundsConfig
from gatescope.data.sources import SoundFiles
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


def recipe(
    data: Path, label: str = r"(\d)_[a-z]+_\d+\.wav", group: str = r"\d_([a-z]+)_\d+\.wav"
) -> NetworkRecipe:
    """Three convolutions over time and frequency."""
    split = SplitConfig(dev=0.17, test=0.17, seed=0)
    sounds = SoundsConfig(
        rate=8000, seconds=1.0, step=0.0125, mels=32, leveled=True, frames=32, label=label,
        group=group, split=split,
    )  # fmt: skip
    source = SoundFiles(path=data, sounds=sounds)
    block = BlockConfig(filters=16, normalization="batch", pooling="max")
    return NetworkRecipe(
        data=source,
        network=ConvConfig(
            inputs=inputs_of(source.load()),
            as_image=True,
            augment=AugmentConfig(shift=0.1, zoom=0.15, equalizer=0.07, noise=0.6),
            standardize=True,
            blocks=(
                block,
                block.model_copy(update={"filters": 32}),
                block.model_copy(update={"filters": 64, "dropout": 0.3}),
            ),
            top="flatten",
            outputs=outputs_of(source.load()),
        ),
        training=FitConfig(
            epochs=20, restore_best=False, schedule=Cosine(warmup=0.05),
            optimizer=OptimizerConfig(
                name="adamw", learning_rate=0.003, settings={"weight_decay": 0.01}
            ),
        ),
        baselines=("guess", "cepstrum"),
        expected={"test": (0.7, 1)},
    )  # fmt: skip
