"""Scores side by side, by the names that people know them by."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from gatescope.caption.metrics import Scores

_NAMES = {
    "bleu1": "BLEU-1",
    "bleu2": "BLEU-2",
    "bleu3": "BLEU-3",
    "bleu4": "BLEU-4",
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr-D",
    "bad_endings": "bad endings",
    "distinct": "distinct captions",
}


def score_table(title: str, scores: dict[str, Scores]) -> Table:
    """Draws a row a metric and a column a captioner.

    Args:
        title: Says what was scored: split, number of photos, beam size.
        scores: By captioner.
    """
    from gatescope.report.terminal import table

    columns = [asdict(found) for found in scores.values()]
    rows = [(name, *(f"{column[key]:.3f}" for column in columns)) for key, name in _NAMES.items()]
    return table(rows, ("score", *scores), title=title)
