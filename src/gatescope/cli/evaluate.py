"""`gatescope evaluate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gatescope.cli.files import existing, writable
from gatescope.cli.scores import score_table
from gatescope.cli.terminal import engine_starting, output, printable, progress_bars, spinner
from gatescope.errors import DataError, UsageError

if TYPE_CHECKING:
    from gatescope.caption.evaluation import Evaluation
    from gatescope.caption.metrics import Scores
    from gatescope.caption.tokenizer import Words


_SCORES = "scores.json"
Split = Literal["train", "dev", "test"]


def evaluate(
    run: Annotated[
        Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="The folder of a run or of a bundle.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Data of the same form, or photos with captions; a run's own by "
            "default. Of a network's all are scored, unless --split says that they are its own.",
        ),
    ] = None,
    split: Annotated[
        Split | None, typer.Option(help="Which part: test of a network, dev of a captioner.")
    ] = None,
    beam: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Captions of a captioner followed at a time; 3."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where scores, and captions, are saved; scores.json in the folder."
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A page of a network's curves and mistakes.")
    ] = None,
    baseline: Annotated[
        bool | None,
        typer.Option(
            "--baseline/--no-baseline",
            help="Whether the captions of the nearest training photos are scored, too.",
        ),
    ] = None,
) -> None:
    """Score a network on data that it did not learn from, or a captioner on photos."""
    existing(run, "the folder of a run or of a bundle")
    out = writable(out or run / _SCORES)
    if is_captioner(run):
        _refuse(html, "--html", "a captioner", "gatescope caption PHOTOS --html FILE")
        _captioner(run, data, split or "dev", beam or 3, out, baseline=baseline is not False)
        return
    _refuse(beam, "--beam", "a network", "leave it out")
    _refuse(baseline, "--baseline", "a network", "gatescope train NAME compares with baselines")
    _network(run, data, split, out, html)


def is_captioner(folder: Path) -> bool:
    """Whether a folder is a captioner's bundle, or a run that makes one.

    Args:
        folder: It exists.
    """
    if (folder / "bundle.json").is_file() or (folder / "bundle").is_dir():
        return True
    recipe = folder / "recipe.json"
    # A network's training is asked a configuration, a captioner's a recipe.
    return recipe.is_file() and b'"config"' not in recipe.read_bytes()


def _refuse(given: object, option: str, kind: str, fix: str) -> None:
    if given is not None:
        raise UsageError(f"{option} means nothing for {kind}", "the folder of another kind", fix)


def _network(
    run: Path, data: Path | None, split: Split | None, out: Path, html: Path | None
) -> None:
    if html is not None:
        writable(html)
    if data is not None:
        existing(data, "data of the form that the network was trained on")
    with engine_starting():
        from gatescope.recipes.kinds.kept import open_network
        from gatescope.recipes.running.evaluation import evaluate as score
        from gatescope.recipes.running.evaluation_view import evaluation_page, score_rows
        from gatescope.report.terminal import table
    from gatescope.runs.files import atomic_write

    kept = open_network(run)
    with spinner("Scoring …"):
        found = score(kept, split=split, path=data)
    title = printable(f"{found.recipe}: {len(found.part):,} samples, {found.data}")
    output().print(table(score_rows(found), ("output", "score", "value"), title=title))
    for note in found.notes:
        typer.echo(f"note: {printable(note)}")
    told = {"run": str(kept.folder), **found.to_dict()}
    atomic_write(out, json.dumps(told, indent=1, ensure_ascii=False).encode("utf-8", "replace"))
    if html is not None:
        page = evaluation_page(found, kept.inputs.reader)
        atomic_write(html, page.encode("utf-8", "replace"))
    typer.echo("saved in " + printable(" and ".join(str(each) for each in (out, html) if each)))


def _captioner(
    captioner: Path, data: Path | None, split: Split, beam: int, out: Path, *, baseline: bool
) -> None:
    with engine_starting():
        from gatescope.caption import evaluation

    bundle, photos = _bundle_and_data(captioner, data)
    with progress_bars() as report:
        progress = partial(report, "captioning")
        found = evaluation.evaluate(bundle, photos, split=split, beam=beam, progress=progress)
        words = _splitting(bundle)
        _save(found, words, None, out)
        nearest = _baseline(photos, split, words, report) if baseline else None
    _save(found, words, nearest, out)
    _print(found, words, nearest)
    typer.echo(f"saved in {printable(str(out))}")


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


def _splitting(bundle: Path) -> Words:
    """How a bundle, which has just been opened, splits text into words."""
    from gatescope.caption.folders import DESCRIPTION

    splitting: Words = json.loads((bundle / DESCRIPTION).read_bytes())["splitting"]
    return splitting


def _baseline(
    data: Path, split: str, words: Words, report: Callable[[str, int, int], None]
) -> Scores | None:
    """Scores of the nearest training photos' captions, where there are such photos to ask."""
    from gatescope.caption.baseline import nearest_photo
    from gatescope.data.captions import load_captions

    dataset = load_captions(data)
    train, asked = dataset.split("train"), dataset.split(split)
    if split == "train" or not train:
        return None
    progress = partial(report, "nearest training photos")
    try:
        return nearest_photo(train, asked, words=words, progress=progress)
    except DataError:  # too few of them
        return None


def _print(evaluation: Evaluation, words: Words, baseline: Scores | None) -> None:
    title = f"{evaluation.split}, {evaluation.photos:,} photos, beam {evaluation.beam}"
    # Scores on other than English words compare with no published ones.
    title += "" if words == "ptb" else f", {words} words"
    scores = {"captioner": evaluation.scores}
    if baseline:
        scores["nearest photo"] = baseline
    output().print(score_table(title, scores))
    for name in evaluation.unreadable:
        typer.echo(f"left out, for it cannot be read: {printable(name)}", err=True)


def _save(evaluation: Evaluation, words: Words, baseline: Scores | None, out: Path) -> None:
    from gatescope.runs.files import atomic_write

    told = {
        **evaluation.to_dict(),
        "words": words,
        "baseline": asdict(baseline) if baseline else None,
    }
    text = json.dumps(told, indent=1, ensure_ascii=False)
    atomic_write(out, text.encode("utf-8", "replace"))
