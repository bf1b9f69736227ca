"""What a network must beat: simple models of scikit-learn on the same parts of the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from gatescope.data.datasets import Array, Dataset, Part
from gatescope.errors import UsageError

Baseline = Literal["guess", "linear", "nearest", "boosting", "components"]
_COMPONENTS = 50

_CLASSIFIERS: Mapping[Baseline, Callable[[int], Any]] = {
    "guess": lambda seed: DummyClassifier(),
    "linear": lambda seed: LogisticRegression(max_iter=5_000),
    "nearest": lambda seed: KNeighborsClassifier(),
    "boosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
    "components": lambda seed: make_pipeline(
        PCA(_COMPONENTS, random_state=seed), LogisticRegression(max_iter=5_000)
    ),
}
_REGRESSORS: Mapping[Baseline, Callable[[int], Any]] = {
    "guess": lambda seed: DummyRegressor(),
    "linear": lambda seed: RidgeCV(np.logspace(-3, 3, 13)),
    "nearest": lambda seed: KNeighborsRegressor(),
    "boosting": lambda seed: HistGradientBoostingRegressor(random_state=seed),
}
IN_WORDS: Mapping[Baseline, str] = {
    "guess": "always the commonest class, or the mean",
    "linear": "logistic or ridge regression (scikit-learn)",
    "nearest": "the five nearest neighbours (scikit-learn)",
    "boosting": "gradient boosting (scikit-learn)",
    "components": "50 principal components and logistic regression (scikit-learn)",
}


def baseline_score(name: Baseline, data: Dataset, seed: int) -> float:
    """Trains a simple model on the training part and scores it on the test part.

    Args:
        name: Which.
        data: With one target; inputs of any shape, which are put side by side.
        seed: Of what it draws.

    Returns:
        Accuracy for classes, R² for numbers.

    Raises:
        UsageError: There is no such baseline for this target.
    """
    (target,) = data.targets
    numbers = target.kind in ("number", "numbers")
    known = _REGRESSORS if numbers else _CLASSIFIERS
    if name not in known:
        raise UsageError(
            f"there is no baseline {name!r} for a target of {target.kind}",
            f"one of {', '.join(known)}",
            "name one of these",
        )
    model, x = known[name](seed), flat(data.train)
    if name == "components":  # of which there are no more than samples
        model.set_params(pca__n_components=min(_COMPONENTS, *x.shape))
    model.fit(x, data.train.y[target.name])
    predicted = model.predict(flat(data.test))
    score = r2_score if numbers else accuracy_score
    return float(score(data.test.y[target.name], predicted))


def flat(part: Part) -> Array:
    """All inputs of each sample in a row.

    Args:
        part: Samples.
    """
    return np.concatenate([one.reshape(len(one), -1) for one in part.x.values()], 1)
