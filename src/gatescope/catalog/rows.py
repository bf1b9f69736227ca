"""What a row of the catalog holds, for each of the six kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from math import inf
from typing import ClassVar, Literal, NamedTuple, final

Kind = Literal["loss", "activation", "initializer", "schedule", "optimizer", "regularizer"]
Shape = Literal["normal", "truncated normal", "uniform", "fixed"]
State = tuple[float, ...]  # what an optimizer remembers of a weight from step to step


class Interval(NamedTuple):
    """Numbers between two bounds, either of which may be infinite."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{_written(self.low)} to {_written(self.high)}"


ANY, POSITIVE, UNIT = Interval(-inf, inf), Interval(0, inf), Interval(0, 1)
_AROUND_0, _NEAR_0 = Interval(-5, 5), Interval(-2, 2)
_STEPS, _FEW_STEPS = Interval(0, 1500), Interval(0, 60)


def _written(bound: float) -> str:
    return f"{bound:g}".replace("-", "−").replace("inf", "∞")


class Setting(NamedTuple):
    """An argument of the Keras class.

    Args:
        name: As Keras spells it.
        default: Keras' own; None where it has none.
        typical: Where useful values lie.
        meaning: What it does.
        shown: A value to compute with, where there is no default.
    """

    name: str
    default: float | None
    typical: Interval
    meaning: str
    shown: float | None = None

    @property
    def value(self) -> float | None:
        """What circuits and drawings use."""
        return self.default if self.shown is None else self.shown


@dataclass(frozen=True)
class Entry:
    """One thing that Keras offers.

    Formulas and derivatives are written so that tests read them as they stand: `·` multiplies,
    `^` raises, `|x|` is a size, and indexed names (`xᵢ`) mean one of several numbers.

    Args:
        name: As Keras spells it in lower case.
        keras: The Keras class, or the function where there is no class.
        formula: What it computes, as plain text.
        derivative: Of the formula, with respect to what a gradient passes through.
        circuit: The expression that `gatescope.circuits` makes a circuit of. Its inputs are the
            variables of the kind (`x`, `prediction` and `target`, `weight`), with a digit where
            they are several, and settings under their names. Of an initializer it is the standard
            deviation of a weight.
        advice: When to take it, and what to look out for.
        no_circuit: Why there is no circuit, where there is none.
        settings: What can be set, but for names, seeds and what all of a kind have.
        source: Where the formula comes from.
        aliases: Other names that Keras takes.
        window: Where a drawing shows it.
        given: Values of the other inputs, and of settings, for a drawing.
    """

    kind: ClassVar[Kind]

    name: str
    keras: str
    formula: str
    derivative: str
    circuit: str
    _: KW_ONLY
    advice: str
    no_circuit: str = ""
    settings: tuple[Setting, ...] = ()
    source: str = ""
    aliases: tuple[str, ...] = ()
    window: Interval = _AROUND_0
    given: tuple[tuple[str, float], ...] = ()

    @property
    def values(self) -> dict[str, float]:
        """Values for the inputs of the circuit, all but the one that a drawing varies."""
        set_to = {one.name: one.value for one in self.settings if one.value is not None}
        return {**set_to, **dict(self.given)}


@final
@dataclass(frozen=True)
class Activation(Entry):
    """An activation function.

    Args:
        range: Where its output lies.
        saturates: Where its derivative is below 0.001, so that next to nothing is learned.
    """

    kind = "activation"

    _: KW_ONLY
    range: Interval = ANY
    saturates: tuple[Interval, ...] = ()


@final
@dataclass(frozen=True)
class Loss(Entry):
    """A loss, of a target y and a prediction ŷ.

    Args:
        range: Where its value lies.
        predictions: What the network may put out.
        targets: Which labels it takes, as numbers.
        saturates: Where its derivative is below 0.001 at the target of `given`.
    """

    kind = "loss"

    _: KW_ONLY
    range: Interval = POSITIVE
    predictions: Interval = ANY
    targets: Interval = ANY
    saturates: tuple[Interval, ...] = ()
    given: tuple[tuple[str, float], ...] = (("target", 1.0),)


@final
@dataclass(frozen=True)
class Initializer(Entry):
    """A way to draw the first weights.

    Args:
        shape: Of their distribution.
    """

    kind = "initializer"

    _: KW_ONLY
    shape: Shape = "fixed"
    given: tuple[tuple[str, float], ...] = (("fan_in", 64.0), ("fan_out", 64.0))


@final
@dataclass(frozen=True)
class Schedule(Entry):
    """A learning rate that changes with the step.

    Args:
        rate: The learning rate at a step, from the settings under their names.
    """

    kind = "schedule"

    _: KW_ONLY
    rate: Callable[..., float]
    derivative: str = ""
    circuit: str = ""
    window: Interval = _STEPS


@final
@dataclass(frozen=True)
class Optimizer(Entry):
    """A rule that turns gradients into updates.

    Args:
        update: From weight w, gradient g, what it remembers and the number of the step (from 1),
            with settings under their names: the new weight and what it remembers then. None where
            the rule needs whole matrices or other optimizers.
        start: What it remembers before the first step.
    """

    kind = "optimizer"

    _: KW_ONLY
    update: Callable[..., tuple[float, State]] | None = None
    start: State = ()
    derivative: str = ""
    circuit: str = ""
    window: Interval = _FEW_STEPS


@final
@dataclass(frozen=True)
class Regularizer(Entry):
    """A penalty on weights, which the loss is given on top."""

    kind = "regularizer"

    _: KW_ONLY
    range: Interval = POSITIVE
    window: Interval = _NEAR_0
