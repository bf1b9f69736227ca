"""`gatescope caption`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatescope.cli.files import existing, writable
from gatescope.cli.terminal import complain, engine_starting, output, printable, spinner
from gatescope.errors import GatescopeError, PhotoError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gatescope.caption.caption import Caption, PhotoFailure
    from gatescope.caption.captioner import Captioner

    Boxes = Mapping[Path, NDArray[np.float32]]
    Results = Iterator[Caption | PhotoFailure]


def caption(
    paths: Annotated[list[Path], typer.Argument(metavar="PHOTO_OR_FOLDER")],
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A captioner of your own; the shipped one by default."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a page that draws each word's region."),
    ] = None,
    beam: Annotated[int, typer.Option(min=1, max=100, help="Captions followed at a time.")] = 3,
    prove: Annotated[
        bool,
        typer.Option("--prove", help="Hide each word's region and tell how far the word falls."),
    ] = False,
    boxes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Regions of your own: a COCO instances file."),
    ] = None,
) -> None:
    """Caption photos, each word with the region that made it."""
    photos, missing = _find(paths)
    if bundle:
        existing(bundle, "the folder of a bundle, such as runs/mine/bundle")
    if html:
        writable(html)
    own = _read_boxes(boxes, photos) if boxes else {}
    for error in missing:
        complain(error)
    with engine_starting():
        from gatescope.caption.captioner import load_captioner

        captioner = load_captioner(bundle)
    results = _with_spinner(_captions(captioner, photos, own, beam, prove))
    failed = _show(results, as_json=as_json, html=html)
    if failed or missing:
        raise typer.Exit(1)


def _find(paths: Sequence[Path]) -> tuple[list[Path], list[GatescopeError]]:
    """The photos that the paths mean, and what is wrong with paths that mean none."""
    from gatescope.data.photos import find_photos

    photos: list[Path] = []
    missing: list[GatescopeError] = []
    for path in paths:
        try:
            photos += find_photos(existing(path, "a photo or a folder of photos"))
        except GatescopeError as error:
            missing.append(error)
    if not photos:
        first, *others = missing
        for other in others:
            complain(other)
        raise first
    return photos, missing


def _read_boxes(file: Path, photos: Sequence[Path]) -> Boxes:
    from gatescope.data.boxes import load_boxes

    boxed = load_boxes(existing(file, "a COCO instances file")).photos
    own = {photo.path: photo.boxes for photo in boxed if len(photo.boxes)}
    if any(photo.resolve() in own for photo in photos):
        return own
    raise UsageError(
        f"{str(file)!r} has boxes for none of these photos",
        f"one of its {len(own)} photos with boxes, which lie in its folder",
        "name photos that the file lists",
    )


def _captions(
    captioner: Captioner, photos: Sequence[Path], own: Boxes, beam: int, prove: bool
) -> Results:
    if not own:
        yield from captioner.caption_all(photos, beam=beam, prove=prove)
        return
    for photo in photos:
        yield _caption_one(captioner, photo, own, beam, prove)


def _caption_one(
    captioner: Captioner, photo: Path, own: Boxes, beam: int, prove: bool
) -> Caption | PhotoFailure:
    from gatescope.caption.caption import PhotoFailure

    boxes = own.get(photo.resolve())
    regions = None if boxes is None else boxes.tolist()
    try:
        return captioner.caption(photo, beam=beam, prove=prove, boxes=regions)
    except PhotoError as error:
        return PhotoFailure(photo, error)


def _with_spinner(results: Results) -> Results:
    """Shows that something happens until the first result is there."""
    with spinner("Looking at the first photos …"):
        first = list(islice(results, 1))
    yield from chain(first, results)


def _show(results: Results, *, as_json: bool, html: Path | None) -> int:
    """Prints results as they come, draws the page at the end, and counts the failures."""
    from gatescope.caption.caption import PhotoFailure

    failed, drawn = 0, []
    try:
        for result in results:
            if isinstance(result, PhotoFailure):
                complain(result.error)
                failed += 1
                continue
            _print(result, as_json=as_json)
            if html:
                drawn.append(result)
    finally:
        # An interrupted run still leaves a page of what is done.
        if html and drawn:
            _draw(drawn, html)
    return failed


def _print(result: Caption, *, as_json: bool) -> None:
    from rich.text import Text

    if as_json:
        typer.echo(json.dumps(result.to_dict()))
        return
    console = output()
    line = Text(f"{printable(str(result.path))}: ", style="dim")
    line.append(result.text or "(no caption)", style="not dim")
    if not result.sure:
        line.append("  (not sure)", style="not dim yellow")
    console.print(line, soft_wrap=True)
    rows = _proof_rows(result)
    if rows:
        from gatescope.report.terminal import table

        columns = ("word", "probability", "region hidden", "others hidden", "region mattered")
        console.print(table(rows, columns))


def _proof_rows(result: Caption) -> list[tuple[str, float, float, float, str]]:
    return [
        (
            word.text,
            exp(word.logprob),
            word.proof.masked,
            word.proof.random,
            "yes" if word.proof.mattered else "no",
        )
        for word in result.words
        if word.proof
    ]


def _draw(captions: Sequence[Caption], html: Path) -> None:
    from gatescope.caption.view import captions_page
    from gatescope.runs.files import atomic_write

    atomic_write(html, captions_page(captions, "Captions").encode("utf-8", "replace"))
    typer.echo(f"drawn in {printable(str(html))}", err=True)
