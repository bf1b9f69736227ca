"""What is part of the network, and what training reaches of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

from gatescope.doctor.evidence import (
    CONVOLUTIONS,
    DROPOUTS,
    NORMALIZATIONS,
    POOLINGS,
    RECURRENT,
    Evidence,
    Layer,
)
from gatescope.doctor.finding import Change, Finding
from gatescope.doctor.rules.loops import weights_left_out
from gatescope.doctor.rules.structure import named
from gatescope.doctor.rules.table import rule
from gatescope.doctor.script import argument, called, names_in


@rule("weights that are not trainable keep what they were drawn as; Keras, transfer learning")
def frozen_layers(case: Evidence) -> Iterator[Finding]:
    """Layers that cannot learn and that nobody has taught."""
    found = [
        one
        for one in case.layers
        if (one.learns or one.kind == "Embedding")
        and one.weights
        and not _teachable(one)
        and _as_drawn(one)
    ]
    if not found:
        return
    own = _made_untrainable(case, found[0])
    head = case.head is not None and any(one.name == case.head.name for one in found)
    yield Finding(
        cause=f"{named(found)}: frozen (trainable=False), with weights that look freshly drawn",
        symptom=f"they stay random; {case.symptom}",
        remedy="let them be trainable",
        confidence=0.9 if head else case.sure(0.85, 0.82 if own else 0.75, 0.45),
        evidence=(f"{sum(one.parameters for one in found):,} numbers that do not learn",),
        changes=tuple(Change("set", f"layer:{one.name}.trainable", True) for one in found),
        layer=found[0].name,
        focus=own,
    )


def _teachable(layer: Layer) -> bool:
    """Whether training can change its kernel, or of a layer without one anything of it."""
    kernel = layer.kernel
    weights = layer.weights if kernel is None else (kernel,)
    return any(weight.trainable for weight in weights)


def _made_untrainable(case: Evidence, layer: Layer) -> str | None:
    """The line of a layer's class that makes its weights untrainable."""
    for call in case.script.calls("add_weight") if case.script and layer.trainable else ():
        if case.script and case.script.constant(argument(call, "trainable")) is False:
            return f"line:{call.lineno}"
    return None


def _as_drawn(layer: Layer) -> bool:
    """Whether the bias is still 0, as initializers leave it and training does not."""
    biases = [one for one in layer.weights if one.name.endswith("bias")]
    if not biases:
        return layer.kind != "Embedding"
    lstm = layer.kind in RECURRENT  # whose forget gates begin at 1
    return all(one.size is not None and (one.size == 0 or lstm) for one in biases)


@rule("a weight with no path to the loss gets no gradient")
def disconnected_layers(case: Evidence) -> Iterator[Finding]:
    """Trainable layers that never get a gradient."""
    starved = []
    for layer in case.layers:
        gradient = case.probes.get(layer.name, {}).get("weight_gradient")
        # What a class of the user's makes has no weights yet when it is described.
        trainable = any(one.trainable for one in layer.weights) or (
            not layer.weights and layer.trainable and layer.learns
        )
        if gradient is None or not len(gradient.y) or not trainable or gradient.y.any():
            continue
        dead = case.probe(layer.name, "zeros")
        if dead is not None and dead.y.mean() > 0.9:
            continue  # a dead layer, which has a rule of its own
        others = [one for name, one in case.probes.items() if name != layer.name]
        if any((one["weight_gradient"].y > 0).any() for one in others):
            starved.append((layer, len(gradient.y)))
    if not starved or next(weights_left_out(case), None):
        return
    cut, names = _cut_off(case), named([one for one, _ in starved])
    yield Finding(
        cause=f"no gradient ever reaches {names}"
        + (f": {cut[1]} in line {cut[0]} lets none pass" if cut else ""),
        symptom=f"as they were drawn these layers stay; {case.symptom}",
        remedy="lead their output to the loss, without stop_gradient and rounding on the way",
        confidence=case.sure(0.85, 0.82, 0.4) if cut else case.sure(0.7, 0.5, 0.3),
        evidence=(
            f"the gradient of their weights is 0 or missing in all {starved[0][1]} probed steps",
        ),
        layer=starved[0][0].name,
        focus=f"line:{cut[0]}" if cut else None,
    )


_FLAT = ("stop_gradient", "round", "rint", "sign", "floor", "ceil", "argmax", "one_hot", "numpy")
"""Functions that a gradient does not pass, those that are meant to stop it first."""


def _cut_off(case: Evidence) -> tuple[int, str] | None:
    """A line of the network or its step that no gradient passes, and by what."""
    script = case.script
    if script is None:
        return None
    known = [(name, call) for name in _FLAT for call in script.calls(name)]
    for name, call in known:
        owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        ends = script.fitting()
        before = ends is not None and call.lineno < ends.lineno
        within = script.scope(call) is not None or (before and name != "numpy")
        if owner and owner not in ("np", "numpy", "math") and within:
            return call.lineno, name
    return None


@rule("what a layer puts out and nothing takes does not count")
def layer_not_used(case: Evidence) -> Iterator[Finding]:
    """A layer whose output the next line writes over, or that the network never calls."""
    script = case.script
    if script is None or script.tree is None:
        return
    bodies = list(_bodies(script.tree))
    over = ((made, later, True) for body in bodies for made, later in _written_over(body))
    unread = ((made, later, False) for body in bodies for made, later in _never_read(body))
    for made, later, written in chain(over, unread):
        yield Finding(
            cause=f"what line {made.lineno} puts out is never used"
            + (f": line {later.lineno} writes over it" if written else ""),
            symptom=f"that layer is no part of the network; {case.symptom}",
            remedy=f"let line {later.lineno} take what line {made.lineno} puts out",
            confidence=case.sure(0.88, 0.8, 0.5),
            evidence=(ast.unparse(made), ast.unparse(later)),
            focus=f"line:{later.lineno}",
        )
        return
    for name, line in _never_called(script.tree):
        yield Finding(
            cause=f"self.{name} is made, and no method calls it",
            symptom=f"that layer is no part of the network; {case.symptom}",
            remedy="call it, or take it out",
            confidence=case.sure(0.75, 0.6, 0.3),
            focus=f"line:{line}",
        )
        return


def _bodies(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """The statements of the script itself, and those of each function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef):
            yield node.body


def _written_over(body: Sequence[ast.stmt]) -> Iterator[tuple[ast.Assign, ast.Assign]]:
    """Assignments of what layers put out, and those of the same name before it was read."""
    for place, made in enumerate(body):
        target = made.targets[0] if isinstance(made, ast.Assign) else None
        if not isinstance(made, ast.Assign) or not isinstance(target, ast.Name):
            continue
        if not _is_applied(made.value):
            continue
        for later in body[place + 1 :]:
            names = [one for one in ast.walk(later) if isinstance(one, ast.Name)]
            here = [one for one in names if one.id == target.id]
            if not here:
                continue
            read = any(isinstance(one.ctx, ast.Load) for one in here)
            if not read and isinstance(later, ast.Assign) and _is_applied(later.value):
                yield made, later
            break


def _never_read(body: Sequence[ast.stmt]) -> Iterator[tuple[ast.Assign, ast.Assign]]:
    """The last layer's output under a name that nothing reads, and the next layer that is made."""
    applied = [one for one in body if isinstance(one, ast.Assign) and _is_applied(one.value)]
    for made, later in pairwise(applied):
        target, value = made.targets[0], made.value
        if not isinstance(target, ast.Name) or not isinstance(value, ast.Call):
            continue
        after = [part for part in body if part.lineno > made.lineno]
        read = any(target.id in names_in(part) for part in after)
        if not read and isinstance(value.func, ast.Call):
            yield made, later


def _is_applied(node: ast.expr) -> bool:
    """Whether it is `Layer(…)(x)`, or `self.layer(x)` of one argument or more."""
    if not isinstance(node, ast.Call) or not node.args:
        return False
    own = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "self"
    return own or isinstance(node.func, ast.Call)


def _never_called(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Layers that a model's class makes and none of its other methods mentions."""
    for kind in (one for one in ast.walk(tree) if isinstance(one, ast.ClassDef)):
        methods = [one for one in kind.body if isinstance(one, ast.FunctionDef)]
        if not any(one.name == "call" for one in methods):
            continue
        made: dict[str, int] = {}
        for node in (inner for one in methods if one.name == "__init__" for inner in ast.walk(one)):
            target = node.targets[0] if isinstance(node, ast.Assign) else None
            value = node.value if isinstance(node, ast.Assign) else None
            known = isinstance(value, ast.Call) and called(value) in _LAYERS
            if known and isinstance(target, ast.Attribute):
                made[target.attr] = target.lineno
        used = [one.attr for one in ast.walk(kind) if isinstance(one, ast.Attribute)
                and isinstance(one.ctx, ast.Load)]  # fmt: skip
        looped = any(one in ("layers", "__dict__", "_layers", "_flatten_layers") for one in used)
        yield from ((name, line) for name, line in made.items() if name not in used and not looped)


_LAYERS = (
    "Dense",
    *CONVOLUTIONS,
    *RECURRENT,
    *NORMALIZATIONS,
    *DROPOUTS,
    *POOLINGS,
    "Embedding",
    "Flatten",
)
