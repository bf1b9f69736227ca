"""`gatescope evaluate`."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gatescope.cli.files import existing, writable
from gatescope.cli.terminal import engine_starting, output, printable, progress_bars
from gatescope.errors import UsageError

if TYPE_CHECKING:
    from gatescope.caption.evaluation import Evaluation

_NAMES = {
    "bleu1": "BLEU-1",
    "bleu2": "BLEU-2",
    "bleu3": "BLEU-3",
    "bleu4": "BLEU-4",
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr-D",
    "bad_endings": "bad endings",
    "distinct": "distinct captions",
}


def evaluate(
    captioner: Annotated[
        Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="The folder of a run or of a bundle.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Photos with captions; a run's own by default."),
    ] = None,
    split: Annotated[Literal["train", "dev", "test"], typer.Option(help="Which photos.")] = "dev",
    beam: Annotated[int, typer.Option(min=1, max=100, help="Captions followed at a time.")] = 3,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where scores and captions are saved.")
    ] = Path("scores.json"),
) -> None:
    """Score a captioner on photos whose captions are known."""
    existing(captioner, "the folder of a run or of a bundle")
    writable(out)
    with engine_starting():
        from gatescope.caption import evaluation

    bundle, photos = _bundle_and_data(captioner, data)
    with progress_bars() as report:
        progress = partial(report, "captioning")
        found = evaluation.evaluate(bundle, photos, split=split, beam=beam, progress=progress)
    _print(found)
    _save(found, out)


def _bundle_and_data(folder: Path, data: Path | None) -> tuple[Path, Path]:
    """A run holds its bundle and knows what it was trained on; a bundle has to be told."""
    from gatescope.caption.fitting import BUNDLE, RECIPE

    recipe, bundle = folder / RECIPE, folder
    if recipe.is_file():
        bundle = existing(folder / BUNDLE, "the bundle of a run whose first stage is finished")
        data = data or _trained_on(recipe)
    if data is None:
        raise UsageError(
            f"there is nothing to score {str(folder)!r} on",
            "photos with captions; the folder of a captioner's run knows its own",
            "name them with --data",
        )
    return bundle, existing(data, "a folder of photos with captions, or its caption file")


def _trained_on(recipe: Path) -> Path | None:
    """A run's data set; None where it made its own or the file is damaged."""
    try:
        asked = json.loads(recipe.read_bytes())
    except ValueError:
        return None
    named = asked.get("data") if isinstance(asked, dict) else None
    return Path(named) if isinstance(named, str) else None


def _print(evaluation: Evaluation) -> None:
    from gatescope.report.terminal import table

    rows = [(_NAMES.get(name, name), value) for name, value in asdict(evaluation.scores).items()]
    title = f"{evaluation.split}, {evaluation.photos:,} photos, beam {evaluation.beam}"
    output().print(table(rows, ("score", "captioner"), title=title))
    for name in evaluation.unreadable:
        typer.echo(f"left out, for it cannot be read: {printable(name)}", err=True)


def _save(evaluation: Evaluation, out: Path) -> None:
    from gatescope.runs.files import atomic_write

    text = json.dumps(evaluation.to_dict(), indent=1, ensure_ascii=False)
    atomic_write(out, text.encode("utf-8", "replace"))
    typer.echo(f"saved in {printable(str(out))}")
