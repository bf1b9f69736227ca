"""`gatescope predict`."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatescope.cli.files import existing
from gatescope.cli.terminal import complain, engine_starting, output, printable
from gatescope.errors import UsageError

if TYPE_CHECKING:
    from gatescope.recipes.kinds.kept import Kept
    from gatescope.recipes.running.prediction import Answer, Batch, Refusal

_STANDARD_INPUT = Path("-")


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a trained network.")],
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[INPUT]…",
            help="What the network was trained on: tables, images, sounds (or folders of these), "
            "texts; - reads lines of JSON from standard input.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="A text of one sample. May be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a sample.")] = False,
) -> None:
    """Say what a trained network makes of new inputs."""
    existing(run, "the folder of a run, such as gatescope train NAME leaves it")
    paths = [path for path in inputs or () if path != _STANDARD_INPUT]
    if paths and paths == inputs and not text and not any(path.exists() for path in paths):
        existing(paths[0], "a file or folder for the network, or - for standard input")
    if not inputs and not text:
        raise UsageError(
            "there is nothing to predict from",
            "files, --text, or - for lines of JSON on standard input",
            f"gatescope predict {run} FILE",
        )
    with engine_starting():
        from gatescope.recipes.kinds.kept import open_network
        from gatescope.recipes.running.prediction import Refusal
        from gatescope.recipes.running.prediction import predict as ask
    kept = open_network(run)
    answers, refused = [], False
    for found in ask(kept, _batches(kept, inputs or [], text or [])):
        if isinstance(found, Refusal):
            refused = True
            complain(found.error)
        if as_json:
            print(json.dumps(found.to_dict(), ensure_ascii=False), flush=True)
        elif not isinstance(found, Refusal):
            answers.append(found)
    if answers:
        _print(answers)
    if refused:
        raise typer.Exit(1)


def _batches(kept: Kept, inputs: list[Path], text: list[str]) -> Iterator[Batch | Refusal]:
    from gatescope.recipes.running.new_inputs import from_json, from_paths, from_texts

    reader = kept.inputs.reader
    paths = [path for path in inputs if path != _STANDARD_INPUT]
    asked = [from_paths(reader, paths), from_texts(reader, text)]
    if _STANDARD_INPUT in inputs:
        if isinstance(sys.stdin, io.TextIOWrapper):
            # What is no UTF-8 is no JSON either then, and its line alone is refused.
            sys.stdin.reconfigure(encoding="utf-8", errors="backslashreplace")
        asked.append(from_json(reader, sys.stdin))
    return chain.from_iterable(asked)


def _print(answers: list[Answer]) -> None:
    from gatescope.data.splits import shown
    from gatescope.report.terminal import table

    rows = [
        [printable(one.input), *chain.from_iterable(map(_cells, one.outputs.values()))]
        for one in answers
    ]
    heads = chain.from_iterable((name, *_beside(said)) for name, said in answers[0].outputs.items())
    output().print(table(rows, ["input", *heads]))
    noted: dict[str, list[str]] = {}
    for one in answers:
        for note in one.notes:
            noted.setdefault(note, []).append(one.input)
    for note, names in noted.items():
        typer.echo(f"note: {printable(f'{shown(names)}: {note}')}")


def _beside(said: Any) -> list[str]:
    """Heads of the columns beside the answer itself."""
    return ["probability"] if "class" in said and "probabilities" in said else []


def _cells(said: Any) -> list[object]:
    if "class" in said:
        shares = said.get("probabilities")
        return [said["class"], *([shares[said["class"]]] if shares else [])]
    if "labels" in said:
        return [", ".join(said["labels"]) or "none"]
    return [said["number"] if "number" in said else ", ".join(f"{n:.4g}" for n in said["numbers"])]
