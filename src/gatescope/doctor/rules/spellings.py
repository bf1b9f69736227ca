"""Old spellings that Keras 3 refuses: explained with the new line, and no faults of training."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from gatescope.doctor.evidence import Evidence
from gatescope.doctor.finding import Change, Finding
from gatescope.doctor.rules.table import rule
from gatescope.doctor.script import OPTIMIZERS, Script, called

_REFUSALS = (
    "ImportError", "ModuleNotFoundError", "TypeError", "ValueError", "AttributeError", "KeyError",
    "RuntimeError", "NotImplementedError",
)  # fmt: skip
_SOURCE = "Keras 3, migration guide and release notes"
_ARGUMENTS = {
    "nb_epoch": "epochs",
    "lr": "learning_rate",
    "init": "kernel_initializer",
    "border_mode": "padding",
    "subsample": "strides",
    "nb_filter": "filters",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "bias": "use_bias",
    "samples_per_epoch": "steps_per_epoch",
    "nb_val_samples": "validation_steps",
    "inner_activation": "recurrent_activation",
    "batch_input_shape": "batch_shape",
    "output_dim": "units",
    "p": "rate",
    "input": "inputs",
    "output": "outputs",
}
"""Of classes and of the methods below alone: a function of the user's may have such names."""
_ONLY_OF = {
    "input": ("Model",),
    "output": ("Model",),
    "p": ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout", "AlphaDropout"),
    "output_dim": ("Dense", "LSTM", "GRU", "SimpleRNN", "TimeDistributedDense"),
    "bias": ("Dense", "Conv1D", "Conv2D", "Convolution1D", "Convolution2D"),
    "init": ("Dense", "LSTM", "GRU", "SimpleRNN", "Embedding", "Conv1D", "Conv2D", "Convolution1D",
             "Convolution2D"),
}  # fmt: skip
_GONE = {
    "class_mode": "take it out: binary or categorical is what the loss says",
    "show_accuracy": 'take it out, and pass metrics=["accuracy"] to compile',
    "dim_ordering": "take it out: images are (height, width, channels)",
}
_TRAINING = ("fit", "compile", "evaluate", "predict", "fit_generator", "train_on_batch")
_NAMES = {
    "np_utils": ("keras.utils", "from keras.utils import to_categorical, and call that"),
    "ImageDataGenerator": (
        "keras.preprocessing.image",
        "read images with keras.utils.image_dataset_from_directory, and augment them by layers "
        "such as keras.layers.RandomFlip",
    ),
    "Merge": ("keras.layers", "call keras.layers.concatenate([a, b]), add or multiply"),
    "TimeDistributedDense": ("keras.layers", "write TimeDistributed(Dense(…)), or Dense alone"),
    "MaxoutDense": ("keras.layers", "it is gone: take a Dense layer with relu"),
    "Highway": ("keras.layers", "it is gone: take Dense layers with a residual Add"),
    "CuDNNLSTM": ("keras.layers", "write LSTM, which takes the fast way by itself"),
    "CuDNNGRU": ("keras.layers", "write GRU, which takes the fast way by itself"),
}
"""Names that modules had, and what stands for them."""
_METHODS = {
    "fit_generator": "fit",
    "evaluate_generator": "evaluate",
    "predict_generator": "predict",
    "predict_proba": "predict",
    "reset_states": "reset_state",
}
_MODULES = {
    "keras.layers.core": "keras.layers",
    "keras.layers.convolutional": "keras.layers",
    "keras.layers.recurrent": "keras.layers",
    "keras.layers.normalization": "keras.layers",
    "keras.layers.embeddings": "keras.layers",
    "keras.layers.pooling": "keras.layers",
    "keras.layers.advanced_activations": "keras.layers",
    "keras.layers.merge": "keras.layers",
    "keras.layers.wrappers": "keras.layers",
    "keras.layers.noise": "keras.layers",
    "keras.engine": "keras",
    "keras.utils.np_utils": "keras.utils",
    "keras.wrappers.scikit_learn": "keras.wrappers",
    "keras.preprocessing.text": "keras.layers (TextVectorization)",
    "keras.objectives": "keras.losses",
}
_SESSIONS = ("Session", "placeholder", "get_session", "set_session", "global_variables_initializer")


def _spelled(line: int, cause: str, remedy: str, changes: tuple[Change, ...] = ()) -> Finding:
    return Finding(
        cause=cause,
        symptom="Keras 3 refuses it",
        remedy=remedy,
        confidence=0.95,
        changes=changes,
        kind="spelling",
        focus=f"line:{line}",
    )


def _script(case: Evidence) -> Script | None:
    """The script of a run that crashed: what ran to its end was spelled as Keras takes it."""
    return case.script if case.crash is not None else None


def about_spelling(findings: Sequence[Finding], case: Evidence) -> list[Finding]:
    """One finding for all old spellings, what the script stopped at first; none if it did not.

    Args:
        findings: Of these rules.
        case: The evidence.
    """
    crash, script = case.crash, case.script
    if crash is None or crash.line is None or script is None or crash.kind not in _REFUSALS:
        return []
    first, last = script.statement(crash.line)
    there = [one for one in findings if first <= _line(one) <= last]
    if not there:
        return []
    stopped = min(there, key=lambda one: abs(_line(one) - (crash.line or 0)))
    rest = sorted((one for one in findings if one is not stopped), key=_line)
    told = tuple(f"line {_line(one)}: {one.cause}; {one.remedy}" for one in rest)
    changes = [change for one in (stopped, *rest) for change in one.changes]
    return [replace(stopped, evidence=told, changes=tuple(dict.fromkeys(changes)))]


def _line(finding: Finding) -> int:
    return int(str(finding.focus).removeprefix("line:"))


@rule(_SOURCE)
def old_arguments(case: Evidence) -> Iterator[Finding]:
    """Arguments under names of Keras 1 and 2."""
    script = _script(case)
    if script is None or script.tree is None:
        return
    for node in ast.walk(script.tree):
        name = called(node) if isinstance(node, ast.Call) else ""
        if not isinstance(node, ast.Call) or not (name[:1].isupper() or name in _TRAINING):
            continue
        for keyword in node.keywords:
            old, line = str(keyword.arg), keyword.value.lineno
            if name not in _ONLY_OF.get(old, (name,)):
                continue
            place = f"keyword:{line}.{old}"
            if old in _ARGUMENTS:
                new, value = _ARGUMENTS[old], ast.unparse(keyword.value)
                yield _spelled(
                    line, f"`{old}=` is now `{new}=`", f"write {new}={value}",
                    (Change("set", place, new),),
                )  # fmt: skip
            elif old in _GONE:
                changes = (Change("remove", place),)
                yield _spelled(line, f"`{old}=` is gone", _GONE[old], changes)


@rule("Keras 1 to 2: Convolution2D(filters, rows, columns) is Conv2D(filters, (rows, columns))")
def old_kernel_sizes(case: Evidence) -> Iterator[Finding]:
    """Sides of a kernel as two arguments, of which the second is a stride now."""
    script = _script(case)
    for call in script.calls("Convolution2D", "Conv2D") if script else ():
        sides = [script.constant(one) for one in call.args[1:3]] if script else []
        if len(sides) == 2 and all(isinstance(one, int) for one in sides):
            yield _spelled(
                call.lineno,
                f"`{called(call)}(…, {sides[0]}, {sides[1]})` takes the second side for strides",
                f"write the kernel as one argument: ({sides[0]}, {sides[1]})",
                (Change("set", f"arguments:{call.lineno}.1-2", f"({sides[0]}, {sides[1]})"),),
            )  # fmt: skip


@rule(_SOURCE)
def old_decay(case: Evidence) -> Iterator[Finding]:
    """`decay=` of optimizers."""
    script = _script(case)
    if script is None:
        return
    for call in script.calls(*OPTIMIZERS, *(one.lower() for one in OPTIMIZERS)):
        for keyword in call.keywords:
            if keyword.arg == "decay":
                value = ast.unparse(keyword.value)
                yield _spelled(
                    keyword.value.lineno,
                    "optimizers have no `decay=` any more",
                    "pass learning_rate=keras.optimizers.schedules.InverseTimeDecay("
                    f"initial_learning_rate=…, decay_steps=1, decay_rate={value})",
                    (Change("remove", f"keyword:{keyword.value.lineno}.decay"),),
                )  # fmt: skip


@rule(_SOURCE)
def old_methods(case: Evidence) -> Iterator[Finding]:
    """`fit_generator` and its kind."""
    script = _script(case)
    if script is None:
        return
    for call in script.calls(*_METHODS):
        old = called(call)
        yield _spelled(
            call.lineno, f"`{old}` is now `{_METHODS[old]}`",
            f"write {_METHODS[old]}(…)"
            + (", which takes generators and arrays alike" if old.endswith("_generator") else ""),
            (Change("set", f"method:{call.lineno}.{old}", _METHODS[old]),),
        )  # fmt: skip
    for call in script.calls("predict_classes"):
        yield _spelled(
            call.lineno, "`predict_classes` is gone",
            "write model.predict(x).argmax(axis=-1), or (model.predict(x) > 0.5) for one unit",
        )  # fmt: skip


@rule(_SOURCE)
def old_modules(case: Evidence) -> Iterator[Finding]:
    """Modules that were moved."""
    script = _script(case)
    if script is None or script.tree is None:
        return
    for node in ast.walk(script.tree):
        names = (
            [str(node.module)] if isinstance(node, ast.ImportFrom)
            else [one.name for one in node.names] if isinstance(node, ast.Import) else []
        )  # fmt: skip
        for name in names:
            short = name.removeprefix("tensorflow.")
            found = [old for old in _MODULES if short == old or short.startswith(f"{old}.")]
            if found and isinstance(node, ast.Import | ast.ImportFrom):
                yield _spelled(
                    node.lineno, f"there is no module {name} any more",
                    f"import from {_MODULES[found[0]]}",
                    (Change("set", f"module:{node.lineno}.{name}", _MODULES[found[0]]),)
                    if " " not in _MODULES[found[0]]
                    else (),
                )  # fmt: skip


@rule(_SOURCE)
def old_names(case: Evidence) -> Iterator[Finding]:
    """Names that a module no longer has."""
    script = _script(case)
    if script is None or script.tree is None:
        return
    for node in ast.walk(script.tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        for one in node.names:
            module, instead = _NAMES.get(one.name, ("", ""))
            if module and str(node.module).removeprefix("tensorflow.") == module:
                named = len(node.names) == 1 and one.name == "np_utils"
                new = f"from {str(node.module).rpartition('.')[0]} import utils as np_utils"
                changes = (Change("set", f"statement:{node.lineno}", new),) if named else ()
                yield _spelled(
                    node.lineno, f"{module} has no {one.name} any more", instead, changes
                )


@rule(_SOURCE)
def sessions(case: Evidence) -> Iterator[Finding]:
    """Sessions and placeholders of TensorFlow 1."""
    script = _script(case)
    if script is None:
        return
    for call in script.calls(*_SESSIONS):
        yield _spelled(
            call.lineno, f"`{called(call)}` belongs to TensorFlow 1, which had sessions",
            "drop it: TensorFlow 2 computes at once, and Keras needs no session",
        )  # fmt: skip
        return


@rule(_SOURCE)
def old_optimizer_names(case: Evidence) -> Iterator[Finding]:
    """Optimizers imported in lower case, such as `adam`."""
    script = _script(case)
    if script is None or script.tree is None:
        return
    lower = {one.lower(): one for one in OPTIMIZERS}
    for node in ast.walk(script.tree):
        if isinstance(node, ast.ImportFrom) and "optimizers" in str(node.module):
            for one in node.names:
                if one.name in lower:
                    text = f"there is no optimizer {one.name!r} to import"
                    yield _spelled(node.lineno, text, f"import {lower[one.name]}")


@rule("Keras 3, metrics: 'acc' is recorded as it was asked, 'accuracy' as 'accuracy'")
def old_history_keys(case: Evidence) -> Iterator[Finding]:
    """`history.history["acc"]` where it is `accuracy`."""
    script, crash = _script(case), case.crash
    if script is None or crash is None or crash.kind != "KeyError" or script.tree is None:
        return
    told = case.training.metrics if case.training else ()
    for key in ("val_acc", "acc"):
        if crash.message.strip("'\" ") != key or ("accuracy" not in told and case.history):
            continue
        for node in ast.walk(script.tree):
            if isinstance(node, ast.Constant) and node.value == key:
                new = key.replace("acc", "accuracy")
                yield _spelled(
                    node.lineno, f"the history has no {key!r}: it is {new!r} now",
                    f"write {new!r}", (Change("set", f"constant:{node.lineno}.{key}", new),),
                )  # fmt: skip
                return
