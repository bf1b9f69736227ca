"""What a network must beat: simple models of scikit-learn on the same parts of the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy.fft import dct
from scipy.sparse import csr_matrix
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

from gatescope.data.datasets import Array, Dataset, Field, Part
from gatescope.data.words import UNKNOWN
from gatescope.errors import UsageError

Baseline = Literal["guess", "linear", "nearest", "boosting", "components", "words", "cepstrum"]

MOST_TAUGHT = 50_000
"""Samples that a baseline learns from: of more they would take minutes, and gigabytes."""

_BINS = 255  # categories that gradient boosting tells apart
_TOPICS = 50  # numbers that stand for a text where a model takes no sparse ones
_COEFFICIENTS = 13


class Components(PCA):
    """Fifty principal components, or as many as there are samples or numbers."""

    def fit_transform(self, X: Array, y: Array | None = None) -> Array:
        self.n_components = min(50, *X.shape)
        return np.asarray(super().fit_transform(X, y))


_CLASSIFIERS: Mapping[Baseline, Callable[[int], Any]] = {
    "guess": lambda seed: DummyClassifier(),
    "linear": lambda seed: LogisticRegression(max_iter=5_000),
    "nearest": lambda seed: KNeighborsClassifier(),
    "boosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
    "components": lambda seed: make_pipeline(
        Components(random_state=seed), LogisticRegression(max_iter=5_000)
    ),
    "words": lambda seed: GridSearchCV(
        LogisticRegression(max_iter=1_000), {"C": [0.3, 1, 3, 10]}, cv=5
    ),
    "cepstrum": lambda seed: KNeighborsClassifier(1),
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
    "cepstrum": "the nearest neighbour by mean MFCC (scikit-learn)",
    "components": "50 principal components and logistic regression (scikit-learn)",
    "words": "bag of words, TF-IDF and logistic regression (scikit-learn)",
}


def baseline_scores(name: Baseline, data: Dataset, seed: int) -> dict[str, float]:
    """Trains a simple model of each target on the training part and scores it on the test part.

    Args:
        name: Which.
        data: Inputs of any kind: categories and words are told apart as what they are, not taken
            for numbers.
        seed: Of what it draws.

    Returns:
        Accuracy for classes, R² for numbers, by the baseline in words; where there are several
        targets, with the target's name behind.

    Raises:
        UsageError: There is no such baseline for a target.
    """
    several = len(data.targets) > 1
    return {
        f"{IN_WORDS[name]}: {target.title}" if several else IN_WORDS[name]: _score(
            _model(name, data, target, seed), data, target, seed
        )
        for target in data.targets
    }


def _score(model: Any, data: Dataset, target: Field, seed: int) -> float:
    train = data.train
    if len(train) > MOST_TAUGHT:
        chosen = np.random.default_rng(seed).choice(len(train), MOST_TAUGHT, replace=False)
        train = train.rows(np.sort(chosen))
    taught, test = (_plain(part.y[target.name]) for part in (train, data.test))
    model.fit(flat(train), taught)
    predicted = np.concatenate([model.predict(flat(some)) for some in data.test.pieces()])
    return float((r2_score if target.is_number else accuracy_score)(test, predicted))


def _plain(target: Array) -> Array:
    """One number of each sample without an axis of its own, as scikit-learn wants it."""
    return target[:, 0] if target.ndim == 2 and target.shape[1] == 1 else target


def _model(name: Baseline, data: Dataset, target: Field, seed: int) -> Any:
    known = _REGRESSORS if target.is_number else _CLASSIFIERS
    if name not in known:
        raise UsageError(
            f"there is no baseline {name!r} for a target of {target.kind}",
            f"one of {', '.join(known)}",
            "name one of these",
        )
    model = known[name](seed)
    if name == "boosting":
        # `_columns` lays them first.
        categories = [field for field in data.inputs if field.kind == "category"]
        model.set_params(categorical_features=list(range(len(categories))) or None)
    return make_pipeline(_columns(name, data, seed), model)


def flat(part: Part) -> Array:
    """All inputs of each sample in a row, categories and words as their numbers.

    Args:
        part: Samples.
    """
    return np.concatenate([one.reshape(len(one), -1) for one in part.x.values()], 1)


def _columns(name: Baseline, data: Dataset, seed: int) -> ColumnTransformer:
    """Turns rows as `flat` makes them into what a model can weigh."""
    kinds = {field.name: field for field in data.inputs}
    steps, start = [], 0
    for column, values in data.train.x.items():
        width = int(np.prod(values.shape[1:], dtype=int))
        step = _encoded(name, kinds[column], seed)
        steps.append((kinds[column].kind != "category", column, step, slice(start, start + width)))
        start += width
    ordered = [each[1:] for each in sorted(steps, key=lambda each: each[0])]
    return ColumnTransformer(ordered, sparse_threshold=float(name in _SPARSE))


_SPARSE: tuple[Baseline, ...] = ("linear", "words")


def _encoded(name: Baseline, field: Field, seed: int) -> Any:
    if field.kind == "category":
        if name == "boosting":
            return OrdinalEncoder(
                max_categories=_BINS, handle_unknown="use_encoded_value", unknown_value=np.nan
            )
        return OneHotEncoder(handle_unknown="ignore", sparse_output=name in _SPARSE)
    if field.kind == "text":
        topics = max(1, min(_TOPICS, len(field.classes) - 1))
        counts = FunctionTransformer(partial(_counted, words=len(field.classes)))
        weighed = [counts, TfidfTransformer(sublinear_tf=True)]
        if name in _SPARSE:
            return make_pipeline(*weighed)
        return make_pipeline(*weighed, TruncatedSVD(topics, random_state=seed))
    if name == "cepstrum":
        return FunctionTransformer(partial(_row_cepstra, shape=field.shape))
    return "passthrough"


def _counted(ids: Array, words: int) -> csr_matrix:
    """How often each word stands in each text; neither padding nor unknown ones count."""
    rows, places = np.nonzero(ids > UNKNOWN)
    columns = ids[rows, places].astype(np.int64)
    return csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (len(ids), words))


def mean_cepstra(spectrograms: Array) -> Array:
    """Mel-frequency cepstral coefficients of sounds, as their means over time.

    Davis & Mermelstein 1980: the cosine transform of a logarithmic mel spectrum says by few numbers
    how it is bent, whatever the pitch.

    Args:
        spectrograms: Logarithmic mel spectrograms, `(sounds, frames, mels)`.

    Returns:
        `(sounds, 13)`.
    """
    return np.asarray(dct(spectrograms, axis=2, norm="ortho")[:, :, :_COEFFICIENTS].mean(axis=1))


def _row_cepstra(rows: Array, shape: tuple[int, ...]) -> Array:
    return mean_cepstra(rows.reshape(len(rows), *shape))
