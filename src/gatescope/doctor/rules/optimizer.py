"""The optimizer and how long its steps are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Any

import numpy as np

from gatescope.catalog.lookup import folded
from gatescope.catalog.optimizers import OPTIMIZERS
from gatescope.catalog.rows import Interval
from gatescope.doctor.evidence import Curve, Evidence
from gatescope.doctor.finding import Change, Finding
from gatescope.doctor.rules.loops import loss_line
from gatescope.doctor.rules.table import rule, series

_RANGES = "the catalog's ranges of learning rates; Bengio 2012, arXiv:1206.5533"
_LONG, _SHORT = 0.1, 1e-5  # of the weights in a step; about 1e-3 is usual (Bottou 2012)
_FAR = 3  # times beyond the usual range
_VERY_FAR = 10
_POSSIBLE = 0.7  # what is within the usual range is for a proof to tell


def usual_rates(name: str) -> Interval | None:
    """Where learning rates of an optimizer usually lie, by the catalog."""
    for row in OPTIMIZERS.values():
        if folded(row.name) == folded(name):
            rates = [one.typical for one in row.settings if one.name == "learning_rate"]
            return rates[0] if rates else None
    return None


def usual_rate(name: str) -> float:
    """A learning rate to begin with: Keras' default, or else the middle of the usual ones."""
    for row in OPTIMIZERS.values():
        if folded(row.name) != folded(name):
            continue
        for one in row.settings:
            low, high = one.typical
            if one.name == "learning_rate":
                default = one.default or low
                inside = low < default < high
                return default if inside else float(f"{sqrt(low * high):.0e}")
    return 1e-3


def _moves(case: Evidence) -> Curve | None:
    """The median over layers of how far weights move in a step, as a share of their size."""
    curves = [case.probe(one.name, "update_ratio") for one in case.layers if one.learns]
    known = [one for one in curves if one is not None and one.y.any()]
    if not known:
        return None
    length = min(len(one.y) for one in known)
    moves = np.median(np.stack([one.y[:length] for one in known]), 0)
    return Curve("update / weight", known[0].x[:length], moves)


def _set_rate(case: Evidence, rate: float) -> tuple[Change, ...]:
    return (Change("set", "optimizer.learning_rate", rate),)


@rule(_RANGES)
def learning_rate_too_high(case: Evidence) -> Iterator[Finding]:
    """Steps that leap over what they look for."""
    training = case.training
    rate = training.learning_rate if training else None
    usual = usual_rates(training.optimizer) if training else None
    if rate is None or usual is None or training is None:
        return
    moves, beyond = _moves(case), rate / usual.high
    leaps = moves is not None and float(np.median(moves.y)) > _LONG
    if beyond < _FAR and not (leaps and beyond > 0.3):
        return
    evidence = [f"{training.optimizer} usually takes {usual}, here {rate:g}"]
    if moves is not None:
        evidence.append(f"a step moves weights by {np.median(moves.y):.2g} of their size")
    if beyond >= _VERY_FAR:
        far = case.sure(0.92, 0.8, 0.4)
    else:  # not rare in networks that learn: what steps do decides
        far = case.sure(0.8, 0.45, 0.2) if leaps else case.sure(0.5, 0.3, 0.1)
    right = min(usual_rate(training.optimizer), rate / _VERY_FAR)
    yield Finding(
        cause=f"the learning rate {rate:g} is too high",
        symptom=f"steps leap over the minimum; {case.symptom}",
        remedy=f"set it to {right:g}",
        confidence=far if beyond >= _FAR else min(far, _POSSIBLE),
        evidence=tuple(evidence),
        changes=_set_rate(case, right),
        series=(series("update / weight", moves),) if moves is not None else (),
    )


@rule(_RANGES)
def learning_rate_too_low(case: Evidence) -> Iterator[Finding]:
    """Steps so short that training ends before it has gone anywhere."""
    training = case.training
    rate = training.learning_rate if training else None
    usual = usual_rates(training.optimizer) if training else None
    if rate is None or usual is None or training is None:
        return
    moves, below = _moves(case), usual.low / rate if rate > 0 else np.inf
    creeps = moves is not None and float(np.median(moves.y)) < _SHORT
    if below < _FAR and not (creeps and rate <= usual.low):
        return
    evidence = [f"{training.optimizer} usually takes {usual}, here {rate:g}"]
    if moves is not None:
        evidence.append(f"a step moves weights by {np.median(moves.y):.2g} of their size")
    yield Finding(
        cause=f"the learning rate {rate:g} is too low",
        symptom=f"the weights hardly move; {case.symptom}",
        remedy=f"set it to {usual_rate(training.optimizer):g}",
        confidence=case.sure(0.92, 0.75, 0.3) if below >= _VERY_FAR else case.sure(0.85, 0.6, 0.2),
        evidence=tuple(evidence),
        changes=_set_rate(case, usual_rate(training.optimizer)),
        series=(series("update / weight", moves),) if moves is not None else (),
    )


@rule("Bottou 2012, Stochastic gradient descent tricks: watch the size of updates")
def learning_rate_low_for_scale(case: Evidence) -> Iterator[Finding]:
    """A usual rate that goes nowhere on this network and data."""
    training, losses = case.training, case.losses
    rate = training.learning_rate if training else None
    usual = usual_rates(training.optimizer) if training else None
    if not training or losses is None or rate is None or usual is None or not case.fails:
        return
    known = losses.finite.y
    if len(known) < 8 or rate > usual.high / 3 or rate < usual.low / _FAR:
        return
    quarter = max(2, len(known) // 4)
    first, last = known[:quarter].mean(), known[-quarter:].mean()
    # Still on its way down, and evenly: it was not stuck, it was slow.
    middle = known[quarter:-quarter].mean() if len(known) > 3 * quarter else (first + last) / 2
    if not last < middle < first:
        return
    better = min(usual.high, rate * _VERY_FAR)
    yield Finding(
        cause=f"the learning rate {rate:g} is low for this network and so few steps",
        symptom=f"the loss falls evenly and was still falling at the end; {case.symptom}",
        remedy=f"set it to {better:g}",
        confidence=0.5,
        evidence=(f"batch loss {first:.3g} at the start, {middle:.3g} in the middle, {last:.3g}",),
        changes=_set_rate(case, better),
        series=(series("batch loss", losses),),
    )


@rule("Polyak 1964; Sutskever et al. 2013: a step is 1/(1 − momentum) times as long")
def momentum_too_high(case: Evidence) -> Iterator[Finding]:
    """A memory so long that the optimizer cannot turn."""
    training = case.training
    momentum = training.settings.get("momentum") if training else None
    beta = training.settings.get("beta_1") if training else None
    name, value = ("momentum", momentum) if momentum else ("beta_1", beta)
    if not isinstance(value, int | float) or value < 0.98:
        return
    yield Finding(
        cause=f"{name}={value:g} remembers gradients of {1 / max(1e-9, 1 - value):,.0f} steps",
        symptom=f"it overshoots and swings back; {case.symptom}",
        remedy=f"set {name}=0.9",
        confidence=case.sure(0.8, 0.6, 0.3),
        changes=(Change("set", f"optimizer.{name}", 0.9),),
    )


@rule("Kingma & Ba 2014, arXiv:1412.6980: β₁ 0.9, β₂ 0.999, ε 1e-8")
def adam_off_its_settings(case: Evidence) -> Iterator[Finding]:
    """β and ε, of Adam and its kin, far from where the paper has them."""
    settings: Mapping[str, Any] = case.training.settings if case.training else {}
    for name, worst, right in (("beta_2", 0.8, 0.999), ("epsilon", None, 1e-7)):
        value = settings.get(name)
        if not isinstance(value, int | float):
            continue
        odd = value > 0.05 if worst is None else value < worst
        if odd:
            yield Finding(
                cause=f"{name}={value:g} is far from {right:g}, which the rule is made for",
                symptom=f"the length of steps is wrong; {case.symptom}",
                remedy=f"set {name}={right:g}",
                confidence=case.sure(0.65, 0.45, 0.2),
                changes=(Change("set", f"optimizer.{name}", right),),
            )


@rule("Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063: clip far above usual gradients")
def clipping_too_hard(case: Evidence) -> Iterator[Finding]:
    """Gradients cut to nothing."""
    training = case.training
    for name in ("clipnorm", "global_clipnorm", "clipvalue"):
        limit = training.settings.get(name) if training else None
        if not isinstance(limit, int | float) or limit >= 0.02 or not training:
            continue
        scaled = training.optimizer.casefold() in ("adam", "adamw", "rmsprop", "nadam", "adagrad")
        yield Finding(
            cause=f"{name}={limit:g} cuts gradients to next to nothing",
            symptom=f"the weights hardly move; {case.symptom}",
            remedy="set it to 1, or leave it out",
            # Adam divides by the size of gradients, so that cutting all alike changes little.
            confidence=case.sure(0.6, 0.4, 0.2) if scaled else case.sure(0.88, 0.75, 0.35),
            changes=(Change("set", f"optimizer.{name}", 1.0),),
        )


@rule("Loshchilov & Hutter 2017, arXiv:1711.05101")
def weight_decay_too_strong(case: Evidence) -> Iterator[Finding]:
    """Weights that shrink faster than they learn."""
    decay = case.training.settings.get("weight_decay") if case.training else None
    if not isinstance(decay, int | float) or decay < 0.3:
        return
    yield Finding(
        cause=f"weight_decay={decay:g} shrinks the weights faster than they learn",
        symptom=case.symptom,
        remedy="set it to 0.01 or below",
        confidence=case.sure(0.75, 0.5, 0.25),
        changes=(Change("set", "optimizer.weight_decay", 0.004),),
    )


@rule("Keras, learning rate schedules; Bengio 2012, section 3.1.1")
def learning_rate_falls_too_fast(case: Evidence) -> Iterator[Finding]:
    """A schedule that ends the training while it still goes on."""
    curve = case.batches.get("learning_rate")
    if curve is None or len(curve.y) < 4 or curve.y[0] <= 0:
        return
    begins = max(float(curve.y.max()), case.training.learning_rate or 0 if case.training else 0)
    half = float(curve.y[len(curve.y) // 2] / begins)
    if half > 0.02:
        return
    yield Finding(
        cause=f"the learning rate is down to {half:.2g} of itself half through the training",
        symptom=f"the second half learns nothing; {case.symptom}",
        remedy="let it fall more slowly, or keep it",
        confidence=case.sure(0.85, 0.6, 0.25),
        evidence=(f"from {begins:.3g} to {curve.y[-1]:.3g} in {len(curve.y)} steps",),
        changes=_set_rate(case, begins),
        series=(series("learning rate", curve),),
    )


@rule("gradient descent goes against the gradient: Cauchy 1847")
def learning_rate_not_positive(case: Evidence) -> Iterator[Finding]:
    """Steps of no length, or uphill."""
    rate = case.training.learning_rate if case.training else None
    if rate is None or rate > 0 or case.training is None:
        return
    yield Finding(
        cause=f"the learning rate is {rate:g}"
        + (": every step goes uphill" if rate < 0 else ": no step goes anywhere"),
        symptom=case.symptom,
        remedy=f"set it to {usual_rate(case.training.optimizer):g}",
        confidence=0.97,
        changes=_set_rate(case, usual_rate(case.training.optimizer)),
    )


@rule("ranges of the catalog's losses; gradient descent lowers what it is given")
def loss_goes_the_wrong_way(case: Evidence) -> Iterator[Finding]:
    """A loss with the wrong sign, which is made worse and worse."""
    losses, training = case.losses, case.training
    if losses is None or training is None or not len(losses.finite.y):
        return
    known = losses.finite.y
    tenth = max(1, len(known) // 10)
    below = float(known[-tenth:].mean()) < min(-1.0, 2 * float(known[:tenth].mean()))
    if not below or case.fine or training.loss == "cosine_similarity":
        return
    yield Finding(
        cause="the loss falls without end below 0: its sign, or that of its labels, is wrong",
        symptom=f"the better the loss, the worse the network; {case.symptom}",
        remedy="turn its sign; let a loss be 0 where the prediction is right",
        confidence=0.75,
        evidence=(f"batch loss from {known[:tenth].mean():.3g} to {known[-tenth:].mean():.3g}",),
        changes=(),
        series=(series("batch loss", losses),),
        focus=_computed_at(case) or "loss",
    )


def _computed_at(case: Evidence) -> str | None:
    """The line where a loop of the user's own computes the loss."""
    line = loss_line(case.script) if case.script and case.own_step else None
    return f"line:{line}" if line else None


@rule("Sutskever et al. 2013, On the importance of initialization and momentum")
def plain_gradient_descent(case: Evidence) -> Iterator[Finding]:
    """SGD without momentum, which crawls along narrow valleys."""
    training = case.training
    if not training or training.optimizer.casefold() != "sgd" or case.fine:
        return
    guesses = case.outcome is not None and case.outcome.learns_nothing and not case.cut
    if training.settings.get("momentum") or not (case.fails or guesses):
        return
    rate = training.learning_rate
    if rate is None or rate > 0.1:
        return
    yield Finding(
        cause="SGD without momentum is too slow for so few steps",
        symptom=case.symptom,
        remedy="take adam, or momentum=0.9",
        confidence=0.45,
        changes=(Change("set", "optimizer", {"name": "adam", "learning_rate": 0.001}),),
    )
