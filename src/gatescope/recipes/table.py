"""Any table: a network with an input for every kind of column, made of the column types alone.

Each column is looked at: numbers and dates are scaled by what the training part tells, and get a
second column that says where they are missing; categories are embedded; of texts the mean of the
words' embeddings is taken. What names rows or never changes is left out, and a column that tells
the target all by itself is warned of, for it was probably made of it. Dense layers join what all
inputs say.

On tables gradient boosting is hard to beat, and of few rows a linear model is. That is why both
stand beside the network here, on the same rows.

Predict: which columns will count most? The page shuffles one after the other.

Data: wine, 178 wines of three growers, shipped with scikit-learn, or any CSV or parquet file of
yours: --data FILE --target COLUMN. Minutes on two cores: 0.3. Expected: test accuracy 0.9 to 1 on
wine. Baseline: the commonest class or the mean; logistic or ridge regression; gradient boosting.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gatescope.models.dense import DenseConfig
from gatescope.recipes.kinds.from_data import inputs_of, outputs_of
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.recipes.pictures.tables import measure, pictures, table_source
from gatescope.training.fit import FitConfig

__all__ = ["measure", "pictures", "recipe"]


def recipe(
    data: Path | None = None, target: str | None = None, drop: Sequence[str] = ()
) -> NetworkRecipe:
    """A dense network of two layers behind whatever inputs the table has."""
    source = table_source(data, target, drop, sample="wine")
    found = source.load()
    return NetworkRecipe(
        data=source,
        network=DenseConfig(
            inputs=inputs_of(found), hidden=(64, 32), dropout=0.3, outputs=outputs_of(found)
        ),
        training=FitConfig(epochs=100, patience=15),
        baselines=("guess", "linear", "boosting"),
        expected={} if data else {"test": (0.9, 1)},
    )
