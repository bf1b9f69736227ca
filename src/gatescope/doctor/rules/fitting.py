"""How `fit` goes through the data: batches, epochs, order, validation, reduction of the loss."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

import numpy as np

from gatescope.doctor.evidence import Evidence
from gatescope.doctor.finding import Change, Finding
from gatescope.doctor.rules.data import UNBALANCED, passes_in_order, splits_scaled_apart
from gatescope.doctor.rules.table import rule, series
from gatescope.doctor.script import Script, argument, called
from gatescope.scope.words import plural

_BATCHES = "Masters & Luschi 2018, arXiv:1804.07612: small batches, 32 and below; Bengio 2012"
_FEW_STEPS = 100  # less than this many updates of Adam's 0.001 move a weight by 0.1 at most
_USUAL = 32
_LEAP = 0.05  # what a loss of order 1 gains in an epoch only at the start
_SEEN = 0.3
_SORTED = 0.8
_OTHERS = 0.4  # of the samples: draws at random differ by a few percent
_FEW_HELD = 10
_HARDLY = 20  # updates, in which nothing can be learned, however they go
_FEW_EPOCHS = 3


def _samples(case: Evidence) -> int | None:
    told = case.training.fit.get("samples") if case.training else None
    return told or (len(case.sample.x[0]) if case.sample and case.sample.x else None)


@rule(_BATCHES)
def batch_too_large(case: Evidence) -> Iterator[Finding]:
    """So many samples a step that there are hardly any steps."""
    training, samples = case.training, _samples(case)
    if not training or samples is None or training.batch_size is None or not training.epochs:
        return
    size, steps = training.batch_size, ceil(samples / training.batch_size)
    total = steps * training.epochs
    if size <= 2 * _USUAL or steps > 3 or samples < 4 * _USUAL or total > 5 * _FEW_STEPS:
        return
    few = total <= _FEW_STEPS
    yield Finding(
        cause=f"a batch of {size:,} of {samples:,} samples makes {plural(steps, 'step')} an epoch",
        symptom=f"{total} updates in all; {case.symptom}",
        remedy=f"set batch_size={_USUAL}",
        confidence=case.sure(0.8, 0.55, 0.2) if few else case.sure(0.5, 0.3, 0.15),
        changes=(Change("set", "fit.batch_size", _USUAL),),
    )


@rule(_BATCHES)
def batch_too_small(case: Evidence) -> Iterator[Finding]:
    """Steps of one or two samples."""
    training, samples = case.training, _samples(case)
    if not training or not training.fit or training.batch_size is None or (samples or 0) < 100:
        return
    if training.batch_size > 2:
        return
    yield Finding(
        cause=f"each step sees {plural(training.batch_size, 'sample')}: mostly noise",
        symptom=case.symptom,
        remedy=f"set batch_size={_USUAL}",
        confidence=case.sure(0.65, 0.4, 0.2),
        changes=(Change("set", "fit.batch_size", _USUAL),),
    )


@rule("Goodfellow et al. 2016, section 7.8: train until the validation error rises")
def too_few_epochs(case: Evidence) -> Iterator[Finding]:
    """A training that ended while it was getting better."""
    training, loss = case.training, case.losses
    if not training or not training.epochs or loss is None or case.fine or case.cut:
        return
    if case.crash is not None and not case.crash.later:
        return  # it was not the epochs that ended it
    if next(model_made_anew(case), None):
        return  # more rounds of that are no more epochs
    known = loss.finite.y
    if len(known) < len(loss.y) or not len(known) or len(known) > 20 * _FEW_STEPS:
        return
    part = max(1, len(known) // 4)
    first, last = known[:part].mean(), known[-part:].mean()
    before = known[-2 * part : -part].mean() if len(known) > 1 else first
    hardly = training.epochs <= 2 and len(known) < 2 * _FEW_STEPS and case.fails
    falling = last < before - 0.02 * abs(first) or len(known) <= _HARDLY or hardly
    if not falling or (training.epochs > 5 and not case.fails):
        return
    more = max(20, 10 * training.epochs)
    few = len(known) < 2 * _FEW_STEPS
    yield Finding(
        cause=f"training ended after {plural(training.epochs, 'epoch')}, "
        f"{plural(len(known), 'step')}",
        symptom=f"it had not settled; {case.symptom}",
        remedy=f"train {more} epochs",
        confidence=case.sure(0.75, 0.5, 0.1) if few else case.sure(0.5, 0.3, 0.1),
        evidence=(f"batch loss {first:.3g} at first, {before:.3g} and {last:.3g} at the end",),
        changes=(Change("set", "fit.epochs", more),),
        series=(series("batch loss", loss),),
    )


@rule("Prechelt 1998, Early stopping — but when?; Keras, EarlyStopping")
def stopped_too_early(case: Evidence) -> Iterator[Finding]:
    """EarlyStopping without patience."""
    training = case.training
    if not training or not training.epochs:
        return
    told = [one for one in training.fit.get("callbacks") or () if "EarlyStopping" in one["class"]]
    ran = max((len(curve.y) for curve in case.history.values()), default=0)
    if not told or not ran or ran >= training.epochs or not _hasty(told[0]):
        return
    yield Finding(
        cause=f"EarlyStopping with patience={told[0].get('patience', 0)} ended the training "
        f"after {ran} of {training.epochs} epochs",
        symptom=f"one epoch that is not better is noise; {case.symptom}",
        remedy='set mode="min": a loss is to fall'
        if _upside_down(told[0])
        else "set patience to 5 or more",
        confidence=case.sure(0.9, 0.85, 0.6)
        if _upside_down(told[0])
        else case.sure(0.8, 0.5, 0.15),
        changes=(
            Change("set", "fit.mode", "min")
            if _upside_down(told[0])
            else Change("set", "fit.patience", 10),
        ),
    )


def _hasty(callback: Mapping[str, Any]) -> bool:
    """Whether it ends at once, or asks for leaps, or waits for a loss to rise."""
    leaps = abs(callback.get("min_delta", 0)) >= _LEAP
    return callback.get("patience", 0) <= 2 or leaps or _upside_down(callback)


def _upside_down(callback: Mapping[str, Any]) -> bool:
    """Whether it waits for a loss to rise."""
    return callback.get("mode") == "max" and "loss" in str(callback.get("monitor"))


@rule("Keras, fit: steps_per_epoch times epochs is all that is seen")
def epochs_cut_short(case: Evidence) -> Iterator[Finding]:
    """Epochs that see a small part of the data."""
    training, samples = case.training, _samples(case)
    steps = training.fit.get("steps_per_epoch") if training else None
    if not training or not steps or samples is None or training.batch_size is None:
        return
    share = steps * training.batch_size / samples
    if share > _SEEN:
        return
    yield Finding(
        cause=f"steps_per_epoch={steps} shows {share:.0%} of the samples in an epoch",
        symptom=f"{steps * (training.epochs or 1)} updates in all; {case.symptom}",
        remedy="leave it out: an epoch then sees all samples",
        confidence=case.sure(0.8, 0.6, 0.25),
        changes=(Change("set", "fit.steps_per_epoch", None),),
    )


@rule("Bottou 2012: samples in random order")
def not_shuffled(case: Evidence) -> Iterator[Finding]:
    """Samples that come in the order of their labels."""
    training = case.training
    if not training or not training.fit:
        return
    ordered = 1.0 if passes_in_order(case) else _order(case)
    # What passes by itself is not shuffled by fit, so its first batches tell its order.
    passing = training.fit.get("samples") is None and ordered is not None and ordered > _SORTED
    if training.fit.get("shuffle", True) is not False and not passing:
        return
    if ordered is not None and ordered < 0.2:
        ordered = None if case.fine else ordered
    yield Finding(
        cause="every epoch sees the samples in the same order"
        + (", class after class" if ordered and ordered > 0.5 else ""),
        symptom=f"the last batches of an epoch undo what others taught; {case.symptom}",
        remedy="shuffle",
        confidence=0.85 if ordered and ordered > 0.5 else case.sure(0.5, 0.3, 0.1),
        changes=() if passing else (Change("set", "fit.shuffle", True),),
        focus=_sorted_at(case) if passing else None,
    )


def _sorted_at(case: Evidence) -> str | None:
    """The line that sorts samples."""
    names = ("argsort", "sort", "sorted", "sort_values", "lexsort")
    calls = case.script.calls(*names) if case.script else []
    return f"line:{calls[0].lineno}" if calls else None


def _order(case: Evidence) -> float | None:
    """How much neighbours in the data have the same label, beyond chance."""
    y = case.sample.one_y if case.sample else None
    if y is None or len(y) < 20:
        return None
    flat = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y), -1)[:, 0]
    same = float((flat[1:] == flat[:-1]).mean())
    chance = float(sum((flat == one).mean() ** 2 for one in np.unique(flat)[:200]))
    return (same - chance) / (1 - chance) if chance < 1 else None


@rule("Keras, fit: validation_split takes the last samples, before shuffling")
def validation_of_other_classes(case: Evidence) -> Iterator[Finding]:
    """Held-out samples whose classes were never trained, or hardly."""
    sample = case.sample
    if sample is None or not sample.y_val or sample.one_y is None or sample.y[0].ndim > 2:
        return
    trained, held = (case.classes(part) for part in (sample.y[0], sample.y_val[0]))
    values = np.unique(np.concatenate([trained, held]))
    if len(values) > 50 or not (sample.y[0] == np.round(sample.y[0])).all():
        return
    shares = [np.array([(part == one).mean() for one in values]) for part in (trained, held)]
    strange = values[(shares[0] == 0) & (shares[1] > 0)].tolist()
    apart = float(np.abs(shares[0] - shares[1]).sum() / 2)
    if not strange and (apart < _OTHERS or len(held) < _FEW_HELD):
        return
    if not strange and shares[0].max() > max(UNBALANCED, shares[1].max()):
        return  # nothing is missing, the training data is unbalanced
    yield Finding(
        cause=f"the validation data holds classes that the training data lacks: {strange}"
        if strange
        else f"{apart:.0%} of the validation data would have to be of other classes, to be like "
        "the training data",
        symptom=case.symptom,
        remedy="shuffle before splitting: validation_split takes the last samples as they stand",
        confidence=0.85,
        changes=(Change("set", "data.x", "shuffle"),),
    )


@rule("Keras, Model.fit goes on where it stopped; a new model begins anew")
def model_made_anew(case: Evidence) -> Iterator[Finding]:
    """A loop over epochs that makes and compiles the model in each round."""
    script, epochs = case.script, case.training.epochs if case.training else None
    call, made = (script.fitting(), script.compiling()) if script else (None, None)
    if script is None or call is None or made is None or (epochs or 1) > _FEW_EPOCHS:
        return
    for loop in ast.walk(script.tree or ast.Module([], [])):
        if not isinstance(loop, ast.For | ast.While) or _draws_on(loop, call):
            continue
        inside = set(map(id, ast.walk(loop)))
        if id(made) in inside and _used_by(loop, made):
            continue  # settings are searched
        anew = made if id(made) in inside else _assigned_in(script, loop, call)
        if id(call) in inside and anew is not None:
            yield Finding(
                cause="the loop makes a new model in each round: what it learned is thrown away",
                symptom=f"each begins with fresh weights; {case.symptom}",
                remedy="make and compile the model before the loop",
                confidence=case.sure(0.85, 0.6, 0.3),
                focus=f"line:{anew.lineno}",
            )
            return


def _assigned_in(script: Script, loop: ast.For | ast.While, call: ast.Call) -> ast.Assign | None:
    """Where a loop makes what it trains, in a function, the same in each round."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    inside = set(map(id, ast.walk(loop)))
    drawn = _bound(loop)
    for one in script.assigned(owner.id) if isinstance(owner, ast.Name) else ():
        used = {part.id for part in ast.walk(one.value) if isinstance(part, ast.Name)}
        if id(one) in inside and isinstance(one.value, ast.Call) and not used & drawn:
            return one
    return None


def _used_by(loop: ast.For | ast.While, node: ast.AST) -> bool:
    """Whether a node differs from round to round by what the loop goes through."""
    drawn = _bound(loop)
    return any(isinstance(one, ast.Name) and one.id in drawn for one in ast.walk(node))


def _bound(loop: ast.For | ast.While) -> set[str]:
    """Names that a loop gives to what it goes through."""
    target = ast.walk(loop.target) if isinstance(loop, ast.For) else ()
    return {one.id for one in target if isinstance(one, ast.Name)}


def _draws_on(loop: ast.For | ast.While, call: ast.Call) -> bool:
    """Whether what is trained on differs from round to round, as in cross-validation."""
    inside = [one for one in ast.walk(loop) if isinstance(one, ast.Name)]
    made = {one.id for one in inside if isinstance(one.ctx, ast.Store)}
    given = [one for one in (argument(call, "x"), argument(call, "y")) if one is not None]
    used = {one.id for part in given for one in ast.walk(part) if isinstance(one, ast.Name)}
    return bool(made & used)


@rule("Keras, losses: reduction; a sum makes steps batch_size times as long")
def loss_is_summed(case: Evidence) -> Iterator[Finding]:
    """A loss that grows with the batch."""
    training = case.training
    if not training or training.loss_settings.get("reduction") != "sum":
        return
    yield Finding(
        cause=f"the loss is summed over the batch: gradients are {training.batch_size} times "
        "as large as those of its mean",
        symptom=f"the learning rate acts as if multiplied by that; {case.symptom}",
        remedy="take the mean, as is the default",
        confidence=case.sure(0.85, 0.6, 0.3),
        changes=(Change("set", "loss.reduction", "sum_over_batch_size"),),
    )


@rule("He & Garcia 2009, Learning from imbalanced data")
def rare_class_ignored(case: Evidence) -> Iterator[Finding]:
    """Labels of which nearly all are of one class."""
    y, training, outcome = case.sample.one_y if case.sample else None, case.training, case.outcome
    guesses = outcome is not None and outcome.learns_nothing and not case.cut
    if y is None or not training or training.fit.get("class_weight") or case.fine or case.cut:
        return
    values, counts = np.unique(case.classes(y), return_counts=True)
    most, common = float(counts.max() / counts.sum()), values[counts.argmax()]
    later = case.asked.get("evaluate")
    held = later.y if later else case.sample.y_val if case.sample else ()
    there = case.classes(held[0]) if len(held) == 1 else None
    rarer = (
        there is not None and len(there) > _FEW_HELD and (there == common).mean() < most - _OTHERS
    )
    if len(values) < 2 or len(values) > 50 or (most < UNBALANCED and not rarer):
        return
    yield Finding(
        cause=f"{most:.0%} of the samples are of class {common:g}"
        + (f", of the held-out ones {(there == common).mean():.0%}" if rarer else ""),
        symptom=f"saying that class always is nearly right; {case.symptom}",
        remedy="pass class_weight to fit, or show the rare classes more often",
        confidence=0.85 if rarer else 0.7 if case.fails or guesses else 0.4,
        focus="data:y",
        changes=(Change("set", "fit.class_weight", "balanced"),),
    )


@rule("Goodfellow et al. 2016, section 7.8")
def overfitting(case: Evidence) -> Iterator[Finding]:
    """A validation loss that rises while the training loss falls."""
    held, told = case.history.get("val_loss"), case.history.get("loss")
    if held is None or told is None or len(held.y) < 6 or not np.isfinite(held.y).all():
        return
    if next(splits_scaled_apart(case), None):
        return  # the held-out loss tells of that alone
    best = int(held.y.argmin())
    rise = float(held.y[-1] / held.y[best]) if held.y[best] > 0 else 1.0
    if best > 0.6 * len(held.y) or rise < 1.3 or told.y[-1] >= told.y[best]:
        return
    yield Finding(
        cause=f"the network learns its samples by heart from epoch {best + 1} on",
        symptom=f"val_loss rises from {held.y[best]:.3g} to {held.y[-1]:.3g} while loss falls",
        remedy="stop there (EarlyStopping with restore_best_weights=True), or regularize",
        confidence=0.55 if rise > 2 else 0.4,
        evidence=(f"loss falls from {told.y[best]:.3g} to {told.y[-1]:.3g} meanwhile",),
        changes=(Change("set", "fit.epochs", best + 1),),
        step=None,
        series=(series("loss", told), series("val_loss", held)),
    )


@rule("Keras, Layer.call: training=True keeps dropout and batch statistics on")
def always_in_training_mode(case: Evidence) -> Iterator[Finding]:
    """A layer that is told to be in training whatever the model is told."""
    script = case.script
    if script is None or script.tree is None:
        return
    calls = [
        n for n in ast.walk(script.tree) if isinstance(n, ast.FunctionDef) and n.name == "call"
    ]
    for node in (inner for one in calls for inner in ast.walk(one)):
        if (
            not isinstance(node, ast.Call)
            or script.constant(argument(node, "training")) is not True
        ):
            continue
        yield Finding(
            cause=f"{ast.unparse(node.func)} is called with training=True in evaluation, too",
            symptom=f"predictions keep their dropout or batch statistics; {case.symptom}",
            remedy="hand on the argument: training=training",
            confidence=0.8,
            changes=(Change("set", f"call:{node.lineno}.training", "training"),),
        )


@rule("Keras, Layer.call: training=True keeps dropout and batch statistics on")
def evaluated_in_training_mode(case: Evidence) -> Iterator[Finding]:
    """Predictions made as if in training."""
    script = case.script
    if script is None or script.tree is None:
        return
    ends = script.calls("fit")
    active = [one for one in case.layers if one.kind in ("Dropout", "BatchNormalization")]
    taped = [n for n in ast.walk(script.tree) if isinstance(n, ast.With)]
    for call in script.calls(*_models(script.tree)):
        flag = script.constant(argument(call, "training"))
        inside = any(w.lineno <= call.lineno <= (w.end_lineno or 0) for w in taped)
        if flag is True and not inside and active and ends and call.lineno > ends[0].lineno:
            yield Finding(
                cause="the trained network is called with training=True",
                symptom="its predictions are those of a network with dropout and batch statistics",
                remedy="call it with training=False, or model.predict",
                confidence=0.8,
                evidence=(f"layers that differ then: {', '.join(one.name for one in active)}",),
                changes=(Change("set", f"call:{call.lineno}.training", False),),
            )


def _models(tree: ast.Module) -> tuple[str, ...]:
    """Names of what `fit` is called on."""
    return tuple(
        node.func.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and called(node) == "fit"
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
    )
