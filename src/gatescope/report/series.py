"""What charts are drawn of, on pages, in files and in terminals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Args:
        label: Its name.
        x: Positions, rising.
        y: Values; NaN and infinities leave a gap.
        told: What the legend says beside the name; None for the last value.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    told: str | None = None

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"series {self.label!r} has {len(self.x)} x but {len(self.y)} y")
