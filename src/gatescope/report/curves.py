"""Curves in a terminal, drawn with the dots of braille letters; no third-party import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from math import isfinite, log10

from gatescope.report.series import Series

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille letter, by row
_BRAILLE = 0x2800


def text_plot(line: Series, *, width: int = 40, height: int = 10, log_x: bool = False) -> list[str]:
    r"""Draws a line, its axes and the zero lines as text.

    Args:
        line: What to draw, finite somewhere.
        width: Letters across, numbers included.
        height: Lines of the drawing itself; title and numbers add three.
        log_x: Whether equal ways across are equal factors; positions must be above 0.

    Returns:
        Lines of text, all of the same width.

    Example:
        >>> print(*text_plot(Series("x", [0, 1], [0, 1]), width=12, height=2), sep="\n")
          x
        1 ┤    ⢀⡠⠤⠒⠉
        0 ┤⣀⠤⠒⠊⠁┈┈┈┈
          └─────────
           0       1
    """
    ends = [f"{value:.4g}".replace("-", "−") for value in (min(line.x), max(line.x))]
    if log_x:
        line = replace(line, x=list(map(log10, line.x)))
    low, high = _bounds(line.y)
    numbers = [f"{value:.3g}".replace("-", "−") for value in (high, low)]
    margin = max(map(len, numbers))
    columns = width - margin - 2
    cells = _canvas(line, (low, high), columns, height)
    rows = ["".join(row) for row in cells]
    labels = [numbers[0], *[""] * (height - 2), numbers[1]]
    foot = ends[0] + ends[1].rjust(columns - len(ends[0]))
    drawn = [
        f"{'':{margin}} {line.label}",
        *(
            f"{label:>{margin}} {'┤' if label else '│'}{row}"
            for label, row in zip(labels, rows, strict=True)
        ),
        f"{'':{margin}} └{'─' * columns}",
        f"{'':{margin}}  {foot}",
    ]
    return [row.ljust(width) for row in drawn]


def side_by_side(*blocks: Sequence[str], gap: int = 4) -> str:
    """Puts blocks of text beside each other."""
    widths = [max(map(len, block)) for block in blocks]
    lines = (
        (" " * gap).join(part.ljust(width) for part, width in zip(parts, widths, strict=True))
        for parts in zip_longest(*blocks, fillvalue="")
    )
    return "\n".join(line.rstrip() for line in lines)


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    """The span of what is finite; 0 belongs to it where it is near."""
    finite = [value for value in values if isfinite(value)]
    low, high = min(finite), max(finite)
    if 0 < low < 0.5 * high or low == high > 0:
        low = 0.0
    if low == high:
        return low - 1, high + 1
    return low, high


def _canvas(line: Series, bounds: tuple[float, float], columns: int, rows: int) -> list[list[str]]:
    """Letters with a dot wherever the line passes, zero lines where it does not."""
    low, high = bounds
    left, right = min(line.x), max(line.x)
    dots = [[0] * columns for _ in range(rows)]

    def place(x: float, y: float) -> tuple[int, int]:
        across = round((x - left) / (right - left) * (2 * columns - 1))
        return across, round((high - y) / (high - low) * (4 * rows - 1))

    before: tuple[int, int] | None = None
    for x, y in zip(line.x, line.y, strict=True):
        now = place(x, y) if isfinite(y) else None
        for across, down in _between(before, now) if now else ():
            dots[down // 4][across // 2] |= _DOTS[down % 4][across % 2]
        before = now
    letters = [[chr(_BRAILLE + cell) if cell else " " for cell in row] for row in dots]
    _zero_lines(letters, place(0, 0))
    return letters


def _between(before: tuple[int, int] | None, now: tuple[int, int]) -> list[tuple[int, int]]:
    """The dots from one point to the next, neither end missing."""
    if before is None:
        return [now]
    steps = max(abs(now[0] - before[0]), abs(now[1] - before[1]), 1)
    return [
        (
            round(before[0] + (now[0] - before[0]) * step / steps),
            round(before[1] + (now[1] - before[1]) * step / steps),
        )
        for step in range(steps + 1)
    ]


def _zero_lines(letters: list[list[str]], zero: tuple[int, int]) -> None:
    column, row = zero[0] // 2, zero[1] // 4
    for place, cells in enumerate(letters):
        for across, cell in enumerate(cells):
            if cell == " " and place == row:
                cells[across] = "┈"
            elif cell == " " and across == column and column > 0:
                cells[across] = "┊"
