"""Does a sentence praise or blame? Words become vectors, and a recurrent network reads them.

A bag of words knows which words are there, and not in which order; it is a strong rival, for most
sentences praise with words of praise. A network starts with vectors at random and has to learn from
some eight thousand sentences what each word means, so it would rather learn them by heart. Few
numbers, half of which are left out at each step of training, and an early end keep it from that:
with four times as many it comes to no more than the bag of words.

The page shows what each word contributes: how far the probability falls without it.

Predict: what does "not" contribute to "not good"? And can the network tell irony?

Data: sentence_polarity, 10,662 sentences of film reviews (Pang & Lee 2005; CC BY 4.0 as packaged
for NLTK): gatescope data get sentence_polarity, then --data sentence_polarity.zip; or texts of
yours, one a line and a file of each class: --set 'data.texts.classes={"bad": "b.txt", "good":
"g.txt"}'.
Minutes on two cores: 0.5. Expected: test accuracy 0.74 to 0.8. Baseline: bag of words, TF-IDF and
logistic regression.
"""

from pathlib import Path

from gatescope.data.sources import TextFiles
from gatescope.data.splits import SplitConfig
from gatescope.data.texts import TextsConfig
from gatescope.models.heads import OutputConfig, TextInput
from gatescope.models.recurrent import RecurrentConfig
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.recipes.pictures.word_weights import pictures
from gatescope.training.fit import FitConfig

__all__ = ["pictures", "recipe"]


def recipe(data: Path) -> NetworkRecipe:
    """Embedded words, read from both ends by gated units, whose outputs are averaged."""
    texts = TextsConfig(
        classes={"negative": "*.neg", "positive": "*.pos"}, tokens=10_000,
        split=SplitConfig(dev=0.1, test=0.1, seed=0),
    )  # fmt: skip
    return NetworkRecipe(
        data=TextFiles(path=data, texts=texts),
        network=RecurrentConfig(
            inputs=(TextInput(name="text", tokens=10_000, length=40, embedding=32),),
            cell="gru", units=(16,), bidirectional=True, pooling="mean", dropout=0.5,
            outputs=(OutputConfig(kind="binary", name="class"),),
        ),
        training=FitConfig(epochs=10, batch_size=64, patience=3),
        baselines=("guess", "words"),
        expected={"test": (0.74, 0.8)},
    )  # fmt: skip
