"""Counts of pairs as a table with shades: what was taken for what."""

from __future__ import annotations

from collections.abc import Sequence

from gatescope.report.html import Html, element, escape


def matrix(counts: Sequence[Sequence[int]], names: Sequence[str], *, caption: str) -> Html:
    """Draws a square of counts, each on a shade of its share of the row.

    Args:
        counts: Rows of what is true, columns of what was said.
        names: Of both, in their order.
        caption: Says what it is.

    Returns:
        A table that scrolls sideways on a narrow screen.

    Example:
        >>> drawn = matrix([[9, 1], [0, 5]], ["cat", "dog"], caption="What was taken for what")
    """
    heads = [element("th", escape(name), scope="col") for name in names]
    lines = [
        element("tr", element("th", escape(name), scope="row"), *_cells(row, place))
        for place, (name, row) in enumerate(zip(names, counts, strict=True))
    ]
    drawn = element(
        "table",
        element("caption", escape(caption)),
        element("thead", element("tr", element("td"), *heads)),
        element("tbody", *lines),
        class_="shaded",
    )
    return element("div", drawn, class_="scroll", role="region", aria_label=caption, tabindex=0)


def _cells(row: Sequence[int], place: int) -> list[Html]:
    total = max(sum(row), 1)
    return [
        element(
            "td",
            escape(f"{count:,}" if count else "·"),
            class_="right" if at == place else None,
            style=f"--share: {count / total:.3f}",
        )
        for at, count in enumerate(row)
    ]
