"""`gatescope data`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from gatescope.cli.files import existing
from gatescope.cli.terminal import output, progress_bars

data = typer.Typer(name="data", no_args_is_help=True, help="Look at data before training on them.")


@data.command()
def check(
    path: Annotated[Path, typer.Argument(help="Photos with captions, or their caption file.")],
    words: Annotated[
        Literal["ptb", "unicode"],
        typer.Option(help="How captions are split: ptb for English, unicode for any language."),
    ] = "ptb",
) -> None:
    """Say what is in a data set of captions, what is wrong with it, and what score to beat."""
    existing(path, "a folder of photos with captions, or its caption file")
    from gatescope.caption.tokenizer import tokenize
    from gatescope.data.captions import load_captions
    from gatescope.data.check import check_captions
    from gatescope.data.view import check_rows
    from gatescope.report.terminal import table

    dataset = load_captions(path)
    with progress_bars() as report:
        progress = partial(report, "opening photos")
        found = check_captions(dataset, tokenize=partial(tokenize, words=words), progress=progress)
    output().print(table(check_rows(found), ("what", "found")))
