"""Table cells as text: one look for numbers in terminals and on pages."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from numbers import Integral, Real
from typing import TypeGuard

Row = Sequence[object]

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def without_colours(text: str) -> str:
    r"""Leaves out what colours text on a terminal, as messages of Keras hold it.

    Example:
        >>> without_colours("\x1b[1mInput\x1b[0m")
        'Input'
    """
    return _COLOURS.sub("", text)


def check_rows(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Refuses rows that do not fit the columns.

    Raises:
        ValueError: A row is longer or shorter than `columns`.
    """
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise ValueError(
                f"row {number} has {len(row)} cells, but there are {len(columns)} columns"
            )


def format_column(values: Sequence[object]) -> tuple[list[str], bool]:
    """Writes the cells of one column.

    Numbers of a column share their form, so that their digits line up: whole numbers with
    thousands separators, others with three decimals, or with three significant digits where
    three decimals would hide the smallest of them. `None` and NaN become a dash.

    Args:
        values: Anything; the numbers among them decide the form.

    Returns:
        The cells, and whether the column holds only numbers (and is to be flushed right).

    Example:
        >>> format_column([0.5, 0.25, None])
        (['0.500', '0.250', '–'], True)
    """
    numbers = [value for value in values if _is_number(value)]
    small = any(0 < abs(value) < 0.01 for value in numbers)
    form = (
        ",d"
        if all(isinstance(value, Integral) for value in numbers)
        else ".3g"
        if small
        else ",.3f"
    )
    numeric = bool(numbers) and all(_is_number(value) or _is_gap(value) for value in values)
    return [_cell(value, form) for value in values], numeric


def format_columns(rows: Sequence[Row], width: int) -> list[tuple[list[str], bool]]:
    """`format_column` for each of `width` columns of `rows`."""
    return [format_column([row[index] for row in rows]) for index in range(width)]


def aligned(rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Writes rows of text as lines, for where a terminal's tables would take too long to load.

    Args:
        rows: The cells, column names first.
        left: How many columns are flushed left; the others are flushed right.

    Example:
        >>> print(aligned([("step", "loss"), ("0", "12.50")], left=0))
        step   loss
           0  12.50
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: object, form: str) -> str:
    if _is_gap(value):
        return "–"
    if not _is_number(value):
        return str(value)
    # Beside small numbers, 10,250 is still 10,250 and not 1.03e+04.
    return format(value, ",.0f" if form == ".3g" and abs(value) >= 1000 else form)


def _is_number(value: object) -> TypeGuard[float]:
    """Real numbers of Python and NumPy; truth values and infinities are shown as they are."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_gap(value: object) -> bool:
    return value is None or (isinstance(value, Real) and math.isnan(value))
