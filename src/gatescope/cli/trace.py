"""`gatescope trace`."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from gatescope.cli.files import existing, writable
from gatescope.cli.terminal import engine_starting, notes, output, printable, spinner
from gatescope.errors import UsageError

if TYPE_CHECKING:
    from gatescope.scope.trace import Trace
    from gatescope.scope.verification import Verification

_MEGABYTE = 1_000_000


def trace(
    model: Annotated[Path | None, typer.Argument(metavar="MODEL", help="A .keras file.")] = None,
    inputs: Annotated[
        Path | None,
        typer.Option("--input", metavar="FILE", help="A batch: .npy, or .npz by input names."),
    ] = None,
    target: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its targets: loss and gradients, too.")
    ] = None,
    loss: Annotated[
        str, typer.Option(metavar="NAME", help="A loss in place of the model's own, such as mse.")
    ] = "",
    samples: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the first N of the batch.")
    ] = None,
    caption: Annotated[
        Path | None,
        typer.Option(metavar="PHOTO", help="In place of a model: the captioner, on this photo."),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A captioner of your own; the shipped one by default."),
    ] = None,
    layer: Annotated[str, typer.Option(metavar="NAME", help="Only this layer.")] = "",
    op: Annotated[str, typer.Option(metavar="OP", help="List the gates of this operation.")] = "",
    step: Annotated[
        int | None, typer.Option(metavar="N", help="List the gates of this step of a loop.")
    ] = None,
    gate: Annotated[
        int | None, typer.Option(metavar="N", help="Tell everything about gate #N.")
    ] = None,
    ops: Annotated[bool, typer.Option("--ops", help="Show the gates of every layer.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compute every gate again, check gradients.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a page with every gate.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    memory_budget: Annotated[
        int,
        typer.Option(metavar="MB", min=0, help="Of values beyond it only summaries are kept."),
    ] = 1_000,
) -> None:
    """Show every gate of a network for one batch: layers, operations, values, gradients."""
    _check(model, inputs, target, loss, caption, bundle)
    if html:
        writable(html)
    with engine_starting():
        import gatescope.scope.trace  # noqa: F401
    budget = memory_budget * _MEGABYTE
    if caption:
        traced = _trace_caption(caption, bundle, budget)
    elif model and inputs:
        traced = _trace_model(model, inputs, target, loss, samples, budget)
    told = "" if as_json else _told(traced, layer, op, step, gate, ops)
    verification = traced.verify() if verify else None
    if as_json:
        _print_json(traced, verification)
    else:
        _print(told, traced, verification)
    if html:
        draw(traced, layer, html)
    if verification and not verification.ok:
        raise typer.Exit(1)


def _check(
    model: Path | None,
    inputs: Path | None,
    target: Path | None,
    loss: str,
    caption: Path | None,
    bundle: Path | None,
) -> None:
    """Finds out what cannot mean anything before TensorFlow starts."""
    if bool(model) == bool(caption):
        raise UsageError(
            "both a model and --caption are given" if model else "there is nothing to trace",
            "a .keras file and a batch, or a photo for the captioner",
            "gatescope trace model.keras --input x.npy, or gatescope trace --caption photo.jpg",
        )
    if model and not inputs:
        raise UsageError(
            "there is no --input",
            "a batch for the model",
            f"gatescope trace {quote(str(model))} --input x.npy",
        )
    if caption and (inputs or target or loss):
        raise UsageError(
            "--caption goes with no batch", "a photo alone", "leave --input, --target, --loss out"
        )
    if model and bundle:
        raise UsageError("--bundle goes with no model", "--caption PHOTO", "leave --bundle out")
    if loss and not target:
        raise UsageError("--loss stands alone", "targets for the loss", "--target y.npy")
    expected = {
        model: "a model saved as .keras",
        inputs: "a batch saved as .npy or .npz",
        target: "targets saved as .npy or .npz",
        caption: "a photo",
        bundle: "the folder of a bundle",
    }
    for path, what in expected.items():
        if path:
            existing(path, what)


def _trace_model(
    model: Path, inputs: Path, target: Path | None, loss: str, samples: int | None, budget: int
) -> Trace:
    from gatescope.scope.loading import load_inputs, load_model, load_targets
    from gatescope.scope.trace import trace

    known_loss = _known_loss(loss) if loss else None
    with spinner("Running the model …"):
        loaded = load_model(model, compiled=bool(target) and not loss)
        if target and not (loss or loaded.compiled):
            raise UsageError(
                f"{str(model)!r} has no loss", "a model that was compiled, or a loss", "--loss mse"
            )
        batch = [load_inputs(inputs, loaded, samples)]
        batch += [load_targets(target, loaded, samples)] if target else []
        return trace(loaded, *batch, loss=known_loss, memory_budget=budget)


def _known_loss(name: str) -> str:
    from gatescope.catalog.lookup import find

    return find("loss", name).keras.rpartition(".")[2]


def _trace_caption(photo: Path, bundle: Path | None, budget: int) -> Trace:
    from gatescope.caption.captioner import load_captioner
    from gatescope.scope.trace import trace

    captioner = load_captioner(bundle)
    with spinner("Captioning the photo …"):
        return trace(captioner.caption, str(photo), memory_budget=budget)


def _told(traced: Trace, layer: str, op: str, step: int | None, gate: int | None, ops: bool) -> str:
    """The tree, or the gates that were asked for; of one, everything."""
    from gatescope.scope.view import gate_list

    if gate is not None:
        return traced.describe(gate)
    if not op and step is None:
        return traced.tree(layer or None, ops=ops, width=output().width)
    found = traced.find(layer or None, op or None, step=step)
    return traced.describe(found[0]) if len(found) == 1 else gate_list(found)


def _print(told: str, traced: Trace, verification: Verification | None) -> None:
    bad = traced.first_bad()
    said = f"the first bad value: {bad}" if bad else "every value is finite, and none ran away"
    print(printable(f"{told}\n\n{said}"))
    if verification:
        print(printable(f"\n{verification}"))


def _print_json(traced: Trace, verification: Verification | None) -> None:
    told = traced.to_dict()
    if verification:
        told["verification"] = {
            **verification._asdict(),
            "mismatches": [str(mismatch) for mismatch in verification.mismatches],
        }
    print(json.dumps(told, allow_nan=False))


def draw(traced: Trace, layer: str, html: Path) -> None:
    """Writes the page of a trace, and says where; what `gatescope replay` shows is one, too."""
    from gatescope.runs.files import atomic_write

    atomic_write(html, traced.to_html(layer or None).encode("utf-8", "replace"))
    notes().print(f"drawn in {printable(str(html))}", markup=False, soft_wrap=True)
