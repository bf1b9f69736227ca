"""`gatescope report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gatescope.cli.files import writable
from gatescope.cli.runs import RunsOption, find_run
from gatescope.cli.terminal import printable
from gatescope.errors import UsageError


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Its folder, or its name in --runs.")],
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Where to write it; RUN.html in this folder if not."),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="As one HTML file, charts included.")
    ] = False,
    root: RunsOption = Path("runs"),
) -> None:
    """Write what the studio shows of a run into one file, to be sent to a colleague."""
    if not html:
        raise UsageError(
            "there is no format", "--html, the one there is", f"gatescope report {run} --html"
        )
    folder = find_run(run, root)
    place = writable(file or Path(f"{folder.resolve().name}.html"))
    from gatescope.runs.files import atomic_write
    from gatescope.runs.open import open_run
    from gatescope.studio.twin import run_page

    atomic_write(place, run_page(open_run(folder)).encode("utf-8", "replace"))
    typer.echo(f"report in {printable(str(place))}")
