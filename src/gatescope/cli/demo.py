"""`gatescope demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gatescope.cli.files import writable
from gatescope.cli.terminal import engine_starting, output


def demo(
    out: Annotated[Path, typer.Option(help="Where to write the report.")] = Path("report.html"),
) -> None:
    """Train a small captioner on generated scenes and caption real photos, in four minutes."""
    writable(out)
    with engine_starting():
        from gatescope.recipes.running.demo import run
    run(out, output())
