"""The evaluation of a network as one page, and as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatescope.data.file_samples import FileReader
from gatescope.data.reader import Reader
from gatescope.recipes.kinds.results import about_the_data
from gatescope.recipes.running.evaluation import Curve, Evaluation, OutputResult
from gatescope.report.bars import bars
from gatescope.report.html import (
    Html,
    element,
    facts,
    page,
    paragraph,
    section,
    side_by_side,
    table,
)
from gatescope.report.matrix import matrix
from gatescope.report.plots import line_chart
from gatescope.report.series import Series
from gatescope.report.wall import wall

_MOST_CURVES = 5
_MOST_CLASSES = 25  # of a matrix that can be looked over
_MOST_COLUMNS = 20
_MOST_DOTS = 2_000


def score_rows(evaluation: Evaluation) -> list[tuple[object, ...]]:
    """Each score of each output: the output's name, the score's, the number.

    Args:
        evaluation: Of a network.
    """
    return [
        (one.output.called, name, value)
        for one in evaluation.outputs
        for name, value in one.scores.items()
    ]


def evaluation_page(evaluation: Evaluation, reader: Reader) -> str:
    """All of it as one self-contained page.

    Args:
        evaluation: Of a network.
        reader: Of the network, which shows samples as people know them.
    """
    several = len(evaluation.outputs) > 1
    sections = [
        part
        for one in evaluation.outputs
        for part in _sections(
            one, evaluation, reader, f" of {one.output.called}" if several else ""
        )
    ]
    lead = f"{len(evaluation.part):,} samples: {evaluation.data}"
    about = about_the_data(evaluation.notes)
    title = f"What {evaluation.recipe} is worth"
    return page(title, *sections, *_worth(evaluation), *about, lead=lead)


def _sections(one: OutputResult, evaluation: Evaluation, reader: Reader, of: str) -> list[Html]:
    numbers = [(name, f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}")
               for name, value in one.scores.items()]  # fmt: skip
    sections = [section(f"Scores{of}", facts(numbers))]
    sections += [_scatter(one, of)] if one.output.is_number else [_confusion(one, of)]
    sections += [_charts(one, of)] if one.calibration else []
    return [*sections, _mistakes(one, evaluation, reader, of)]


def _confusion(one: OutputResult, of: str) -> Html:
    counts = np.zeros((0, 0), np.int64) if one.confusion is None else one.confusion
    names = one.output.names(len(counts))
    title = f"What was taken for what{of}"
    if len(names) <= _MOST_CLASSES:
        drawn = matrix(counts.tolist(), names, caption="Rows: what is true. Columns: what was said")
        return section(title, drawn)
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None)[:_MOST_COLUMNS]
    pairs = [(names[at // len(names)], names[at % len(names)], int(wrong.flat[at])) for at in order]
    rows = [pair for pair in pairs if pair[2]]
    return section(
        title, table(rows, ["true", "said", "times"], caption="The most frequent mistakes")
    )


def _charts(one: OutputResult, of: str) -> Html:
    return section(
        f"How far it can be trusted{of}",
        paragraph(
            "Calibration: of what it is 80 % sure of, 80 % should be right. ROC: how many of a "
            "class it finds, and how many others it takes for it, as the threshold moves. "
            "Precision: the share that is right of what it says, over the share that it finds."
        ),
        side_by_side(_reliability(one), *_rocs(one)),
    )


def _reliability(one: OutputResult) -> Html:
    found = one.calibration
    if found is None:
        return Html("")
    ideal = Series("as sure as right", [0, 1], [0, 1], "")
    own = Series(
        "network", found.confidence.tolist(), found.accuracy.tolist(), f"error {found.error:.3f}"
    )
    return line_chart(
        [own, ideal], title="Calibration", x_label="how sure it is", y_label="share that is right"
    )


def _rocs(one: OutputResult) -> list[Html]:
    if not one.roc:
        return []
    kinds = (
        (one.roc, "ROC", "others taken for it", "found"),
        (one.precision, "Precision and recall", "found", "right of what is said"),
    )
    return [
        line_chart(_lines(curves), title=title, x_label=x, y_label=y)
        for curves, title, x, y in kinds
    ]


def _lines(curves: Sequence[Curve]) -> list[Series]:
    """The curves of all classes, or of those that are told apart worst."""
    shown = sorted(curves, key=lambda curve: curve.area)[:_MOST_CURVES]
    lines = [
        Series(curve.name, curve.x.tolist(), curve.y.tolist(), f"area {curve.area:.3f}")
        for curve in shown
    ]
    if len(curves) == len(shown):
        return lines
    areas = float(np.mean([curve.area for curve in curves]))
    rest = Series(f"mean of {len(curves)}", *_mean_of(curves), f"area {areas:.3f}")
    return [rest, *lines]


def _mean_of(curves: Sequence[Curve]) -> tuple[list[float], list[float]]:
    x = np.linspace(0, 1, 101)
    return x.tolist(), np.mean([np.interp(x, curve.x, curve.y) for curve in curves], 0).tolist()


def _scatter(one: OutputResult, of: str) -> Html:
    """What was said over what is true, a dot each: points between gaps."""
    true, said = one.true[:_MOST_DOTS, 0], one.found[:_MOST_DOTS, 0]
    order = np.argsort(true)
    x = np.repeat(true[order], 2).tolist()
    y = np.stack([said[order], np.full(len(order), np.nan)], 1).ravel().tolist()
    ends = [float(true.min()), float(true.max())]
    chart = line_chart(
        [Series("samples", x, y, f"{len(order):,}"), Series("exactly right", ends, ends, "")],
        title=one.output.called, x_label="true", y_label="said",
    )  # fmt: skip
    return section(f"What was said{of}", element("div", chart, class_="dots"))


def _mistakes(one: OutputResult, evaluation: Evaluation, reader: Reader, of: str) -> Html:
    title = f"The worst mistakes{of}"
    if not one.worst:
        return section(title, paragraph("There is none."))
    told = "Wrong, and surest of it first." if one.confusion is not None else "Farthest off first."
    samples = evaluation.part.rows(np.array(one.worst))
    if isinstance(reader, FileReader):
        images = [reader.picture(sample) for sample in samples.x[reader.input]]
        below = [f"{right} taken for {said}" for right, said, _ in map(one.told, one.worst)]
        return section(title, paragraph(told), wall(list(zip(images, below, strict=True))))
    rows = [
        (place + 1, *one.told(place), text)
        for place, text in zip(one.worst, reader.told(samples.x), strict=True)
    ]
    columns = ["sample", "true", "said", one.wrongness, "input"]
    return section(title, paragraph(told), table(rows, columns, caption="Samples in their order"))


def _worth(evaluation: Evaluation) -> list[Html]:
    if not evaluation.importance:
        return []
    shown = evaluation.importance[:_MOST_COLUMNS]
    rows = [(one.column, one.drop, f"{one.drop:.3f} ± {one.deviation:.3f}") for one in shown]
    return [
        section(
            "Which columns count",
            paragraph(
                "How far the score falls when a column is shuffled, five times each. Columns that "
                "say the same can stand in for each other, and then neither seems to count."
            ),
            bars(rows, label="How far the score falls without each column"),
        )
    ]
