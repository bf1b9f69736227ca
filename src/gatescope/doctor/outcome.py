"""How well a network does, in units that any loss can be compared in, beside what is easy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Task = Literal["classes", "binary", "labels", "numbers"]
Numbers = NDArray[Any]

ACCURACIES = (
    "accuracy", "acc", "categorical_accuracy", "sparse_categorical_accuracy", "binary_accuracy",
)  # fmt: skip
_ABSOLUTE = ("mae", "mean_absolute_error")
_MOST = 2_000  # samples that simple models learn from
_WIDEST = 800  # inputs that they look at
_CLEARLY = 0.1  # of the way from guessing to perfect: less is within the noise of small data
_GUESSING = 0.1
_NOISE = 0.7  # over √n: about the deviation of R² and of accuracy above guessing, of n samples
_GOOD = 0.8
_MOST_CLASSES = 30  # distinct whole numbers that are more likely classes than amounts


@dataclass(frozen=True)
class Outcome:
    """How well a network does.

    Args:
        skill: On data held out where there is some: 0 is guessing the commonest class or the mean,
            1 is perfect.
        train: The same on the data it learned from.
        simple: The same of a linear model and of a few nearest neighbours, the better one; None
            where the data is not known or not for such models.
        task: What the labels ask for.
        margin: How far below the simple model it must be, to be called worse: the noise of as many
            held-out samples as there are.
    """

    skill: float | None
    train: float | None = None
    simple: float | None = None
    task: Task | None = None
    margin: float = _CLEARLY

    @property
    def known(self) -> float | None:
        """Skill on data held out, or else on what it learned from."""
        return self.skill if self.skill is not None else self.train

    @property
    def fails(self) -> bool:
        """Whether it guesses, or does clearly worse than a simple model."""
        if self.known is None:
            return False
        # Where nothing can be learned of the data, a network that guesses is not to blame.
        if self.known < _GUESSING:
            return self.simple is None or self.simple > self.margin / 2
        return self.simple is not None and self.known < self.simple - self.margin

    @property
    def learns_nothing(self) -> bool:
        """Whether it guesses, be it because of the data or not."""
        return self.known is not None and self.known < _GUESSING

    @property
    def fine(self) -> bool:
        """Whether it does well, both by itself and beside a simple model."""
        if self.known is None or self.fails or self.known < _GUESSING:
            return False
        return self.known >= _GOOD or (self.simple is not None and self.known >= self.simple)


def task_of(y: Numbers, loss: str | None = None, units: int | None = None) -> Task:
    """What labels ask for: by their values, and by loss and width of the output where they agree.

    Args:
        y: Labels of one output.
        loss: As the catalog spells it.
        units: Of the last layer.

    Example:
        >>> task_of(np.array([[0, 1], [1, 0]]))
        'classes'
    """
    values = np.unique(y)
    wide = y.ndim > 1 and y.shape[-1] > 1
    sparse = bool(loss and "sparse" in loss and _are_whole(values))
    if wide and sparse:
        return "classes"  # of each position of a sequence
    if wide and _is_yes_no(values):
        return "classes" if (y.sum(-1) == 1).all() else "labels"
    if wide:
        return "numbers"
    if len(values) <= 2 and (_is_yes_no(values) or set(values.tolist()) == {-1, 1}):
        return "binary"
    if sparse:
        return "classes"
    # Whole numbers from 0 without a gap that come again and again, rather than amounts.
    dense = values.min() in (0, 1) and values.max() - values.min() == len(values) - 1
    often = len(values) <= _MOST_CLASSES and y.size >= 5 * len(values)
    if _are_whole(values) and dense and often and not _asks_for_amounts(loss, units):
        return "classes"
    return "numbers"


def _asks_for_amounts(loss: str | None, units: int | None) -> bool:
    """A single linear output under such a loss is how one asks for a number."""
    return units == 1 and loss in ("poisson", "mean_absolute_error", "huber", "mean_squared_error")


def _is_yes_no(values: Numbers) -> bool:
    return set(values.tolist()) <= {0, 1}


def _are_whole(values: Numbers) -> bool:
    return bool((values == np.round(values)).all() and (values >= 0).all())


def classes_of(y: Numbers) -> Numbers:
    """Labels as whole numbers, whether they are or are one-hot."""
    if y.ndim > 1 and y.shape[-1] > 1:
        return np.asarray(y.argmax(-1))
    flat = y.reshape(y.shape[0], -1)
    return np.asarray(flat[:, 0] if flat.shape[1] == 1 else y).astype(np.int64)


def skill(y: Numbers, predicted: Numbers, task: Task) -> float:
    """How well predictions fit: 0 is guessing the commonest class or the mean, 1 is perfect.

    Args:
        y: Labels.
        predicted: What the network put out; of logits the largest counts, or what is above 0.
        task: What the labels ask for.
    """
    if not np.isfinite(predicted).all():
        return -1.0
    if task == "numbers":
        return _explained(np.asarray(y, np.float64), np.asarray(predicted, np.float64))
    if task == "labels":
        right = (predicted > _threshold(predicted)) == (y > 0.5)
        guessed = np.maximum(y.mean(0), 1 - y.mean(0)).mean()  # each label's commoner answer
        return _above_guessing(float(right.mean()), float(guessed))
    # Where predictions have an axis more than labels, those are no one-hot rows.
    told = (y if predicted.ndim > y.ndim else classes_of(y)).ravel()
    if task == "binary":
        told = told > 0
    if predicted.ndim > 1 and predicted.shape[-1] > 1:
        decided = predicted.argmax(-1).ravel()
    elif task == "binary":
        decided = (predicted > (0.0 if y.min() < 0 else _threshold(predicted))).ravel()
    else:
        decided = np.round(predicted).ravel()
    if decided.shape != told.shape:
        return -1.0
    # The mean over classes, so that a rare one that is never found shows.
    shares = [float((decided[told == one] == one).mean()) for one in np.unique(told)]
    return _above_guessing(float(np.mean(shares)), 1 / max(2, len(shares)))


def _threshold(predicted: Numbers) -> float:
    return 0.0 if predicted.min() < 0 or predicted.max() > 1 else 0.5


def _above_guessing(share: float, guessed: float) -> float:
    return max(-1.0, float((share - guessed) / (1 - guessed))) if guessed < 1 else 0.0


def _explained(y: Numbers, predicted: Numbers) -> float:
    """The share of variance explained, each column by itself, not below −1."""
    if predicted.size != y.size:
        predicted = np.broadcast_to(
            predicted.reshape(len(y), -1)[:, :1], y.reshape(len(y), -1).shape
        )
    y_NK, predicted_NK = y.reshape(len(y), -1), predicted.reshape(len(y), -1)
    spread = ((y_NK - y_NK.mean(0)) ** 2).mean(0)
    missed = ((y_NK - predicted_NK) ** 2).mean(0)
    # A column that hardly varies among few samples must not outweigh all others.
    shares = np.clip(1 - missed[spread > 0] / spread[spread > 0], -1.0, 1.0)
    return float(shares.mean()) if shares.size else 0.0


def margin_of(held_out: int) -> float:
    """How far apart two skills must be to differ, measured on so many samples."""
    return _CLEARLY + _NOISE / max(1.0, held_out) ** 0.5


def simple_skill(
    x: Numbers, y: Numbers, x_val: Numbers, y_val: Numbers, task: Task
) -> float | None:
    """What a linear model or nearest neighbours come to; None where they do not apply.

    Args:
        x: Inputs to learn from.
        y: Their labels.
        x_val: Inputs held out.
        y_val: Their labels.
        task: What the labels ask for.
    """
    fits = y.ndim <= 2 and x.dtype.kind in "biuf" and min(len(x), len(x_val)) >= 10
    if not fits or not np.isfinite(x).all() or not np.isfinite(np.asarray(y, float)).all():
        return None
    rows, held = (_columns(part[:_MOST]) for part in (x, x_val))
    told = np.asarray(y[:_MOST])
    if task == "classes":
        told = classes_of(told)
    if task in ("classes", "binary") and len(np.unique(told)) < 2:
        return None
    return max(_of_model(model, rows, told, held, y_val[:_MOST], task) for model in _models(task))


def _columns(x: Numbers) -> Numbers:
    flat = np.asarray(x.reshape(len(x), -1), np.float64)
    return flat[:, :: max(1, flat.shape[1] // _WIDEST)]


def _models(task: Task) -> tuple[Any, ...]:
    from sklearn.linear_model import Ridge, RidgeClassifier
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    kinds = (
        (Ridge(), KNeighborsRegressor(5))
        if task == "numbers"
        else (RidgeClassifier(class_weight=None), KNeighborsClassifier(5))
    )
    return tuple(make_pipeline(StandardScaler(), kind) for kind in kinds)


def _of_model(
    model: Any, x: Numbers, y: Numbers, x_val: Numbers, y_val: Numbers, task: Task
) -> float:
    model.fit(x, y if y.ndim > 1 and y.shape[-1] > 1 else y.ravel())
    predicted = np.asarray(model.predict(x_val))
    if task in ("numbers", "labels"):
        return skill(y_val, predicted.reshape(np.asarray(y_val).shape), task)
    told = classes_of(y_val).ravel()
    shares = [float((predicted.ravel()[told == one] == one).mean()) for one in np.unique(told)]
    return _above_guessing(float(np.mean(shares)), 1 / max(2, len(shares)))


def skill_of_history(
    ends: dict[str, float],
    loss: str | None,
    y: Numbers | None,
    task: Task | None,
    spread: float | None,
    units: int | None,
) -> tuple[float | None, float | None]:
    """Skill in training and on held-out data, from the last values of metrics.

    Args:
        ends: Last values by name.
        loss: As the catalog spells it.
        y: Labels, where they are known.
        task: What they ask for.
        spread: Their deviation, where they are not known themselves.
        units: Of the last layer.
    """
    if y is not None and loss and "sparse" in loss:
        y = y.ravel()
    found = [_skill_by(ends, prefix, loss, y, task, spread, units) for prefix in ("", "val_")]
    return found[0], found[1]


def _skill_by(
    ends: dict[str, float],
    prefix: str,
    loss: str | None,
    y: Numbers | None,
    task: Task | None,
    spread: float | None,
    units: int | None,
) -> float | None:
    value = ends.get(f"{prefix}loss")
    if value is not None and not np.isfinite(value):
        return -1.0
    if task != "numbers":
        for name in ACCURACIES:
            if f"{prefix}{name}" in ends and (task or (units or 1) > 1):
                return _above_guessing(ends[f"{prefix}{name}"], _commonest(y, task, units))
    guessed, least = _guessed_loss(loss, y, spread), _least_loss(loss, y)
    if guessed is None and task == "numbers":
        errors = (ends[prefix + one] for one in _ABSOLUTE if prefix + one in ends)
        value = next(errors, None)
        guessed = _guessed_loss("mean_absolute_error", y, spread)
    if value is None or not guessed or guessed <= least:
        return None
    return max(-1.0, (guessed - value) / (guessed - least))


def _least_loss(loss: str | None, y: Numbers | None) -> float:
    """The loss of a perfect prediction, above 0 where labels are probabilities."""
    if loss != "binary_crossentropy" or y is None or y.min() < 0 or y.max() > 1:
        return 0.0
    sure = np.clip(np.asarray(y, float), 1e-7, 1 - 1e-7)
    return float(-(sure * np.log(sure) + (1 - sure) * np.log(1 - sure)).mean())


def _commonest(y: Numbers | None, task: Task | None, units: int | None) -> float:
    """How often one is right who always says the commonest."""
    if y is None or task is None:
        return 1 / max(2, units or 2)
    if task == "labels":
        return float(np.maximum(y.mean(0), 1 - y.mean(0)).mean())
    _, counts = np.unique(classes_of(y), return_counts=True)
    return float(counts.max() / counts.sum())


def _guessed_loss(loss: str | None, y: Numbers | None, spread: float | None) -> float | None:
    """The loss of the best constant; None where it is not known."""
    if loss == "mean_squared_error":
        return float(np.var(y, 0).mean()) if y is not None else spread**2 if spread else None
    if loss == "mean_absolute_error":
        return float(np.abs(y - np.median(y, 0)).mean()) if y is not None else None
    if y is None:
        return None
    if loss == "binary_crossentropy" and y.min() >= 0 and y.max() <= 1:
        rates = np.clip(np.asarray(y, float).reshape(len(y), -1).mean(0), 1e-7, 1 - 1e-7)
        return float(-(rates * np.log(rates) + (1 - rates) * np.log(1 - rates)).mean())
    if loss in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        _, counts = np.unique(classes_of(y), return_counts=True)
        shares = counts / counts.sum()
        return float(-(shares * np.log(shares)).sum())
    return None
