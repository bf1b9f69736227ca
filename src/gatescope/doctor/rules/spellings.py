"""Old spellings that Keras 3 refuses: explained with the new line, and no faults of training."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gatescope.doctor.evidence import Evidence
from gatescope.doctor.finding import Change, Finding
from gatescope.doctor.rules.table import rule
from gatescope.doctor.script import OPTIMIZERS, Script, called

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
    "dim_ordering": "data_format",
    "inner_activation": "recurrent_activation",
    "batch_input_shape": "batch_shape",
}
_METHODS = {
    "fit_generator": "fit",
    "evaluate_generator": "evaluate",
    "predict_generator": "predict",
    "predict_proba": "predict",
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


def _spelled(
    script: Script, line: int, cause: str, remedy: str, changes: tuple[Change, ...] = ()
) -> Finding:
    return Finding(
        cause=cause,
        symptom="Keras 3 refuses it",
        remedy=remedy,
        confidence=0.95,
        evidence=(script.place(line).text,),
        changes=changes,
        kind="spelling",
        focus=f"line:{line}",
    )


def _script(case: Evidence) -> Script | None:
    """The script of a run that crashed: what ran to its end was spelled as Keras takes it."""
    return case.script if case.crash is not None else None


@rule(_SOURCE)
def old_arguments(case: Evidence) -> Iterator[Finding]:
    """Arguments under names of Keras 1 and 2."""
    script = _script(case)
    if script is None or script.tree is None or case.crash is None:
        return
    for node in ast.walk(script.tree):
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            new = _ARGUMENTS.get(keyword.arg or "")
            if new and _blamed(case, str(keyword.arg), node):
                value = ast.unparse(keyword.value)
                text = f"`{keyword.arg}=` is now `{new}=`"
                yield _spelled(
                    script, keyword.value.lineno, text, f"write {new}={value}",
                    (Change("set", f"keyword:{keyword.value.lineno}.{keyword.arg}", new),),
                )  # fmt: skip


def _blamed(case: Evidence, name: str, call: ast.Call) -> bool:
    """Whether the crash is about this name, or in this call."""
    crash = case.crash
    if crash is None:
        return False
    here = crash.line is not None and call.lineno <= crash.line <= (call.end_lineno or 0)
    return f"'{name}'" in crash.message or f"`{name}`" in crash.message or here


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
                    script, keyword.value.lineno,
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
            script, call.lineno, f"`{old}` is now `{_METHODS[old]}`",
            f"write {_METHODS[old]}(…), which takes generators and arrays alike",
            (Change("set", f"method:{call.lineno}.{old}", _METHODS[old]),),
        )  # fmt: skip
    for call in script.calls("predict_classes"):
        yield _spelled(
            script, call.lineno, "`predict_classes` is gone",
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
                    script, node.lineno, f"there is no module {name} any more",
                    f"import from {_MODULES[found[0]]}",
                    (Change("set", f"module:{node.lineno}.{name}", _MODULES[found[0]]),)
                    if " " not in _MODULES[found[0]]
                    else (),
                )  # fmt: skip


@rule(_SOURCE)
def sessions(case: Evidence) -> Iterator[Finding]:
    """Sessions and placeholders of TensorFlow 1."""
    script = _script(case)
    if script is None:
        return
    for call in script.calls(*_SESSIONS):
        yield _spelled(
            script, call.lineno, f"`{called(call)}` belongs to TensorFlow 1, which had sessions",
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
                    yield _spelled(script, node.lineno, text, f"import {lower[one.name]}")


@rule("Keras 3, metrics: 'acc' is recorded as it was asked, 'accuracy' as 'accuracy'")
def old_history_keys(case: Evidence) -> Iterator[Finding]:
    """`history.history["acc"]` where it is `accuracy`."""
    script, crash = _script(case), case.crash
    if script is None or crash is None or crash.kind != "KeyError" or script.tree is None:
        return
    for key in ("val_acc", "acc"):
        if crash.message.strip("'\" ") != key:
            continue
        for node in ast.walk(script.tree):
            if isinstance(node, ast.Constant) and node.value == key:
                new = key.replace("acc", "accuracy")
                yield _spelled(
                    script, node.lineno, f"the history has no {key!r}: it is {new!r} now",
                    f"write {new!r}", (Change("set", f"constant:{node.lineno}.{key}", new),),
                )  # fmt: skip
                return
