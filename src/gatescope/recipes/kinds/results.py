"""What running a recipe came to: scores, what they must reach, and the page that shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gatescope.recipes.kinds.lessons import Lesson
from gatescope.report.html import Html, element, escape, page, paragraph, section
from gatescope.report.html import table as html_table
from gatescope.runs.files import atomic_write

RESULTS, PAGE = "results.json", "lesson.html"
Band = tuple[float, float]


@dataclass(frozen=True)
class Results:
    """What a recipe came to.

    Args:
        scores: Each by its name; those of a recipe with variants begin with the variant's.
        baselines: What simple models reach on the same test part, in the same unit as the score.
        expected: From where to where scores should lie.
        rows: Of the table that compares variants, in the order of `columns`.
        columns: Their names.
        pictures: Sections of the page.
        notes: What should be known of the data, each a sentence.
    """

    scores: Mapping[str, float]
    expected: Mapping[str, Band]
    baselines: Mapping[str, float] = field(default_factory=dict)
    rows: Sequence[Sequence[object]] = ()
    columns: Sequence[str] = ()
    pictures: Sequence[Html] = ()
    notes: Sequence[str] = ()

    @property
    def outside(self) -> dict[str, Band]:
        """Bands that their scores miss."""
        return {
            name: (low, high)
            for name, (low, high) in self.expected.items()
            if name not in self.scores or not low <= self.scores[name] <= high
        }


def write_results(results: Results, lesson: Lesson, folder: Path) -> Path:
    """Writes scores as JSON and all of it as one page.

    Args:
        results: What came of it.
        lesson: What the recipe says of itself.
        folder: Where to.

    Returns:
        The page.
    """
    told = {name: dict(getattr(results, name)) for name in ("scores", "baselines", "expected")}
    atomic_write(folder / RESULTS, json.dumps(told, indent=1).encode())
    texts = [paragraph(" ".join(part.split())) for part in lesson.text.split("\n\n")]
    judged = section(
        "What came of it",
        html_table(rows_of(results), ["", "score", "expected"], caption="On the test part"),
    )
    compared = (
        [section("Side by side", html_table(results.rows, results.columns, caption="Variants"))]
        if results.rows
        else []
    )
    content = page(
        lesson.title,
        section("The lesson", *texts),
        judged,
        *about_the_data(results.notes),
        *compared,
        *results.pictures,
    )
    atomic_write(folder / PAGE, content.encode())
    return folder / PAGE


def about_the_data(notes: Sequence[str]) -> list[Html]:
    """What should be known of the data, as a section of a page; none where there is nothing.

    Args:
        notes: Each a sentence.
    """
    told = [element("li", escape(note)) for note in notes]
    return [section("About the data", element("ul", *told))] if told else []


def rows_of(results: Results) -> list[list[object]]:
    """Scores, the bands that they should lie in, and baselines.

    Args:
        results: What came of it.
    """
    bands = {name: f"{low:g} to {high:g}" for name, (low, high) in results.expected.items()}
    mine = [[name, value, bands.get(name, "")] for name, value in results.scores.items()]
    return mine + [[f"baseline: {name}", value, ""] for name, value in results.baselines.items()]
