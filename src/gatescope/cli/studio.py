"""`gatescope studio`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gatescope.errors import UsageError


def studio(
    runs: Annotated[
        Path, typer.Argument(metavar="[RUNS_DIR]", help="The folder that runs are in.")
    ] = Path("runs"),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where to listen; the next free one if busy.")
    ] = 8600,
    host: Annotated[
        str, typer.Option(help="Who may connect: this machine alone, or 0.0.0.0 with a token.")
    ] = "127.0.0.1",
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Whether to open the first page.")
    ] = True,
) -> None:
    """Open local pages: gates, mechanisms, a playground, runs, networks, captions."""
    if runs.exists() and not runs.is_dir():
        raise UsageError(f"{str(runs)!r} is a file", "a folder of runs", "gatescope studio runs")
    import webbrowser

    from gatescope.studio.server import serve

    opened = webbrowser.open if open_browser else str
    serve(runs, host=host, port=port, say=typer.echo, opened=opened)
