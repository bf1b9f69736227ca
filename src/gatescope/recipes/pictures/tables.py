"""What a network of a table comes to: errors in the target's own unit, and columns that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gatescope.data.datasets import Array
from gatescope.data.sources import SampleTable, TableFile
from gatescope.data.splits import SplitConfig, shown
from gatescope.data.table import SampleName, TableConfig, open_cells
from gatescope.errors import UsageError
from gatescope.recipes.kinds.agreement import predicted
from gatescope.recipes.kinds.network import Trained
from gatescope.recipes.pictures.importance import permutation_importance
from gatescope.report.html import Html, paragraph, section, table

_SHOWN = 20


def table_source(
    data: Path | None, target: str | None, drop: Sequence[str], *, sample: SampleName
) -> TableFile | SampleTable:
    """The table of a file, or one that needs no file; two thirds of its rows to learn from.

    Args:
        data: The file; None for the sample.
        target: The column to predict; a file needs it.
        drop: Columns to leave out.
        sample: The table that is taken without a file.

    Raises:
        UsageError: A file was named, and no target.
    """
    shares = SplitConfig(dev=0.15, test=0.2, seed=0)
    if data is not None:
        if target is None:
            raise UsageError(
                f"{str(data)!r} has no target yet",
                f"one of its columns: {shown(open_cells(data).columns, most=12)}",
                "name the one to predict: --target COLUMN",
            )
        chosen = TableConfig(target=target, split=shares, drop=tuple(drop))
        return TableFile(path=data, table=chosen)
    usual = "price" if sample == "houses" else "target"
    chosen = TableConfig(target=target or usual, split=shares, drop=tuple(drop))
    return SampleTable(name=sample, table=chosen)


def measure(trained: Sequence[Trained]) -> Mapping[str, float]:
    """The mean error of a number, in its own unit, beside that of always saying the median.

    Args:
        trained: Networks of a table; nothing is measured of classes.
    """
    (target,) = trained[0].data.targets
    if not target.is_number:
        return {}
    train, test = (trained[0].data.part(split).y[target.name] for split in ("train", "test"))
    own = {
        f"{one.name}: mean error in units of {target.title}": target.deviation * _missed(one, test)
        for one in trained
    }
    always = target.deviation * float(np.abs(test - np.median(train)).mean())
    return {**own, f"always the median: mean error in units of {target.title}": always}


def _missed(one: Trained, true: Array) -> float:
    (answer,) = predicted(one.model, one.data.test.x)
    return float(np.abs(answer - true).mean())


def pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    """How far the score falls when a column is shuffled.

    Args:
        trained: Networks of a table.
    """
    return [_importance(one) for one in trained]


def _importance(one: Trained) -> Html:
    outputs = [field.name for field in one.data.targets]
    found = permutation_importance(one.model, one.data, outputs)
    rows = [(each.column, each.drop, each.deviation) for each in found[:_SHOWN]]
    columns = ["column", "score falls by", "deviation"]
    return section(
        "Which columns count",
        paragraph(
            "How far the score on the test part falls when a column is shuffled, five times each. "
            "Columns that say the same stand in for each other, and then neither seems to count."
        ),
        table(rows, columns, caption=f"The {len(rows)} most important of {len(found)} columns"),
    )
