"""Numbers as bars beside names."""

from __future__ import annotations

from collections.abc import Sequence

from gatescope.report.html import Html, element, escape


def bars(rows: Sequence[tuple[str, float, str]], *, label: str) -> Html:
    """Draws a bar a row; the longest is as long as there is room.

    Args:
        rows: Name, number, and how the number is written; of one below 0 there is no bar.
        label: What the numbers are, for those who do not see the bars.

    Example:
        >>> drawn = bars([("size", 0.3, "0.300"), ("colour", 0.1, "0.100")], label="Importance")
    """
    longest = max([number for _, number, _ in rows], default=0) or 1
    parts = [
        part
        for name, number, written in rows
        for part in (
            element("span", escape(name)),
            element("span", class_="bar", style=f"--share: {max(number, 0) / longest:.3f}"),
            element("span", escape(written)),
        )
    ]
    return element("div", *parts, class_="bars", role="group", aria_label=label)
