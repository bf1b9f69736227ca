"""The regularizers of Keras: one row each, the circuit being the penalty on one weight."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gatescope.catalog.rows import Interval, Regularizer, Setting

_STRENGTH = Interval(1e-6, 1e-2)

_ROWS = (
    Regularizer(
        "l1",
        "keras.regularizers.L1",
        "l1·Σ |w|",
        "l1·sign(w)",
        "l1*abs(weight)",
        settings=(Setting("l1", 0.01, _STRENGTH, "factor"),),
        advice="Drives weights that are of no use towards 0. Keras' default of 0.01 is strong: "
        "begin at 0.0001.",
        source="Tibshirani 1996",
    ),
    Regularizer(
        "l2",
        "keras.regularizers.L2",
        "l2·Σ w²",
        "2·l2·w",
        "l2*weight**2",
        settings=(Setting("l2", 0.01, _STRENGTH, "factor"),),
        advice="Keeps weights small. With Adam take AdamW's weight_decay, which acts as meant; "
        "under batch normalization it changes the learning rate rather than the function.",
        source="Krogh & Hertz 1991",
    ),
    Regularizer(
        "l1_l2",
        "keras.regularizers.L1L2",
        "l1·Σ |w| + l2·Σ w²",
        "l1·sign(w) + 2·l2·w",
        "l1*abs(weight) + l2*weight**2",
        settings=(
            Setting("l1", 0.0, _STRENGTH, "factor of sizes", 0.01),
            Setting("l2", 0.0, _STRENGTH, "factor of squares", 0.01),
        ),
        advice="Both at once, the elastic net. By itself it does nothing, both factors being 0: "
        "give them.",
        source="Zou & Hastie 2005",
    ),
    Regularizer(
        "orthogonal_regularizer",
        "keras.regularizers.OrthogonalRegularizer",
        "factor·mean of |cosine| over pairs of rows (or columns)",
        "factor·sign(c)·(b − c·a), for rows a and b of length 1 and c = a·b",
        "factor*abs(weight0*weight2 + weight1*weight3)"
        "/(sqrt(weight0**2 + weight1**2)*sqrt(weight2**2 + weight3**2))",
        settings=(Setting("factor", 0.01, Interval(1e-4, 1), "factor"),),
        given=(("weight1", 1.0), ("weight2", 1.0), ("weight3", 0.5)),
        advice="Keeps units from learning the same. For matrices only; the circuit is for two rows "
        "of two weights.",
    ),
)
REGULARIZERS: Mapping[str, Regularizer] = MappingProxyType({row.name: row for row in _ROWS})
