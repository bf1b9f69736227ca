"""What a row of the catalog looks like as a curve with its derivative, as plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import exp, nan, pi, sqrt
from typing import NamedTuple

from gatescope.catalog.rows import (
    ANY,
    POSITIVE,
    Entry,
    Initializer,
    Interval,
    Loss,
    Optimizer,
    Schedule,
)
from gatescope.circuits.circuit import Circuit
from gatescope.circuits.circuit import circuit as circuit_of
from gatescope.errors import GateError, UsageError

_POINTS = 400  # an even number, so that the middle, where many have a corner, lies between two
_FURTHEST = 1_000_000  # a target beyond it would round a drawing away
_CUT = 0.8796256610342398  # of a normal's deviation, what cutting it at twice that leaves
_CUT_AREA = 0.9544997361036416  # of a normal, what lies within twice its deviation


class Curve(NamedTuple):
    """Numbers to draw: `slope` is empty where there is no derivative; jumps are NaN."""

    x_label: str
    y_label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    slope: tuple[float, ...] = ()
    flat: tuple[Interval, ...] = ()


def curve(entry: Entry) -> Curve | None:
    """Computes what a drawing of a row shows.

    Of activations, losses and regularizers it is the circuit and its gradient over one input, of
    schedules the rate, of initializers the density of a weight, and of optimizers the way of a
    weight down w² from 1.

    Args:
        entry: A row of the catalog.

    Returns:
        The curve, or None where the row has nothing to compute.

    Example:
        >>> curve(find("activation", "relu")).y[-1]
        5.0
    """
    match entry:
        case Schedule():
            return _rates(entry)
        case Optimizer():
            return _descent(entry)
        case Initializer():
            return _density(entry)
    return _circuit(entry) if entry.circuit else None


def at_target(entry: Entry, target: float) -> Entry:
    """A loss as drawn for another target.

    Raises:
        UsageError: The row is no loss of one target, or does not take this one.
    """
    if not isinstance(entry, Loss) or "target" not in dict(entry.given):
        raise UsageError(
            f"{entry.name} has no target to choose",
            "a loss that compares one prediction with one target",
            "gatescope catalog loss huber --target 2",
        )
    if not (abs(target) <= _FURTHEST and entry.targets.low <= target <= entry.targets.high):
        raise UsageError(
            f"the target is {target:g}",
            f"for {entry.name} one from {entry.targets}, within ±{_FURTHEST:,}",
            "leave --target out",
        )
    low, high = entry.window
    if entry.predictions == ANY:  # what counts is around the target
        low, high = low + target - 1, high + target - 1
    elif entry.predictions == POSITIVE:
        high = max(high, 2 * target)
    given = (("target", target),)
    return replace(entry, given=given, saturates=(), window=Interval(low, high))


def _circuit(entry: Entry) -> Curve:
    whole = circuit_of(entry.circuit)
    compiled, inputs = Circuit(whole.outputs[:1]).compile(), whole.inputs
    values = {name: value for name, value in entry.values.items() if name in inputs}
    (variable,) = (name for name in inputs if name not in values)
    x = _steps(entry.window)
    y, slope = [], []
    for place in x:
        try:
            value, gradients = compiled.backward(**{**values, variable: place})
        except GateError:
            value, gradients = nan, {variable: nan}
        y.append(value)
        slope.append(gradients[variable])
    others = [f"{name} = {value:g}" for name, value in dict(entry.given).items() if name in inputs]
    return Curve(
        ", ".join([variable, *others]),
        entry.kind if entry.kind != "activation" else "output",
        x,
        _broken_at_jumps(y),
        _broken_at_jumps(slope),
        getattr(entry, "saturates", ()),
    )


def _rates(entry: Schedule) -> Curve:
    x = tuple(float(step) for step in range(int(entry.window.low), int(entry.window.high) + 1, 5))
    y = [entry.rate(step, **entry.values) for step in x]
    return Curve("step", "learning rate", x, _broken_at_jumps(y))


def _descent(entry: Optimizer) -> Curve | None:
    if entry.update is None:
        return None
    w, state, path = 1.0, entry.start, [1.0]
    for step in range(1, int(entry.window.high) + 1):
        w, state = entry.update(w, 2 * w, state, step=step, **dict(entry.given))
        path.append(w)
    given = ", ".join(f"{name} {value:g}" for name, value in entry.given)
    return Curve(
        f"step, {given}", "weight on the loss w²", tuple(map(float, range(len(path)))), (*path,)
    )


def _density(entry: Initializer) -> Curve | None:
    if not entry.circuit:
        return None
    made = circuit_of(entry.circuit)
    values = {name: value for name, value in entry.values.items() if name in made.inputs}
    deviation = made.forward(**values)
    if not isinstance(deviation, float):
        return None
    x = _steps(Interval(-4 * deviation, 4 * deviation))
    y = [_share(entry.shape, place / deviation) / deviation for place in x]
    fans = [f"{name} {value:g}" for name, value in values.items()]
    return Curve(f"weight, {', '.join(fans)}", "density", x, _broken_at_jumps(y))


def _share(shape: str, z: float) -> float:
    """The density of a distribution of deviation 1."""
    if shape == "uniform":
        return 1 / sqrt(12) if abs(z) <= sqrt(3) else 0.0
    scale = _CUT if shape == "truncated normal" else 1.0
    normal = scale * exp(-((z * scale) ** 2) / 2) / sqrt(2 * pi)
    if shape == "normal":
        return normal
    return normal / _CUT_AREA if abs(z) * scale <= 2 else 0.0


def _steps(window: Interval) -> tuple[float, ...]:
    width = (window.high - window.low) / (_POINTS - 1)
    return tuple(window.low + width * place for place in range(_POINTS))


def _broken_at_jumps(values: Sequence[float]) -> tuple[float, ...]:
    """Puts NaN where a line would climb a jump that is not there, seen by its neighbours."""
    finite = [value for value in values if value == value]
    least = 0.02 * (max(finite) - min(finite))
    steps = [after - before for before, after in pairwise(values)]
    broken = list(values)
    for place in range(1, len(steps) - 1):
        around = max(abs(steps[place - 1]), abs(steps[place + 1]))
        if abs(steps[place]) > 8 * around + least:
            broken[place] = nan
    return tuple(broken)
