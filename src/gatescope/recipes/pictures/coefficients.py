"""A linear network's weights beside the coefficients of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from gatescope.data.datasets import Array
from gatescope.recipes.kinds.network import Trained
from gatescope.report.html import Html, paragraph, section, table


def measure(trained: Sequence[Trained]) -> Mapping[str, float]:
    """The largest difference between a weight and its coefficient.

    Args:
        trained: A network without hidden layers, of two classes.
    """
    mine, theirs = _both(trained[0])
    return {"largest difference of a weight": float(np.abs(mine - theirs).max())}


def pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    """Both in one table, the heaviest first.

    Args:
        trained: A network without hidden layers, of two classes.
    """
    mine, theirs = _both(trained[0])
    columns = (*trained[0].data.inputs[0].columns, "bias")
    order = np.argsort(-np.abs(theirs))
    rows = [(columns[place], mine[place], theirs[place]) for place in order]
    return [
        section(
            "Weights are coefficients",
            paragraph("Numbers have deviation 1, so a weight says how much a column counts."),
            table(rows, ["column", "network", "scikit-learn"], caption="The heaviest first"),
        )
    ]


def _both(one: Trained) -> tuple[Array, Array]:
    kernel, bias = one.model.layers[-1].get_weights()
    x, y = one.data.train.x["numbers"], one.data.train.y["class"]
    other = LogisticRegression(C=1.0, max_iter=10_000, tol=1e-8).fit(x, y)
    return np.append(kernel[:, 0], bias), np.append(other.coef_[0], other.intercept_)
