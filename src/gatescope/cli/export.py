"""`gatescope export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gatescope.cli.evaluate import is_captioner
from gatescope.cli.files import existing, writable
from gatescope.cli.terminal import engine_starting, printable, spinner
from gatescope.errors import UsageError

_SAMPLES = 32


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a trained network.")],
    kind: Annotated[
        Literal["savedmodel", "onnx", "litert"],
        typer.Option("--format", help="Of TensorFlow Serving, ONNX Runtime, or LiteRT."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="A file, or the folder of a SavedModel; beside the network unless told otherwise.",
        ),
    ] = None,
) -> None:
    """Write a trained network in the format of another program, and check it there."""
    existing(run, "the folder of a run, such as gatescope train NAME leaves it")
    if is_captioner(run):
        raise UsageError(
            f"{str(run)!r} is a captioner, which is more than one network",
            "a network, as gatescope train NAME leaves it",
            "copy its bundle: that folder is its export, see gatescope caption --bundle",
        )
    with engine_starting():
        from gatescope.recipes.kinds.kept import open_network
        from gatescope.recipes.running.evaluation import samples_of
        from gatescope.serve.export import SUFFIXES, TOLERANCE
        from gatescope.serve.export import export as write
    kept = open_network(run)
    name = "savedmodel" if kind == "savedmodel" else f"model{SUFFIXES[kind]}"
    path = out or kept.folder / name
    if kind != "savedmodel" or not path.is_dir():
        writable(path)
    with spinner("Converting …"):
        samples = samples_of(kept, _SAMPLES)
        made = write(kept.model, samples, kind, path)
    typer.echo(
        f"{printable(str(made.path))}: says what the network says of {made.samples} samples, "
        f"to {made.difference:.1g} ({TOLERANCE:g} is allowed)"
    )
