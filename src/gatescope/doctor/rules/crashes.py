"""What ended a script, in words, from the text of its exception."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gatescope.doctor.evidence import Evidence
from gatescope.doctor.finding import CERTAIN, Change, Finding
from gatescope.doctor.rules.table import rule
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
        ("Computed output size would be negative",),
        "the map is smaller than the window of a convolution or pooling",
        "take padding='same', smaller windows or fewer of them",
    ),
    _Known(
        ("Negative dimension size",),
        "the map is smaller than the window of a convolution or pooling",
        "take padding='same', smaller windows or fewer of them",
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


def _changes(case: Evidence) -> tuple[Change, ...]:
    """The other loss, where the labels are known to be of the other kind."""
    loss = case.training.loss if case.training else None
    message = case.crash.message if case.crash else ""
    if loss == "categorical_crossentropy" and "target" in message:
        return (Change("set", "loss", "sparse_categorical_crossentropy"),)
    if loss == "sparse_categorical_crossentropy" and "rank (ndim)" in message:
        return (Change("set", "loss", "categorical_crossentropy"),)
    return ()
