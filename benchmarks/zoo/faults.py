"""Every fault of the zoo: one function each, which edits the source of a healthy program.

    python benchmarks/zoo/faults.py                    # what there is, by kind
    python benchmarks/zoo/faults.py --write FOLDER     # every variant as a script, with its answers
    python benchmarks/zoo/faults.py --show KIND        # the edits of one kind, as diffs

A function gets the `Source` of a program and what `programs.py` knows of it and answers with a
`Fault`, or with None where that fault has no place. `PATCHES` in `patches.py` holds the faults that
need to know one program. `causes` are the answers that count as right, the first of them the name
of the fault itself: others only where they describe the same defect or the same remedy.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from editing import (
    CONVOLUTIONS,
    DENSE,
    RECURRENT,
    Edit,
    Fault,
    Source,
    apply,
    called,
    keyword,
    number_of,
    text_of,
)
from patches import PATCHES
from programs import PROGRAMS, Program

LIMIT = 6  # programs of a kind, chosen by hash: an even picture of kinds rather than of programs

Injector = Callable[[Source, Program], "Fault | None"]


@dataclass(frozen=True)
class Kind:
    """A kind of fault: its name, the causes that count as right, where it belongs, its function."""

    name: str
    causes: tuple[str, ...]
    group: str
    inject: Injector
    limit: int = LIMIT
    tasks: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variant:
    """A program with one fault.

    Args:
        program: The healthy twin.
        kind: The fault's name.
        group: "data", "structure", "initialization", "optimizer", "training", "loop", "crash" or
            "spelling"; spellings are counted apart.
        causes: Answers that count as right.
        source: The edited program.
        lines: Lines of the fault, from 1.
        statements: First and last line of the statements around it.
        layers: (line, column) of the calls that make the layers concerned.
    """

    program: str
    kind: str
    group: str
    causes: tuple[str, ...]
    source: str
    lines: tuple[int, ...]
    statements: tuple[tuple[int, int], ...]
    layers: tuple[tuple[int, int], ...]

    @property
    def name(self) -> str:
        """What the variant is called."""
        return f"{self.program}--{self.kind}"

    @property
    def digest(self) -> str:
        """Changes with the edited source."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:16]


KINDS: list[Kind] = []


def fault(
    group: str,
    *others: str,
    limit: int = LIMIT,
    tasks: tuple[str, ...] = (),
    only: tuple[str, ...] = (),
) -> Callable[[Injector], Injector]:
    """Adds a function to the zoo: its name is the fault's, `others` are causes as right as it."""

    def add(inject: Injector) -> Injector:
        name = inject.__name__
        KINDS.append(Kind(name, (name, *others), group, inject, limit, tasks, only))
        return inject

    return add


CLASSES = ("onehot", "integer")
CHOICES = ("onehot", "integer", "binary", "logit")
TABLES = (
    "iris_onehot", "wine_logits", "breast_cancer_dropout", "digits_batchnorm", "moons_subclass",
    "circles_tape", "blobs_generator", "diabetes_regression", "friedman_skip", "multilabel_dense",
    "imbalanced_weights", "custom_train_step", "spiral_deep", "xor_custom_layer", "counts_poisson",
    "quantiles_hinge", "wine_selu", "regression_tape", "faces_identity",
)  # fmt: skip
# Where a straight line is not enough.
BENT = (
    "moons_subclass", "circles_tape", "spiral_deep", "friedman_skip", "quantiles_hinge",
    "regression_tape", "counts_poisson", "bumps_conv1d", "scene_colours", "custom_train_step",
    "xor_custom_layer",
)  # fmt: skip


# Data


def _behind(source: Source, name: str, text: str) -> Fault | None:
    statement = source.binding(name) if name else None
    return Fault((source.after(statement, text),)) if statement else None


@fault("data")
def inputs_not_scaled(source: Source, program: Program) -> Fault | None:
    edits = [
        _unscaled(source, call, call.args[0])
        for call in source.calls("fit_transform", "transform")
        if isinstance(call.func, ast.Attribute) and "sc" in source.of(call.func.value).lower()
    ]
    edits += [
        _unscaled(source, node, node.left)
        for node in source.nodes()
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Div)
        and number_of(node.right) in (10, 16, 127.5, 255)
    ]
    if not edits:
        return None
    return Fault(tuple(edits), also=_where_scaling_could_stand(source, program))


def _unscaled(source: Source, scaled: ast.AST, raw: ast.AST) -> Edit:
    """The raw value in place of the scaled one; nobody writes `x = x`, so that line goes."""
    statement = source.statement(scaled)
    if isinstance(statement, ast.Assign) and source.of(statement.targets[0]) == source.of(raw):
        return Edit(source.start(statement), source.end(statement) + 1, "")
    return source.replace(scaled, source.of(raw))


def _where_scaling_could_stand(source: Source, program: Program) -> tuple[ast.AST, ...]:
    """What is missing has no line: right are the training data, the first layer and `fit`."""
    layers = source.calls("Input", "Rescaling", "Normalization", *DENSE, *CONVOLUTIONS, *RECURRENT)
    edited = source.calls("fit_transform")
    places = (source.binding(program.x) if not edited else None, *layers[:1], source.fit)
    return tuple(place for place in places if place is not None)


@fault("data", "leaky_or_mismatched_preprocessing", "train_test_mismatch")
def test_set_not_scaled(source: Source, _: Program) -> Fault | None:
    calls = [
        call for call in source.calls("transform") if call.args and "est" in source.of(call.args[0])
    ]
    if not calls:
        return None
    statement = source.statement(calls[0])
    first = source.start(statement)
    scaled = [c for c in source.calls("fit_transform", "fit", "transform") if source.end(c) < first]
    users = source.calls("evaluate", "predict")
    return Fault((Edit(first, source.end(statement) + 1, ""),), also=(*scaled[-2:], *users))


@fault("data", "inputs_shuffled", tasks=(*CHOICES, "regression", "multilabel"))
def labels_shuffled(source: Source, program: Program) -> Fault | None:
    return _behind(source, program.y, f"{program.y} = np.random.permutation({program.y})")


@fault("data", "labels_shuffled", limit=4, tasks=(*CHOICES, "regression", "multilabel"))
def inputs_shuffled(source: Source, program: Program) -> Fault | None:
    return _behind(source, program.x, f"np.random.shuffle({program.x})")


@fault("data", "label_range", tasks=("integer",))
def labels_off_by_one(source: Source, program: Program) -> Fault | None:
    return _behind(source, program.y, f"{program.y} = {program.y} + 1")


@fault("data", "non_finite_inputs")
def nan_in_inputs(source: Source, program: Program) -> Fault | None:
    if program.name in ("charlm_gru", "reviews_embedding", "tokens_bilstm"):
        return None
    return _behind(source, program.x, f"{program.x}[7] = np.nan")


@fault("data", "non_finite_labels", limit=3, tasks=("regression",))
def nan_in_labels(source: Source, program: Program) -> Fault | None:
    return _behind(source, program.y, f"{program.y}[3] = np.nan")


@fault("data", tasks=("integer", "binary", "logit", "regression"), only=TABLES)
def leakage(source: Source, program: Program) -> Fault | None:
    return (
        _behind(source, program.x, f"{program.x}[:, 0] = {program.y}.ravel()")
        if program.y
        else None
    )


@fault("data", "no_shuffle", tasks=(*CHOICES, "regression"))
def not_shuffled(source: Source, program: Program) -> Fault | None:
    fit = source.fit
    if fit is None or len(fit.args) < 2 or source.of(fit.args[1]) != program.y:
        return None
    key = f"{program.y}.argmax(axis=1)" if program.task == "onehot" else f"{program.y}.ravel()"
    lines = (
        f"order = np.argsort({key})\n"
        f"{program.x}, {program.y} = {program.x}[order], {program.y}[order]"
    )
    statement = source.binding(program.y)
    return Fault((source.after(statement, lines), source.set(fit, "shuffle", "False")))


@fault("data", "imbalanced_labels", tasks=("integer", "binary"))
def class_imbalance(source: Source, program: Program) -> Fault | None:
    lines = (
        f"keep = ({program.y}.ravel() == 0) | (np.random.rand(len({program.y})) < 0.03)\n"
        f"{program.x}, {program.y} = {program.x}[keep], {program.y}[keep]"
    )
    statement = source.binding(program.y)
    return Fault((source.after(statement, lines),)) if statement and program.name not in (
        "charlm_gru", "faces_identity", "imbalanced_weights",
    ) else None  # fmt: skip


@fault("data", "overfitting", tasks=(*CHOICES, "regression"), limit=5)
def too_little_data(source: Source, program: Program) -> Fault | None:
    if program.name == "houses_multi_input" or not program.y:
        return None
    return _behind(
        source, program.y,
        f"{program.x}, {program.y} = {program.x}[:16], {program.y}[:16]",
    )  # fmt: skip


@fault("data", "noisy_labels", "labels_shuffled", tasks=(*CHOICES, "regression"), limit=5)
def labels_partly_wrong(source: Source, program: Program) -> Fault | None:
    name = program.y
    lines = (
        f"wrong = np.random.rand(len({name})) < 0.7\n"
        f"{name}[wrong] = np.random.permutation({name}[wrong])"
    )
    return _behind(source, name, lines)


@fault("data", "noisy_inputs", "train_test_mismatch", only=TABLES, limit=5)
def noise_in_training_inputs(source: Source, program: Program) -> Fault | None:
    name = program.x
    return _behind(source, name, f"{name} = {name} + np.random.normal(0, 5, {name}.shape)")


# Structure: the last layer, the loss and the labels


def _last(source: Source, program: Program) -> tuple[ast.Call, str] | None:
    """The last layer and its activation, where there is just one output."""
    layer = source.output
    if layer is None or program.name == "scene_two_heads":
        return None
    word = keyword(layer, "activation")
    return layer, text_of(word.value) if word else ""


@fault("structure", "loss_needs_logits", tasks=(*CLASSES, "binary", "multilabel"))
def missing_last_activation(source: Source, program: Program) -> Fault | None:
    last = _last(source, program)
    if last is None or last[1] not in ("softmax", "sigmoid"):
        return None
    return Fault((source.drop(last[0], "activation"),), (last[0],))


@fault("structure", "softmax_before_logits_loss", "loss_should_not_use_logits")
def activation_before_logits_loss(source: Source, program: Program) -> Fault | None:
    last = _last(source, program)
    if last is None or "from_logits=True" not in source.text:
        return None
    name = "sigmoid" if program.task == "logit" else "softmax"
    return Fault((source.set(last[0], "activation", f'"{name}"'),), (last[0],), also=(source.loss,))


@fault("structure", "softmax_before_logits_loss", "loss_should_not_use_logits", tasks=CLASSES)
def logits_loss_after_activation(source: Source, program: Program) -> Fault | None:
    last, loss = _last(source, program), source.loss
    if last is None or last[1] != "softmax" or loss is None:
        return None
    name = "Sparse" * (program.task == "integer") + "CategoricalCrossentropy"
    new = f"{source.keras}.losses.{name}(from_logits=True)"
    return Fault((source.replace(loss, new),), (last[0],), also=(last[0],))


@fault("structure", tasks=(*CLASSES, "binary", "multilabel"))
def doubled_activation(source: Source, program: Program) -> Fault | None:
    last = _last(source, program)
    if last is None or last[1] not in ("softmax", "sigmoid"):
        return None
    text = f'{source.keras}.layers.Activation("{last[1]}")'
    edit = source.add_layer(last[0], text)
    return Fault((edit,), (last[0],), (text,), also=(last[0],)) if edit else None


@fault("structure", "wrong_last_activation", tasks=("binary",))
def softmax_over_one_unit(source: Source, program: Program) -> Fault | None:
    last = _last(source, program)
    if last is None or last[1] != "sigmoid":
        return None
    return Fault((source.set(last[0], "activation", "'softmax'"),), (last[0],))


@fault("structure", "wrong_last_activation", tasks=CLASSES)
def sigmoid_for_exclusive_classes(source: Source, program: Program) -> Fault | None:
    last = _last(source, program)
    if last is None or last[1] != "softmax":
        return None
    return Fault((source.set(last[0], "activation", "'sigmoid'"),), (last[0],))


@fault("structure", "wrong_last_activation", tasks=("multilabel",))
def softmax_for_many_labels(source: Source, program: Program) -> Fault | None:
    last = _last(source, program)
    return Fault((source.set(last[0], "activation", "'softmax'"),), (last[0],)) if last else None


@fault("structure", limit=8)
def wrong_last_activation(source: Source, program: Program) -> Fault | None:
    last = _last(source, program)
    if last is None or program.name == "digits_autoencoder":
        return None
    new = "sigmoid" if program.task == "regression" else "relu"
    return Fault((source.set(last[0], "activation", f'"{new}"'),), (last[0],))


@fault("structure", "wrong_output_width", "label_range", limit=8, tasks=(*CHOICES, "multilabel"))
def wrong_last_width(source: Source, program: Program) -> Fault | None:
    last = _last(source, program)
    if last is None:
        return None
    units = last[0].args[0]
    if program.task in ("binary", "logit"):
        new = "2"
    elif (known := number_of(units)) is not None:
        new = str(int(known) - 1)
    else:
        new = f"{source.of(units)} - 1"
    return Fault((source.replace(units, new),), (last[0],))


@fault("structure", "wrong_output_width", limit=3, tasks=("integer",))
def one_unit_for_classes(source: Source, program: Program) -> Fault | None:
    last = _last(source, program)
    return Fault((source.replace(last[0].args[0], "1"),), (last[0],)) if last else None


_WRONG_LOSSES = {
    "onehot": ("mse", "hinge"),
    "integer": ("mse", "mean_absolute_error"),
    "binary": ("categorical_crossentropy", "hinge"),
    "logit": ("categorical_crossentropy", "mse"),
    "multilabel": ("categorical_crossentropy", "sparse_categorical_crossentropy"),
    "regression": ("binary_crossentropy", "categorical_crossentropy"),
}


def _wrong_loss(source: Source, program: Program, which: int) -> Fault | None:
    loss = source.loss
    if loss is None or program.task not in _WRONG_LOSSES or program.name == "custom_train_step":
        return None
    name = _WRONG_LOSSES[program.task][which]
    new = f"'{name}'"
    if not any(
        source.start(c) <= source.start(loss) < source.end(c) for c in source.calls("compile")
    ):
        new = f"{source.keras}.losses.get({new})"
    return Fault((source.replace(loss, new),))


@fault("structure", "loss_mismatch", limit=8)
def wrong_loss(source: Source, program: Program) -> Fault | None:
    return _wrong_loss(source, program, 0)


@fault("structure", "wrong_loss", "loss_mismatch", limit=8)
def unsuited_loss(source: Source, program: Program) -> Fault | None:
    return _wrong_loss(source, program, 1)


@fault("data", "label_loss_mismatch", "wrong_loss", tasks=CLASSES)
def onehot_integer_mixup(source: Source, program: Program) -> Fault | None:
    loss = source.loss
    if loss is None:
        return None
    text = source.of(loss)
    if program.task == "onehot":
        new = text.replace("categorical", "sparse_categorical").replace(
            "Categorical", "SparseCategorical"
        )
    else:
        new = text.replace("sparse_", "").replace("Sparse", "")
    return Fault((source.replace(loss, new),)) if new != text else None


@fault("structure", "classification_metric_for_regression", tasks=("regression",))
def accuracy_for_regression(source: Source, _: Program) -> Fault | None:
    for call in source.calls("compile"):
        if (word := keyword(call, "metrics")) is not None:
            return Fault((source.replace(word.value, '["accuracy"]'),))
    return None


# Structure: hidden layers


@fault("structure", "no_bias", only=BENT, limit=5)
def bias_missing(source: Source, _: Program) -> Fault | None:
    layers = [*source.hidden, source.output] if source.output else []
    return _initialized(source, "False", layers, "use_bias")


@fault("structure", "linear_model", only=BENT)
def no_nonlinearity(source: Source, _: Program) -> Fault | None:
    edits = [e for layer in source.hidden if (e := source.drop(layer, "activation"))]
    edits += [
        source.replace(call.args[0], '"linear"')
        for call in source.calls("Activation")
        if call.args and text_of(call.args[0]) == "relu"
    ]
    return Fault(tuple(edits), tuple(source.hidden)) if edits else None


@fault("structure", "too_narrow")
def bottleneck(source: Source, program: Program) -> Fault | None:
    layers = source.hidden_dense
    if not layers or program.name in ("digits_autoencoder", "scene_two_heads"):
        return None
    layer = layers[-1]
    return Fault((source.replace(layer.args[0], "1"),), (layer,))


@fault("structure", "vanishing_gradient", "wrong_activation_for_depth", "too_deep")
def deep_sigmoid(source: Source, program: Program) -> Fault | None:
    layers = source.hidden_dense
    if not layers:
        return None
    text = f'{source.keras}.layers.Dense(16, activation="sigmoid")'
    edit = source.add_layer(layers[-1], "\0")
    if edit is None:
        return None
    pattern = edit.text
    if pattern.startswith(",\n"):
        new = pattern.replace("\0", f"*[{text} for _ in range(8)]")
    else:
        first = pattern.lstrip("\n ")
        indent = pattern[: len(pattern) - len(first)]
        new = f"{indent}for _ in range(8):{indent}    {first}".replace("\0", text)
    return Fault((Edit(edit.start, edit.end, new),), inserted=(text,))


@fault("structure", "vanishing_gradient", "saturated_activation", only=("spiral_deep",), limit=1)
def sigmoid_in_deep_net(source: Source, _: Program) -> Fault | None:
    edits = tuple(source.set(layer, "activation", '"sigmoid"') for layer in source.hidden)
    return Fault(edits, tuple(source.hidden))


@fault("structure", "exploding_activations", "too_deep", limit=4)
def too_deep_without_normalization(source: Source, _: Program) -> Fault | None:
    layers = source.hidden_dense
    text = f'{source.keras}.layers.Dense(32, activation="relu")'
    edit = source.add_layer(layers[-1], "\0") if layers else None
    if edit is None:
        return None
    if edit.text.startswith(",\n"):
        new = edit.text.replace("\0", f"*[{text} for _ in range(30)]")
    else:
        first = edit.text.lstrip("\n ")
        indent = edit.text[: len(edit.text) - len(first)]
        new = f"{indent}for _ in range(30):{indent}    {first}".replace("\0", text)
    return Fault((Edit(edit.start, edit.end, new),), inserted=(text,))


@fault("structure", "underfitting")
def dropout_too_strong(source: Source, _: Program) -> Fault | None:
    dropouts = source.calls("Dropout", "AlphaDropout")
    if dropouts:
        edits = tuple(source.replace(call.args[0], "0.95") for call in dropouts)
        return Fault(edits, tuple(dropouts))
    layers = source.hidden_dense
    text = f"{source.keras}.layers.Dropout(0.95)"
    edit = source.add_layer(layers[-1], text) if layers else None
    return Fault((edit,), inserted=(text,)) if edit else None


@fault("structure", "dropout_misplaced")
def dropout_on_output(source: Source, program: Program) -> Fault | None:
    last = _last(source, program)
    text = f"{source.keras}.layers.Dropout(0.5)"
    edit = source.add_layer(last[0], text) if last else None
    return Fault((edit,), inserted=(text,)) if edit else None


@fault("structure", "batchnorm_misplaced", "normalization_on_output")
def normalization_misplaced(source: Source, program: Program) -> Fault | None:
    last = _last(source, program)
    text = f"{source.keras}.layers.BatchNormalization()"
    edit = source.add_layer(last[0], text) if last else None
    return Fault((edit,), inserted=(text,)) if edit else None


@fault("structure", "map_too_small")
def stride_eats_map(source: Source, _: Program) -> Fault | None:
    convolutions = source.calls(*CONVOLUTIONS)
    if not convolutions:
        return None
    return Fault((source.set(convolutions[0], "strides", "8"),), (convolutions[0],))


@fault("structure", "map_too_small")
def pooling_eats_map(source: Source, program: Program) -> Fault | None:
    pools = source.calls("MaxPooling2D", "MaxPooling1D")
    if not pools:
        return None
    size = {"digits_cnn": "4", "spoken_digits": "14"}.get(program.name, "16")
    if pools[0].args:
        edit = source.replace(pools[0].args[0], size)
    else:
        edit = source.set(pools[0], "pool_size", size)
    return Fault((edit,), (pools[0],))


@fault("structure", "untrainable_weights")
def frozen_layers(source: Source, program: Program) -> Fault | None:
    compiles = [c for c in source.calls("compile") if isinstance(c.func, ast.Attribute)]
    if not compiles or program.name in ("moons_subclass", "charlm_gru"):
        return None
    model = source.of(compiles[0].func.value)
    text = f"for layer in {model}.layers:\n    layer.trainable = False"
    statement = source.statement(compiles[0])
    layers = source.calls(*DENSE, *CONVOLUTIONS, *RECURRENT)
    return Fault((source.before(statement, text),), tuple(layers))


@fault("structure", "untrainable_weights", "frozen_layers", limit=5)
def frozen_hidden_layers(source: Source, program: Program) -> Fault | None:
    layers = [c for c in source.calls(*DENSE, *CONVOLUTIONS, *RECURRENT) if c is not source.output]
    if len(layers) < 2:
        return None
    edits = tuple(source.set(c, "trainable", "False") for c in layers)
    return Fault(edits, tuple(layers))


# Initialization


def _initialized(source: Source, value: str, layers: list[ast.Call], what: str) -> Fault | None:
    if not layers:
        return None
    return Fault(tuple(source.set(layer, what, value) for layer in layers), tuple(layers))


def _all_layers(source: Source) -> list[ast.Call]:
    return source.calls(*DENSE, *CONVOLUTIONS, *RECURRENT)


@fault("initialization", "constant_initialization", "symmetric_initialization")
def zero_initialization(source: Source, _: Program) -> Fault | None:
    return _initialized(source, "'zeros'", _all_layers(source), "kernel_initializer")


@fault("initialization", "symmetric_initialization")
def constant_initialization(source: Source, _: Program) -> Fault | None:
    return _initialized(source, "'ones'", _all_layers(source), "kernel_initializer")


@fault("initialization", "exploding_gradient", "exploding_activations", "saturated_activation")
def initialization_too_large(source: Source, _: Program) -> Fault | None:
    value = f"{source.keras}.initializers.RandomNormal(stddev=10.0)"
    return _initialized(source, value, _all_layers(source), "kernel_initializer")


@fault("initialization", "vanishing_gradient")
def initialization_too_small(source: Source, _: Program) -> Fault | None:
    value = f"{source.keras}.initializers.RandomNormal(stddev=1e-6)"
    return _initialized(source, value, _all_layers(source), "kernel_initializer")


@fault("initialization", "bad_bias_initialization", "constant_bias_initialization")
def dead_relu_by_bias(source: Source, _: Program) -> Fault | None:
    layers = [
        layer
        for layer in source.hidden
        if (word := keyword(layer, "activation")) and text_of(word.value) == "relu"
    ]
    value = f"{source.keras}.initializers.Constant(-50.0)"
    return _initialized(source, value, layers, "bias_initializer")


@fault("initialization", "bad_bias_initialization", "saturated_activation")
def constant_bias_initialization(source: Source, program: Program) -> Fault | None:
    last = _last(source, program)
    if last is None or program.task in CLASSES:
        return None
    value = f"{source.keras}.initializers.Constant(100.0)"
    return _initialized(source, value, [last[0]], "bias_initializer")


@fault("initialization", "initialization_too_large", limit=4)
def saturated_activation(source: Source, _: Program) -> Fault | None:
    layers = source.hidden
    if len(layers) < 2:
        return None
    value = f"{source.keras}.initializers.RandomNormal(stddev=20.0)"
    edits = []
    for layer in layers:
        if keyword(layer, "kernel_initializer"):
            return None
        word = keyword(layer, "activation")
        if word is None or text_of(word.value) != "tanh":
            return None
        edits.append(source.replace(word.value, f'"tanh", kernel_initializer={value}'))
    return Fault(tuple(edits), tuple(layers))


# Optimizer


def _rate(source: Source, factor: str) -> Fault | None:
    optimizer = source.optimizer
    for call in source.calls("ExponentialDecay"):
        return Fault((source.replace(call.args[0], factor),))
    edit = source.set_optimizer("learning_rate", factor) if optimizer is not None else None
    return Fault((edit,)) if edit else None


@fault("optimizer", limit=8)
def learning_rate_too_high(source: Source, _: Program) -> Fault | None:
    return _rate(source, "2.0")


@fault("optimizer", "learning_rate_too_high", limit=4)
def learning_rate_forgotten_point(source: Source, _: Program) -> Fault | None:
    return _rate(source, "10")


@fault("optimizer", "too_few_epochs", limit=8)
def learning_rate_too_low(source: Source, _: Program) -> Fault | None:
    return _rate(source, "1e-6")


@fault("optimizer", "learning_rate_too_low", "schedule_ends_too_early", limit=5)
def schedule_decays_at_once(source: Source, _: Program) -> Fault | None:
    schedule = f"{source.keras}.optimizers.schedules.ExponentialDecay(0.01, 1, 0.7)"
    for call in source.calls("ExponentialDecay"):
        edits = [source.replace(w.value, "1") for w in call.keywords if w.arg == "decay_steps"]
        return Fault(tuple(edits))
    edit = source.set_optimizer("learning_rate", schedule)
    return Fault((edit,)) if edit else None


def _sgd(source: Source, text: str) -> Fault | None:
    optimizer = source.optimizer
    if isinstance(optimizer, ast.Call) and called(optimizer) == "SGD":
        return None
    if optimizer is None or not (isinstance(optimizer, ast.Call) or text_of(optimizer)):
        return None
    return Fault((source.replace(optimizer, f"{source.keras}.optimizers.{text}"),))


@fault("optimizer", "momentum", limit=9)
def momentum_too_high(source: Source, _: Program) -> Fault | None:
    optimizer = source.optimizer
    if isinstance(optimizer, ast.Call) and called(optimizer) == "SGD":
        return Fault((source.set(optimizer, "momentum", "0.9999"),))
    return _sgd(source, "SGD(learning_rate=0.1, momentum=0.9999)")


@fault("optimizer", "momentum_too_high", limit=4)
def adam_beta_too_high(source: Source, _: Program) -> Fault | None:
    if isinstance(source.optimizer, ast.Call) and called(source.optimizer) == "SGD":
        return None
    edit = source.set_optimizer("beta_1", "0.9999") if "RMSprop" not in source.text else None
    return Fault((edit,)) if edit else None


@fault("optimizer", "regularization_too_strong")
def weight_decay_too_strong(source: Source, _: Program) -> Fault | None:
    edit = source.set_optimizer("weight_decay", "50.0")
    return Fault((edit,)) if edit else None


@fault("optimizer", "regularization_too_strong", "weight_decay_too_strong")
def l2_too_strong(source: Source, _: Program) -> Fault | None:
    layers = [c for c in _all_layers(source)]
    value = f"{source.keras}.regularizers.l2(10.0)"
    return _initialized(source, value, layers, "kernel_regularizer")


@fault("optimizer", "learning_rate_too_low", limit=5)
def epsilon_absurd(source: Source, _: Program) -> Fault | None:
    if "SGD" in source.text:
        return None
    edit = source.set_optimizer("epsilon", "1000.0")
    return Fault((edit,)) if edit else None


@fault("optimizer", "gradient_clipping")
def clipping_too_small(source: Source, _: Program) -> Fault | None:
    edit = source.set_optimizer("clipnorm", "1e-9")
    return Fault((edit,)) if edit else None


@fault("optimizer", "optimizer_needs_momentum_or_rate", "learning_rate_too_low", limit=5)
def plain_sgd_too_slow(source: Source, _: Program) -> Fault | None:
    return _sgd(source, "SGD(learning_rate=1e-4)")


@fault("training", "learning_rate_too_high", limit=6)
def loss_reduction_sum(source: Source, program: Program) -> Fault | None:
    loss = source.loss
    if isinstance(loss, ast.Call):
        edit = source.set(loss, "reduction", '"sum"')
    elif text_of(loss) in ("mse", "mean_squared_error", "binary_crossentropy", "hinge"):
        names = {"mse": "MeanSquaredError", "mean_squared_error": "MeanSquaredError",
                 "binary_crossentropy": "BinaryCrossentropy", "hinge": "Hinge"}  # fmt: skip
        edit = source.replace(
            loss, f'{source.keras}.losses.{names[text_of(loss)]}(reduction="sum")'
        )
    else:
        return None
    optimizer = source.optimizer
    if program.name == "circles_tape" or optimizer is None:
        return None
    if isinstance(optimizer, ast.Call) and called(optimizer) == "SGD":
        return Fault((edit,))
    return None


# Training


@fault("training", "epochs", limit=8)
def too_few_epochs(source: Source, _: Program) -> Fault | None:
    if source.fit is not None:
        word = keyword(source.fit, "epochs")
        if isinstance(word.value, ast.Name):
            return _constant(source, word.value.id, "1")
        return Fault((source.replace(word.value, "1"),))
    return _constant(source, "EPOCHS", "1") or _constant(source, "epochs", "1")


def _constant(source: Source, name: str, value: str) -> Fault | None:
    for statement in source.tree.body:
        if isinstance(statement, ast.Assign) and source.of(statement.targets[0]) == name:
            return Fault((source.replace(statement.value, value),))
    return None


@fault("training", "batch_size", "too_few_epochs", limit=8)
def batch_size_too_large(source: Source, program: Program) -> Fault | None:
    fit = source.fit
    word = keyword(fit, "batch_size") if fit else None
    if word is None or not fit.args:
        return None
    first = fit.args[0].elts[0] if isinstance(fit.args[0], ast.List) else fit.args[0]
    value = f"len({source.of(first)})"
    return Fault((source.replace(word.value, value),))


@fault("training", "batch_size_too_small", "learning_rate_too_high", limit=6)
def batch_of_one_at_a_high_rate(source: Source, program: Program) -> Fault | None:
    fit = source.fit
    word = keyword(fit, "batch_size") if fit else None
    rate = source.set_optimizer("learning_rate", "0.3")
    small = program.name in (
        "iris_onehot", "wine_logits", "wine_selu", "diabetes_regression", "breast_cancer_dropout",
        "faces_identity",
    )  # fmt: skip
    if word is None or rate is None or not small:
        return None
    epochs = keyword(fit, "epochs")
    return Fault((source.replace(word.value, "1"), rate, source.replace(epochs.value, "5")))


@fault("training", "early_stopping", limit=5)
def early_stopping_misconfigured(source: Source, _: Program) -> Fault | None:
    fit = source.fit
    if fit is None or source.calls("EarlyStopping", "PrintEvery"):
        for call in source.calls("EarlyStopping"):
            edits = [source.replace(w.value, "'max'") for w in call.keywords if w.arg == "mode"]
            edits += [source.replace(w.value, "1") for w in call.keywords if w.arg == "patience"]
            return Fault(tuple(edits))
        return None
    stop = f'{source.keras}.callbacks.EarlyStopping(monitor="loss", mode="max", patience=1)'
    return Fault((source.set(fit, "callbacks", f"[{stop}]"),))


@fault("training", "too_few_steps", "too_few_epochs", limit=4)
def steps_per_epoch_too_small(source: Source, program: Program) -> Fault | None:
    if source.fit is None or program.name not in (
        "blobs_generator", "digits_cnn", "faces_identity", "spiral_deep", "majority_rnn",
        "scene_colours",
    ):  # fmt: skip
        return None
    return Fault((source.set(source.fit, "steps_per_epoch", "1"),))


# Programs that stop with an error


@fault("crash", "input_shape_mismatch", limit=5)
def wrong_input_shape(source: Source, _: Program) -> Fault | None:
    for node in source.nodes():
        if isinstance(node, ast.keyword) and node.arg in ("shape", "input_shape"):
            call = source.parent(node)
            if called(call) in ("add_weight", "normal"):
                continue
            value = node.value
            if isinstance(value, ast.Tuple) and (number_of(value.elts[-1]) or 0) > 1:
                last = value.elts[-1]
                return Fault((source.replace(last, str(int(last.value) + 1)),), (call,))
    return None


@fault("crash", "wrong_rank", limit=5)
def flatten_missing(source: Source, _: Program) -> Fault | None:
    calls = source.calls(
        "Flatten", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling1D"
    )
    if not calls:
        return None
    statement = source.statement(calls[0])
    parent = source.parent(calls[0])
    lines = source.calls(*DENSE)
    after = tuple(c for c in lines if source.start(c) > source.start(calls[0]))[:1]
    if isinstance(parent, ast.List):
        begin, end = source.start(calls[0]), source.end(calls[0]) + 1
        end += len(source.text[end:]) - len(source.text[end:].lstrip())
        return Fault((Edit(begin, end, ""),), after, also=after)
    end = source.end(statement) + 1
    return Fault((Edit(source.start(statement), end, ""),), after, also=after)


@fault("crash", "wrong_rank", limit=4)
def sequences_kept_before_dense(source: Source, program: Program) -> Fault | None:
    layers = source.calls(*RECURRENT)
    if not layers or program.name == "charlm_gru":
        return None
    return Fault((source.set(layers[-1], "return_sequences", "True"),), (layers[-1],))


@fault("crash", "wrong_rank", limit=2)
def sequences_not_returned(source: Source, _: Program) -> Fault | None:
    for layer in source.calls(*RECURRENT):
        if keyword(layer, "return_sequences"):
            return Fault((source.drop(layer, "return_sequences"),), (layer,))
    return None


@fault("crash", "labels_are_text", limit=6, tasks=CHOICES)
def wrong_label_dtype(source: Source, program: Program) -> Fault | None:
    return _behind(source, program.y, f"{program.y} = {program.y}.astype(str)")


@fault("crash", "wrong_dtype", limit=4, tasks=(*CHOICES, "regression"))
def wrong_input_dtype(source: Source, program: Program) -> Fault | None:
    return _behind(source, program.x, f"{program.x} = {program.x}.astype(object)")


@fault("crash", "length_mismatch", limit=4, tasks=(*CHOICES, "regression"))
def lengths_differ(source: Source, program: Program) -> Fault | None:
    if "random.choice" in source.text or "rng.choice(len" in source.text:
        return None
    return _behind(source, program.y, f"{program.y} = {program.y}[:-10]")


def _patch(text: str, old: str, new: str) -> Edit:
    if text.count(old) != 1:
        raise ValueError(f"{text.count(old)} places for {old!r}")
    at = text.index(old)
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return Edit(at + head, at + len(old) - tail, new[head : len(new) - tail])


def _patched(
    source: Source, changes: tuple[tuple[str, str], ...], layers: tuple[str, ...]
) -> Fault:
    edits = tuple(_patch(source.text, old, new) for old, new in changes)
    calls = [n for n in source.nodes() if isinstance(n, ast.Call)]
    return Fault(
        edits,
        tuple(c for c in calls for text in layers if source.of(c).startswith(text)),
    )


def _chosen(kind: Kind) -> list[Program]:
    """The programs that a kind is tried on first, in an order that a hash fixes."""
    programs = [
        p
        for p in PROGRAMS
        if (not kind.tasks or p.task in kind.tasks) and (not kind.only or p.name in kind.only)
    ]
    return sorted(
        programs, key=lambda p: hashlib.sha256(f"{kind.name} {p.name}".encode()).hexdigest()
    )


def variants() -> list[Variant]:
    """All variants, in a fixed order."""
    by_name = {program.name: program for program in PROGRAMS}
    sources = {program.name: Source(program.path.read_text()) for program in PROGRAMS}
    found = []
    by_hand = {(patch.kind, patch.program) for patch in PATCHES}
    for kind in KINDS:
        made = 0
        for program in _chosen(kind):
            if made == kind.limit:
                break
            if (kind.name, program.name) in by_hand:
                continue
            source = sources[program.name]
            change = kind.inject(source, program)
            if change is None or not change.edits:
                continue
            found.append(_variant(source, program.name, kind.name, kind.group, kind.causes, change))
            made += 1
    for patch in PATCHES:
        source = sources[patch.program]
        change = _patched(source, patch.changes, patch.layers)
        if patch.kind in ("inputs_not_scaled", "targets_not_scaled"):
            also = _where_scaling_could_stand(source, by_name[patch.program])
            change = replace(change, also=also)
        found.append(
            _variant(
                source, patch.program, patch.kind, patch.group, (patch.kind, *patch.others), change
            )
        )
    names = Counter(variant.name for variant in found)
    if doubled := [name for name, count in names.items() if count > 1]:
        raise ValueError(f"two variants of one name: {doubled}")
    return found


def _variant(
    source: Source, program: str, kind: str, group: str, causes: tuple[str, ...], change: Fault
) -> Variant:
    edited = apply(source, change)
    return Variant(
        program, kind, group, causes, edited.text, edited.lines, edited.statements, edited.layers
    )


def write(folder: Path) -> None:
    """Every variant as a script, the healthy programs too, and `answers.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    answers = {}
    for variant in variants():
        (folder / f"{variant.name}.py").write_text(variant.source)
        answers[variant.name] = {
            key: getattr(variant, key)
            for key in ("program", "kind", "group", "causes", "lines", "statements", "layers")
        }
    for program in PROGRAMS:
        (folder / f"{program.name}.py").write_text(program.path.read_text())
    (folder / "answers.json").write_text(json.dumps(answers, indent=1))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    parser.add_argument("--show", metavar="KIND")
    options = parser.parse_args()
    if options.write:
        write(options.write)
        return
    found = variants()
    if options.show:
        healthy = {p.name: p.path.read_text().splitlines() for p in PROGRAMS}
        for v in found:
            if options.show in (v.kind, v.name, "all"):
                difference = difflib.unified_diff(
                    healthy[v.program], v.source.splitlines(), v.program, v.name, lineterm="", n=0
                )
                print("\n".join(difference), f"\n  lines {v.lines} layers {v.layers}\n")
        return
    for (group, kind), count in sorted(Counter((v.group, v.kind) for v in found).items()):
        print(f"{group:15s} {kind:35s} {count}")
    print(
        f"{len(found)} variants of {len({v.kind for v in found})} kinds on "
        f"{len({v.program for v in found})} programs"
    )


if __name__ == "__main__":
    main()
