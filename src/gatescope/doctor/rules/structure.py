"""How the layers are put together."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from gatescope.catalog.activations import ACTIVATIONS
from gatescope.doctor.evidence import (
    CONVOLUTIONS,
    DROPOUTS,
    NORMALIZATIONS,
    POOLINGS,
    RECURRENT,
    Evidence,
    Layer,
    Weight,
    copies,
)
from gatescope.doctor.finding import Change, Finding
from gatescope.doctor.rules.table import rule
from gatescope.doctor.script import called
from gatescope.scope.words import plural

_MIXING = ("Dense", *CONVOLUTIONS)
_STRONG = 0.7  # more than two of three inputs gone: beyond the 0.5 at which noise is largest
_NARROW = 3  # units that everything must pass through
_SOME_STEPS = 4
_DEEP = 3  # layers from which on σ' ≤ 1/4 makes a gradient 1/64 or less
_VERY_DEEP = 10
_LOSSY = 4  # a step of pooling that drops 15 of 16 positions of an image
_STRONG_L2, _STRONG_L1 = 0.05, 0.01  # penalties that outweigh a loss of order 1 for usual weights


def _plain(case: Evidence, layer: Layer) -> bool:
    return _mixes(case, layer) and case.activated(layer) in (None, "linear")


_KNOWN = (*_MIXING, *RECURRENT, "EinsumDense", "Conv2DTranspose")
_STRAIGHT = (
    "matmul", "dot", "tensordot", "einsum", "add", "bias_add", "reshape", "cast", "transpose",
    "convert_to_tensor", "super", "call", "MatMul", "multiply",
)  # fmt: skip


def _mixes(case: Evidence, layer: Layer) -> bool:
    """Whether it multiplies by a kernel and does nothing that bends, but for its activation."""
    return layer.kind in _MIXING or _is_straight(case, layer.kind)


def _is_straight(case: Evidence, kind: str) -> bool:
    """Whether a layer of the user's own computes sums of products alone."""
    tree = case.script.tree if case.script else None
    found = [one for one in ast.walk(tree) if isinstance(one, ast.ClassDef) and one.name == kind
             ] if tree else []  # fmt: skip
    methods = [one for one in ast.walk(found[0]) if isinstance(one, ast.FunctionDef)
               and one.name == "call"] if found else []  # fmt: skip
    inside = [one for method in methods for one in ast.walk(method)]
    calls = [called(one) for one in inside if isinstance(one, ast.Call)]
    bent = any(isinstance(one, ast.BinOp) and isinstance(one.op, ast.Pow) for one in inside)
    return bool(methods) and not bent and all(one in _STRAIGHT for one in calls)


def _bending(case: Evidence, layers: Sequence[Layer]) -> tuple[Change, ...]:
    """An activation for each of these layers, behind one that has no argument for it."""
    relu = {
        "call": 'keras.layers.Activation("relu")',
        "layer": {"class_name": "Activation", "config": {"activation": "relu"}},
    }
    return tuple(
        Change("set", f"layer:{one.name}.activation", "relu")
        if one.kind in _MIXING
        else Change("insert", f"layer:{one.name}", relu)
        for one in layers
    )


def _may_bend(case: Evidence) -> bool:
    """Whether a class of the user's may call an activation that no layer tells of."""
    if case.kind != "subclassed":
        return False
    tree = case.script.tree if case.script else None
    if tree is None:
        return True
    named = [one.attr if isinstance(one, ast.Attribute) else one.id for one in ast.walk(tree)
             if isinstance(one, ast.Attribute | ast.Name)]  # fmt: skip
    return not ACTIVATIONS.keys().isdisjoint(named)


@rule("a chain of linear maps is one linear map: Goodfellow et al. 2016, section 6.1")
def no_nonlinearity(case: Evidence) -> Iterator[Finding]:
    """Hidden layers, none of which bends anything."""
    mixing = [layer for layer in case.hidden if _mixes(case, layer)]
    if any(one.kind not in _KNOWN and one not in mixing for one in case.hidden):
        return  # what a class of the user's does is not known
    if not mixing or _may_bend(case) or any(one.kind in RECURRENT for one in case.hidden):
        return
    if not all(_plain(case, layer) for layer in mixing):
        return
    yield Finding(
        cause="no hidden layer has an activation, so all of them together are one linear layer",
        symptom=f"nothing but straight lines can be learned; {case.symptom}",
        remedy="give the hidden layers relu",
        confidence=case.sure(0.85, 0.65, 0.4),
        evidence=(f"{len(mixing)} hidden layers: {', '.join(one.name for one in mixing)}",),
        changes=_bending(case, mixing),
        layer=mixing[0].name,
    )


@rule("a chain of linear maps is one linear map: Goodfellow et al. 2016, section 6.1")
def missing_activation(case: Evidence) -> Iterator[Finding]:
    """One hidden layer without activation among others that have one."""
    if _may_bend(case):
        return
    mixing = [layer for layer in case.hidden if _mixes(case, layer)]
    bare = [layer for layer in mixing if _plain(case, layer)]
    if len(bare) == len(mixing):
        return
    for layer in bare:
        yield Finding(
            cause=f"the hidden layer {layer.name} has no activation, unlike the others",
            symptom=f"with the layer after it, it is one linear layer; {case.symptom}",
            remedy="give it relu",
            confidence=case.sure(0.6, 0.4, 0.2),
            changes=_bending(case, [layer]),
            layer=layer.name,
        )


@rule("softmax lets units of a layer compete: Goodfellow et al. 2016, section 6.2.2.3")
def softmax_in_hidden_layer(case: Evidence) -> Iterator[Finding]:
    """Units of a hidden layer that must share 1 among them."""
    found = [one for one in case.hidden if case.activated(one) == "softmax" and one.kind in _MIXING]
    if not found:
        return
    yield Finding(
        cause=f"a softmax ends the hidden {named(found)}: its units share 1 among them",
        symptom=f"outputs and gradients are tiny; {case.symptom}",
        remedy="take relu",
        confidence=case.sure(0.85, 0.7, 0.35),
        changes=tuple(Change("set", f"layer:{one.name}.activation", "relu") for one in found),
        layer=found[0].name,
    )


def named(layers: Sequence[Layer]) -> str:
    """The names of layers, in a list."""
    return ", ".join(one.name for one in layers)


@rule("Glorot & Bengio 2010; Goodfellow et al. 2016, section 6.3.2")
def saturating_hidden_activations(case: Evidence) -> Iterator[Finding]:
    """Sigmoids between layers."""
    found = [
        layer
        for layer in case.hidden
        if layer.kind in _MIXING and case.activated(layer) in ("sigmoid", "hard_sigmoid")
    ]
    if not found:
        return
    deep = len(found) >= _DEEP
    yield Finding(
        cause=f"{plural(len(found), 'hidden layer')} with a sigmoid, whose slope is 1/4 at most",
        symptom=f"gradients shrink on their way to the first layers; {case.symptom}",
        remedy="take relu",
        confidence=case.sure(0.8, 0.6, 0.25) if deep else case.sure(0.6, 0.4, 0.15),
        evidence=(f"a gradient is at most {0.25 ** len(found):.2g} of itself behind them",),
        changes=tuple(Change("set", f"layer:{one.name}.activation", "relu") for one in found),
        layer=found[0].name,
    )


@rule("Le, Jaitly & Hinton 2015, arXiv:1504.00941: relu in a recurrence needs an identity start")
def unbounded_recurrence(case: Evidence) -> Iterator[Finding]:
    """A recurrent layer whose state may grow without bound."""
    for layer in case.layers:
        inner = (layer.config.get("layer") or {}).get("config", {})
        activation = layer.config.get("activation") or inner.get("activation")
        if layer.kind not in RECURRENT or activation not in ("relu", "linear", "elu", "softplus"):
            continue
        yield Finding(
            cause=f"the state of {layer.name} goes through {activation}, which has no bound",
            symptom=f"it may explode within a sequence; {case.symptom}",
            remedy="take tanh, the default",
            confidence=case.sure(0.7, 0.4, 0.2),
            changes=(Change("set", f"layer:{layer.name}.activation", "tanh"),),
            layer=layer.name,
        )


@rule("Srivastava et al. 2014: keep a half or more of hidden units, most of the inputs")
def dropout_too_strong(case: Evidence) -> Iterator[Finding]:
    """So many units are dropped that little is left to learn with."""
    rates = [(one, one.config.get("rate")) for one in case.layers if one.kind in DROPOUTS]
    found = [(one, rate) for one, rate in rates if isinstance(rate, int | float) and rate > 0.5]
    if not found:
        return
    layer, most = max(found, key=lambda one: one[1])
    strong = most >= _STRONG
    yield Finding(
        cause=f"{most:.0%} of the inputs of {named([one for one, _ in found])} are dropped",
        symptom=f"the rest carries {1 - most:.0%} of what was known; {case.symptom}",
        remedy="drop 0.2 to 0.5 of hidden units",
        confidence=case.sure(0.85, 0.7, 0.4) if strong else case.sure(0.5, 0.3, 0.15),
        changes=tuple(
            Change("set", f"layer:{one.name}.rate", 0.3 if rate >= _STRONG else 0.2)
            for one, rate in found
        ),
        layer=layer.name,
    )


@rule("Srivastava et al. 2014: dropout is for inputs and hidden units")
def dropout_behind_output(case: Evidence) -> Iterator[Finding]:
    """Results of the network that are dropped."""
    if len(case.outputs) != 1 or case.kind == "subclassed":
        return
    layer = case.named(case.outputs[0])
    if layer is None or layer.kind not in DROPOUTS:
        return
    yield Finding(
        cause=f"{layer.name} drops results of the network itself",
        symptom=f"a part of the predictions is 0 in each step; {case.symptom}",
        remedy="take it out",
        confidence=0.93,
        changes=(Change("remove", f"layer:{layer.name}"),),
        layer=layer.name,
    )


@rule("Ioffe & Szegedy 2015, arXiv:1502.03167: between a layer and its activation")
def normalization_behind_output(case: Evidence) -> Iterator[Finding]:
    """Results that are normalized over the batch."""
    found = [one for one in case.tail[1:] if one.kind in NORMALIZATIONS]
    for layer in found:
        yield Finding(
            cause=f"{layer.name} normalizes the results of the network over the batch",
            symptom=f"a prediction depends on what else is in its batch; {case.symptom}",
            remedy="take it out, or put it before a hidden activation",
            confidence=case.sure(0.88, 0.75, 0.5),
            changes=(Change("remove", f"layer:{layer.name}"),),
            layer=layer.name,
        )


@rule("Ioffe & Szegedy 2015: evaluation uses moving statistics; Keras, BatchNormalization")
def normalization_lags(case: Evidence) -> Iterator[Finding]:
    """Moving statistics that have not arrived when training ends."""
    for layer in case.layers:
        momentum = layer.config.get("momentum")
        if layer.kind != "BatchNormalization" or not isinstance(momentum, int | float):
            continue
        steps, needs = case.steps, 1 / max(1e-9, 1 - momentum)
        if steps is None or steps >= 2 * needs or momentum < 0.95:
            continue
        yield Finding(
            cause=f"{layer.name} keeps {momentum:g} of its statistics in each step, "
            f"and there were only {steps} steps",
            symptom=f"evaluation normalizes with statistics from the start; {case.symptom}",
            remedy="set momentum=0.9, or train longer",
            confidence=case.sure(0.7, 0.35, 0.1),
            evidence=(f"{momentum**steps:.0%} of them is still what they began with",),
            changes=(Change("set", f"layer:{layer.name}.momentum", 0.9),),
            layer=layer.name,
        )


@rule("Ioffe & Szegedy 2015: statistics over a batch")
def normalization_of_tiny_batches(case: Evidence) -> Iterator[Finding]:
    """Statistics of one or two samples."""
    size = case.training.batch_size if case.training else None
    found = [one for one in case.layers if one.kind == "BatchNormalization"]
    if size is None or size > 2 or not found or found[0].output is None:
        return
    if len(found[0].output) > 2:
        return  # positions of an image count as samples
    yield Finding(
        cause=f"BatchNormalization sees {plural(size, 'sample')} at a time, whose deviation "
        "says nothing",
        symptom=case.symptom,
        remedy="take batches of 32",
        confidence=case.sure(0.85, 0.7, 0.4),
        changes=(Change("set", "fit.batch_size", 32),),
        layer=found[0].name,
    )


def _reduction(layer: Layer) -> int:
    """By how much a layer shrinks the axis that it shrinks most."""
    if not layer.input or not layer.output or len(layer.input) != len(layer.output):
        return 1
    sides = zip(layer.input[1:-1], layer.output[1:-1], strict=True)
    return max((round(a / b) for a, b in sides if a and b), default=1)


@rule("Springenberg et al. 2015, arXiv:1412.6806: strides and pooling of 2")
def steps_that_eat_the_map(case: Evidence) -> Iterator[Finding]:
    """Pooling or strides that leave nearly no positions."""
    for layer in case.layers:
        convolution = layer.kind in CONVOLUTIONS
        if not convolution and layer.kind not in POOLINGS:
            continue
        factor, wide = _reduction(layer), (layer.output or (1,))[1:-1]
        kernel = layer.config.get("pool_size" if not convolution else "strides") or (1,)
        if factor < _LOSSY - convolution or not wide or max(one or 9 for one in wide) > 8:
            continue
        if max(kernel) < _LOSSY - convolution:
            continue  # borders without padding, not steps
        rank = len(wide)
        names = ("strides",) if convolution else ("pool_size", "strides")
        size = [1 if convolution else 2] * rank
        yield Finding(
            cause=f"{layer.name} shrinks the map {factor} times along each side, to {wide}",
            symptom=f"where something was is lost; {case.symptom}",
            remedy="take steps of 2" if not convolution else "take strides of 1 or 2",
            confidence=case.sure(0.75, 0.5, 0.25),
            changes=tuple(Change("set", f"layer:{layer.name}.{one}", size) for one in names),
            layer=layer.name,
        )


@rule("what passes through few units is compressed to as many numbers")
def too_narrow(case: Evidence) -> Iterator[Finding]:
    """A hidden layer that lets next to nothing through."""
    least = 2 if copies(case.sample) else _NARROW  # an autoencoder is made to be narrow
    for layer in case.hidden:
        units, kernel = layer.units, layer.kernel
        if units is not None and kernel is None and layer.kind in RECURRENT:
            kernel = Weight("kernel", (_SOME_STEPS, units))  # not built when it was looked at
        if units is None or kernel is None or layer.kind in ("DepthwiseConv2D",):
            continue
        needs = case.head.units if case.head and case.head.units else 1
        fan_in = kernel.shape[-2]
        narrow = units <= least and fan_in > 2 * units
        if layer.kind in RECURRENT and units < _NARROW and _takes_steps(layer):
            narrow = True  # all of a sequence in so many numbers
        if not narrow and (copies(case.sample) or units * 4 >= needs or fan_in <= units):
            continue
        wider = max(32, 2 * needs)
        name = "filters" if layer.kind in CONVOLUTIONS else "units"
        yield Finding(
            cause=f"all passes through the {plural(units, 'unit')} of {layer.name}",
            symptom=f"{units} numbers must tell all about a sample; {case.symptom}",
            remedy=f"give it {wider} units",
            confidence=case.sure(0.75, 0.5, 0.2),
            changes=(Change("set", f"layer:{layer.name}.{name}", wider),),
            layer=layer.name,
        )


def _takes_steps(layer: Layer) -> bool:
    """Whether a recurrent layer sees a sequence of some length, as it does where none is told."""
    steps = layer.input[1] if layer.input and len(layer.input) > 2 else None
    return steps is None or steps > _SOME_STEPS


@rule("a linear model draws one straight boundary: Minsky & Papert 1969")
def no_hidden_layer(case: Evidence) -> Iterator[Finding]:
    """A network of one layer, where neighbours do better."""
    outcome = case.outcome
    if case.hidden or not case.head or case.kind != "sequential" or outcome is None:
        return
    if not case.fails or case.head.kind != "Dense":
        return
    size = 64
    before = case.before(case.head)
    if before is None:
        return
    layer = {"class_name": "Dense", "config": {"units": size, "activation": "relu"}}
    value = {"call": f'keras.layers.Dense({size}, activation="relu")', "layer": layer}
    yield Finding(
        cause="the network has no hidden layer: it can only draw a straight line",
        symptom=case.symptom,
        remedy=f"put a hidden layer of {size} units with relu before the last",
        confidence=0.5,
        changes=(Change("insert", f"layer:{before.name}", value),),
        layer=case.head.name,
    )


@rule("Goodfellow et al. 2016, section 6.0: an affine layer needs its offset")
def no_bias(case: Evidence) -> Iterator[Finding]:
    """Layers that must pass through the origin."""
    bare = [
        one
        for one in (*case.hidden, *([case.head] if case.head else []))
        if one.config.get("use_bias") is False and not _normalized(case, one)
    ]
    if not bare:
        return
    yield Finding(
        cause=f"{', '.join(one.name for one in bare)} has no bias",
        symptom=f"what it computes of 0 is 0; {case.symptom}",
        remedy="leave use_bias=False to layers before a normalization",
        confidence=case.sure(0.5, 0.35, 0.15),
        changes=tuple(Change("set", f"layer:{one.name}.use_bias", True) for one in bare),
        layer=bare[0].name,
    )


def _normalized(case: Evidence, layer: Layer) -> bool:
    following = case.after(layer)
    return following is not None and following.kind in NORMALIZATIONS


@rule("Goodfellow et al. 2016, section 7.1: a penalty is weighed against the loss")
def penalty_too_strong(case: Evidence) -> Iterator[Finding]:
    """A regularizer that outweighs the loss."""
    found = []
    for layer in case.layers:
        settings = (layer.config.get("kernel_regularizer") or {}).get("config", {})
        l2, l1 = (float(settings.get(one) or 0) for one in ("l2", "l1"))
        if l2 >= _STRONG_L2 or l1 >= _STRONG_L1:
            found.append((layer, max(l1, l2)))
    if not found:
        return
    layer, strength = max(found, key=lambda one: one[1])
    yield Finding(
        cause=f"the weights of {layer.name} are penalized with {strength:g}",
        symptom=f"the penalty outweighs the loss and pulls weights to 0; {case.symptom}",
        remedy="take 1e-4, or none",
        confidence=case.sure(0.85, 0.65, 0.4),
        changes=tuple(
            Change("set", f"layer:{one.name}.kernel_regularizer", None) for one, _ in found
        ),
        layer=layer.name,
    )


@rule("He et al. 2015, arXiv:1512.03385: plain networks degrade with depth, residual ones do not")
def too_deep(case: Evidence) -> Iterator[Finding]:
    """Many layers in a row, without normalization and without a way around them."""
    mixing = _longest_chain(case)
    if len(mixing) < _VERY_DEEP or not case.fails:
        return
    yield Finding(
        cause=f"{len(mixing)} layers follow each other without normalization or skip connections",
        symptom=f"signals and gradients shrink or grow from layer to layer; {case.symptom}",
        remedy="take fewer, add BatchNormalization, or add skip connections",
        confidence=0.55,
        changes=tuple(
            Change("insert", f"layer:{one.name}", {
                "call": "keras.layers.BatchNormalization()",
                "layer": {"class_name": "BatchNormalization", "config": {}},
            })
            for one in mixing
        ),
        layer=mixing[len(mixing) // 2].name,  # of a loop that makes most of them
    )  # fmt: skip


def _longest_chain(case: Evidence) -> list[Layer]:
    """Hidden layers that follow each other with nothing between them that eases the way."""
    hidden, chains = set(one.name for one in case.hidden), [list[Layer]()]
    for one in case.layers:
        if one.kind in (*NORMALIZATIONS, "Add", "Concatenate") or case.activated(one) == "selu":
            chains.append([])
        elif one.name in hidden and one.kind in _MIXING:
            chains[-1].append(one)
    return max(chains, key=len)


@rule("Keras, Embedding: indices from 0 to input_dim − 1")
def index_beyond_embedding(case: Evidence) -> Iterator[Finding]:
    """Words that have no row in the table."""
    x = case.sample.one_x if case.sample else None
    tables = [one for one in case.layers if one.kind == "Embedding"]
    told = _BEYOND.search(case.crash.message) if case.crash else None
    if told is not None:
        tables = [one for one in tables if one.config.get("input_dim") == int(told[2])]
    table = tables[0] if tables else None
    size = table.config.get("input_dim") if table else None
    known = x is not None and bool(x.size)
    highest = int(x.max()) if x is not None and known else int(told[1]) if told else 0
    if table is None or size is None or highest < size:
        return
    yield Finding(
        cause=f"indices reach {highest}, but {table.name} has rows for 0 to {size - 1}",
        symptom=f"an error, or rows of zeros; {case.symptom}",
        remedy=f"set input_dim={highest + 1}, or to the size of the vocabulary",
        confidence=0.95,
        evidence=(f"{(x >= size).mean():.1%} of the indices lie beyond",) if x is not None else (),
        changes=(Change("set", f"layer:{table.name}.input_dim", highest + 1),),
        kind="crash" if told else "training",
        layer=table.name,
    )


_BEYOND = re.compile(r"indices\[[^\]]*\] = (-?\d+) is not in \[0, (\d+)\)")
