"""`gatescope catalog`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatescope.cli.files import writable
from gatescope.cli.terminal import notes, output, printable
from gatescope.errors import UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from gatescope.catalog.curves import Curve
    from gatescope.catalog.rows import Entry
    from gatescope.report.figures import Drawing
    from gatescope.report.series import Series

_WIDEST, _NARROWEST = 56, 24  # letters of a curve
_GAP, _SIDE_BY_SIDE = 4, 80


def catalog(
    kind: Annotated[
        str,
        typer.Argument(
            help="losses, activations, initializers, schedules, optimizers or regularizers."
        ),
    ] = "",
    name: Annotated[str, typer.Argument(help="Explain this one, such as relu.")] = "",
    plot: Annotated[
        Path | None, typer.Option(help="Also draw into this file: .png, .svg or .pdf.")
    ] = None,
    target: Annotated[float | None, typer.Option(help="Draw a loss for this target.")] = None,
) -> None:
    """List what Keras offers of a kind, or explain one: formula, derivative, advice, curve."""
    _check(kind, name, plot, target)
    if not kind:
        _show_overview()
    elif not name:
        _list(kind, plot)
    else:
        _explain(kind, name, plot, target)


def _check(kind: str, name: str, plot: Path | None, target: float | None) -> None:
    if plot and not kind:
        raise UsageError(
            "--plot stands alone", "a kind to draw", "gatescope catalog losses --plot out.png"
        )
    if target is not None and not name:
        raise UsageError(
            "--target stands alone", "a loss to draw", "gatescope catalog loss huber --target 2"
        )
    if plot:
        writable(plot)
        _format(plot)


def _format(plot: Path) -> str:
    from gatescope.report.figures import FORMATS

    kind = plot.suffix[1:].lower()
    if kind not in FORMATS:
        raise UsageError(
            f"{str(plot)!r} is no picture that can be written",
            f"a file that ends in .{', .'.join(FORMATS)}",
            f"--plot {plot.with_suffix('.png')}",
        )
    return kind


def _show_overview() -> None:
    from gatescope.catalog.view import overview
    from gatescope.report.terminal import table

    columns, rows = overview()
    output().print(table(rows, columns))


def _list(kind: str, plot: Path | None) -> None:
    from gatescope.catalog.curves import curve
    from gatescope.catalog.lookup import CATALOG, plural
    from gatescope.catalog.view import legend, listing
    from gatescope.report.terminal import table

    many = plural(kind)
    columns, rows = listing(many)
    output().print(table(rows, columns, whole=1))
    if plot:
        from gatescope.report.figures import figure_of_many

        drawings = [
            _drawing(entry, found)
            for entry in CATALOG[many].values()
            if (found := curve(entry)) is not None
        ]
        title, note = f"{many.capitalize()} of Keras", legend(many)
        _write(plot, figure_of_many(title, note, drawings, _format(plot)))


def _explain(kind: str, name: str, plot: Path | None, target: float | None) -> None:
    from gatescope.catalog.curves import at_target, curve
    from gatescope.catalog.lookup import find
    from gatescope.catalog.view import facts
    from gatescope.report.terminal import summary

    entry = find(kind, name)
    if target is not None:
        entry = at_target(entry, target)
    found = curve(entry)
    if plot and found is None:
        raise UsageError(
            f"{entry.name} has no curve",
            "an entry that computes something from a few numbers",
            "leave --plot out",
        )
    console = output()
    parts = [] if found is None else [_plain(found, console.width)]
    console.print(summary(f"{entry.name}  {entry.keras}", facts(entry), *parts))
    if plot and found is not None:
        from gatescope.report.figures import figure_of_one

        _write(plot, figure_of_one(_drawing(entry, found), _format(plot)))


def _plain(found: Curve, width: int) -> Text:
    """The curve and its derivative as text, beside each other where the terminal is wide enough."""
    from rich.text import Text

    from gatescope.report.curves import side_by_side, text_plot

    lines = _lines(found)
    beside = len(lines) > 1 and width >= _SIDE_BY_SIDE
    each = min(
        _WIDEST, (width - 4 - _GAP * (len(lines) - 1)) // len(lines) if beside else width - 4
    )
    blocks = [text_plot(line, width=max(each, _NARROWEST)) for line in lines]
    drawn = side_by_side(*blocks, gap=_GAP) if beside else "\n\n".join(map("\n".join, blocks))
    return Text(f"{drawn}\nover {found.x_label}", no_wrap=True)


def _lines(found: Curve) -> list[Series]:
    from gatescope.report.series import Series

    curve = Series(found.y_label, found.x, found.y)
    return [curve, Series("derivative", found.x, found.slope)] if found.slope else [curve]


def _drawing(entry: Entry, found: Curve) -> Drawing:
    from gatescope.report.figures import Drawing

    return Drawing(entry.name, entry.formula, _lines(found), found.x_label, found.flat)


def _write(plot: Path, content: bytes) -> None:
    from gatescope.runs.files import atomic_write

    atomic_write(plot, content)
    notes().print(f"drawn in {printable(str(plot))}", markup=False, soft_wrap=True)
