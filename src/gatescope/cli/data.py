"""`gatescope data`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gatescope.cli.files import existing
from gatescope.cli.scores import score_table
from gatescope.cli.terminal import engine_starting, output, printable, progress_bars
from gatescope.errors import DataError, UsageError

if TYPE_CHECKING:
    from gatescope.data.captions import CaptionDataset

Words = Literal["ptb", "unicode"]

data = typer.Typer(
    name="data", no_args_is_help=True, help="Get data, and look at them before training on them."
)


@data.command()
def check(
    path: Annotated[Path, typer.Argument(help="Photos with captions, or their caption file.")],
    words: Annotated[
        Words,
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
    _tell_score_to_beat(dataset, words)


@data.command("get")
def get_data(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A set; without it they are listed.")
    ] = None,
    into: Annotated[
        Path, typer.Option(metavar="DIR", help="Where it goes; made if it is not there.")
    ] = Path("data"),
) -> None:
    """Download a data set from its origin: checked, resumed where it broke off."""
    from gatescope.data.origins import ORIGINS, fetch, find
    from gatescope.report.terminal import table

    if name is None:
        rows = [
            (
                one.name,
                one.what,
                one.terms,
                f"gatescope data get {one.name}" if one.download else one.by_hand,
            )
            for one in ORIGINS.values()
        ]
        output().print(table(rows, ("", "what", "terms", "how"), whole=1))
        return
    if into.exists() and not into.is_dir():
        raise UsageError(f"{str(into)!r} is a file", "a folder", "name another --into")
    origin = find(name)
    with progress_bars() as report:
        path = fetch(name, into, progress=report)
    typer.echo(f"{origin.what}\nterms: {origin.terms}\n--data {printable(str(path))}")


def _tell_score_to_beat(dataset: CaptionDataset, words: Words) -> None:
    train, dev = dataset.split("train"), dataset.split("dev")
    with engine_starting():
        from gatescope.caption.baseline import nearest_photo
    try:
        with progress_bars() as report:
            progress = partial(report, "nearest training photos")
            scores = nearest_photo(train, dev, words=words, progress=progress)
    except DataError as error:
        typer.echo(f"no score to beat: {error.happened}")
        return
    title = f"to beat on dev, {len(dev):,} photos"
    output().print(score_table(title, {"nearest photo": scores}))
