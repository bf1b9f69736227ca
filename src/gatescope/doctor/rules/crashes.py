"""What ended a script, in words, from the text of its exception."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from gatescope.doctor.evidence import Evidence
from gatescope.doctor.finding import CERTAIN, Change, Finding
from gatescope.doctor.rules.table import rule
from gatescope.doctor.script import Script, argument, called
from gatescope.report.cells import without_colours


class _Known(NamedTuple):
    """Words of an exception, and what they mean."""

    words: tuple[str, ...]
    cause: str
    remedy: str


_KNOWN_WORDS, _ITS_OWN_WORDS = 0.85, 0.82
_LONGEST = 300
_WHERE = (
    "Exception encountered", "Graph execution error", "Detected at node", 'File "', "[[{{",
    "Arguments", "•", "<stack traces", "Traceback", "node ",
)  # fmt: skip
_KNOWN = (
    _Known(
        ("`logits` and `labels` must have the same shape",),
        "the labels have another shape than what the network puts out",
        "give the last layer as many units as a label has numbers",
    ),
    _Known(
        ("Arguments `target` and `output` must have the same",),
        "the labels have another shape than what the network puts out: whole numbers, perhaps, "
        "for a loss of one-hot labels, or another number of classes than units",
        "take sparse_categorical_crossentropy for labels of whole numbers, "
        "and one unit a class in the last layer",
    ),
    _Known(
        ("Argument `output` must have rank (ndim) `target.ndim - 1`",),
        "the labels are one-hot, or have one axis too many, for a loss of whole numbers",
        "take categorical_crossentropy for one-hot labels",
    ),
    _Known(
        ("target.shape", "output.shape"),
        "the labels do not have the shape that the loss needs beside what the network puts out",
        "compare the shape of the labels with that of the last layer, and the loss with both",
    ),
    _Known(
        ("Received a label value of",),
        "a label is larger than the last layer has units",
        "give the last layer one unit for each class, and let labels begin at 0",
    ),
    _Known(
        ("Data cardinality is ambiguous",),
        "inputs and labels have different numbers of samples",
        "make both equally long",
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
    _Known(
        ("Invalid dtype: object",),
        "the data holds Python objects: rows of different length, or text among numbers",
        "make it one array of numbers: astype('float32'), with texts turned into numbers first",
    ),
    _Known(
        ("Failed to convert a NumPy array to a Tensor",),
        "the data holds Python objects: rows of different length, or text among numbers",
        "make it one array of numbers: astype('float32'), with texts turned into numbers first",
    ),
    _Known(
        ("could not broadcast", "Incompatible shapes"),
        "two arrays of shapes that do not fit are joined",
        "print both shapes before that line",
    ),
    _Known(
        ("must have the same shape",),
        "labels and predictions have different shapes",
        "compare the shape of the labels with that of the last layer",
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
    known = next((one for one in _KNOWN if all(word in message for word in one.words)), None)
    changes = _changes(case) if known else ()
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
        focus=None if changes else "crash",
    )


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
    before = [one for one in calls if one.lineno <= (crash.line or 0)]
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


def _changes(case: Evidence) -> tuple[Change, ...]:
    """The other loss, where the labels are known to be of the other kind."""
    loss = case.training.loss if case.training else None
    message = case.crash.message if case.crash else ""
    if loss == "categorical_crossentropy" and "target" in message:
        return (Change("set", "loss", "sparse_categorical_crossentropy"),)
    if loss == "sparse_categorical_crossentropy" and "rank (ndim)" in message:
        return (Change("set", "loss", "categorical_crossentropy"),)
    return ()
