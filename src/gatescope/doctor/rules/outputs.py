"""What the network ends in, the loss, the labels and the metric must fit each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from gatescope.catalog.activations import ACTIVATIONS as CATALOG
from gatescope.catalog.losses import LOSSES
from gatescope.catalog.pairs import PAIRS
from gatescope.doctor.evidence import ACTIVATIONS, DROPOUTS, RECURRENT, Evidence
from gatescope.doctor.finding import Change, Finding
from gatescope.doctor.outcome import Task, task_of
from gatescope.doctor.rules.table import rule
from gatescope.scope.words import plural

_PAIRED = (
    "the catalog of last activations, losses and labels; Goodfellow et al. 2016, section 6.2.2"
)
_SQUARES = (
    "mean_squared_error", "mean_absolute_error", "huber", "log_cosh",
    "mean_squared_logarithmic_error", "mean_absolute_percentage_error",
)  # fmt: skip
_CROSSENTROPIES = ("categorical_crossentropy", "sparse_categorical_crossentropy")
_PROBABILITIES = (*_CROSSENTROPIES, "binary_crossentropy")


def asked(case: Evidence) -> Task | None:
    """What the labels ask for, where they are known and there is one output."""
    y = case.sample.one_y if case.sample else None
    loss = case.training.loss if case.training else None
    if y is None or not case.tail or not np.isfinite(np.asarray(y, float)).all():
        return None
    task = task_of(y, loss, case.head.units if case.head else None)
    measured = set(case.training.metrics if case.training else ()) & {"accuracy", "acc"}
    few = y.ndim == 1 or y.shape[-1] == 1
    if task == "numbers" and measured and few and task_of(y.ravel()) == "classes":
        return "classes"  # numbers are not counted as hit or missed
    return task


def activate(case: Evidence, activation: str) -> tuple[Change, ...]:
    """The changes that make the network end in an activation and in no other."""
    changes = []
    for layer in case.tail[1:]:
        if layer.kind in (*ACTIVATIONS, "Activation"):
            changes.append(Change("remove", f"layer:{layer.name}"))
    head = case.head
    if head and (head.activation or "linear") != activation:
        changes.insert(0, Change("set", f"layer:{head.name}.activation", activation))
    return tuple(changes)


def _name(case: Evidence) -> str | None:
    return case.head.name if case.head else None


@rule(
    "softmax divides by the sum over its units: of one unit it is always 1; Goodfellow et al. 2016"
)
def softmax_over_one_unit(case: Evidence) -> Iterator[Finding]:
    """One unit behind a softmax is always 1."""
    if case.last_activation != "softmax" or not case.head or case.head.units != 1:
        return
    loss = case.training.loss if case.training else None
    numbers = asked(case) == "numbers" or (asked(case) is None and loss in _SQUARES)
    if next(_one_unit_for_several(case), None):
        return  # that is the fault then
    changes = activate(case, "linear" if numbers else "sigmoid")
    if not numbers and loss not in ("binary_crossentropy", "mean_squared_error"):
        changes += (Change("set", "loss", "binary_crossentropy"),)
    yield Finding(
        cause="the last layer has one unit and ends in a softmax, which makes it 1 for every input",
        symptom=case.symptom,
        remedy=f"end in {'no activation' if numbers else 'a sigmoid'}",
        confidence=0.98,
        evidence=("softmax over one unit is exp(x)/exp(x) = 1, and its gradient is 0",),
        changes=changes,
        layer=_name(case),
    )


def _one_unit_for_several(case: Evidence) -> Iterator[int]:
    """How many classes the labels have, where the last layer has one unit for more than two."""
    y, head = case.sample.one_y if case.sample else None, case.head
    if y is not None and head is not None and head.units == 1 and asked(case) == "classes":
        classes = y.shape[-1] if y.ndim > 1 and y.shape[-1] > 1 else int(y.max()) + 1
        if classes > 2:
            yield classes


@rule("Keras, losses: categorical crossentropy normalizes over the last axis")
def categorical_loss_of_one_unit(case: Evidence) -> Iterator[Finding]:
    """Crossentropy over classes, of a single output."""
    loss = case.training.loss if case.training else None
    units = case.head.units if case.head else None
    several = next(_one_unit_for_several(case), 2)
    if units != 1 or loss not in _CROSSENTROPIES:
        return
    if case.last_activation == "softmax" and several == 2:
        return
    change: tuple[Change, ...] = (Change("set", "loss", "binary_crossentropy"),)
    change += activate(case, "sigmoid")
    if several > 2:
        change = (Change("set", f"layer:{_name(case)}.units", several),)
    yield Finding(
        cause=f"{loss} needs one unit a class, the last layer has one in all",
        symptom=case.symptom,
        remedy=f"give it {several} units"
        if several > 2
        else "take binary_crossentropy behind a sigmoid",
        confidence=0.95,
        evidence=("normalized over its single unit every prediction is 1",),
        changes=change,
        layer=_name(case),
    )


@rule("Keras, probabilistic losses: from_logits; " + _PAIRED)
def logits_taken_for_probabilities(case: Evidence) -> Iterator[Finding]:
    """A crossentropy of probabilities, and an output that is none."""
    training, head = case.training, case.head
    if not training or not head or training.loss not in _PROBABILITIES or training.from_logits:
        return
    activation, units = case.last_activation, head.units or 1
    fit = "sigmoid" if training.loss == "binary_crossentropy" else "softmax"
    if activation in (None, "softmax", "sigmoid", "hard_sigmoid", "sparsemax") or units < 1:
        return
    if asked(case) == "numbers":
        return  # the loss is the fault then
    if case.kind == "subclassed" and not case.fails:
        return  # a function of the user's may come after the last layer
    yield Finding(
        cause=f"{training.loss} expects probabilities, the last layer ends in {activation}",
        symptom=case.symptom,
        remedy=f"end in {fit}, or set from_logits=True for an output without activation",
        confidence=0.93,
        evidence=("Keras clips what is outside of 0 to 1, and its gradient is lost",),
        changes=activate(case, fit),
        layer=head.name,
    )


@rule("Keras, probabilistic losses: from_logits; " + _PAIRED)
def probabilities_taken_for_logits(case: Evidence) -> Iterator[Finding]:
    """An activation in the network, and once more in the loss."""
    training, head = case.training, case.head
    if not training or not head or not training.from_logits:
        return
    if case.last_activation not in ("softmax", "sigmoid", "relu", "tanh"):
        return
    yield Finding(
        cause=f"the loss has from_logits=True, but the network ends in {case.last_activation}",
        symptom=f"gradients are squeezed by a second normalization; {case.symptom}",
        remedy="end without activation",
        confidence=0.88,
        evidence=(f"logits between 0 and 1 differ too little to say anything surely of "
                  f"{head.units} classes",),
        changes=activate(case, "linear"),
        layer=head.name,
    )  # fmt: skip


@rule(_PAIRED)
def doubled_activation(case: Evidence) -> Iterator[Finding]:
    """Two activations behind the last layer."""
    applied = [one for one in case.tail if one.applies not in (None, "linear")]
    if len(applied) < 2 or (case.training and case.training.from_logits):
        return
    first, second = applied[0], applied[-1]
    if first.applies == "relu" and second.applies == "relu":
        return
    yield Finding(
        cause=f"the output goes through {first.applies} and then through {second.applies}",
        symptom=f"what the second sees lies in a narrow range; {case.symptom}",
        remedy=f"keep {second.applies} alone",
        confidence=case.sure(0.9, 0.82, 0.7),
        changes=(Change("set", f"layer:{first.name}.activation", "linear"),),
        layer=first.name,
    )


@rule("Keras, losses: shapes of y_true; " + _PAIRED)
def loss_for_other_labels(case: Evidence) -> Iterator[Finding]:
    """One-hot labels and a loss of whole numbers, or the other way round."""
    y = case.sample.one_y if case.sample else None
    loss = case.training.loss if case.training else None
    if y is None or loss not in _CROSSENTROPIES or not case.head or (case.head.units or 0) < 2:
        return
    one_hot = y.ndim > 1 and y.shape[-1] == case.head.units and y.shape[-1] > 1
    sparse = "sparse" in loss
    if one_hot != sparse or (not one_hot and y.ndim > 1 and y.shape[-1] > 1):
        return
    right = "categorical_crossentropy" if sparse else "sparse_categorical_crossentropy"
    if sparse and not np.allclose(y.sum(-1), 1):
        return
    yield Finding(
        cause=f"{loss} is not for {'one-hot labels' if one_hot else 'labels of whole numbers'}",
        symptom=case.symptom,
        remedy=f"take {right}",
        confidence=0.95,
        evidence=(f"labels have shape {y.shape}, the last layer {case.head.units} units",),
        changes=(Change("set", "loss", right),),
    )


@rule("Goodfellow et al. 2016, section 6.2.2: the loss follows from the distribution of the labels")
def regression_loss_for_classes(case: Evidence) -> Iterator[Finding]:
    """A squared or absolute error of classes."""
    task, head, training = asked(case), case.head, case.training
    if not training or not head or training.loss not in _SQUARES or task in (None, "numbers"):
        return
    y = case.sample.one_y if case.sample else None
    if y is None or y.ndim > 2:
        return
    changes = _classifying(case, task, int(y.max()) + 1)
    yield Finding(
        cause=f"{training.loss} is a loss of amounts, but the labels are classes",
        symptom=f"wrong and sure predictions get next to no gradient; {case.symptom}",
        remedy="take a crossentropy with the activation that belongs to it",
        confidence=case.sure(0.85, 0.6, 0.35),
        evidence=(f"labels are {len(np.unique(y))} different values, shape {y.shape}",),
        changes=changes,
        focus="loss",
    )


def _classifying(case: Evidence, task: Task, classes: int) -> tuple[Change, ...]:
    """The loss and the end of the network that classes need."""
    y, head = case.sample.one_y if case.sample else None, case.head
    if y is None or head is None:
        return ()
    one_hot = y.ndim > 1 and y.shape[-1] > 1
    if task == "labels" or (task == "binary" and head.units == 1):
        return (Change("set", "loss", "binary_crossentropy"), *activate(case, "sigmoid"))
    loss = "categorical_crossentropy" if one_hot else "sparse_categorical_crossentropy"
    wider: tuple[Change, ...] = ()
    if not one_hot and (head.units or 0) < classes:
        wider = (Change("set", f"layer:{head.name}.units", classes),)
    return (Change("set", "loss", loss), *wider, *activate(case, "softmax"))


@rule("Goodfellow et al. 2016, section 6.2.2: the loss follows from the distribution of the labels")
def class_loss_for_numbers(case: Evidence) -> Iterator[Finding]:
    """A crossentropy of amounts."""
    training, y = case.training, case.sample.one_y if case.sample else None
    if not training or training.loss not in _PROBABILITIES or asked(case) != "numbers":
        return
    if y is None:
        return
    if y.min() >= 0 and y.max() <= 1:  # probabilities, or the pixels of an autoencoder
        shares = y.ndim > 1 and np.allclose(y.sum(-1), 1, atol=0.01)
        if training.loss == "binary_crossentropy" or shares:
            return
    yield Finding(
        cause=f"{training.loss} is a loss of classes, but the targets are amounts",
        symptom=case.symptom,
        remedy="take mean_squared_error with an output without activation",
        confidence=0.95,
        evidence=(f"targets run from {y.min():.4g} to {y.max():.4g}",),
        changes=(Change("set", "loss", "mean_squared_error"), *activate(case, "linear")),
        focus="loss",
    )


@rule(_PAIRED)
def sigmoid_for_exclusive_classes(case: Evidence) -> Iterator[Finding]:
    """Classes of which one is right, each judged by itself."""
    training, head = case.training, case.head
    if not training or not head or case.last_activation != "sigmoid" or (head.units or 0) < 2:
        return
    exclusive = training.loss in _CROSSENTROPIES
    if not exclusive and asked(case) != "classes":
        return
    changes = activate(case, "softmax")
    if not exclusive and training.loss == "binary_crossentropy":
        changes += (Change("set", "loss", "categorical_crossentropy"),)
    yield Finding(
        cause="one class alone is right, but each unit ends in a sigmoid of its own",
        symptom=case.symptom,
        remedy="end in a softmax",
        confidence=case.sure(0.85, 0.7, 0.5) if exclusive else case.sure(0.6, 0.4, 0.2),
        evidence=(f"{head.units} units, loss {training.loss}",),
        changes=changes,
        layer=head.name,
    )


@rule(_PAIRED)
def softmax_for_several_labels(case: Evidence) -> Iterator[Finding]:
    """Labels that may hold at once, forced to share."""
    if case.last_activation != "softmax" or asked(case) != "labels":
        return
    y = case.sample.one_y if case.sample else None
    told = "" if y is None else f"{(y.sum(-1) != 1).mean():.0%} of samples have none or several"
    yield Finding(
        cause="several labels may be right at once, but the softmax lets them add up to 1",
        symptom=case.symptom,
        remedy="end in sigmoids, with binary_crossentropy",
        confidence=0.9,
        evidence=(told,),
        changes=(*activate(case, "sigmoid"), Change("set", "loss", "binary_crossentropy")),
        layer=_name(case),
    )


@rule(_PAIRED)
def binary_loss_of_exclusive_classes(case: Evidence) -> Iterator[Finding]:
    """A softmax whose units are judged one by one."""
    training = case.training
    if not training or training.loss != "binary_crossentropy" or asked(case) != "classes":
        return
    if case.last_activation != "softmax":
        return
    yield Finding(
        cause="binary_crossentropy judges each class by itself, behind a softmax over all",
        symptom=f"its accuracy counts wrong zeros as right; {case.symptom}",
        remedy="take categorical_crossentropy",
        confidence=case.sure(0.75, 0.55, 0.35),
        changes=(Change("set", "loss", "categorical_crossentropy"),),
    )


@rule("ranges of the catalog's activations")
def targets_out_of_reach(case: Evidence) -> Iterator[Finding]:
    """Targets that the last activation cannot put out."""
    y, head = case.sample.one_y if case.sample else None, case.head
    row = CATALOG.get(case.last_activation or "")
    if y is None or head is None or row is None or asked(case) != "numbers":
        return
    if row.name == "linear" or (case.training and case.training.loss in _PROBABILITIES):
        return
    low, high = row.range
    beyond = float(((y < low - 0.05) | (y > high + 0.05)).mean())
    if beyond < 0.02 and row.name != "softmax":
        return
    yield Finding(
        cause=f"the network ends in {row.name}, which puts out {row.range}, "
        f"but targets run from {y.min():.4g} to {y.max():.4g}",
        symptom=f"{beyond:.0%} of the targets can never be met; {case.symptom}",
        remedy="end without activation",
        confidence=0.95 if beyond > 0.1 or row.name == "softmax" else 0.7,
        evidence=(f"{beyond:.0%} of targets lie outside of {row.range}",),
        changes=activate(case, "linear"),
        layer=head.name,
    )


@rule("relu has no gradient below 0: Maas, Hannun & Ng 2013")
def relu_as_last_activation(case: Evidence) -> Iterator[Finding]:
    """An output that can die."""
    if case.last_activation != "relu" or not case.head or asked(case) not in ("numbers", None):
        return
    if case.training and case.training.loss in _PROBABILITIES:
        return
    yield Finding(
        cause="the network ends in relu: an output below 0 gets no gradient and stays there",
        symptom=case.symptom,
        remedy="end without activation (or in softplus, where targets are above 0)",
        confidence=case.sure(0.6, 0.3, 0.1),
        changes=activate(case, "linear"),
        layer=case.head.name,
    )


@rule(_PAIRED)
def activation_apart_from_loss(case: Evidence) -> Iterator[Finding]:
    """A pair that the catalog does not know."""
    training, head = case.training, case.head
    if not training or not head or training.loss is None or case.kind == "subclassed":
        return
    fitting = [pair.activation for pair in PAIRS if pair.loss == training.loss]
    special = (*_SQUARES, *_PROBABILITIES)  # rules of their own
    if not fitting or case.last_activation in fitting or training.loss in special:
        return
    yield Finding(
        cause=f"{training.loss} goes with {' or '.join(dict.fromkeys(fitting))}, "
        f"the network ends in {case.last_activation}",
        symptom=case.symptom,
        remedy=f"end in {fitting[0]}",
        confidence=case.sure(0.8, 0.5, 0.25),
        changes=activate(case, fitting[0]),
        layer=head.name,
    )


_OUTSIDE = re.compile(r"label value of (-?\d+) which is outside the valid range of \[0, (\d+)\)")


@rule("Keras, sparse_categorical_crossentropy: labels from 0 to units − 1")
def labels_beyond_units(case: Evidence) -> Iterator[Finding]:
    """Labels that have no unit."""
    told = _OUTSIDE.search(case.crash.message) if case.crash else None
    span = _labels_and_units(case) or (told and (1, int(told[1]), int(told[2])))
    if not span:
        return
    least, highest, units = span
    if highest < units and least >= 0:
        return
    shifted = least == 1 and highest == units
    change = (
        Change("set", "data.y", "from_zero")
        if shifted or least < 0
        else Change("set", f"layer:{_name(case)}.units", highest + 1)
    )
    yield Finding(
        cause=f"labels run from {least} to {highest}, but the last layer has {units} units, "
        f"for labels from 0 to {units - 1}",
        symptom="the loss is NaN or an error is raised",
        kind="crash" if told else "training",
        remedy="let labels begin at 0" if shifted else f"give the last layer {highest + 1} units",
        confidence=0.97,
        focus="data:y" if shifted else None,
        changes=(change,),
        layer=_name(case),
    )


def _labels_and_units(case: Evidence) -> tuple[int, int, int] | None:
    """The least and the highest label, and how many units there are for them."""
    y, head = case.sample.one_y if case.sample else None, case.head
    loss = case.training.loss if case.training else None
    if y is None or not head or not head.units or loss != "sparse_categorical_crossentropy":
        return None
    return int(y.min()), int(y.max()), head.units


@rule("Keras, categorical_crossentropy: as many units as a one-hot label has numbers")
def units_unlike_labels(case: Evidence) -> Iterator[Finding]:
    """One-hot labels of another width than the last layer."""
    y, head, loss = case.sample.one_y if case.sample else None, case.head, None
    if case.training:
        loss = case.training.loss
    if y is None or not head or not head.units or loss != "categorical_crossentropy":
        return
    if y.ndim < 2 or y.shape[-1] == head.units or y.shape[-1] < 2:
        return
    yield Finding(
        cause=f"a label has {y.shape[-1]} numbers, the last layer {plural(head.units, 'unit')}",
        symptom="the loss cannot compare them",
        remedy=f"give the last layer {y.shape[-1]} units",
        confidence=0.96,
        changes=(Change("set", f"layer:{head.name}.units", y.shape[-1]),),
        kind="crash" if case.crash else "training",
        layer=head.name,
    )


@rule("Keras, binary_crossentropy: labels are 0 or 1")
def labels_not_zero_or_one(case: Evidence) -> Iterator[Finding]:
    """Two classes under other names."""
    y = case.sample.one_y if case.sample else None
    loss = case.training.loss if case.training else None
    if y is None or loss != "binary_crossentropy":
        return
    values = np.unique(y)
    if len(values) != 2 or set(values.tolist()) == {0, 1} or (values[0] >= 0 and values[1] <= 1):
        return
    change = "yes_no" if values[0] <= 0 < values[1] else "from_zero"
    if change == "from_zero" and values[1] - values[0] != 1:
        return
    yield Finding(
        cause=f"the labels are {values[0]:g} and {values[1]:g}, binary_crossentropy takes 0 and 1",
        symptom=f"the loss runs away below 0; {case.symptom}",
        remedy="let them be 0 and 1",
        confidence=0.95,
        changes=(Change("set", "data.y", change),),
    )


@rule("Keras, metrics: accuracy is the share of predictions that equal their labels")
def accuracy_of_numbers(case: Evidence) -> Iterator[Finding]:
    """A share of exact hits, where nothing is ever hit exactly."""
    training = case.training
    named = training and [one for one in training.metrics if one in ("accuracy", "acc")]
    if not training or not named or training.loss not in (*_SQUARES, "poisson"):
        return
    if asked(case) != "numbers":
        return
    yield Finding(
        cause="accuracy counts exact hits, and the targets are numbers of any size",
        symptom=f"accuracy is near 0 and says nothing about the fit; {case.symptom}",
        remedy='measure "mae" in its place',
        confidence=0.85,
        changes=(Change("set", "metrics", ["mae"]),),
    )


@rule("ranges of labels of the catalog's losses")
def labels_beyond_loss(case: Evidence) -> Iterator[Finding]:
    """Labels that a loss has no formula for."""
    y, training = case.sample.one_y if case.sample else None, case.training
    row = LOSSES.get(training.loss or "") if training else None
    if y is None or row is None or row.name in _PROBABILITIES:
        return
    low, high = row.targets
    beyond = float(((y < low) | (y > high)).mean())
    two = len(np.unique(y)) == 2 and "hinge" in row.name
    if row.name == "mean_absolute_percentage_error":
        beyond = float((np.abs(y) < 1e-3).mean())
    if beyond < 0.02:
        return
    changes = (Change("set", "loss", "mean_squared_error"), *activate(case, "linear"))
    yield Finding(
        cause=f"{row.name} is not for labels from {y.min():.4g} to {y.max():.4g}",
        symptom=f"it has no right value for {beyond:.0%} of them; {case.symptom}",
        remedy="take mean_squared_error, or huber",
        confidence=0.85,
        evidence=(row.advice,),
        changes=changes,
        focus="made:y" if two else "loss",
    )


@rule("Goodfellow et al. 2016, section 6.2.2: the loss follows from the distribution of the labels")
def loss_of_other_things(case: Evidence) -> Iterator[Finding]:
    """Classes under a loss of counts or directions, amounts under one of classes."""
    task, training = asked(case), case.training
    y = case.sample.one_y if case.sample else None
    if not training or task is None or y is None or y.ndim > 2:
        return
    of_amounts = ("poisson", "cosine_similarity")
    of_classes = ("hinge", "squared_hinge", "categorical_hinge", "kl_divergence",
                  "binary_focal_crossentropy", "categorical_focal_crossentropy")  # fmt: skip
    if task != "numbers" and training.loss in of_amounts:
        changes, right = _classifying(case, task, int(y.max()) + 1), "a crossentropy"
    elif task == "numbers" and training.loss in of_classes and not 0 <= y.min() <= y.max() <= 1:
        changes = (Change("set", "loss", "mean_squared_error"), *activate(case, "linear"))
        right = "mean_squared_error"
    else:
        return
    yield Finding(
        cause=f"{training.loss} is not for {'amounts' if task == 'numbers' else 'classes'}",
        symptom=case.symptom,
        remedy=f"take {right}",
        confidence=case.sure(0.85, 0.6, 0.3),
        changes=changes,
        focus="loss",
    )


@rule("Keras, Dense: it works on the last axis alone, and keeps all others")
def output_keeps_positions(case: Evidence) -> Iterator[Finding]:
    """A result for each position or time step, where there is one label in all."""
    label, head, training = _label_shape(case), case.head, case.training
    if label is None or head is None or head.output is None or training is None:
        return
    axes = len(label) + 1 + (1 if "sparse" in (training.loss or "") else 0)
    if training.loss and "sparse" not in training.loss and not label:
        axes = 2  # (batch,) goes with (batch, 1)
    if len(head.output) <= axes or label[-1:] == (1,):
        return
    before = last = case.before(head)
    while before is not None and before.kind in DROPOUTS:
        before = case.before(before)
    sequences = before is not None and before.config.get("return_sequences")
    changes: tuple[Change, ...] = ()
    if before is not None and sequences:
        changes = (Change("set", f"layer:{before.name}.return_sequences", False),)
    elif last is not None:
        value = {"call": "keras.layers.Flatten()", "layer": {"class_name": "Flatten", "config": {}}}
        changes = (Change("insert", f"layer:{last.name}", value),)
    yield Finding(
        cause=f"{head.name} puts out {head.output[1:]} for each sample, "
        f"a label is {label or 'one number'}",
        symptom=f"labels are compared with each position; {case.symptom}",
        remedy="set return_sequences=False" if sequences else "put a Flatten before the Dense",
        confidence=0.9,
        changes=changes,
        layer=before.name if before is not None and sequences else head.name,
    )


_LABEL = re.compile(r"target\.shape=\(([^)]*)\)")


def _label_shape(case: Evidence) -> tuple[int | None, ...] | None:
    """The shape of one label, from the data or from what ended the script."""
    y = case.sample.one_y if case.sample else None
    if y is not None:
        return tuple(y.shape[1:])
    told = _LABEL.search(case.crash.message) if case.crash else None
    sides = [one.strip() for one in told[1].split(",") if one.strip()][1:] if told else []
    return tuple(int(one) if one.isdigit() else None for one in sides) if told else None


@rule("Keras, recurrent layers: return_sequences=False hands on the last step alone")
def output_lost_positions(case: Evidence) -> Iterator[Finding]:
    """One result in all, where there is a label for each time step."""
    label, head, training = _label_shape(case), case.head, case.training
    told = _OUTPUT.search(case.crash.message) if case.crash else None
    axes = len([one for one in told[1].split(",") if one.strip()]) if told else None
    if label is None or not training or "sparse" not in (training.loss or "") or axes is None:
        return
    if len(label) != 1 or axes != 2:
        return
    layers = [one for one in case.layers if one.kind in RECURRENT]
    ends = [one for one in layers if not one.config.get("return_sequences")]
    if not ends:
        return
    last = ends[-1]
    yield Finding(
        cause=f"{last.name} hands on its last step alone, and labels are of each step",
        symptom="the loss cannot compare them",
        remedy="set return_sequences=True",
        confidence=0.92,
        changes=(Change("set", f"layer:{last.name}.return_sequences", True),),
        layer=head.name if head and not last else last.name,
    )


_OUTPUT = re.compile(r"output\.shape=\(([^)]*)\)")


@rule("NumPy's broadcasting: (n,) − (n, 1) is (n, n)")
def labels_broadcast(case: Evidence) -> Iterator[Finding]:
    """A loss of the user's own, of labels (n,) and predictions (n, 1)."""
    y, head, training = case.sample.one_y if case.sample else None, case.head, case.training
    own = case.own_step or (training is not None and training.loss is None and bool(training.fit))
    if y is None or y.ndim != 1 or not own or head is None or head.units != 1:
        return
    yield Finding(
        cause=f"labels have shape ({len(y)},) and predictions (n, 1): in a loss of your own their "
        "difference is (n, n)",
        symptom=f"the mean of all labels is learned; {case.symptom}",
        remedy="reshape the labels to (n, 1)",
        confidence=case.sure(0.8, 0.4, 0.1),
        changes=(Change("set", "data.y", "column"),),
        layer=head.name,
        focus="made:y",
    )
