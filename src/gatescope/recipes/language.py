"""A network that writes: it guesses the next character from all that came before.

Whoever guesses well needs few bits: a character whose probability was a half costs one bit, one of
a thousandth ten. A unigram knows how often each character stands, a trigram what follows two
others; an LSTM carries what it read in its state, and learns by itself that a bracket is open, that
a word is half written, that a sentence has to end.

To write, a character is drawn from what the network says, and read again. Temperature divides the
logits before: near 0 the likeliest character always wins and the text goes round in circles, at 1
it is what the network believes, above it falls apart.

Predict: how many bits does a character of this text cost? Eight is what a byte costs.

Data: any text, --data FILE, FOLDER or ZIP; without it what this package's docstrings say. Minutes
on two cores: 2. Expected: 1.8 to 2.3 bits per character on held-out text. Baseline: unigram and
trigram, whose smoothing is chosen on the dev part.
"""

from __future__ import annotations

from pathlib import Path

from gatescope.data.characters import Corpus
from gatescope.data.splits import SplitConfig
from gatescope.recipes.kinds.writing import LanguageRecipe
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.schedules import Cosine


def recipe(data: Path | None = None) -> LanguageRecipe:
    """One LSTM that reads a hundred characters at a time."""
    return LanguageRecipe(
        corpus=Corpus(path=data, split=SplitConfig(dev=0.1, test=0.1, seed=0)),
        cell="lstm",
        units=(192,),
        window=100,
        training=FitConfig(
            epochs=12, optimizer=OptimizerConfig(learning_rate=0.005), schedule=Cosine()
        ),
        temperatures=(0.3, 0.7, 1.0),
        expected={} if data else {"bits per character": (1.8, 2.3)},
    )
