"""What ended a script, in words, from the text of its exception."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, NamedTuple

from gatescope.doctor.evidence import RECURRENT, Evidence
from gatescope.doctor.finding import CERTAIN, Change, Finding
from gatescope.doctor.origins import last_change
from gatescope.doctor.rules.loops import loss_line
from gatescope.doctor.rules.table import rule
from gatescope.doctor.script import Script, argument, called
from gatescope.report.cells import without_colours


class _Known(NamedTuple):
    """Words of an exception, what they mean, and what is to blame where it is not the line."""

    words: tuple[str, ...]
    cause: str
    remedy: str
    blame: Literal["line", "labels", "lengths", "types", "loss"] = "line"


_KNOWN_WORDS, _ITS_OWN_WORDS = 0.83, 0.82
_LONGEST = 300
_WHERE = (
    "Exception encountered", "Graph execution error", "Detected at node", 'File "', "[[{{",
    "Arguments", "•", "in user code", "<stack traces", "Traceback", "node ",
)  # fmt: skip
_OBJECTS: tuple[str, str, Literal["types"]] = (
    "the data holds Python objects: rows of different length, or text among numbers",
    "make it one array of numbers: astype('float32'), with texts turned into numbers first",
    "types",
)
_TEXTS: tuple[str, str, Literal["types"]] = (
    "the data holds texts where numbers are needed",
    "turn texts into numbers first: astype('float32'), or keras.layers.StringLookup for names",
    "types",
)
_KNOWN = (
    _Known(
        ("`logits` and `labels` must have the same shape",),
        "the labels have another shape than what the network puts out",
        "give the last layer as many units as a label has numbers",
        "labels",
    ),
    _Known(
        ("Arguments `target` and `output` must have the same",),
        "the labels have another shape than what the network puts out: whole numbers, perhaps, "
        "for a loss of one-hot labels, or another number of classes than units",
        "take sparse_categorical_crossentropy for labels of whole numbers, "
        "and one unit a class in the last layer",
        "labels",
    ),
    _Known(
        ("Argument `output` must have rank (ndim) `target.ndim - 1`",),
        "the labels are one-hot, or have one axis too many, for a loss of whole numbers",
        "take categorical_crossentropy for one-hot labels",
        "labels",
    ),
    _Known(
        ("target.shape", "output.shape"),
        "the labels do not have the shape that the loss needs beside what the network puts out",
        "compare the shape of the labels with that of the last layer, and the loss with both",
        "labels",
    ),
    _Known(
        ("Received a label value of",),
        "a label is larger than the last layer has units",
        "give the last layer one unit for each class, and let labels begin at 0",
        "labels",
    ),
    _Known(
        ("Data cardinality is ambiguous",),
        "inputs and labels have different numbers of samples",
        "make both equally long",
        "lengths",
    ),
    _Known(
        ("expected axis", "but received input with shape"),
        "the input has another number of columns than the layer was built for",
        "let the input shape of the first layer be that of one sample of the data",
    ),
    _Known(
        ("expected min_ndim",),
        "the input lacks an axis that the layer needs (channels, or steps of time)",
        "add it: x[..., None], or return_sequences=True in the recurrent layer before",
    ),
    _Known(
        ("is incompatible with the layer", "expected ndim"),
        "the input of a layer has another number of axes than the layer takes",
        "flatten before a Dense, keep images as (height, width, channels), and set "
        "return_sequences=True where another recurrent layer follows",
    ),
    _Known(
        ("is incompatible with the layer",),
        "the input of a layer has another shape than the layer takes",
        "compare the shape of the data with the input shape of the first layer",
    ),
    _Known(("Invalid dtype: object",), *_OBJECTS),
    _Known(("Failed to convert a NumPy array to a Tensor",), *_OBJECTS),
    _Known(("Cannot cast array data from dtype('<U",), *_TEXTS),
    _Known(("could not convert string to float",), *_TEXTS),
    _Known(("Invalid dtype: str",), *_TEXTS),
    _Known(("Cast string to", "is not supported"), *_TEXTS),
    _Known(
        ("No gradients provided for any variable",),
        "the loss does not depend on the weights: predictions do not enter it, or on the way are "
        "turned into NumPy arrays, rounded or computed outside of the tape",
        "compute predictions inside the tape, and the loss of these by TensorFlow's functions",
        "loss",
    ),
    _Known(
        ("could not broadcast",),
        "two arrays of shapes that do not fit are joined",
        "print both shapes before that line",
    ),
    _Known(
        ("Incompatible shapes",),
        "two arrays of shapes that do not fit are joined, such as labels and predictions",
        "print both shapes; compare that of the labels with the last layer",
        "labels",
    ),
    _Known(
        ("must have the same shape",),
        "labels and predictions have different shapes",
        "compare the shape of the labels with that of the last layer",
        "labels",
    ),
    _Known(
        ("You must call `compile()`",),
        "the model was not compiled before fit",
        "call model.compile(optimizer, loss) first",
    ),
    _Known(
        ("No loss to compute", "Provide a `loss` argument"),
        "compile was told no loss",
        "model.compile(optimizer, loss=…)",
    ),
    _Known(
        ("expects", "input(s), but it received"),
        "the model has another number of inputs than fit was given",
        "pass one array for each input",
    ),
    _Known(
        ("dtype", "float", "int"),
        "data of a type that the operation does not take",
        "turn inputs into float32: x.astype('float32')",
    ),
)


@rule("the text of the exception; Keras' own checks of shapes and types")
def crash(case: Evidence) -> Iterator[Finding]:
    """What the exception says, in other words where these are known."""
    if case.crash is None:
        return
    message = case.crash.message
    known = _known(case)
    changes = _changes(case) if known else ()
    blamed = _blamed(case.script, known.blame) if known and case.script else None
    labels = known is not None and known.blame == "labels" and not changes
    told = f"{case.crash.kind}: {telling(message)}" if message.strip() else case.crash.kind
    yield Finding(
        cause=known.cause if known else f"the script ends with {told}",
        symptom=f"the script ends with {case.crash.kind}",
        remedy=known.remedy if known else "mend that line; no rule knows this exception",
        confidence=_KNOWN_WORDS
        if known
        else CERTAIN  # what the training came to may be behind it
        if case.crash.later
        else _ITS_OWN_WORDS,
        evidence=(told,) if known else (),
        changes=changes,
        kind="crash",
        layer=case.head.name if labels and case.head else None,
        focus=f"line:{blamed}" if blamed else None if changes or labels else "crash",
    )


def _known(case: Evidence) -> _Known | None:
    message = case.crash.message if case.crash else ""
    return next((one for one in _KNOWN if all(word in message for word in one.words)), None)


def is_about_labels(case: Evidence) -> bool:
    """Whether what ended the script is that labels, loss and last layer do not fit."""
    known = _known(case) if case.crash and not case.crash.later else None
    return known is not None and known.blame == "labels"


def _blamed(script: Script, what: str) -> int | None:
    """The line that made what an exception is about, which was raised elsewhere."""
    if what == "loss":
        return loss_line(script)
    if what in ("lengths", "types"):
        changed = (last_change(script, "y"), last_change(script, "x"))
        return next((line for line in changed if line is not None), None)
    return None


def telling(message: str) -> str:
    r"""The line of a message that says what is wrong, without where it was noticed.

    Example:
        >>> telling("Exception encountered when calling Sequential.call().\n\nInput 0 of layer …")
        'Input 0 of layer …'
    """
    lines = [line.strip() for line in without_colours(message).splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(_WHERE)]
    line = (said or lines or [""])[0]
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


_EATEN = ("Computed output size would be", "Negative dimension size")
_LEAPS = {"Conv1D": "strides", "Conv2D": "strides", "MaxPooling1D": "pool_size",
          "MaxPooling2D": "pool_size", "AveragePooling2D": "pool_size"}  # fmt: skip
_LONG = 4  # positions: longer than what is usual, 2


@rule("Dumoulin & Visin 2016, arXiv:1603.07285: output sizes of convolution and pooling")
def map_too_small(case: Evidence) -> Iterator[Finding]:
    """A convolution or pooling of a map that has become smaller than its window."""
    crash, script = case.crash, case.script
    if crash is None or not any(word in crash.message for word in _EATEN):
        return
    calls = script.calls(*_LEAPS) if script else []
    ends = script.statement(crash.line or 0)[1] if script else 0  # a list of layers may be long
    before = [one for one in calls if one.lineno <= ends]
    sizes = [(_side(script, one), one) for one in before]
    longest, eats = max(sizes, key=lambda one: one[0], default=(0, None))
    change: tuple[Change, ...] = ()
    if eats is not None and longest >= _LONG:
        change = (Change("set", f"call:{eats.lineno}.{_LEAPS[called(eats)]}", 2),)
    yield Finding(
        cause="the map is smaller than the window of a convolution or pooling"
        + (f", for {called(eats)} in line {eats.lineno} takes steps of {longest}"
           if eats is not None and change else ""),
        symptom=f"the script ends with {crash.kind}",
        remedy="take steps of 2" if change else "take padding='same', smaller windows or fewer "
        "of them",
        confidence=0.9,
        evidence=(telling(crash.message),),
        changes=change,
        kind="crash",
        focus=None if change else "crash",
    )  # fmt: skip


def _side(script: Script | None, call: ast.Call) -> int:
    """The longest side of the steps that a layer takes."""
    node = argument(call, _LEAPS[called(call)])
    parts = node.elts if isinstance(node, ast.Tuple | ast.List) else [node]
    sides = [script.constant(one) for one in parts] if script else []
    return max((one for one in sides if isinstance(one, int)), default=1)


_REFUSED = re.compile(r"learning_rate` should be float.*Received instead: learning_rate=(\S+)")


@rule("Keras, optimizers: learning_rate is a float, a schedule or a function")
def learning_rate_refused(case: Evidence) -> Iterator[Finding]:
    """A rate that is no float, as where its point was forgotten."""
    told = _REFUSED.search(case.crash.message.replace("\n", " ")) if case.crash else None
    if told is None or case.crash is None:
        return
    yield Finding(
        cause=f"Keras takes no learning_rate={told[1]}: it wants a float, far below 1",
        symptom=f"the script ends with {case.crash.kind}",
        remedy="set it to 0.001 (a point forgotten?)",
        confidence=0.95,
        changes=(Change("set", f"call:{case.crash.line}.learning_rate", 0.001),),
        kind="crash",
        focus="crash",
    )


_OF_LOSS_WEIGHTS = ("loss_weights", "Keras type promotion", "Failed to convert elements of")


@rule("Keras 3, Model.compile(optimizer, loss, loss_weights, metrics): Keras 2 had metrics third")
def metrics_in_the_place_of_loss_weights(case: Evidence) -> Iterator[Finding]:
    """Metrics without their name, where Keras 3 has the weights of losses."""
    crash, script = case.crash, case.script
    if crash is None or script is None or not any(w in crash.message for w in _OF_LOSS_WEIGHTS):
        return
    for call in script.calls("compile"):
        if len(call.args) < 3 or _are_numbers(script, call.args[2]):
            continue
        told = ast.unparse(call.args[2])
        yield Finding(
            cause=f"compile takes {told} for loss_weights, which come before metrics in Keras 3",
            symptom=f"the script ends with {crash.kind}",
            remedy=f"name them: metrics={told}",
            confidence=0.95,
            evidence=(telling(crash.message),),
            changes=(Change("set", f"arguments:{call.lineno}.2-2", f"metrics={told}"),),
            kind="crash",
            focus=f"line:{call.lineno}",
        )


def _are_numbers(script: Script, node: ast.expr) -> bool:
    known = script.resolved(node)
    parts = known.elts if isinstance(known, ast.List | ast.Tuple) else [known]
    return not any(isinstance(script.constant(one), str) or isinstance(one, ast.Call)
                   for one in parts if one is not None)  # fmt: skip


_UNLIKE = re.compile(
    r"expected (?:axis -1 of input shape to have value (?P<axis>\d+)|shape=(?P<shape>\([^)]*\)))"
    r", (?:but received input with shape|found shape=) ?(?P<found>\([^)]*\))"
)
_MADE_FOR = {"Input": "shape", "InputLayer": "shape"}


@rule("Keras, Input: the shape of one sample, without the axis of the batch")
def input_unlike_data(case: Evidence) -> Iterator[Finding]:
    """A network made for samples of another shape than those that training gives it."""
    crash, script = case.crash, case.script
    told = _UNLIKE.search(without_colours(crash.message)) if crash else None
    if crash is None or script is None or told is None or not _noticed_by_fit(script, crash.line):
        return
    given = tuple(ast.literal_eval(told["found"]))[1:]
    asked = [int(told["axis"])] if told["axis"] else list(ast.literal_eval(told["shape"]))[1:]
    for call, name in _input_shapes(script):
        try:
            shape = ast.literal_eval(ast.unparse(script.resolved(argument(call, name)) or call))
        except ValueError:
            continue
        made = [shape] if isinstance(shape, int) else list(shape)
        if made[-len(asked) :] != asked or None in given:
            continue
        value = given[-1] if isinstance(shape, int) else given
        yield Finding(
            cause=f"the network is made for samples of shape {tuple(made)}, those of the data "
            f"have {given}",
            symptom=f"the script ends with {crash.kind}",
            remedy=f"set {name}={value}, or look at how the data got this shape",
            confidence=0.9,
            evidence=(telling(crash.message),),
            changes=(Change("set", f"call:{call.lineno}.{called(call)}.{name}", value),),
            kind="crash",
        )
        return


def _noticed_by_fit(script: Script, line: int | None) -> bool:
    """Whether a line is of a call that hands data to the network."""
    calls = script.calls("fit", "train_on_batch", "evaluate", "predict", "test_on_batch")
    return any(one.lineno <= (line or 0) <= (one.end_lineno or 0) for one in calls)


def _input_shapes(script: Script) -> Iterator[tuple[ast.Call, str]]:
    """Calls that say what shape a sample has, and by which argument."""
    for node in ast.walk(script.tree or ast.Module([], [])):
        if not isinstance(node, ast.Call):
            continue
        for name in ("input_shape", "input_dim"):
            if any(one.arg == name for one in node.keywords):
                yield node, name
        name = _MADE_FOR.get(called(node), "")
        if name and argument(node, name) is not None:
            yield node, name


@rule("Keras, recurrent layers: return_sequences=False hands on the last step alone")
def sequence_ended_early(case: Evidence) -> Iterator[Finding]:
    """A recurrent layer that takes a sequence, behind one that puts out its last step alone."""
    crash, script = case.crash, case.script
    if crash is None or script is None or "expected ndim=3, found ndim=2" not in crash.message:
        return
    calls = script.calls(
        *RECURRENT, "Conv1D", "MaxPooling1D", "GlobalAveragePooling1D", "Attention"
    )
    for before, after in pairwise(calls):
        kept = script.constant(argument(before, "return_sequences"))
        if called(before) not in RECURRENT or called(before) == "Bidirectional" or kept:
            continue
        yield Finding(
            cause=f"{called(before)} in line {before.lineno} puts out its last step alone, and "
            f"{called(after)} in line {after.lineno} takes a sequence",
            symptom=f"the script ends with {crash.kind}",
            remedy="set return_sequences=True",
            confidence=0.9,
            evidence=(telling(crash.message),),
            changes=(
                Change("set", f"call:{before.lineno}.{called(before)}.return_sequences", True),
            ),
            kind="crash",
        )
        return


_RANKS = re.compile(r"target\.shape=\(([^)]*)\), output\.shape=\(([^)]*)\)")


def _changes(case: Evidence) -> tuple[Change, ...]:
    """The other loss, where the labels are known to be of the other kind."""
    loss = case.training.loss if case.training else None
    message = case.crash.message if case.crash else ""
    if loss == "categorical_crossentropy" and "target" in message:
        return (Change("set", "loss", "sparse_categorical_crossentropy"),)
    told = _RANKS.search(message)
    positions = told is not None and told[2].count(",") > told[1].count(",") + 1
    if loss == "sparse_categorical_crossentropy" and "rank (ndim)" in message and not positions:
        return (Change("set", "loss", "categorical_crossentropy"),)
    return ()
