"""Held-out scores that survive what faults do to predictions: wrong width, NaN, wrong shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def _pair(predictions: Any, labels: Any) -> tuple[Array, Array]:
    predicted = np.nan_to_num(np.asarray(predictions, np.float64), nan=0.0, posinf=1e9, neginf=-1e9)
    wanted = np.asarray(labels, np.float64)
    return predicted.reshape(len(predicted), -1), wanted.reshape(len(wanted), -1)


def accuracy(predictions: Any, labels: Any, threshold: float = 0.5) -> float:
    """Share of right answers: binary for one unit and 0/1 labels, else by the largest unit."""
    raw = np.asarray(predictions, np.float64)
    wanted = np.asarray(labels)
    if raw.ndim == wanted.ndim + 1:  # (…, classes) beside integer labels
        return (
            float(np.mean(np.nan_to_num(raw).argmax(axis=-1) == wanted))
            if raw.shape[-1] > 1
            else (_binary(raw[..., 0], wanted, threshold))
        )
    if wanted.shape[-1] > 1 and wanted.ndim > 1:
        return float(np.mean(np.nan_to_num(raw).argmax(axis=-1) == wanted.argmax(axis=-1)))
    return _binary(raw.reshape(wanted.shape), wanted, threshold)


def _binary(raw: Array, wanted: Array, threshold: float) -> float:
    return float(np.mean((np.nan_to_num(raw) > threshold) == (wanted > 0.5)))


def balanced(predictions: Any, labels: Any, threshold: float = 0.5) -> float:
    """Mean of the two classes' recalls."""
    predicted, wanted = _pair(predictions, labels)
    right = (predicted[:, 0] > threshold) == (wanted[:, 0] > 0.5)
    positive = wanted[:, 0] > 0.5
    return float((right[positive].mean() + right[~positive].mean()) / 2)


def f1(predictions: Any, labels: Any, threshold: float = 0.5) -> float:
    """F1 over all labels of all rows."""
    predicted, wanted = _pair(predictions, labels)
    guess = predicted > threshold
    hits = float(np.sum(guess & (wanted > 0.5)))
    return 2 * hits / max(1.0, float(guess.sum() + (wanted > 0.5).sum()))


def label_accuracy(predictions: Any, labels: Any, threshold: float = 0.5) -> float:
    """Share of right labels over all labels of all rows."""
    predicted, wanted = _pair(predictions, labels)
    return float(np.mean((predicted > threshold) == (wanted > 0.5)))


def r2(predictions: Any, labels: Any) -> float:
    """Share of variance explained, at least -1 so that one wild seed does not hide the others."""
    predicted, wanted = _pair(predictions, labels)
    missed = float(np.sum((np.clip(predicted, -1e6, 1e6) - wanted) ** 2))
    return max(-1.0, 1.0 - missed / float(np.sum((wanted - wanted.mean(axis=0)) ** 2)))


def mae(predictions: Any, labels: Any) -> float:
    """Mean absolute error."""
    predicted, wanted = _pair(predictions, labels)
    return float(np.mean(np.abs(predicted - wanted)))


def mse_of(predictions: Any, labels: Any) -> float:
    """Mean squared error."""
    predicted, wanted = _pair(predictions, labels)
    return float(np.mean((predicted - wanted) ** 2))


FUNCTIONS = {
    function.__name__: function
    for function in (accuracy, balanced, f1, label_accuracy, r2, mae, mse_of)
}
