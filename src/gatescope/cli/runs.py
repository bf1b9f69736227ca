"""`gatescope runs`: the records of trainings; alone, or before a folder, it lists them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from gatescope.cli.files import existing
from gatescope.cli.terminal import notes, output, printable
from gatescope.errors import UsageError, nearest

if TYPE_CHECKING:
    from gatescope.report.cells import Row
    from gatescope.report.series import Series
    from gatescope.report.terminal import FittedTable
    from gatescope.runs.compare import Difference
    from gatescope.runs.open import Run

_RUNS = Path("runs")
_WORDS = ("list", "show", "compare", "delete")
_WIDEST, _NARROWEST, _GAP, _SIDE_BY_SIDE = 56, 24, 4, 80  # letters of a curve
_MOST_CURVES, _MOST_LINES = 8, 40


class _ListByDefault(TyperGroup):
    """`gatescope runs` and `gatescope runs DIR` are `gatescope runs list`."""

    # Any: the type of a context depends on whether typer brings its own click.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        asks_help = any(arg in ctx.help_option_names for arg in args)
        named = bool(args) and args[0] in self.commands
        return super().parse_args(ctx, args if named or asks_help else ["list", *args])


runs = typer.Typer(
    name="runs", cls=_ListByDefault, help="List, show, compare and delete the records of trainings."
)

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object in place of the tables.")
]
RunsOption = Annotated[
    Path, typer.Option("--runs", metavar="DIR", help="Where runs are kept (default ./runs).")
]


@runs.command("list")
def list_command(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Where runs are kept (default ./runs).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List all runs: status, when, steps, last loss, findings."""
    root = _folder(folder)
    from gatescope.runs.folder import list_runs
    from gatescope.runs.view import COLUMNS, listing_json, listing_rows

    found = list_runs(root) if root else None
    if found is None:
        _print_none(as_json)
        return
    if as_json:
        typer.echo(json.dumps(listing_json(found), allow_nan=False))
        return
    if rows := listing_rows(found):
        _print_list(rows, COLUMNS)
    else:
        typer.echo(f"no runs in {printable(str(root))}")
    for path, why in found.unreadable.items():
        _note(f"{path.name}: {why}")
    if found.others:
        _note(f"not runs: {', '.join(path.name for path in found.others)}")


@runs.command()
def show(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Its folder, or its name in --runs.")],
    root: RunsOption = _RUNS,
    as_json: JsonOption = False,
) -> None:
    """Show a run: configuration, environment, structure, curves, findings."""
    opened = _open(run, root)
    from gatescope.runs.view import run_json

    if as_json:
        typer.echo(json.dumps(run_json(opened), allow_nan=False))
        return
    _show(opened)


@runs.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A run.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    root: RunsOption = _RUNS,
) -> None:
    """Say what two runs differ in, and from which step on their curves part."""
    one, other = _open(first, root), _open(second, root)
    from gatescope.runs.compare import compare as compare_runs
    from gatescope.runs.view import parting_rows

    found = compare_runs(one, other)
    names = (one.folder.name, other.folder.name)
    _print_differences("configuration", found.configuration, names)
    _print_differences("environment", found.environment, names)
    _print_differences("structure", found.structure, names)
    _print_script(found.script)
    curves = parting_rows(found)
    if not curves:
        typer.echo("curves: none were recorded")
        return
    _print_table(curves, ("metric", "curves", "shared steps", "first ends at", "second ends at"))


@runs.command()
def delete(
    chosen: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Their folders, or names in --runs.")
    ],
    root: RunsOption = _RUNS,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete runs with all that their folders hold; what is no run or still goes on is refused."""
    folders = list(dict.fromkeys(find_run(path, root) for path in chosen))
    from gatescope.runs.folder import check_deletable, delete_run

    for folder in folders:
        check_deletable(folder, root)
    if not yes:
        typer.echo("\n".join(f"  {printable(str(folder))}" for folder in folders))
        typer.confirm(f"delete {len(folders)} run(s) with all that is in them?", abort=True)
    for folder in folders:
        delete_run(folder, root)
        typer.echo(f"deleted {printable(str(folder))}")


def _folder(named: Path | None) -> Path | None:
    """The folder of runs; none where the user named none and there is none yet."""
    if named is None:
        return _RUNS if _RUNS.is_dir() else None
    word = "a folder of runs, or one of the words list, show, compare and delete"
    if not named.exists() and (meant := nearest(str(named), _WORDS)):
        raise UsageError(f"there is no {str(named)!r}", word, meant)
    existing(named, word)
    if not named.is_dir():
        raise UsageError(f"{str(named)!r} is a file", "a folder of runs", "name its folder")
    return named


def _print_none(as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"runs": [], "unreadable": {}, "others": []}))
    else:
        typer.echo("no runs: there is no folder 'runs' here")


def find_run(path: Path, root: Path) -> Path:
    """A run by its folder or by its name in the folder of runs."""
    inside = root / path
    if not path.exists() and inside.exists():
        return inside
    if not path.exists() and root.is_dir() and len(path.parts) == 1:
        return existing(inside, "a run")
    return existing(path, "the folder of a run")


def _open(path: Path, root: Path) -> Run:
    from gatescope.runs.open import open_run

    return open_run(find_run(path, root))


def _show(run: Run) -> None:
    from gatescope.report.terminal import summary, table
    from gatescope.runs.view import curves, facts, finding_lines, settings, structure

    # All is read before anything is shown: a damaged run is an error, and not half a page.
    told = [(label, printable(str(value))) for label, value in facts(run)]
    configured = (("configuration", run.configuration), ("environment", run.environment))
    (columns, layers), drawn = structure(run), curves(run)
    events, found = Counter(run.events["kind"]), run.findings
    console = output()
    console.print(summary(printable(run.name), told))
    for title, content in configured:
        if rows := settings(content):
            _print_table(rows, (title, "value"))
    if layers:
        _print_table(layers, columns, title="structure")
    _print_curves(drawn, console.width)
    if events:
        console.print(table(list(events.items()), ("event", "times")))
    console.print(f"findings: {len(found) or 'none'}")
    for finding in found:
        console.print(f"\n{printable(finding_lines(finding))}", markup=False)
    if any("diff" in finding for finding in found):
        _note(f"\nthe remedies as diffs: gatescope doctor {run.folder}")


def _print_curves(curves: Sequence[Series], width: int) -> None:
    """As text, two beside each other where the terminal is wide enough."""
    from gatescope.report.curves import side_by_side, text_plot

    columns = 2 if width >= _SIDE_BY_SIDE else 1
    each = min(_WIDEST, (width - _GAP * (columns - 1)) // columns)
    blocks = [text_plot(one, width=max(each, _NARROWEST), height=8) for one in curves]
    for place in range(0, min(len(blocks), _MOST_CURVES), columns):
        typer.echo(side_by_side(*blocks[place : place + columns], gap=_GAP))
        typer.echo()
    if len(blocks) > _MOST_CURVES:
        rest = ", ".join(one.label for one in curves[_MOST_CURVES:])
        typer.echo(f"not drawn: {printable(rest)}\n")


def _print_differences(what: str, found: Sequence[Difference], names: tuple[str, str]) -> None:
    from gatescope.runs.view import difference_rows

    if not found:
        typer.echo(f"{what}: equal\n")
        return
    _print_table(difference_rows(found), (what, *names))


def _print_script(lines: Sequence[str]) -> None:
    if not lines:
        typer.echo("script: equal\n")
        return
    typer.echo("script:")
    for line in lines[:_MOST_LINES]:
        typer.echo(f"  {printable(line)}")
    if len(lines) > _MOST_LINES:
        typer.echo(f"  … and {len(lines) - _MOST_LINES:,} lines more")
    typer.echo()


def _print_list(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Names are copied, so they stay whole; each holds its time, which a narrow terminal lacks."""
    console, drawn = output(), _table(rows, columns)
    if drawn.natural_width > console.width:
        kept = [place for place, name in enumerate(columns) if name != "when"]
        narrow = [[row[place] for place in kept] for row in rows]
        drawn = _table(narrow, [columns[place] for place in kept])
    console.width = max(console.width, drawn.natural_width)
    console.print(drawn, "")


def _print_table(rows: Sequence[Row], columns: Sequence[str], title: str | None = None) -> None:
    output().print(_table(rows, columns, title), "")


def _table(rows: Sequence[Row], columns: Sequence[str], title: str | None = None) -> FittedTable:
    from gatescope.report.terminal import table

    shown = [[printable(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    return table(shown, list(map(printable, columns)), title=title)


def _note(text: str) -> None:
    notes().print(printable(text), markup=False, soft_wrap=True)
