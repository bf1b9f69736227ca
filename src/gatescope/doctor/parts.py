"""A network of several inputs or outputs, seen as several that have one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from gatescope.doctor.evidence import Evidence, Layer, Sample
from gatescope.doctor.finding import Finding

Value = TypeVar("Value")


def outputs_of(case: Evidence) -> Iterator[tuple[str, Evidence]]:
    """Each of several outputs with its own targets, loss and curves, and what leads to it.

    Args:
        case: The whole of the network.

    Yields:
        The name that `fit` and `compile` know it by, and the evidence.
    """
    sample, training = case.sample, case.training
    if sample is None or training is None or len(sample.targets) != len(case.outputs):
        return
    for place, name in enumerate(sample.targets):
        layer = name if name in case.outputs else case.outputs[place]
        loss, settings = next(
            (training.losses[one] for one in (name, layer, str(place)) if one in training.losses),
            (training.loss, training.loss_settings),
        )
        kept = (part[place : place + 1] for part in (sample.y, sample.y_val))
        y, y_val = kept
        yield (
            name,
            replace(
                case,
                outputs=(layer,),
                layers=_reached(case, layer, forward=False),
                training=replace(
                    training,
                    loss=loss,
                    loss_settings=settings,
                    losses={},
                    metrics=_metrics(case, name, layer),
                ),
                sample=replace(sample, y=y, y_val=y_val, targets=()),
                history=_own(case.history, name, layer),
                evaluated=_own(case.evaluated, name, layer),
                asked=_asked_of(case, place),
            ),
        )


def inputs_of(case: Evidence) -> Iterator[tuple[str, Evidence]]:
    """Each of several inputs, without targets, for one of them alone does not tell these.

    Args:
        case: The whole of the network.

    Yields:
        The name that `fit` knows it by, and the evidence.
    """
    sample = case.sample
    if sample is None or len(sample.inputs) != len(case.inputs):
        return
    for place, name in enumerate(sample.inputs):
        layer = name if name in case.inputs else case.inputs[place]
        x, x_val = (part[place : place + 1] for part in (sample.x, sample.x_val))
        asked = {
            whose: Sample(later.x[place : place + 1])
            for whose, later in case.asked.items()
            if len(later.x) == len(sample.x)
        }
        yield (
            name,
            replace(
                case,
                inputs=(layer,),
                layers=_reached(case, layer, forward=True),
                sample=Sample(x, (), x_val),
                asked=asked,
                batches={},
            ),
        )


def _asked_of(case: Evidence, place: int) -> dict[str, Sample]:
    """What was asked later, with the targets of one output alone."""
    return {
        whose: replace(later, y=later.y[place : place + 1])
        for whose, later in case.asked.items()
        if len(later.y) in (0, len(case.outputs))
    }


def _own(told: Mapping[str, Value], *names: str) -> dict[str, Value]:
    """What is told of one output, without its name, which stands before that of the metric."""
    return {
        key.replace(f"{name}_", "", 1): value
        for name in dict.fromkeys(names)
        for key, value in told.items()
        if key.removeprefix("val_").startswith(f"{name}_")
    }


def about(part: str, findings: Sequence[Finding]) -> list[Finding]:
    """Findings whose changes are made to one of several inputs or outputs alone.

    Args:
        part: Its name.
        findings: What was found of it.
    """
    whole = ("optimizer", "fit", "metrics", "layer")
    found = []
    for finding in findings:
        changes = [
            one if one.target.replace(":", ".").partition(".")[0] in whole
            else replace(one, part=part)
            for one in finding.changes
        ]  # fmt: skip
        found.append(
            replace(finding, cause=f"{_spoken(part)}: {finding.cause}", changes=tuple(changes))
        )
    return found


def _spoken(part: str) -> str:
    return f"number {int(part) + 1} of several" if part.isdigit() else part


def _metrics(case: Evidence, *names: str) -> tuple[str, ...]:
    """Metrics of an output, by its curves."""
    curves = _own(case.history, *names)
    return tuple(name for name in curves if name != "loss" and not name.startswith("val_"))


def _reached(case: Evidence, start: str, *, forward: bool) -> tuple[Layer, ...]:
    """The layers that a layer leads to, or that lead to it, itself among them."""
    if case.kind != "functional":
        return case.layers
    found, grown = {start}, True
    while grown:
        joined = {
            one.name
            for one in case.layers
            if forward and not found.isdisjoint(one.inbound)
        } | {
            before
            for one in case.layers
            if not forward and one.name in found
            for before in one.inbound
        }  # fmt: skip
        grown = not joined <= found
        found |= joined
    return tuple(one for one in case.layers if one.name in found)
