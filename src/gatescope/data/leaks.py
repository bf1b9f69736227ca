"""Columns that tell the target all by themselves, as no honest measurement does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import get_scorer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

ROWS = 2000  # that are enough to tell
_FEWEST = 30
_FOLDS = 3
_LEAVES = 64
_TELLING = 0.99


def leaking_columns(
    columns: Mapping[str, NDArray[Any]], target: NDArray[Any], *, classes: bool
) -> dict[str, float]:
    """Finds columns that alone tell the target of unseen rows.

    For each column a small decision tree learns the target from two thirds of the rows and is
    tried on the rest. A column that as many intervals as there are classes divide without a mistake
    tells them, too: of few rows, those next to a threshold are easily missed.

    Args:
        columns: Numbers or indices of shape `(rows,)`, by name.
        target: Class indices or numbers of shape `(rows,)`.
        classes: Whether they are classes.

    Returns:
        For each such column how well it tells the target: balanced accuracy over classes, or the
        share of the numbers' variance that it explains. Empty where rows are too few to say.

    Example:
        >>> grams = np.linspace(900, 4000, 100)
        >>> leaking_columns({"grams": grams}, grams < 2500, classes=True)
        {'grams': 1.0}
    """
    usable = _often_enough(target) if classes else np.ones(len(target), bool)
    if usable.sum() < _FEWEST or len(np.unique(target[usable])) < 2:
        return {}
    telling = {
        name: _told(column[usable, None], target[usable], classes)
        for name, column in columns.items()
    }
    return {name: score for name, score in telling.items() if score >= _TELLING}


def _often_enough(target: NDArray[Any]) -> NDArray[np.bool_]:
    """Rows whose class is in every fold."""
    _, place, counts = np.unique(target, return_inverse=True, return_counts=True)
    return np.asarray(counts[place] >= _FOLDS)


def _told(column_R1: NDArray[Any], target_R: NDArray[Any], classes: bool) -> float:
    if classes and _divides(column_R1, target_R):
        return 1.0
    tree, folds, scoring = (
        (DecisionTreeClassifier, StratifiedKFold, "balanced_accuracy")
        if classes
        else (DecisionTreeRegressor, KFold, "r2")
    )
    learner, scorer = tree(max_leaf_nodes=_LEAVES, random_state=0), get_scorer(scoring)
    scores: list[float] = []
    for taught, held in folds(_FOLDS, shuffle=True, random_state=0).split(column_R1, target_R):
        learner.fit(column_R1[taught], target_R[taught])
        scores.append(float(scorer(learner, column_R1[held], target_R[held])))
        # Even without a mistake in the rest: of a thousand columns, nearly all end here.
        if sum(scores) + _FOLDS - len(scores) < _TELLING * _FOLDS:
            break
    return sum(scores) / len(scores)


def _divides(column_R1: NDArray[Any], target_R: NDArray[Any]) -> bool:
    tree = DecisionTreeClassifier(max_leaf_nodes=len(np.unique(target_R)), random_state=0)
    return bool(tree.fit(column_R1, target_R).score(column_R1, target_R) == 1)
