"""What a trained network is worth on data it did not learn from: scores, curves, mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from sklearn import metrics

from gatescope.data.datasets import Dataset, Part, Source
from gatescope.data.labelled import Wanted, labelled
from gatescope.data.splits import Split
from gatescope.errors import RunError, UsageError
from gatescope.recipes.kinds.kept import Kept, Output, read_origin
from gatescope.recipes.kinds.network import AnySource
from gatescope.recipes.pictures.importance import Importance, permutation_importance

Array = NDArray[Any]
_BINS = 10
_SHOWN = 12  # mistakes


@dataclass(frozen=True)
class Curve:
    """A curve of one class against all others.

    Args:
        name: Of the class.
        x: Rising.
        y: At each.
        area: Below it.
    """

    name: str
    x: Array
    y: Array
    area: float


@dataclass(frozen=True)
class Calibration:
    """How often a network is right when it is so and so sure (Guo et al. 2017).

    Args:
        confidence: The mean probability of the chosen class, a bin of confidence each.
        accuracy: The share that is right, likewise.
        counts: Samples, likewise.
    """

    confidence: Array
    accuracy: Array
    counts: Array

    @property
    def error(self) -> float:
        """The expected calibration error: the gap between both, over all samples."""
        gaps = np.abs(self.confidence - self.accuracy)
        return float((gaps * self.counts).sum() / self.counts.sum())


@dataclass(frozen=True)
class OutputResult:
    """What one output is worth.

    Args:
        output: Which.
        scores: By their names.
        true: Classes, or numbers in their own unit.
        found: What the network says, likewise.
        surprise: How wrong each sample is: less the logarithm of the true class's probability, or
            the absolute error; 0 where a class is right.
        confusion: How often each true class, a row, was taken for each, a column; None of numbers.
        calibration: None where outputs are no probabilities.
        roc: The share of others that are taken for the class, and of its own; a class each.
        precision: How many of its own are found, and the share that is right of what is said.
    """

    output: Output
    scores: Mapping[str, float]
    true: Array
    found: Array
    surprise: Array
    confusion: Array | None = None
    calibration: Calibration | None = None
    roc: Sequence[Curve] = ()
    precision: Sequence[Curve] = ()

    @property
    def worst(self) -> list[int]:
        """The samples that it is most wrong about, the worst first."""
        order = np.argsort(-self.surprise, kind="stable")[:_SHOWN]
        return [int(place) for place in order if self.surprise[place] > 0]

    @property
    def wrongness(self) -> str:
        """What is told of a mistake beside what is true and what was said."""
        return "off by" if self.output.is_number else "probability of the true one"

    def told(self, place: int) -> tuple[object, object, float | None]:
        """What is true of a sample, what was said, and how wrong that is.

        Args:
            place: Of the sample.
        """
        surprise = float(self.surprise[place])
        if self.output.is_number:
            true, found = self.true[place].tolist(), self.found[place].tolist()
            return (true[0], found[0], surprise) if len(true) == 1 else (true, found, surprise)
        true, found = (self._names[int(each[place])] for each in (self.true, self.found))
        return true, found, float(np.exp(-surprise)) if self.calibration else None

    def to_dict(self) -> dict[str, Any]:
        """Scores and curves' areas as plain data."""
        told: dict[str, Any] = dict(self.scores)
        if self.confusion is not None:
            told |= {"classes": self._names, "confusion": self.confusion.tolist()}
        if self.calibration:
            lines = {
                name: getattr(self.calibration, name).tolist()
                for name in ("confidence", "accuracy", "counts")
            }
            told["calibration"] = lines
        for name in ("roc", "precision"):
            if curves := getattr(self, name):
                told[f"{name}_areas"] = {curve.name: curve.area for curve in curves}
        return told

    @property
    def _names(self) -> list[str]:
        return list(self.output.names(0 if self.confusion is None else len(self.confusion)))


@dataclass(frozen=True)
class Evaluation:
    """What a network is worth.

    Args:
        recipe: That it comes from, and its variant.
        data: What it was scored on, in words.
        part: Those samples.
        outputs: Each by itself.
        importance: How much columns count; none where inputs have no columns.
        notes: What should be known of the data, each a sentence.
    """

    recipe: str
    data: str
    part: Part
    outputs: Sequence[OutputResult]
    importance: Sequence[Importance]
    notes: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "recipe": self.recipe,
            "data": self.data,
            "samples": len(self.part),
            "outputs": {one.output.called: one.to_dict() for one in self.outputs},
            "importance": {one.column: one.drop for one in self.importance},
            "notes": list(self.notes),
        }


def evaluate(kept: Kept, *, split: Split | None = None, path: Path | None = None) -> Evaluation:
    """Scores a network.

    Args:
        kept: The network.
        split: Of the data it was trained on; None for test, or for all of other data.
        path: Other data of the same form, which are read as those of training were; or the same
            ones in another place, where a split is named.

    Raises:
        RunError: It is not known what the network was trained on.
        UsageError: A split of other data is asked for.
        DataError: The data cannot be read.
    """
    origin = read_origin(kept.folder)
    source = _source(origin.configuration, kept.folder)
    name = " · ".join(each for each in (origin.recipe, origin.variant) if each)
    outputs = kept.inputs.outputs
    if path is not None and split is None:
        part, notes = labelled(source, path, kept.inputs.reader, _wanted(outputs))
        return Evaluation(name, f"all of {path.name}", part, _results(kept, part), (), notes)
    if path is not None:
        source = source.model_copy(update={"path": path})
    data, chosen = source.load(), split or "test"
    _check_same(data, kept)
    part = data.part(chosen)
    worth = permutation_importance(
        kept.model, data, [each.name for each in outputs], split=chosen
    ) if any(field.columns for field in data.inputs) else []  # fmt: skip
    said_of = f"{chosen} of {data.source}"
    return Evaluation(name, said_of, part, _results(kept, part), worth, data.notes)


def _wanted(outputs: Sequence[Output]) -> Wanted:
    if len(outputs) > 1:
        raise UsageError(
            f"the network has {len(outputs)} outputs, and other data tell one: "
            f"{', '.join(one.called for one in outputs)}",
            "a network of one output, or the data that it was trained on",
            "name a part of these: --split test",
        )
    (one,) = outputs
    return Wanted(one.name, one.called, one.classes, one.mean, one.deviation)


def samples_of(kept: Kept, most: int) -> dict[str, Array]:
    """Some test samples of the data that a network was trained on.

    Args:
        kept: The network.
        most: How many, at most.

    Raises:
        RunError: It is not known what the network was trained on.
        DataError: The data cannot be read.
    """
    return {name: one[:most] for name, one in trained_on(kept.folder).test.x.items()}


def trained_on(folder: Path) -> Dataset:
    """The data that a network was trained on, read anew.

    Args:
        folder: Of its run.

    Raises:
        RunError: It is not known.
        DataError: They cannot be read.
    """
    return _source(read_origin(folder).configuration, folder).load()


def _source(configuration: Mapping[str, Any], folder: Path) -> Source:
    try:
        found: Source = TypeAdapter(AnySource).validate_python(configuration.get("data"))
    except ValidationError as cause:
        raise RunError(
            f"it is not known what data the network in {str(folder)!r} was trained on",
            "a recipe whose data are tables, images, sounds or texts, or need no file",
            "gatescope predict RUN tells what it says of inputs",
        ) from cause
    return found


def _check_same(data: Dataset, kept: Kept) -> None:
    """Parts of other data would be read otherwise, and hold what the network was trained on."""
    if data.reader is None or data.reader == kept.inputs.reader:
        return
    raise UsageError(
        "these are not the data that the network was trained on: they are scaled otherwise",
        "the same data in another place, or other data as a whole",
        "leave --split out to score all of --data, or put the training data back",
    )


def _results(kept: Kept, part: Part) -> list[OutputResult]:
    said = kept.said(part.x)
    return [
        result_of(output, part.y[output.name], one)
        for output, one in zip(kept.inputs.outputs, said, strict=True)
    ]


def result_of(output: Output, true: Array, said: Array) -> OutputResult:
    """What one output is worth.

    Args:
        output: What it means.
        true: Targets as the network is trained on them.
        said: By the network, `(samples, units)`.
    """
    if output.is_number:
        return _of_numbers(output, true, said)
    return _of_classes(output, true.ravel().astype(np.intp), said)


def _of_numbers(output: Output, true: Array, said: Array) -> OutputResult:
    right, found = (output.restored(one).reshape(len(said), -1) for one in (true, said))
    scores = {
        "R2": float(metrics.r2_score(right, found)),
        "mean absolute error": float(metrics.mean_absolute_error(right, found)),
        "root of the mean squared error": float(metrics.root_mean_squared_error(right, found)),
        "median absolute error": float(metrics.median_absolute_error(right, found)),
    }
    return OutputResult(output, scores, right, found, np.abs(right - found).mean(1))


def _of_classes(output: Output, true: Array, said: Array) -> OutputResult:
    found = output.chosen(said)
    count = len(output.names(said.shape[-1]))
    scores = {
        "accuracy": float(metrics.accuracy_score(true, found)),
        "balanced accuracy": float(metrics.recall_score(
            true, found, labels=np.unique(true), average="macro", zero_division=0
        )),
        "F1, mean of classes": float(metrics.f1_score(
            true, found, labels=range(count), average="macro", zero_division=0
        )),
    }  # fmt: skip
    confusion = metrics.confusion_matrix(true, found, labels=range(count))
    wrong = true != found
    if not output.probable:
        return OutputResult(output, scores, true, found, wrong * 1.0, confusion)
    shares = output.probabilities(said)
    of_true = np.clip(shares[np.arange(len(true)), true], 1e-15, 1)
    calibration = _calibrated(shares[np.arange(len(found)), found], ~wrong)
    scores |= {
        "log loss": float(-np.log(of_true).mean()),
        "expected calibration error": calibration.error,
    }
    binary = output.kind == "binary"
    # One curve tells all of two classes: that of the second.
    asked = [1] if binary else range(count)
    names = [f"{output.called} {name}" if binary else name for name in output.names(count)]
    known = [place for place in asked if 0 < (true == place).sum() < len(true)]
    roc = [_roc(names[place], true == place, shares[:, place]) for place in known]
    precision = [_precision(names[place], true == place, shares[:, place]) for place in known]
    if roc:
        scores["area under ROC"] = float(np.mean([curve.area for curve in roc]))
        scores["average precision"] = float(np.mean([curve.area for curve in precision]))
    surprise = np.where(wrong, -np.log(of_true), 0.0)
    return OutputResult(
        output, scores, true, found, surprise, confusion, calibration, roc, precision
    )


def _calibrated(confidence: Array, right: Array) -> Calibration:
    bins = np.minimum((confidence * _BINS).astype(np.intp), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    filled = counts > 0
    sums = (np.bincount(bins, weights, _BINS) for weights in (confidence, right))
    sure, good = (total[filled] / counts[filled] for total in sums)
    return Calibration(sure, good, counts[filled])


def _roc(name: str, true: Array, share: Array) -> Curve:
    others, own, _ = metrics.roc_curve(true, share)
    return Curve(name, others, own, float(metrics.auc(others, own)))


def _precision(name: str, true: Array, share: Array) -> Curve:
    precision, recall, _ = metrics.precision_recall_curve(true, share)
    area = float(metrics.average_precision_score(true, share))
    return Curve(name, recall[::-1], precision[::-1], area)
