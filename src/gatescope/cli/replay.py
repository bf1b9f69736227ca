"""`gatescope replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gatescope.cli.files import writable
from gatescope.cli.runs import RunsOption, find_run
from gatescope.cli.terminal import engine_starting, output, printable, spinner
from gatescope.cli.trace import draw


def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Its folder, or its name in --runs.")],
    root: RunsOption = Path("runs"),
    layer: Annotated[str, typer.Option(metavar="NAME", help="Only this layer.")] = "",
    ops: Annotated[bool, typer.Option("--ops", help="Show the gates of every layer.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compute every gate again, check gradients.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a page with every gate.")
    ] = None,
) -> None:
    """Run the first bad step of a training again: which gate went wrong first, and where."""
    folder = find_run(run, root)
    if html:
        writable(html)
    with engine_starting():
        import gatescope.scope.trace  # noqa: F401
    from gatescope.scope.replay import replay as replay_step

    with spinner("Running the step again …"):
        found = replay_step(folder)
    tree = found.trace.tree(layer or None, ops=ops, width=output().width)
    print(printable(f"{tree}\n\n{found}"))
    verification = found.trace.verify() if verify else None
    if verification:
        print(printable(f"\n{verification}"))
    if html:
        draw(found.trace, layer, html)
    if verification and not verification.ok:
        raise typer.Exit(1)
