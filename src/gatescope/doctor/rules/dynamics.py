"""What happens while it trains: gradients, units, losses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gatescope.doctor.evidence import RECURRENT, Evidence, Layer
from gatescope.doctor.finding import CERTAIN, Change, Finding
from gatescope.doctor.rules.optimizer import usual_rate
from gatescope.doctor.rules.table import rule, series

_MOSTLY = 0.6
_OF_OWN = {
    "Log": "keep what goes into the logarithm above 0: log(maximum(x, 1e-7))",
    "Log1p": "keep what goes into log1p above -1",
    "Sqrt": "keep what goes into the root above 0: sqrt(maximum(x, 1e-12))",
    "Rsqrt": "keep what goes into the root above 0: rsqrt(maximum(x, 1e-12))",
    "RealDiv": "keep the divisor away from 0: x / (y + 1e-7)",
    "Div": "keep the divisor away from 0: x / (y + 1e-7)",
    "Reciprocal": "keep what is divided by away from 0",
    "Exp": "bound what goes into exp: exp(minimum(x, 30))",
    "Pow": "keep the base above 0 where the power is no whole number",
}
"""Operations in a loss or layer of the user's own that have no finite value for some numbers."""
_EXPLODES = 100  # times the weights' own norm: one step of plain SGD at 0.01 replaces them
_VANISHES = 1e-3  # of what the last layer gets: it learns a thousand times as slowly


@rule("IEEE 754; Keras' own checks pass NaN silently under XLA")
def not_finite(case: Evidence) -> Iterator[Finding]:
    """A loss or gradient that is NaN or infinite."""
    losses = case.losses
    lost = losses is not None and not np.isfinite(losses.y).all()
    if case.bad is None and not lost:
        return
    first = int(losses.x[~np.isfinite(losses.y)][0]) if losses is not None and lost else None
    bad = case.bad or {}
    step = bad.get("step", first)
    told = str(bad.get("told") or "").splitlines()
    line = _source_line(case, str(bad.get("source") or ""))
    own = _OF_OWN.get(str(bad.get("op"))) if line else None
    yield Finding(
        cause=f"step {step} is the first whose loss or gradients are not finite"
        + (f": {bad['op']} in {bad.get('layer') or 'the loss'}" if bad.get("op") else ""),
        symptom="from there on weights are NaN and nothing is learned",
        remedy=own or "see what else is found; if nothing, shorten the steps and clip gradients",
        confidence=0.9 if own else CERTAIN,
        evidence=tuple(told[:3]),
        changes=() if own else _calmer(case),
        layer=bad.get("layer") or None,
        step=step,
        series=(series("batch loss", losses),) if losses is not None else (),
        focus=line,
    )


def _source_line(case: Evidence, source: str) -> str | None:
    """The line of the script that an operation comes from, told as `file:line in function`."""
    file, _, line = source.partition(" in ")[0].rpartition(":")
    here = case.script is not None and file.endswith(Path(case.script.path).name)
    return f"line:{line}" if here and line.isdigit() else None


def _calmer(case: Evidence) -> tuple[Change, ...]:
    """A tenth of the learning rate and clipped gradients."""
    rate = case.training.learning_rate if case.training else None
    clip = Change("set", "optimizer.clipnorm", 1.0)
    if rate is None or case.training is None:
        return (clip,)
    slower = min(rate / 10, usual_rate(case.training.optimizer))
    return (Change("set", "optimizer.learning_rate", slower), clip)


@rule("Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063")
def exploding_gradients(case: Evidence) -> Iterator[Finding]:
    """Gradients far larger than the weights that they move."""
    for layer in case.layers:
        slope, size = (case.probe(layer.name, one) for one in ("weight_gradient", "weight"))
        if slope is None or size is None or len(slope.y) != len(size.y) or case.fine:
            continue
        ratio = slope.y / np.maximum(size.y, 1e-9)
        if ratio.max() < _EXPLODES:
            continue
        step = int(slope.x[int(np.argmax(ratio >= _EXPLODES))])
        yield Finding(
            cause=f"gradients of {layer.name} are {ratio.max():.3g} times as large as its weights",
            symptom=f"a step throws the weights far off; {case.symptom}",
            remedy="scale inputs and targets, or clip gradients: clipnorm=1",
            confidence=case.sure(0.65, 0.35, 0.1),
            evidence=(f"gradient norm up to {slope.y.max():.3g}, weights {np.median(size.y):.3g}",),
            changes=(Change("set", "optimizer.clipnorm", 1.0),),
            layer=layer.name,
            step=step,
            series=(series("gradient norm", slope),),
        )
        return


@rule("Hochreiter 1991; Glorot & Bengio 2010")
def vanishing_gradients(case: Evidence) -> Iterator[Finding]:
    """First layers that get next to nothing of the gradient."""
    learning = [one for one in case.layers if one.learns and one.kind not in RECURRENT]
    shares = [(one, _share(case, one)) for one in learning]
    known = [(one, share) for one, share in shares if share is not None]
    if len(known) < 3 or case.fine:
        return
    (first, least), (last, most) = known[0], known[-1]
    if most <= 0 or least / most > _VANISHES:
        return
    hidden = [one for one in case.hidden if case.activated(one) in ("sigmoid", "tanh", "softsign")]
    changes = [Change("set", f"layer:{one.name}.activation", "relu") for one in hidden]
    yield Finding(
        cause=f"of the gradient that {last.name} gets, {least / most:.1e} reaches {first.name}",
        symptom=f"the first layers stay as they were drawn; {case.symptom}",
        remedy="take relu" if hidden else "add normalization or skip connections, or fewer layers",
        confidence=case.sure(0.75, 0.5, 0.1),
        evidence=tuple(f"{one.name}: {share:.2e} of its weights" for one, share in known[:6]),
        changes=tuple(changes),
        layer=first.name,
        step=0,
    )


def _share(case: Evidence, layer: Layer) -> float | None:
    slope, size = (case.probe(layer.name, one) for one in ("weight_gradient", "weight"))
    if slope is None or size is None or len(slope.y) != len(size.y) or not size.y.any():
        return None
    return float(np.median(slope.y / np.maximum(size.y, 1e-9)))


@rule("Maas, Hannun & Ng 2013; Lu et al. 2019, arXiv:1903.06733")
def dead_units(case: Evidence) -> Iterator[Finding]:
    """Units that are 0 for every sample, and get no gradient."""
    for layer in case.layers:
        dead = case.probe(layer.name, "dead")
        activation = case.activated(layer)
        if (
            case.bad is not None
            or dead is None
            or activation not in ("relu", "relu6")
            or layer.applies is None
        ):
            continue
        share, whole = float(dead.y[-1]), float(dead.y[-1]) > 0.98
        if share < _MOSTLY or (case.fine and not whole):
            continue
        step = int(dead.x[int(np.argmax(dead.y >= _MOSTLY))])
        changes = (Change("set", f"layer:{layer.name}.activation", "leaky_relu"),)
        yield Finding(
            cause=f"{share:.0%} of the units of {layer.name} are dead: 0 for every sample",
            symptom=f"no gradient passes through them; {case.symptom}",
            remedy="lower the learning rate, or take leaky_relu",
            confidence=0.85 if whole and not case.fine else case.sure(0.6, 0.35, 0.1),
            evidence=(f"at step {int(dead.x[-1])}, over five probes in a row",),
            changes=changes,
            layer=layer.name,
            step=step,
            series=(series("dead units", dead),),
        )
        return


@rule("Glorot & Bengio 2010; ranges of saturation from the catalog")
def saturated_units(case: Evidence) -> Iterator[Finding]:
    """Hidden units at the flat ends of their activation."""
    hidden = {one.name for one in case.hidden}
    for layer in case.layers:
        flat = case.probe(layer.name, "saturated")
        if flat is None or layer.name not in hidden or float(np.median(flat.y)) < _MOSTLY:
            continue
        if case.fine:
            continue
        yield Finding(
            cause=f"{np.median(flat.y):.0%} of the outputs of {layer.name} lie where "
            f"{case.activated(layer)} is flat",
            symptom=f"next to no gradient passes; {case.symptom}",
            remedy="scale the inputs, draw smaller weights, or take relu",
            confidence=case.sure(0.65, 0.45, 0.1),
            changes=(Change("set", f"layer:{layer.name}.activation", "relu"),)
            if layer.kind not in RECURRENT
            else (Change("set", "data.x", "standardize"),),
            layer=layer.name,
            step=int(flat.x[int(np.argmax(flat.y >= _MOSTLY))]),
            series=(series("saturated", flat),),
        )
        return


@rule("Bengio 2012, section 3.1.1: a loss that rises or swings asks for a lower rate")
def oscillation(case: Evidence) -> Iterator[Finding]:
    """A loss that swings and does not fall."""
    losses, training = case.losses, case.training
    rate = training.learning_rate if training else None
    if losses is None or not training or rate is None or not case.fails:
        return
    known = losses.finite.y
    if len(known) < 20 or known.std() == 0:
        return
    half = known[len(known) // 2 :]
    fell = known[: len(known) // 10 + 1].mean() - half.mean()
    swing = float(np.abs(np.diff(half)).mean())
    wild = float(known.max()) > 20 * max(1e-9, float(np.median(known)))
    if not wild and (swing < 0.3 * abs(half.mean()) or fell > swing):
        return
    yield Finding(
        cause=f"the loss swings by {swing:.3g} from batch to batch and does not fall",
        symptom=case.symptom,
        remedy=f"lower the learning rate, to {rate / 10:g}",
        confidence=0.5,
        evidence=(f"batch loss {half.mean():.3g} in the second half, up to {known.max():.3g}",),
        changes=(Change("set", "optimizer.learning_rate", rate / 10),),
        series=(series("batch loss", losses),),
    )


@rule("Goodfellow et al. 2016, section 11.5")
def plateau(case: Evidence) -> Iterator[Finding]:
    """A loss that stays where it began, for reasons that no other rule has."""
    losses, training = case.losses, case.training
    if losses is None or not training or not case.fails:
        return
    known = losses.finite.y
    if len(known) < 30:
        return
    thirds = [float(part.mean()) for part in np.array_split(known, 3)]
    if abs(thirds[2] - thirds[0]) > 0.02 * abs(thirds[0]):
        return
    if training.optimizer == "Adam" and training.learning_rate == usual_rate("adam"):
        return  # that is what it takes already
    yield Finding(
        cause="the loss stays where it began",
        symptom=case.symptom,
        remedy="take adam with its default rate",
        confidence=0.3,
        evidence=("thirds of the training: " + ", ".join(f"{one:.4g}" for one in thirds),),
        changes=(Change("set", "optimizer", {"name": "adam", "learning_rate": 0.001}),),
        series=(series("batch loss", losses),),
    )


@rule("what the optimizer is not given, it does not move")
def weights_never_move(case: Evidence) -> Iterator[Finding]:
    """Steps that change no weight at all."""
    moves = [
        curve
        for layer in case.layers
        if layer.learns and any(one.trainable for one in layer.weights)
        and (curve := case.probe(layer.name, "update_ratio")) is not None
    ]  # fmt: skip
    rate = case.training.learning_rate if case.training else None
    if not moves or any(one.y.any() for one in moves) or max(len(one.y) for one in moves) < 3:
        return
    if rate is not None and rate == 0:
        return  # a rule of its own
    yield Finding(
        cause="no step changes any weight: the optimizer is given no gradients, or never called",
        symptom=case.symptom,
        remedy="compute the loss of the predictions inside the tape, and let the optimizer apply "
        "the gradients to model.trainable_variables",
        confidence=0.85,
        evidence=(f"updates are 0 in all {max(len(one.y) for one in moves)} probed steps",),
        step=0,
    )
