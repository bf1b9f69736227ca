"""Trees as text: a line a branch, with columns of cells beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gatescope.report.cells import aligned

_NARROWEST = 16
_EMPTY = ("", "–")


class Branch(NamedTuple):
    """One line of a tree.

    Attributes:
        label: What it is called.
        cells: Its columns.
        children: The lines below it.
    """

    label: str
    cells: tuple[str, ...]
    children: tuple[Branch, ...] = ()


def text_tree(branches: Sequence[Branch], columns: Sequence[str], width: int) -> str:
    """Draws trees below each other under column names; columns without content are left out.

    Args:
        branches: The roots.
        columns: One name per cell.
        width: How many letters fit a line; long labels are cut so that lines fit, down to a limit.

    Returns:
        Lines of text.

    Example:
        >>> print(text_tree([Branch("a", ("1",), (Branch("b", ("2",)),))], ("n",), 80))
              n
        a     1
        └─ b  2
    """
    rows = [row for branch in branches for row in _rows(branch, "", "")]
    kept = [
        place
        for place in range(len(columns))
        if any(cells[place] not in _EMPTY for _, cells in rows)
    ]
    cells = [[columns[place] for place in kept]]
    cells += [[row[place] for place in kept] for _, row in rows]
    taken = sum(2 + max(map(len, column)) for column in zip(*cells, strict=True))
    longest = max(width - taken, _NARROWEST)
    labels = ["", *(_cut(label, longest) for label, _ in rows)]
    return aligned([(label, *row) for label, row in zip(labels, cells, strict=True)])


def _rows(branch: Branch, above: str, below: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield f"{above}{branch.label}", branch.cells
    for place, child in enumerate(branch.children, 1):
        last = place == len(branch.children)
        yield from _rows(
            child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")
        )


def _cut(label: str, longest: int) -> str:
    return label if len(label) <= longest else f"{label[: longest - 1]}…"
