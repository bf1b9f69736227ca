"""Terminal output: aligned tables, a one-screen summary, progress bars.

Everything returned is a rich renderable for the caller's own `Console`. Text is never read as
rich markup, so a caption or a file name with brackets shows as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import (
    Console,
    ConsoleOptions,
    Group,
    JustifyMethod,
    RenderableType,
    RenderResult,
)
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from gatescope.report.cells import Row, check_rows, format_columns

_LONGEST_WORD = 24  # letters; what is longer, such as a path, may be broken
_GAP = 3  # letters between columns


class FittedTable(Table):
    """A table whose columns, where room is short, are narrowed between words: the widest first.

    rich narrows them without a look at the words, and breaks short ones beside columns of prose.

    Attributes:
        whole: How many columns, from the left, are never narrowed.
    """

    whole = 0

    @property
    def natural_width(self) -> int:
        """Letters that it takes where nothing is broken."""
        return sum(map(_longest, self._lines())) + _GAP * len(self.columns) - 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width - _GAP * len(self.columns) + 1
        words = [
            _longest([word for one in lines for word in one.split()]) for lines in self._lines()
        ]
        widths = list(map(_longest, self._lines()))
        for most in (_LONGEST_WORD, 1):
            least = [min(word, most) for word in words]
            _narrow(widths, widths[: self.whole] + least[self.whole :], room)
        for column, width in zip(self.columns, widths, strict=True):
            column.width = width
        return super().__rich_console__(console, options)

    def _lines(self) -> list[list[str]]:
        """The texts of each column, its name first."""
        texts = [[column.header, *column.cells] for column in self.columns]
        return [[line for text in column for line in str(text).split("\n")] for column in texts]


def _longest(texts: Sequence[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _narrow(widths: list[int], least: Sequence[int], room: int) -> None:
    """Takes letters from the widest columns until all fit, or none is left to take."""
    while sum(widths) > room:
        able = [place for place, width in enumerate(widths) if width > max(1, least[place])]
        if not able:
            return
        widths[max(able, key=widths.__getitem__)] -= 1


def table(
    rows: Sequence[Row], columns: Sequence[str], *, title: str | None = None, whole: int = 0
) -> FittedTable:
    """Draws rows under column names, columns of numbers flushed right.

    Args:
        rows: Cells of any type; see `gatescope.report.cells.format_column`.
        columns: One name per cell of a row.
        title: Written above the table.
        whole: How many columns, from the left, are never folded.

    Returns:
        A renderable for `rich.console.Console.print`.

    Raises:
        ValueError: A row is longer or shorter than `columns`.

    Example:
        >>> Console(width=40).print(table([("dev", 0.68)], ("split", "CIDEr")))  # doctest: +SKIP
    """
    check_rows(rows, columns)
    heading = None if title is None else Text(title, style="bold")
    drawn = FittedTable(title=heading, box=box.SIMPLE_HEAD, title_justify="left", show_edge=False)
    drawn.whole = whole
    formatted = format_columns(rows, len(columns))
    for name, (_, numeric) in zip(columns, formatted, strict=True):
        justify: JustifyMethod = "right" if numeric else "left"
        drawn.add_column(Text(name), justify=justify, overflow="fold")
    for cells in zip(*(cells for cells, _ in formatted), strict=True):
        drawn.add_row(*map(Text, cells))
    return drawn


def summary(title: str, facts: Sequence[tuple[str, object]], *more: RenderableType) -> Panel:
    """Draws what a run came to, for one screen.

    Args:
        title: Names the run.
        facts: Pairs of a label and its value.
        *more: Tables or text to stand below the facts.

    Returns:
        A panel.

    Example:
        >>> Console().print(summary("demo", [("report", "report.html")]))  # doctest: +SKIP
    """
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in facts:
        grid.add_row(Text(label), Text(str(value)))
    spaced = [part for renderable in more for part in (Text(""), renderable)]
    heading = Text(title, style="bold")
    return Panel(Group(grid, *spaced), title=heading, title_align="left", box=box.ROUNDED)


def progress(console: Console | None = None) -> Progress:
    """A progress display that ends in a status of the caller's, such as the live loss.

    Args:
        console: Where to draw; standard output by default.

    Returns:
        A `rich.progress.Progress`; pass `status="loss 2.31"` to its `add_task` and `update`.

    Example:
        >>> with progress() as bars:  # doctest: +SKIP
        ...     task = bars.add_task("training", total=100, status="")
        ...     bars.update(task, advance=1, status="loss 2.31")
    """
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        _Status(),
        console=console,
    )


class _Status(ProgressColumn):
    """Shows a task's `status` field as plain text."""

    def render(self, task: Task) -> Text:
        return Text(str(task.fields.get("status", "")))
