"""Training loops of the user's own: what a tape is asked, what the optimizer is given, and when."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from gatescope.doctor.evidence import Curve, Evidence, Layer
from gatescope.doctor.finding import Change, Finding
from gatescope.doctor.rules.table import rule, series
from gatescope.doctor.script import OPTIMIZERS, Script, argument, called, names_in

_DESCENT = "Goodfellow et al. 2016, section 4.3: descent goes against the gradient"
_APPLYING = ("apply_gradients", "apply", "minimize")
_STEPPING = (*_APPLYING, "train_on_batch")
_LOOKS = 5  # at batches that are all alike, more than chance allows
_RISES = 1.5
_FAR_APART = 500  # times: what counts so little is not learned


@rule(_DESCENT)
def gradient_ascent(case: Evidence) -> Iterator[Finding]:
    """Steps along the gradient of the loss, or against that of the loss turned round."""
    script, losses = case.script, case.losses
    if script is None or not case.own_step or case.fine:
        return
    for line, what in _turned(script):
        yield Finding(
            cause=f"{what}: each step makes the loss worse",
            symptom=case.symptom,
            remedy="hand on the gradients of the loss as they are: the optimizer subtracts them",
            confidence=case.sure(0.9, 0.7 + 0.2 * _climbs(losses), 0.3),
            series=(series("batch loss", losses),) if losses is not None else (),
            focus=f"line:{line}",
        )
        return


def _climbs(losses: Curve | None) -> bool:
    known = losses.finite.y if losses is not None else np.zeros(0)
    tenth = max(1, len(known) // 10)
    first, last = np.abs(known[:tenth]), np.abs(known[-tenth:])
    return bool(len(known)) and float(last.mean()) > _RISES * float(first.mean())


def _turned(script: Script) -> Iterator[tuple[int, str]]:
    """Lines that turn the sign of gradients or of what a tape is asked about."""
    gradients = {
        target.id
        for call in script.calls("gradient")
        for node in ast.walk(script.tree or ast.Module([], []))
        if isinstance(node, ast.Assign) and call in ast.walk(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(script.tree or ast.Module([], [])):
        if not isinstance(node, ast.ListComp | ast.GeneratorExp):
            continue
        source = node.generators[0].iter
        named = names_in(source)
        taken = any(isinstance(one, ast.Call) and called(one) == "gradient"
                    for one in ast.walk(source))  # fmt: skip
        turned = node.elt.elts[0] if isinstance(node.elt, ast.Tuple) else node.elt
        if (taken or named & gradients) and _is_negative(turned):
            yield node.lineno, "the signs of the gradients are turned round"
    if len(script.calls("gradient")) > 1:
        return  # adversaries: what is a loss to one is a gain to the other
    for line, value in asked(script):
        if _is_negative(value) and _is_an_error(value):
            yield line, "the loss is turned round"


def asked(script: Script) -> Iterator[tuple[int, ast.expr]]:
    """What tapes are asked about: the lines that compute it."""
    for call in script.calls("gradient"):
        asked = call.args[0] if call.args else argument(call, "target")
        made = script.assigned(asked.id) if isinstance(asked, ast.Name) else []
        for one in made:
            if script.scope(one) is script.scope(call) and one.lineno <= call.lineno:
                yield one.lineno, one.value


def loss_line(script: Script) -> int | None:
    """The line that computes what a tape is asked about last."""
    return next((line for line, _ in reversed(list(asked(script)))), None)


def _is_negative(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


_ERRORS = ("square", "abs", "squared_difference", "square_difference", "norm")


def _is_an_error(node: ast.expr) -> bool:
    """Whether it is known to be the smaller the better, unlike a likelihood or a reward."""
    for one in ast.walk(node):
        if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Pow):
            return True
        name = called(one).casefold() if isinstance(one, ast.Call) else ""
        if name in _ERRORS or "loss" in name or "crossentropy" in name or "mean_squared" in name:
            return True
    return False


@rule("Keras, losses: reduction; a sum makes steps batch_size times as long")
def own_loss_is_summed(case: Evidence) -> Iterator[Finding]:
    """A loss of a loop of the user's own that grows with the batch."""
    script = case.script
    if script is None or not case.own_step or case.fine:
        return
    for line, value in asked(script):
        if isinstance(value, ast.Call) and called(value) in ("reduce_sum", "sum"):
            yield Finding(
                cause="the loss is summed over the batch: its gradient is as many times as large",
                symptom=f"the learning rate acts as if multiplied by that; {case.symptom}",
                remedy="take the mean over the batch",
                confidence=case.sure(0.85, 0.6, 0.2),
                focus=f"line:{line}",
            )
            return


@rule("an optimizer keeps its moments from step to step: Kingma & Ba 2015, algorithm 1")
def optimizer_made_anew(case: Evidence) -> Iterator[Finding]:
    """An optimizer that is made in each step, and forgets its moments and its count."""
    script = case.script
    if script is None or script.tree is None:
        return
    made = script.calls(*OPTIMIZERS)
    steps = script.calls(*_APPLYING)
    for call in made:
        function = script.scope(call)
        if function is not None and not any(script.scope(one) is function for one in steps):
            continue  # made for others, such as what compiles a model
        looped = [
            loop
            for loop in ast.walk(script.tree)
            if isinstance(loop, ast.For | ast.While) and _stands_in(loop, call)
        ]
        in_loop = any(any(_stands_in(loop, one) for one in steps) for loop in looped)
        in_step = function is not None and any(script.scope(one) is function for one in steps)
        stepped = in_step and _called_in_a_loop(script, getattr(function, "name", ""))
        if not in_loop and not stepped:
            continue
        yield Finding(
            cause=f"a new {called(call)} is made in each step: its moments begin at 0 every time",
            symptom=f"its rates are those of a first step for ever; {case.symptom}",
            remedy="make one optimizer before the loop",
            confidence=case.sure(0.85, 0.7, 0.4),
            focus=f"line:{call.lineno}",
        )
        return


def _stands_in(holder: ast.AST, node: ast.AST) -> bool:
    return any(one is node for one in ast.walk(holder))


def _called_in_a_loop(script: Script, name: str) -> bool:
    loops = [one for one in ast.walk(script.tree or ast.Module([], []))
             if isinstance(one, ast.For | ast.While)]  # fmt: skip
    return any(_stands_in(loop, call) for loop in loops for call in script.calls(name))


@rule("Goodfellow et al. 2016, section 8.1.3: a batch is a fresh sample of the data")
def same_batch_in_each_step(case: Evidence) -> Iterator[Finding]:
    """A part of the data, the same in every step of a loop."""
    script, told = case.script, [case.batches.get(f"input_{one}") for one in ("mean", "deviation")]
    known = [one.finite.y for one in told if one is not None and len(one.finite.y) >= _LOOKS]
    if script is None or len(known) < len(told) or any(np.ptp(one) > 0 for one in known):
        return
    looked = len(known[0])
    for line in _drawn_once(script):
        yield Finding(
            cause="every step is given the same few samples: what picks them never changes",
            symptom=f"these are learned by heart, and no others; {case.symptom}",
            remedy="draw or slice other rows in each round of the loop",
            confidence=case.sure(0.9, 0.85, 0.6),
            evidence=(f"mean and deviation of the inputs were equal in {looked} looks",),
            focus=f"line:{line}",
        )
        return


def _drawn_once(script: Script) -> Iterator[int]:
    """Lines that pick rows in a loop, by nothing that the loop changes."""
    for loop in ast.walk(script.tree or ast.Module([], [])):
        if not isinstance(loop, ast.For | ast.While):
            continue
        varied = set(_varied(loop))
        for call in ast.walk(loop):
            if not isinstance(call, ast.Call) or called(call) not in _stepping(script):
                continue
            for given in call.args:
                if not isinstance(given, ast.Subscript):
                    continue
                picks = names_in(given)
                if not picks & varied:
                    inside = names_in(given.slice)
                    yield _assigned_at(script, inside, call.lineno)


def _stepping(script: Script) -> set[str]:
    """What makes a step: `train_on_batch`, and functions of the script that apply gradients."""
    steps = [script.scope(one) for one in script.calls(*_STEPPING)]
    return {"train_on_batch", *(one.name for one in steps if isinstance(one, ast.FunctionDef))}


def _varied(loop: ast.For | ast.While) -> Iterator[str]:
    """Names that a loop changes: its own, and what it makes of these or by a draw."""
    names = names_in(loop.target) if isinstance(
        loop, ast.For) else set()  # fmt: skip
    for node in ast.walk(loop):
        if isinstance(node, ast.For):
            names |= names_in(node.target)
    for node in ast.walk(loop):
        value = getattr(node, "value", None)
        if not isinstance(node, ast.Assign | ast.AugAssign) or value is None:
            continue
        used = names_in(value)
        drawn = any(
            isinstance(one, ast.Call) and called(one) != "arange" for one in ast.walk(value)
        )
        if used & names or drawn or isinstance(node, ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {one.id for to in targets for one in ast.walk(to) if isinstance(one, ast.Name)}
    yield from names


def _assigned_at(script: Script, names: set[str], line: int) -> int:
    found = [one.lineno for name in names for one in script.assigned(name) if one.lineno < line]
    return max(found, default=line)


@rule("Bottou 2012: samples in random order")
def sorted_by_label(case: Evidence) -> Iterator[Finding]:
    """A loop of the user's own that goes through samples class after class."""
    script = case.script
    if script is None or not case.own_step or case.fine:
        return
    if script.calls("shuffle", "permutation", "choice", "randint", "integers", "uniform_candidate"):
        return
    for call in script.calls("argsort", "sort_values", "lexsort"):
        sorted_by = ast.unparse(call.args[0]) if call.args else ast.unparse(call)
        if sorted_by.startswith(("y", "label", "target", "tf.argmax")):
            yield Finding(
                cause="samples are sorted by their labels, and no epoch shuffles them",
                symptom=f"the last batches of an epoch undo what others taught; {case.symptom}",
                remedy="shuffle in every epoch",
                confidence=case.sure(0.85, 0.8, 0.3),
                focus=f"line:{call.lineno}",
            )
            return


@rule("what the optimizer is not given, it does not move")
def weights_left_out(case: Evidence) -> Iterator[Finding]:
    """Trainable layers that a loop of the user's own never moves, though it moves others."""
    script = case.script
    if script is None or not case.own_step:
        return
    still: list[Layer] = []
    moved: list[Layer] = []
    for layer in case.layers:
        curve = case.probe(layer.name, "update_ratio")
        if curve is None or len(curve.y) < _LOOKS or not any(w.trainable for w in layer.weights):
            continue
        (moved if curve.y.any() else still).append(layer)
    line = _asked_for(script)
    slopes = [case.probe(one.name, "weight_gradient") for one in still]
    cut_off = all(one is not None and not one.y.any() for one in slopes)
    if not still or not moved or (cut_off and not line):
        return  # what no gradient reaches is `disconnected_layers`
    yield Finding(
        cause=f"no step ever moves {', '.join(one.name for one in still)}: their weights are not "
        "among those that the tape is asked about",
        symptom=f"they stay as they were drawn; {case.symptom}",
        remedy="ask for the gradients of model.trainable_variables, and apply them to the same",
        confidence=case.sure(0.85, 0.75, 0.5) if line else case.sure(0.6, 0.5, 0.3),
        layer=still[0].name,
        focus=f"line:{line}" if line else None,
    )


def _asked_for(script: Script) -> int | None:
    """The line that says by which weights the loss is differentiated, if by a part of them."""
    for call in script.calls("gradient"):
        sources = call.args[1] if len(call.args) > 1 else argument(call, "sources")
        node = script.resolved(sources)
        for one in ast.walk(node) if node else ():
            # Some of a list, or those of a layer: `model.head.trainable_variables`.
            if isinstance(one, ast.Subscript) or (
                isinstance(one, ast.Attribute)
                and one.attr.endswith(("variables", "weights"))
                and isinstance(one.value, ast.Attribute | ast.Subscript)
            ):
                return one.lineno
    return None


@rule("Keras, losses: loss(y_true, y_pred), and most are not the same the other way round")
def loss_arguments_swapped(case: Evidence) -> Iterator[Finding]:
    """A loss that takes predictions for labels."""
    script = case.script
    if script is None or not case.own_step:
        return
    losses = {
        target.id
        for node in ast.walk(script.tree or ast.Module([], []))
        if isinstance(node, ast.Assign) and _is_loss(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in (n for n in ast.walk(script.tree or ast.Module([], [])) if isinstance(n, ast.Call)):
        by_name = isinstance(call.func, ast.Name) and call.func.id in losses
        if len(call.args) != 2 or not (by_name or _is_crossentropy(call)):
            continue
        first, second = (_is_predicted(script, one, call) for one in call.args)
        if first and not second:
            yield Finding(
                cause="the loss is given predictions as its labels, and labels as its predictions",
                symptom=f"its gradient is another one; {case.symptom}",
                remedy=f"turn them round: {called(call)}"
                f"({ast.unparse(call.args[1])}, {ast.unparse(call.args[0])})",
                confidence=case.sure(0.9, 0.8, 0.5),
                focus=f"line:{call.lineno}",
            )
            return


def _is_loss(node: ast.expr) -> bool:
    """Whether it is one of Keras' losses that is not the same the other way round."""
    if isinstance(node, ast.Call):
        return "crossentropy" in called(node).casefold() or called(node) in (
            "KLDivergence",
            "Poisson",
        )
    return isinstance(node, ast.Attribute) and "crossentropy" in node.attr


def _is_crossentropy(call: ast.Call) -> bool:
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    return owner.endswith("losses") and "crossentropy" in called(call)


def _is_predicted(script: Script, node: ast.expr, call: ast.Call) -> bool:
    """Whether a name stands for what a model was called for in the same function."""
    made = script.assigned(node.id) if isinstance(node, ast.Name) else []
    calls = [
        one.value
        for one in made
        if isinstance(one.value, ast.Call)
        and one.lineno <= call.lineno
        and script.scope(one) is script.scope(call)
    ]
    told = [{key.arg for key in one.keywords} for one in calls]
    return any(
        "training" in keys or called(one) in ("model", "net", "self")
        for one, keys in zip(calls, told, strict=True)
    )


@rule("Keras, compile: the loss of a network is the weighted sum of those of its outputs")
def loss_weights_far_apart(case: Evidence) -> Iterator[Finding]:
    """Outputs of which one alone counts."""
    script = case.script
    call = script.compiling() if script else None
    node = script.resolved(argument(call, "loss_weights")) if script and call else None
    values = node.values if isinstance(node, ast.Dict) else getattr(node, "elts", [])
    told = [script.constant(one) for one in values] if script else []
    known = [abs(float(one)) for one in told if isinstance(one, int | float)]
    if len(known) < 2 or max(known) == 0 or min(known) > max(known) / _FAR_APART:
        return
    yield Finding(
        cause=f"loss_weights are {max(known):g} and {min(known):g}: all but one output hardly "
        "count",
        symptom=case.symptom,
        remedy="leave them out, or choose them so that the weighted losses are of like size",
        confidence=case.sure(0.85, 0.7, 0.4),
        changes=(Change("set", "loss_weights", None),),
    )
