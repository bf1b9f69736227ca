"""What a house costs: numbers, a district, a day and an advertisement become one price.

The houses are made here, by a known formula: a price multiplies what
size, district, age and words of the advertisement are worth, and a tenth of it is chance. Ridge
regression adds what each column is worth, so it cannot say that a garden on the hill is worth more
than one at the station; a network can, for its layers multiply what earlier ones add.

The page says how many units of money the network is off on average, and which columns count.

Predict: which column will count most, and which not at all?

Data: 2,000 houses that are made here, or a table of yours: --data FILE --target price. Minutes on
two cores: 0.5. Expected: R² 0.85 to 1. Baseline: the mean; ridge regression of one-hot categories
and words; gradient boosting.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gatescope.models.dense import DenseConfig
from gatescope.recipes.kinds.from_data import inputs_of, outputs_of
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.recipes.pictures.tables import measure, pictures, table_source
from gatescope.training.fit import FitConfig
from gatescope.training.schedules import Cosine

__all__ = ["measure", "pictures", "recipe"]


def recipe(
    data: Path | None = None, target: str | None = None, drop: Sequence[str] = ()
) -> NetworkRecipe:
    """A network of two layers, which reads each kind of column in its own way."""
    source = table_source(data, target or "price", drop, sample="houses")
    found = source.load()
    return NetworkRecipe(
        data=source,
        network=DenseConfig(inputs=inputs_of(found), hidden=(64, 64), outputs=outputs_of(found)),
        training=FitConfig(epochs=60, patience=15, schedule=Cosine()),
        baselines=("guess", "linear", "boosting"),
        expected={} if data else {"test": (0.85, 1)},
    )
