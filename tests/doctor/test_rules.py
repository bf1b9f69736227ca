"""Each rule: a case that raises it, and a healthy one that does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from cases import (
    FAILS,
    FINE,
    RNG,
    classes,
    curve,
    dense,
    falling,
    found,
    numbers,
    training,
    with_last,
    with_loss,
)

from gatescope.doctor.evidence import (
    Crash,
    Curve,
    Evidence,
    Layer,
    Sample,
    Weight,
    layer_of,
    named,
)
from gatescope.doctor.outcome import Outcome
from gatescope.doctor.rules import RULES
from gatescope.doctor.rules.crashes import telling
from gatescope.doctor.script import Script

Make = Callable[[], Evidence]


def _sample(case: Evidence, x: object = None, y: object = None, **more: object) -> Evidence:
    assert case.sample
    kept = (np.asarray(x) if x is not None else case.sample.x[0],)
    told = (np.asarray(y) if y is not None else case.sample.y[0],)
    return replace(case, sample=Sample(kept, told, **more))  # type: ignore[arg-type]


def _binary(**last: object) -> Evidence:
    case = classes()
    y = RNG.integers(0, 2, 200)
    layers = (case.layers[0], dense("out", 1, 16, "sigmoid"))
    case = replace(case, layers=layers, training=training("binary_crossentropy"))
    return with_last(_sample(case, y=y), **last)


def _one_hot(width: int = 3) -> np.ndarray:
    return np.eye(width)[RNG.integers(0, width, 200)]


def _with(case: Evidence, *layers: Layer, outputs: tuple[str, ...] = ("out",)) -> Evidence:
    return replace(case, layers=layers, outputs=outputs)


def _layer(name: str, kind: str, **more: object) -> Layer:
    return Layer(name, kind, **more)  # type: ignore[arg-type]


def _settings(**settings: object) -> Evidence:
    case = classes()
    assert case.training
    return replace(
        case, training=replace(case.training, settings={**case.training.settings, **settings})
    )


def _fit(case: Evidence, **fit: object) -> Evidence:
    assert case.training
    return replace(case, training=replace(case.training, fit={**case.training.fit, **fit}))


def _probed(case: Evidence, layer: str, **statistics: Curve) -> Evidence:
    return replace(case, probes={**case.probes, layer: statistics})


def _script(text: str, crash: Crash | None, case: Evidence | None = None) -> Evidence:
    return replace(case or Evidence(), script=Script("train.py", text), crash=crash)


def _kernel(layer: Layer, **changes: object) -> Layer:
    kernel, *rest = layer.weights
    return replace(layer, weights=(replace(kernel, **changes), *rest))  # type: ignore[arg-type]


def _labels() -> np.ndarray:
    return (RNG.random((200, 3)) < 0.5).astype(float)


HIDDEN, OUT = classes().layers
CONV = Layer(
    "conv", "Conv2D", {"filters": 4, "strides": (4, 4)}, (None, 28, 28, 1), (None, 7, 7, 4), "relu"
)
POOL = Layer("pool", "MaxPooling2D", {"pool_size": (7, 7)}, (None, 28, 28, 4), (None, 4, 4, 4))
NORM = Layer("norm", "BatchNormalization", {"momentum": 0.99}, (None, 16), (None, 16))
DECAYING = Curve("learning_rate", np.arange(100), 0.1 * 0.8 ** np.arange(100))
OVERFIT = {
    "loss": curve(1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1),
    "val_loss": curve(1.0, 0.9, 1.0, 1.2, 1.4, 1.6, 2.0),
}
CALLED = "model.fit(x, y)\nmodel(x, training=True)\n"
TAPE = "with tf.GradientTape() as tape:\n    loss = mean((y - model(x)) ** 2)\n"
OWN_CALL = "def call(self, x, training=None):\n    return self.drop(x, training={})\n"
NEW_CALL = "model.fit(x, y)\nmodel(x, training=False)\n"


def _deep(activation: str) -> Evidence:
    hidden = [dense(f"h{n}", 16, 16, activation) for n in range(4)]
    return _with(classes(), *hidden, OUT)


def _vanishing(least: float) -> Evidence:
    case = _deep("tanh")
    sizes = dict(zip(("h0", "h1", "h2", "h3", "out"), (least, 1e-3, 1e-2, 1e-1, 1.0), strict=True))
    for name, size in sizes.items():
        case = _probed(case, name, weight=curve(1, 1, 1), weight_gradient=curve(size, size, size))
    return case


def _order(shuffle: bool) -> Evidence:
    return _fit(_sample(classes(), y=np.sort(RNG.integers(0, 3, 200))), shuffle=shuffle)


def _scaled(factor: float) -> Evidence:
    case = classes()
    assert case.sample
    return _sample(case, x=case.sample.x[0] * factor)


def _spread(factor: float) -> Evidence:
    case = numbers()
    assert case.sample
    return _sample(case, y=case.sample.y[0] * factor)


def _nan() -> Evidence:
    case = classes()
    assert case.sample
    x = case.sample.x[0].copy()
    x[3, 2] = np.nan
    return _sample(case, x=x)


def _copied() -> Evidence:
    case = classes()
    assert case.sample
    x, y = case.sample.x[0], case.sample.y[0]
    return _sample(case, x_val=(x[:50],), y_val=(y[:50],))


def _scattered(width: float) -> Evidence:
    case = classes()
    assert case.sample
    x = case.sample.x[0]
    held = (x - x.mean(0)) * np.float32(width) + x.mean(0)
    return _sample(case, x_val=(held,), y_val=(case.sample.y[0],))


def _apart(shift: float) -> Evidence:
    case = classes()
    assert case.sample
    x = RNG.normal(size=(60, 8)).astype(np.float32) + shift
    return _sample(case, x_val=(x,), y_val=(case.sample.y[0][:60],))


def _asked(name: str, share: float = 0.0, shift: float = 0.0) -> Evidence:
    """A trained network that is asked about its own samples and others."""
    case = classes()
    assert case.sample
    x, y = case.sample.x[0], case.sample.y[0]
    old = x[: int(60 * share)]
    new = RNG.normal(size=(60 - len(old), 8)) + y[: 60 - len(old), None]
    both = np.concatenate([old, new]).astype(np.float32) + np.float32(shift)
    return replace(case, asked={name: Sample((both,), (y[:60],))})


@pytest.mark.parametrize("name", ["evaluate", "predict"])
def test_what_is_asked_after_training_is_held_out_data(name: str) -> None:
    (told,) = found("splits_scaled_apart", _asked(name, shift=50))
    assert told.cause == f"{name}'s inputs have another scale than those of training"
    assert not found("splits_scaled_apart", _asked(name))
    leaks = found("split_leaks", _asked(name, share=0.5))
    assert [one.cause for one in leaks] == [
        "50% of evaluate's samples are in the training data, too"
    ] * (name == "evaluate")
    case = _asked(name)
    assert case.sample
    everything = Sample((np.concatenate([case.sample.x[0], case.asked[name].x[0]]),))
    assert not found("split_leaks", replace(case, asked={name: everything}))


def test_what_a_likelier_fault_explains_is_not_told_for_itself() -> None:
    rises = {"loss": curve(*[1, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1]),
             "val_loss": curve(*[1, 2, 3, 4, 5, 6, 7])}  # fmt: skip
    assert found("overfitting", replace(_apart(0.0), history=rises))
    assert not found("overfitting", replace(_apart(50.0), history=rises))
    short = classes(training=SHORT, losses=curve(*[1.0] * 10))
    assert found("too_few_epochs", short)
    assert not found("too_few_epochs", _script(ANEW, None, short))


def test_columns_that_scaling_moves_differently_are_seen_apart() -> None:
    case = _asked("evaluate")
    scales = np.array([1e-3, 1e-2, 0.5, 1, 2, 100, 100, 100], np.float32)
    scaled = Sample((case.asked["evaluate"].x[0] * scales,))
    (told,) = found("splits_scaled_apart", replace(case, asked={"evaluate": scaled}))
    assert told.confidence > 0.8


def test_labels_outside_of_units_are_read_from_the_message_where_data_is_not_known() -> None:
    message = "Received a label value of 10 which is outside the valid range of [0, 10)."
    case = replace(classes(), sample=None, crash=_crash("InvalidArgumentError", message))
    (told,) = found("labels_beyond_units", case)
    assert told.cause.startswith("labels run from 1 to 10") and told.kind == "crash"


def test_a_class_of_the_users_without_any_activation_bends_nothing() -> None:
    bare = _with(classes(), replace(HIDDEN, activation="linear"), OUT)
    text = "class Net(keras.Model):\n    def call(self, x):\n        return self.out({})\n"
    plain = _script(text.format("self.hidden(x)"), None, replace(bare, kind="subclassed"))
    assert found("no_nonlinearity", plain)
    bent = text.format("tf.nn.relu(self.hidden(x))")
    assert not found("no_nonlinearity", _script(bent, None, replace(bare, kind="subclassed")))


def test_a_class_that_is_common_in_training_and_rare_in_evaluation_is_seen() -> None:
    y = np.array([0] * 160 + [1] * 20 + [2] * 20)
    even = Sample((np.zeros((60, 8)),), (np.arange(60) % 3,))
    case = replace(_sample(classes(), y=y), asked={"evaluate": even})
    (told,) = found("rare_class_ignored", case)
    assert told.cause == "80% of the samples are of class 0, of the held-out ones 33%"
    held = _sample(classes(), y=np.repeat([0, 1], [190, 10]), x_val=even.x, y_val=(even.y[0] % 2,))
    assert found("rare_class_ignored", held) and not found("validation_of_other_classes", held)


def test_the_line_that_scales_training_inputs_alone_is_named() -> None:
    text = (
        "x = scaler.fit_transform(x)\nmodel.fit(x, y, epochs=3)\nmodel.evaluate(x_test, y_test)\n"
    )
    case = replace(_asked("evaluate", shift=50), script=Script("train.py", text))
    (told,) = found("splits_scaled_apart", case)
    assert told.focus == "line:1"


def _with_label() -> Evidence:
    case = classes()
    assert case.sample
    x, y = case.sample.x[0], case.sample.y[0]
    return _sample(case, x=np.column_stack([x, y]))


def _contradicting() -> Evidence:
    x = np.repeat(RNG.normal(size=(40, 8)), 5, 0)
    return _sample(classes(), x=x, y=RNG.integers(0, 3, 200))


def _crash(kind: str, message: str, line: int | None = 1) -> Crash:
    return Crash(kind, message, line)


IN_A_FUNCTION = """def make(rate):
    model.compile("adam", "mse")
for epoch in range(9):
    model = make(RATE)
    model.fit(x, y, epochs=1)
"""


def test_a_model_made_anew_by_a_function_is_seen_and_one_of_other_settings_is_none() -> None:
    (told,) = found("model_made_anew", _script(IN_A_FUNCTION, None, classes(training=SHORT)))
    assert told.focus == "line:4"
    searched = IN_A_FUNCTION.replace("for epoch in range(9)", "for RATE in rates")
    assert not found("model_made_anew", _script(searched, None, classes(training=SHORT)))


LOOP = """loss_object = keras.losses.BinaryCrossentropy()
optimizer = Adam(0.01)
def step(xb, yb):
{inside}
    with tf.GradientTape() as tape:
        predicted = model(xb, training=True)
        loss = loss_object({given})
    slopes = tape.gradient(loss, {weights})
    optimizer.apply_gradients(({turned}, w) for g, w in zip(slopes, {weights}))
for rows in order:
    step(x{rows}, y{rows})
"""


USUAL = {"inside": "    pass", "given": "yb, predicted", "turned": "g", "rows": "[rows]",
         "weights": "model.trainable_variables"}  # fmt: skip
LOST = "Received: target.shape=(None, 40), output.shape=(None, 65)"


def _loop(**parts: str) -> Evidence:
    return _script(LOOP.format(**(USUAL | parts)), None, classes())


def _tape(loss: str) -> Evidence:
    text = f"with tf.GradientTape() as tape:\n    loss = {loss}\ntape.gradient(loss, weights)\n"
    return _script(text, None, numbers())


def _still(case: Evidence) -> Evidence:
    """The same mean and deviation of the inputs in each look."""
    told = {name: curve(*[0.5] * 9) for name in ("input_mean", "input_deviation")}
    return replace(case, batches=told)


def _half_moved(case: Evidence) -> Evidence:
    still = _probed(case, "hidden", update_ratio=curve(*[0] * 9))
    return _probed(still, "out", update_ratio=curve(*[0.1] * 9))


def _weighted(*weights: float) -> Evidence:
    text = f'm.compile("adam", loss=["mse", "mse"], loss_weights={list(weights)})\n'
    return _script(text, None, numbers())


def _one_by_one(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)


WRITTEN_OVER = """class Net(keras.Model):
    def call(self, inputs):
        x = self.first(inputs)
        x = self.second({})
        return self.out(x)
"""
MADE_FOR_3 = (
    "Input 0 with name 'None' of layer 'dense' is incompatible with the layer: expected axis -1 "
    "of input shape to have value 3, but received input with shape (None, 2)"
)
NO_STEPS = "Input 0 of layer 'gru_1' is incompatible with the layer: expected ndim=3, found ndim=2."
SHORT = training("sparse_categorical_crossentropy", fit={"epochs": 1, "samples": 200})
ANEW = """for fold in rounds:
    model = make()
    model.compile("adam", "mse")
    model.fit(x, y, epochs=1)
"""
CASES: dict[str, tuple[Make, Make]] = {
    "softmax_over_one_unit": (lambda: _binary(activation="softmax"), _binary),
    "categorical_loss_of_one_unit": (
        lambda: with_loss(_binary(), "categorical_crossentropy"),
        _binary,
    ),
    "logits_taken_for_probabilities": (lambda: with_last(classes(), activation="linear"), classes),
    "probabilities_taken_for_logits": (
        lambda: with_loss(
            classes(), "sparse_categorical_crossentropy", loss_settings={"from_logits": True}
        ),
        classes,
    ),
    "doubled_activation": (
        lambda: _with(
            classes(), HIDDEN, replace(OUT, activation="sigmoid"),
            _layer("act", "Activation", activation="softmax"), outputs=("act",),
        ),
        classes,
    ),
    "loss_for_other_labels": (lambda: _sample(classes(), y=_one_hot()), classes),
    "regression_loss_for_classes": (lambda: with_loss(classes(), "mean_squared_error"), classes),
    "class_loss_for_numbers": (lambda: with_loss(numbers(), "binary_crossentropy"), numbers),
    "sigmoid_for_exclusive_classes": (lambda: with_last(classes(), activation="sigmoid"), classes),
    "softmax_for_several_labels": (
        lambda: with_loss(_sample(classes(), y=_labels()), "binary_crossentropy"),
        lambda: with_last(
            with_loss(_sample(classes(), y=_labels()), "binary_crossentropy"), activation="sigmoid"
        ),
    ),
    "binary_loss_of_exclusive_classes": (
        lambda: with_loss(_sample(classes(), y=_one_hot()), "binary_crossentropy"),
        lambda: with_loss(_sample(classes(), y=_one_hot()), "categorical_crossentropy"),
    ),
    "targets_out_of_reach": (lambda: with_last(numbers(), activation="sigmoid"), numbers),
    "relu_as_last_activation": (lambda: with_last(numbers(), activation="relu"), numbers),
    "activation_apart_from_loss": (
        lambda: with_last(with_loss(_binary(), "hinge"), activation="sigmoid"),
        lambda: with_last(with_loss(_binary(), "hinge"), activation="tanh"),
    ),
    "labels_beyond_units": (lambda: _sample(classes(), y=RNG.integers(1, 4, 200)), classes),
    "units_unlike_labels": (
        lambda: with_loss(_sample(classes(), y=np.eye(5)[RNG.integers(0, 5, 200)]),
                          "categorical_crossentropy"),
        lambda: with_loss(_sample(classes(), y=np.eye(3)[RNG.integers(0, 3, 200)]),
                          "categorical_crossentropy"),
    ),
    "labels_not_zero_or_one": (
        lambda: _sample(_binary(), y=2 * RNG.integers(0, 2, 200) - 1), _binary,
    ),
    "accuracy_of_numbers": (
        lambda: with_loss(numbers(), "mean_squared_error", metrics=("accuracy",)),
        lambda: with_loss(numbers(), "mean_squared_error", metrics=("mae",)),
    ),
    "no_nonlinearity": (
        lambda: _with(classes(), replace(HIDDEN, activation="linear"), OUT), classes,
    ),
    "missing_activation": (
        lambda: _with(classes(), HIDDEN, dense("bare", 16, 16), OUT), lambda: _deep("relu"),
    ),
    "softmax_in_hidden_layer": (
        lambda: _with(classes(), replace(HIDDEN, activation="softmax"), OUT), classes,
    ),
    "saturating_hidden_activations": (lambda: _deep("sigmoid"), lambda: _deep("relu")),
    "unbounded_recurrence": (
        lambda: _with(classes(), _layer("lstm", "LSTM", config={"activation": "relu"}), OUT),
        lambda: _with(classes(), _layer("lstm", "LSTM", config={"activation": "tanh"}), OUT),
    ),
    "dropout_too_strong": (
        lambda: _with(classes(), HIDDEN, _layer("drop", "Dropout", config={"rate": 0.9}), OUT),
        lambda: _with(classes(), HIDDEN, _layer("drop", "Dropout", config={"rate": 0.5}), OUT),
    ),
    "dropout_behind_output": (
        lambda: _with(classes(), HIDDEN, OUT, _layer("drop", "Dropout"), outputs=("drop",)),
        lambda: _with(classes(), HIDDEN, _layer("drop", "Dropout"), OUT),
    ),
    "normalization_behind_output": (
        lambda: _with(numbers(), HIDDEN, dense("out", 1, 16), NORM, outputs=("norm",)),
        lambda: _with(numbers(), HIDDEN, NORM, dense("out", 1, 16)),
    ),
    "normalization_lags": (
        lambda: _with(replace(classes(), losses=falling(30)), HIDDEN, NORM, OUT),
        lambda: _with(replace(classes(), losses=falling(900)), HIDDEN, NORM, OUT),
    ),
    "normalization_of_tiny_batches": (
        lambda: _fit(_with(classes(), HIDDEN, NORM, OUT), batch_size=1),
        lambda: _with(classes(), HIDDEN, NORM, OUT),
    ),
    "steps_that_eat_the_map": (
        lambda: _with(classes(), POOL, OUT),
        lambda: _with(
            classes(), replace(POOL, config={"pool_size": (2, 2)}, output=(None, 14, 14, 4)), OUT
        ),
    ),
    "frozen_layers": (
        lambda: _with(
            classes(),
            replace(HIDDEN, weights=tuple(replace(w, trainable=False) for w in HIDDEN.weights)),
            OUT,
        ),
        classes,
    ),
    "disconnected_layers": (
        lambda: _probed(
            _probed(classes(), "hidden", weight_gradient=curve(0, 0, 0)),
            "out", weight_gradient=curve(1, 1, 1),
        ),
        lambda: _probed(classes(), "hidden", weight_gradient=curve(1, 1, 1)),
    ),
    "too_narrow": (lambda: _with(classes(), dense("thin", 1, 8, "relu"), OUT), classes),
    "no_hidden_layer": (
        lambda: _with(classes(), _layer("in", "InputLayer"), dense("out", 3, 8, "softmax")),
        classes,
    ),
    "no_bias": (
        lambda: _with(classes(), replace(HIDDEN, config={"use_bias": False}), OUT),
        lambda: _with(classes(), replace(HIDDEN, config={"use_bias": False}), NORM, OUT),
    ),
    "penalty_too_strong": (
        lambda: _with(
            classes(), replace(HIDDEN, config={"kernel_regularizer": {"config": {"l2": 0.5}}}), OUT
        ),
        lambda: _with(
            classes(), replace(HIDDEN, config={"kernel_regularizer": {"config": {"l2": 1e-4}}}), OUT
        ),
    ),
    "units_all_alike": (
        lambda: _with(classes(), _kernel(HIDDEN, alike=True, mean=0.0, deviation=0.0), OUT),
        classes,
    ),
    "weights_of_wrong_size": (
        lambda: _with(classes(), _kernel(HIDDEN, deviation=10.0), OUT), classes,
    ),
    "index_beyond_embedding": (
        lambda: _sample(
            _with(classes(), _layer("words", "Embedding", config={"input_dim": 9}), OUT),
            x=RNG.integers(0, 20, (200, 8)),
        ),
        lambda: _sample(
            _with(classes(), _layer("words", "Embedding", config={"input_dim": 20}), OUT),
            x=RNG.integers(0, 20, (200, 8)),
        ),
    ),
    "labels_broadcast": (
        lambda: _script(TAPE, None, numbers()),
        lambda: _script("model.fit(x, y)\n", None, numbers()),
    ),
    "weights_never_move": (
        lambda: _probed(classes(), "hidden", update_ratio=curve(0, 0, 0)),
        lambda: _probed(classes(), "hidden", update_ratio=curve(0, 0.1, 0.1)),
    ),
    "always_in_training_mode": (
        lambda: _script(OWN_CALL.format("True"), None),
        lambda: _script(OWN_CALL.format("training"), None),
    ),
    "biases_far_from_zero": (
        lambda: _with(
            classes(),
            replace(HIDDEN, weights=(Weight("bias", (16,), True, -9.0, 0.0, 9.0),)),
            OUT,
        ),
        classes,
    ),
    "learning_rate_not_positive": (lambda: _settings(learning_rate=-0.001), classes),
    "loss_goes_the_wrong_way": (
        lambda: replace(classes(), losses=Curve("", np.arange(60), -np.arange(60.0))), classes,
    ),
    "plain_gradient_descent": (
        lambda: replace(
            classes(),
            training=training("sparse_categorical_crossentropy", settings={"learning_rate": 0.01},
                              optimizer="SGD"),
        ),
        classes,
    ),
    "epochs_cut_short": (lambda: _fit(classes(), steps_per_epoch=1), classes),
    "labels_beyond_loss": (
        lambda: with_loss(numbers(), "poisson"), lambda: with_loss(numbers(), "huber"),
    ),
    "loss_of_other_things": (
        lambda: with_loss(numbers(), "hinge"), lambda: with_loss(numbers(), "huber"),
    ),
    "output_keeps_positions": (
        lambda: with_last(classes(), output=(None, 7, 3)), classes,
    ),
    "too_deep": (
        lambda: _with(classes(), *(dense(f"h{n}", 16, 16, "relu") for n in range(12)), OUT),
        lambda: _deep("relu"),
    ),
    "learning_rate_too_high": (lambda: _settings(learning_rate=1.0), classes),
    "learning_rate_too_low": (lambda: _settings(learning_rate=1e-7), classes),
    "learning_rate_low_for_scale": (
        lambda: replace(
            _settings(learning_rate=1e-4),
            losses=Curve("", np.arange(100), np.linspace(1.0, 0.95, 100)),
        ),
        lambda: replace(classes(), losses=Curve("", np.arange(100), np.ones(100))),
    ),
    "momentum_too_high": (lambda: _settings(momentum=0.999), lambda: _settings(momentum=0.9)),
    "adam_off_its_settings": (lambda: _settings(epsilon=1.0), classes),
    "clipping_too_hard": (lambda: _settings(clipnorm=1e-4), lambda: _settings(clipnorm=1.0)),
    "weight_decay_too_strong": (
        lambda: _settings(weight_decay=1.0), lambda: _settings(weight_decay=0.004),
    ),
    "learning_rate_falls_too_fast": (
        lambda: replace(classes(), batches={"learning_rate": DECAYING}),
        lambda: replace(classes(), batches={"learning_rate": falling(20)}),
    ),
    "batch_too_large": (lambda: _fit(classes(), batch_size=200), classes),
    "batch_too_small": (lambda: _fit(classes(), batch_size=1), classes),
    "too_few_epochs": (
        lambda: _fit(replace(classes(), losses=falling(14)), epochs=1),
        lambda: replace(classes(), losses=falling(900)),
    ),
    "stopped_too_early": (
        lambda: _fit(
            replace(classes(), history={"loss": curve(1, 0.9)}),
            callbacks=[{"class": "EarlyStopping", "patience": 0}],
        ),
        lambda: _fit(
            replace(classes(), history={"loss": curve(1, 0.9)}),
            callbacks=[{"class": "EarlyStopping", "patience": 10}],
        ),
    ),
    "not_shuffled": (lambda: _order(False), lambda: _order(True)),
    "validation_of_other_classes": (
        lambda: _sample(
            classes(), y=RNG.integers(0, 2, 200), x_val=(np.zeros((9, 8)),), y_val=(np.full(9, 2),)
        ),
        lambda: _sample(classes(), x_val=(np.zeros((9, 8)),), y_val=(np.full(9, 2),)),
    ),
    "loss_is_summed": (
        lambda: with_loss(numbers(), "mean_squared_error", loss_settings={"reduction": "sum"}),
        numbers,
    ),
    "rare_class_ignored": (
        lambda: _sample(_binary(), y=(np.arange(200) < 6).astype(int)), _binary,
    ),
    "overfitting": (lambda: replace(classes(), history=OVERFIT), classes),
    "evaluated_in_training_mode": (
        lambda: _script(CALLED, None, _with(classes(), HIDDEN, _layer("d", "Dropout"), OUT)),
        lambda: _script(NEW_CALL, None, _with(classes(), HIDDEN, _layer("d", "Dropout"), OUT)),
    ),
    "inputs_not_scaled": (lambda: _scaled(1000.0), classes),
    "inputs_too_small": (lambda: _scaled(1e-4), classes),
    "targets_not_scaled": (lambda: _spread(1e4), numbers),
    "not_finite_in_data": (_nan, classes),
    "inputs_all_alike": (lambda: _sample(classes(), x=np.zeros((200, 8, 8, 1))), classes),
    "columns_without_information": (
        lambda: _sample(classes(), x=np.hstack([np.ones((200, 6)), RNG.normal(size=(200, 2))])),
        classes,
    ),
    "labels_all_alike": (lambda: _sample(classes(), y=np.ones(200)), classes),
    "labels_apart_from_inputs": (lambda: classes(Outcome(0.0, 0.9, 0.0)), classes),
    "labels_worse_in_training": (
        lambda: classes(Outcome(0.8, 0.3, 0.3), history={"accuracy": curve(*[0.5] * 6)}),
        lambda: classes(Outcome(0.8, 0.3, 0.3), history={"accuracy": curve(0.3, 0.5)}),
    ),
    "training_inputs_scattered": (lambda: _scattered(0.3), lambda: _scattered(1.0)),
    "labels_contradict": (_contradicting, classes),
    "split_leaks": (_copied, lambda: _apart(0.0)),
    "label_among_inputs": (_with_label, classes),
    "splits_scaled_apart": (lambda: _apart(50.0), lambda: _apart(0.0)),
    "not_finite": (lambda: replace(classes(), losses=curve(1, 2, np.nan)), classes),
    "exploding_gradients": (
        lambda: _probed(classes(), "out", weight=curve(1, 1), weight_gradient=curve(1, 1e4)),
        lambda: _probed(classes(), "out", weight=curve(1, 1), weight_gradient=curve(1, 1)),
    ),
    "vanishing_gradients": (lambda: _vanishing(1e-9), lambda: _vanishing(0.1)),
    "dead_units": (
        lambda: _probed(classes(), "hidden", dead=curve(0, 0.5, 1.0)),
        lambda: _probed(classes(), "hidden", dead=curve(0, 0.1, 0.1)),
    ),
    "saturated_units": (
        lambda: _probed(_deep("tanh"), "h0", saturated=curve(0.9, 0.9)),
        lambda: _probed(_deep("tanh"), "h0", saturated=curve(0.1, 0.1)),
    ),
    "oscillation": (
        lambda: replace(classes(), losses=Curve("", np.arange(60), 1 + np.arange(60) % 2 * 5.0)),
        classes,
    ),
    "plateau": (
        lambda: replace(classes(), losses=Curve("", np.arange(60), np.ones(60)), training=training(
            "sparse_categorical_crossentropy", settings={"learning_rate": 0.01}, optimizer="SGD")),
        classes,
    ),
    "scaled_over_wrong_axis": (
        lambda: _sample(classes(), x=_one_by_one(RNG.normal(size=(200, 8)))), classes,
    ),
    "gradient_ascent": (lambda: _loop(turned="-g"), _loop),
    "optimizer_made_anew": (lambda: _loop(inside="    optimizer = Adam(0.01)"), _loop),
    "same_batch_in_each_step": (lambda: _still(_loop(rows="[:32]")), lambda: _still(_loop())),
    "weights_left_out": (
        lambda: _half_moved(_loop(weights="model.out.trainable_variables")),
        lambda: _loop(weights="model.out.trainable_variables"),
    ),
    "own_loss_is_summed": (lambda: _tape("tf.reduce_sum(tf.square(p - y))"),
                           lambda: _tape("tf.reduce_mean(tf.square(p - y))")),
    "sorted_by_label": (
        lambda: _script("order = np.argsort(y)\n" + LOOP.format(**USUAL), None, classes()),
        lambda: _script("order = np.argsort(y)\nnp.random.shuffle(order)\n"
                        + LOOP.format(**USUAL), None, classes()),
    ),
    "output_lost_positions": (
        lambda: replace(_with(classes(), _layer("gru", "GRU"), OUT), crash=_crash(
            "ValueError", LOST), sample=None),
        lambda: replace(_with(classes(), _layer("gru", "GRU", config={"return_sequences": True}),
                              OUT), crash=_crash("ValueError", LOST), sample=None),
    ),
    "loss_arguments_swapped": (lambda: _loop(given="predicted, yb"), _loop),
    "loss_weights_far_apart": (lambda: _weighted(1, 1e-4), lambda: _weighted(1, 0.1)),
    "layer_not_used": (
        lambda: _script(WRITTEN_OVER.format("inputs"), None, classes()),
        lambda: _script(WRITTEN_OVER.format("x"), None, classes()),
    ),
    "input_unlike_data": (
        lambda: _script(
            "m.add(Input(shape=(3,)))\nm.fit(x, y)\n", _crash("ValueError", MADE_FOR_3, 2)),
        lambda: _script("m.add(Input(shape=(3,)))\n", _crash("ValueError", MADE_FOR_3, 1)),
    ),
    "sequence_ended_early": (
        lambda: _script("x = GRU(8)(x)\nx = GRU(8)(x)\n", _crash("ValueError", NO_STEPS, 2)),
        lambda: _script("x = GRU(8, return_sequences=True)(x)\nx = GRU(8)(x)\n",
                        _crash("ValueError", NO_STEPS, 2)),
    ),
    "model_made_anew": (lambda: _script(ANEW, None, classes(training=SHORT)), lambda: _script(
        ANEW.replace("x, y, e", "x[fold], y[fold], e"), None, classes(training=SHORT))),
    "crash": (
        lambda: _script(
            "x = 1\n", _crash("ValueError", "Data cardinality is ambiguous. x sizes: 3, y: 4")
        ),
        classes,
    ),
    "map_too_small": (
        lambda: _script(
            "m.add(Conv2D(8, 3, strides=8))\nm.add(Conv2D(8, 3))\n",
            _crash("ValueError", "Computed output size would be zero or negative.", 2),
        ),
        lambda: _script("m.add(Conv2D(8, 3))\n", _crash("ValueError", "else")),
    ),
    "learning_rate_refused": (
        lambda: _script("Adam(learning_rate=10)\n", _crash(
            "ValueError", "Argument `learning_rate` should be float, or …. "
            "Received instead: learning_rate=10")),
        lambda: _script("Adam(learning_rate=10)\n", _crash("ValueError", "else")),
    ),
    "old_arguments": (
        lambda: _script(
            "model.fit(x, y, nb_epoch=3)\n",
            _crash("TypeError", "fit() got an unexpected keyword argument 'nb_epoch'"),
        ),
        lambda: _script("model.fit(x, y, nb_epoch=3)\n", None),
    ),
    "old_kernel_sizes": (
        lambda: _script("Convolution2D(8, 3, 3)\n", _crash("ValueError", "else")),
        lambda: _script("Conv2D(8, (3, 3))\n", _crash("ValueError", "else")),
    ),
    "old_names": (
        lambda: _script("from keras.utils import np_utils\n", _crash("ImportError", "np_utils")),
        lambda: _script("from keras.utils import to_categorical\n", _crash("ImportError", "x")),
    ),
    "metrics_in_the_place_of_loss_weights": (
        lambda: _script(
            "m.compile('adam', 'mse', ['mae'])\n",
            _crash("ValueError", "dtype='string' is not a valid dtype for Keras type promotion."),
        ),
        lambda: _script("m.compile('adam', 'mse', [2.0])\n", _crash("ValueError", "loss_weights")),
    ),
    "old_decay": (
        lambda: _script("Adam(0.1, decay=1e-4)\n", _crash("ValueError", "not recognized: decay")),
        lambda: _script("Adam(0.1)\n", _crash("ValueError", "else")),
    ),
    "old_methods": (
        lambda: _script("m.fit_generator(g)\n", _crash("AttributeError", "no fit_generator")),
        lambda: _script("m.fit(g)\n", _crash("AttributeError", "else")),
    ),
    "old_modules": (
        lambda: _script(
            "from keras.layers.core import Dense\n", _crash("ModuleNotFoundError", "No module")
        ),
        lambda: _script("from keras.layers import Dense\n", _crash("ValueError", "else")),
    ),
    "sessions": (
        lambda: _script("s = tf.Session()\n", _crash("AttributeError", "no attribute 'Session'")),
        lambda: _script("s = 1\n", _crash("AttributeError", "else")),
    ),
    "old_optimizer_names": (
        lambda: _script("from keras.optimizers import adam\n", _crash("ImportError", "adam")),
        lambda: _script("from keras.optimizers import Adam\n", _crash("ImportError", "else")),
    ),
    "old_history_keys": (
        lambda: _script('h.history["acc"]\n', _crash("KeyError", "'acc'")),
        lambda: _script('h.history["loss"]\n', _crash("KeyError", "'acc'")),
    ),
}  # fmt: skip


LIKELIHOOD = "loss = -tf.reduce_mean(model(x).log_prob(y))"
REWARD = "loss = -tf.reduce_mean(advantage)"
ADVERSARY = "loss = -tf.reduce_mean(tf.tanh(judge(maker(z))))"
TURNED = "loss = -tf.reduce_mean(tf.square(model(x) - y))"
TURNED_LOSS = "loss = -loss_object(y, model(x))"


@pytest.mark.parametrize(
    ("line", "seen"), [(LIKELIHOOD, 0), (REWARD, 0), (ADVERSARY, 0), (TURNED, 1), (TURNED_LOSS, 1)]
)
def test_a_likelihood_or_a_reward_is_rightly_turned_round_and_a_loss_is_not(
    line: str, seen: int
) -> None:
    text = f"with tf.GradientTape() as tape:\n    {line}\ntape.gradient(loss, weights)\n"
    told = found("gradient_ascent", _script(text, None, numbers()))
    assert [one.focus for one in told] == ["line:2"] * seen


@pytest.mark.parametrize(
    ("line", "message", "focus"),
    [
        ("y = y.astype(str)", "Cast string to float is not supported", "line:2"),
        ("x = x.astype(object)", "Invalid dtype: object", "line:2"),
        ("y = y[:-10]", "Data cardinality is ambiguous", "line:2"),
        ('y = y.astype("float32")', "Invalid dtype: object", "crash"),
    ],
)
def test_a_crash_names_the_line_that_made_the_data_so(line: str, message: str, focus: str) -> None:
    text = f"x, y = load()\n{line}\nmodel.fit(x, y, epochs=3)\n"
    (told,) = found("crash", _script(text, _crash("ValueError", message, 3)))
    assert told.focus == focus


def test_a_loss_without_gradients_is_where_it_is_computed() -> None:
    text = (
        "with tf.GradientTape() as tape:\n    loss = tf.reduce_mean(y)\n"
        "g = tape.gradient(loss, w)\n"
    )
    crash = _crash("ValueError", "No gradients provided for any variable.", 3)
    (told,) = found("crash", _script(text, crash))
    assert told.focus == "line:2"


def test_batches_that_pass_one_class_after_another_are_not_called_labels_all_alike() -> None:
    case = _fit(_sample(classes(), y=np.zeros(200)), samples=None)
    passing = replace(case, batches={"target_mean": curve(0, 1, 2)})
    passing = _script("rows = np.argsort(y)\nmodel.fit(g, epochs=3)\n", None, passing)
    (told,) = found("not_shuffled", passing)
    assert told.focus == "line:1" and not found("labels_all_alike", passing)
    assert found("labels_all_alike", case)


def test_a_layer_of_the_users_that_computes_sums_of_products_bends_nothing() -> None:
    text = (
        "class Linear(keras.layers.Layer):\n    def call(self, x):\n"
        "        return {}(tf.matmul(x, self.w) + self.b)\n"
    )
    own = replace(HIDDEN, kind="Linear", activation=None)
    (told,) = found("no_nonlinearity", _script(text.format(""), None, _with(classes(), own, OUT)))
    assert [one.action for one in told.changes] == ["insert"]
    bent = _script(text.format("tf.sin"), None, _with(classes(), own, OUT))
    assert not found("no_nonlinearity", bent)


def test_what_stops_the_gradient_is_named_with_its_line() -> None:
    case = CASES["disconnected_layers"][0]()
    text = "def call(self, x):\n    return self.out(tf.stop_gradient(self.hidden(x)))\n"
    (told,) = found("disconnected_layers", _script(text, None, case))
    assert told.focus == "line:2" and "stop_gradient" in told.cause


def test_a_state_of_one_number_is_narrow_for_a_sequence_and_not_for_a_step() -> None:
    thin = _layer("rnn", "SimpleRNN", output=(None, 1), weights=(Weight("kernel", (1, 1)),))
    for steps, seen in ((15, 1), (2, 0)):
        case = _with(classes(), replace(thin, input=(None, steps, 1)), OUT)
        assert len(found("too_narrow", case)) == seen


def test_early_stopping_that_waits_for_a_loss_to_rise_is_turned_round() -> None:
    told = {"class": "EarlyStopping", "patience": 9, "mode": "max", "monitor": "loss"}
    case = _fit(replace(classes(FINE), history={"loss": curve(1, 0.9)}), callbacks=[told])
    (one,) = found("stopped_too_early", case)
    assert one.changes[0].target == "fit.mode" and 'mode="min"' in one.remedy


def test_every_rule_has_a_case_and_a_source() -> None:
    assert {rule.name for rule in RULES} == set(CASES)
    assert all(rule.source for rule in RULES)


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_sees_its_fault(rule: str) -> None:
    findings = found(rule, CASES[rule][0]())
    assert findings
    for finding in findings:
        assert 0 < finding.confidence <= 1
        assert finding.cause and finding.symptom and finding.remedy


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_is_silent_on_what_is_right(rule: str) -> None:
    assert found(rule, CASES[rule][1]()) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_is_silent_without_evidence(rule: object) -> None:
    assert list(rule.check(Evidence())) == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("make", [classes, numbers, _binary])
def test_nothing_is_sure_of_a_network_that_is_right(make: Callable[..., Evidence]) -> None:
    case = replace(make(), outcome=FINE)
    sure = [finding for rule in RULES for finding in rule.check(case)]
    assert sure == []


def test_what_is_only_unusual_is_said_less_surely_of_a_network_that_does_well() -> None:
    bare = _with(classes(), replace(HIDDEN, activation="linear"), OUT)
    (failing,) = found("no_nonlinearity", replace(bare, outcome=FAILS))
    (fine,) = found("no_nonlinearity", replace(bare, outcome=FINE))
    assert fine.confidence < 0.5 < failing.confidence


def test_an_input_that_is_not_finite_anywhere_is_found() -> None:
    case = classes()
    assert case.sample
    x_val = np.full((9, 8), np.nan)
    (held,) = found("not_finite_in_data", _sample(case, x_val=(x_val,), y_val=(np.zeros(9),)))
    assert "of the inputs are NaN" in held.cause
    (replayed,) = found("not_finite_in_data", replace(case, bad={"step": 0, "came_in": "x"}))
    assert replayed.cause == "among the inputs are some that are NaN or infinite"


def test_a_loss_of_ones_own_that_is_not_finite_has_its_line_and_remedy() -> None:
    bad = {"step": 0, "op": "Log", "layer": "", "source": "here/train.py:2 in loss"}
    case = _script("def loss(t, p):\n    return log(p) * t\n", None, classes(bad=bad))
    (told,) = found("not_finite", case)
    assert told.focus == "line:2" and "maximum(x, 1e-7)" in told.remedy and not told.changes
    assert "Log in the loss" in told.cause and told.stands


def test_sorted_samples_split_at_the_end_are_seen_by_their_shares() -> None:
    y, held = np.array([0] * 90 + [1] * 90 + [2] * 20), np.full(40, 2)
    x_val = (np.zeros((40, 8), np.float32),)
    (told,) = found(
        "validation_of_other_classes", _sample(classes(), y=y, x_val=x_val, y_val=(held,))
    )
    assert told.cause.startswith("90% of the validation data")
    alike = _sample(classes(), y=y, x_val=x_val, y_val=(RNG.permutation(y)[:40],))
    assert not found("validation_of_other_classes", alike)


def test_whole_numbers_that_accuracy_is_asked_of_are_classes() -> None:
    told = training("mean_squared_error")
    case = replace(numbers(), training=replace(told, metrics=("accuracy",)))
    case = _sample(case, y=RNG.integers(0, 3, 200))
    assert found("regression_loss_for_classes", case)
    assert not found("accuracy_of_numbers", case)


def test_a_rate_within_the_usual_range_is_never_told_to_be_what_it_is() -> None:
    leaps = curve(*[0.5] * 5)
    case = _probed(classes(), "hidden", update_ratio=leaps)
    (told,) = found("learning_rate_too_high", case)
    assert told.changes[0].value == pytest.approx(1e-4) and not told.stands


def test_functions_of_tensorflow_are_known_as_activations() -> None:
    layer = layer_of({"name": "out", "class": "Dense", "activation": "softmax_v2"})
    assert layer.activation == "softmax"
    function = {"class_name": "function", "module": "builtins", "config": "softmax_v2"}
    assert named({"config": [{"activation": function}]}) == {"config": [{"activation": "softmax"}]}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "Exception encountered when calling Sequential.call().\n\n\x1b[1mInput 0 of layer "
            "dense is wrong\x1b[0m\n\nArguments received",
            "Input 0 of layer dense is wrong",
        ),
        (
            'Graph execution error:\n\nDetected at node loss defined at\n  File "a.py"\n\n'
            "Received a label value of 3\n\t [[{{node loss}}]]",
            "Received a label value of 3",
        ),
    ],
)
def test_of_a_message_the_line_that_says_what_is_wrong_is_told(message: str, said: str) -> None:
    assert telling(message) == said


def test_the_layer_that_ate_the_map_is_named() -> None:
    (told,) = found("map_too_small", CASES["map_too_small"][0]())
    assert told.cause.endswith("for Conv2D in line 1 takes steps of 8")
    assert told.changes[0].target == "call:1.strides"


def test_weights_that_are_not_made_yet_are_told_by_their_initializer() -> None:
    zeros = {"units": 16, "kernel_initializer": {"class_name": "Zeros", "config": {}}}
    (told,) = found("units_all_alike", _with(classes(), replace(
        HIDDEN, weights=(), config=zeros), OUT))  # fmt: skip
    assert "begin at one value" in told.cause


def test_a_layer_whose_output_nothing_reads_is_no_part_of_the_network() -> None:
    text = "x = Input((4,))\nh = Dense(8)(x)\nh = Dense(8)(h)\nout = Dense(3)({})\n"
    case = _script(text.format("x"), None, classes())
    (told,) = found("layer_not_used", case)
    assert told.focus == "line:4"
    assert not found("layer_not_used", _script(text.format("h"), None, classes()))


def test_one_unit_of_softmax_for_several_classes_needs_more_units_and_no_sigmoid() -> None:
    one = with_last(classes(), output=(None, 1))
    assert not found("softmax_over_one_unit", one)
    (told,) = found("categorical_loss_of_one_unit", one)
    assert told.changes[0].value == 3


def test_an_initializer_of_a_constant_is_seen_where_weights_are_not_made_yet() -> None:
    told = {"class_name": "Constant", "config": {"value": -50.0}}
    bare = replace(HIDDEN, weights=(), config={**HIDDEN.config, "bias_initializer": told})
    (one,) = found("biases_far_from_zero", _with(classes(), bare, OUT))
    assert "-50" in one.cause and one.symptom == "units are dead from the start"
