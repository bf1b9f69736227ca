"""Circuit, formula, derivative, range and saturation of each row against Keras and its tape.

All in float64 but for the regularizers. Tolerances: 1e-9 relative, more where Keras itself holds a
constant in float32.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gatescope.catalog.activations import ACTIVATIONS
from gatescope.catalog.losses import LOSSES
from gatescope.catalog.regularizers import REGULARIZERS
from gatescope.catalog.rows import Activation, Entry, Interval, Loss, Regularizer
from gatescope.circuits.circuit import Circuit
from gatescope.circuits.expressions import parse

RELATIVE = {"gelu": 1e-5, "leaky_relu": 1e-6}
ABSOLUTE = {"log_cosh": 1e-8}
CORNERS = (-6.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0)
SIZE = 32
CALM = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # to shrink arrays would take minutes and say no more
    suppress_health_check=list(HealthCheck),
)
by_name = {"ids": lambda entry: entry.name}


def close(ours: object, theirs: object, name: str = "") -> None:
    np.testing.assert_allclose(
        ours, theirs, rtol=RELATIVE.get(name, 1e-9), atol=ABSOLUTE.get(name, 1e-11)
    )


# Formulas and derivatives are read as they are printed.

SIGNS = {
    "·": "*",
    "−": "-",
    "^": "**",
    "²": "**2",
    "≤": "<=",
    "≥": ">=",
    "√": "sqrt",
    ", else": " else",
    "‖y‖": "norm_y",
    "‖ŷ‖": "norm_p",
}
WORDS = {
    "exp": math.exp,
    "log": math.log,
    "tanh": math.tanh,
    "cosh": math.cosh,
    "sqrt": math.sqrt,
    "max": max,
    "min": min,
    "abs": abs,
    "sign": lambda x: float(x > 0) - float(x < 0),
    "σ": lambda x: 1 / (1 + math.exp(-x)),
    "Φ": lambda x: 0.5 * math.erfc(-x / math.sqrt(2)),
    "φ": lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi),
}


def read(text: str, names: Mapping[str, float]) -> float:
    """The value of a formula; what stands behind `where` is computed first."""
    formula, _, where = text.partition(", where ")
    known = dict(names)
    if where:
        name, _, meaning = where.partition(" = ")
        (name,) = compile(name, "", "eval").co_names  # as Python spells it: pₜ is pt
        known[name] = read(meaning, names)
    for sign, python in SIGNS.items():
        formula = formula.replace(sign, python)
    formula = re.sub(r"\|([^|]+)\|", r"abs(\1)", formula)
    return eval(formula, dict(WORDS), known)  # noqa: S307


GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "threshold": "θ"}
GREEK |= {"default_value": "d"}


def setting_names(entry: Entry) -> dict[str, float]:
    return {GREEK.get(one.name, one.name): one.value for one in entry.settings if one.value}


# The circuit, over arrays.


def inputs_of(entry: Entry) -> list[str]:
    return list(Circuit(parse(entry.circuit)).inputs)


def components(entry: Entry, variable: str) -> list[str]:
    """`x`, or `x0`, `x1`, … in their order."""
    return sorted(name for name in inputs_of(entry) if name.rstrip("0123456789") == variable)


def through_circuit(
    entry: Entry, place: int, values: Mapping[str, object]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Values and gradients of one of its outputs."""
    output = Circuit(parse(entry.circuit)[place : place + 1])
    known = {**entry.values, **values}
    return output.compile().backward(**{name: known[name] for name in output.inputs})


def spelled_by_keras(entry: Entry) -> dict[str, float]:
    """The settings that the circuit takes as inputs."""
    names = inputs_of(entry) if entry.circuit else []
    return {one.name: one.value for one in entry.settings if one.name in names}


# Activations.


def sparsemax_of_the_paper(x: tf.Tensor) -> tf.Tensor:
    """Algorithm 1 of Martins & Astudillo 2016, for Keras 3.15 has another threshold."""
    falling = tf.sort(x, direction="DESCENDING")
    sums, places = tf.cumsum(falling, axis=1), tf.range(1, x.shape[1] + 1, dtype=x.dtype)
    k = tf.reduce_sum(tf.cast(1 + places * falling > sums, tf.int32), axis=1, keepdims=True)
    threshold = (tf.gather(sums, k - 1, batch_dims=1) - 1) / tf.cast(k, x.dtype)
    return tf.nn.relu(x - threshold)


def activation_of(entry: Activation) -> Callable[[tf.Tensor], tf.Tensor]:
    if entry.name == "sparsemax":
        return sparsemax_of_the_paper
    function = getattr(keras.activations, entry.name)
    options = spelled_by_keras(entry)
    return lambda x: function(x, **options)


def through_keras(entry: Activation, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outputs (n, outputs) and the Jacobian (n, outputs, inputs)."""
    tensor = tf.constant(x, tf.float64)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(tensor)
        outputs = activation_of(entry)(tensor)
        each = tf.unstack(outputs, axis=1)
    # Rows do not depend on each other, so a gradient over all of them is one for each.
    rows = [tape.gradient(output, tensor, unconnected_gradients="zero") for output in each]
    return outputs.numpy(), tf.stack(rows, axis=1).numpy()


def inputs(count: int) -> st.SearchStrategy[np.ndarray]:
    # Not just any float: of 1e-189 TensorFlow tells no side, its exp(x) − 1 being 0 there.
    numbers = st.integers(-30 * 2**20, 30 * 2**20).map(lambda whole: whole / 2**20)
    numbers |= st.sampled_from(CORNERS)
    rows = st.lists(st.tuples(*[numbers] * count), min_size=SIZE, max_size=SIZE)
    return rows.map(lambda drawn: np.array(drawn, np.float64))


@pytest.mark.parametrize("entry", ACTIVATIONS.values(), **by_name)
def test_circuit_formula_derivative_and_keras_agree_on_activations(entry: Activation) -> None:
    names = components(entry, "x")

    @CALM
    @given(inputs(len(names)))
    def agree(x: np.ndarray) -> None:
        if entry.name == "celu":
            x = np.where(x == 0, 0.25, x)  # at 0 Keras hands on 2 in place of 1
        outputs, jacobian = through_keras(entry, x)
        for place in range(outputs.shape[1]):
            values = {name: x[:, at] for at, name in enumerate(names)}
            value, gradients = through_circuit(entry, place, values)
            close(value, outputs[:, place], entry.name)
            for at, name in enumerate(names):
                close(gradients[name], jacobian[:, place, at], entry.name)
        if names == ["x"]:
            told = [read_at(entry, float(point)) for (point,) in x]
            true = np.stack([outputs[:, 0], jacobian[:, 0, 0]], axis=1)
            # selu's factors are written with four decimals.
            relative = 1e-4 if entry.name == "selu" else RELATIVE.get(entry.name, 1e-9)
            np.testing.assert_allclose(told, true, rtol=relative, atol=1e-11)

    agree()


def read_at(entry: Activation, x: float) -> tuple[float, float]:
    """Formula and derivative as they are printed, computed at a point."""
    names = {"x": x, **setting_names(entry), "d": 0.0}
    return read(entry.formula, names), read(entry.derivative, names)


VECTORS = [entry for entry in ACTIVATIONS.values() if components(entry, "x") != ["x"]]


@pytest.mark.parametrize("entry", VECTORS, **by_name)
def test_derivative_and_keras_agree_on_vectors(entry: Activation) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(SIZE, len(components(entry, "x"))))
    outputs, jacobian = through_keras(entry, x)
    for row, (y, slopes) in enumerate(zip(outputs, jacobian, strict=True)):
        if entry.name == "glu":
            on_a, on_b = (part.rpartition(" on ")[0] for part in entry.derivative.split("; "))
            names = {"a": x[row, 0], "b": x[row, 1]}
            close([read(on_a, names), read(on_b, names)], slopes[0])
            continue
        for i in range(len(y)):
            for j in range(len(y)):
                names = {"yi": y[i], "yj": y[j], "δij": float(i == j), "k": (y > 0).sum()}
                close(read(entry.derivative, names), slopes[i, j])


FAR = np.concatenate([np.linspace(-60, 60, 4001), [-1000.0, 1000.0]])


def line_of(entry: Activation) -> np.ndarray:
    """Inputs along the line that a drawing of the entry follows."""
    names = components(entry, "x")
    return np.stack([FAR] + [np.full_like(FAR, entry.values[name]) for name in names[1:]], axis=1)


@pytest.mark.parametrize("entry", ACTIVATIONS.values(), **by_name)
def test_outputs_lie_in_the_stated_range_and_fill_it(entry: Activation) -> None:
    outputs = activation_of(entry)(tf.constant(line_of(entry))).numpy()
    assert outputs.min() >= entry.range.low and outputs.max() <= entry.range.high
    for found, bound in ((outputs.min(), entry.range.low), (outputs.max(), entry.range.high)):
        assert abs(found) > 50 if math.isinf(bound) else abs(found - bound) < 1e-3


def inside(span: Interval) -> np.ndarray:
    low, high = (np.clip(bound, -60, 60) for bound in span)
    return np.linspace(low, high, 101)[1:-1]


def outside(span: Interval) -> list[float]:
    """Points just beyond the bounds that are not infinite."""
    return [
        bound + way * max(0.02, 0.15 * abs(bound))
        for bound, way in ((span.low, -1), (span.high, 1))
        if math.isfinite(bound)
    ]


@pytest.mark.parametrize("entry", ACTIVATIONS.values(), **by_name)
def test_where_activations_saturate_next_to_nothing_is_learned(entry: Activation) -> None:
    def slopes(points: object) -> np.ndarray:
        x = np.zeros((len(points), len(components(entry, "x"))))
        x[:, 0] = points
        for at, name in enumerate(components(entry, "x")[1:], 1):
            x[:, at] = entry.values[name]
        return np.abs(through_keras(entry, x)[1][:, 0, 0])

    for span in entry.saturates:
        assert slopes(inside(span)).max() < 1e-3
        assert slopes(outside(span)).min() >= 1e-3
    if not entry.saturates:
        assert slopes(np.linspace(-60, 60, 500)).min() >= 1e-3


# Losses.

PER_ROW = {"dice": {"axis": (1,)}, "tversky": {"axis": (1,)}}
SIGNED, BINARY = {"hinge", "squared_hinge"}, {"binary_focal_crossentropy"}
ONE_HOT = {"categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge"}
WHOLE = {"sparse_categorical_crossentropy", "categorical_generalized_cross_entropy"}
SUMS_TO_1 = {"kl_divergence"}
APART = {"circle", "ctc"}  # tested by themselves below
COMPARED = [entry for entry in LOSSES.values() if entry.name not in APART]


def loss_of(entry: Loss) -> keras.losses.Loss:
    options = spelled_by_keras(entry) | PER_ROW.get(entry.name, {})
    made = getattr(keras.losses, entry.keras.rpartition(".")[2])
    return made(reduction=None, dtype="float64", **options)


def losses_of_keras(entry: Loss, y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Losses (n,) and their gradients on the predictions (n, inputs)."""
    tensor = tf.constant(p, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        if entry.name in WHOLE and p.shape[1] == 1:  # Keras needs a second class beside the label's
            loss = loss_of(entry)(y[:, 0], tf.concat([tensor, 1 - tensor], axis=1))
        else:
            loss = loss_of(entry)(y[:, 0] if entry.name in WHOLE else y, tensor)
    return loss.numpy(), tape.gradient(loss, tensor).numpy()


def within(span: Interval) -> tuple[float, float]:
    """Bounds to draw from: inside of a logarithm's, and finite."""
    low = -20.0 if math.isinf(span.low) else span.low + (0.01 if span.low == 0 else 0)
    high = 20.0 if math.isinf(span.high) else span.high - (0.01 if span.high == 1 else 0)
    return low, high


def samples(entry: Loss, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions, exact hits and corners among them."""
    rng = np.random.default_rng(seed)
    count = len(components(entry, "prediction"))
    p = rng.uniform(*within(entry.predictions), size=(SIZE, count))
    y = rng.uniform(*within(entry.targets), size=(SIZE, count))
    if entry.name in SIGNED:
        y = np.sign(y)
    elif entry.name in BINARY:
        y = np.round(y)
    elif entry.name in ONE_HOT:
        y = np.eye(count)[rng.integers(count, size=SIZE)]
    elif entry.name in WHOLE:
        y = np.zeros((SIZE, count))
    elif entry.name in SUMS_TO_1:
        y, p = y / y.sum(1, keepdims=True), p / p.sum(1, keepdims=True)
    elif count == 1:
        p[:3] = y[:3]
        y[3:5] = p[3:5] + np.array([[1.0], [-1.0]]) if math.isinf(entry.targets.low) else y[3:5]
    return y, p


@pytest.mark.parametrize("entry", COMPARED, **by_name)
def test_circuit_derivative_and_keras_agree_on_losses(entry: Loss) -> None:
    names, targets = components(entry, "prediction"), components(entry, "target")

    @CALM
    @given(st.integers(0, 2**32))
    def agree(seed: int) -> None:
        y, p = samples(entry, seed)
        loss, slopes = losses_of_keras(entry, y, p)
        values = {name: p[:, at] for at, name in enumerate(names)}
        values |= {name: y[:, at] for at, name in enumerate(targets)}
        value, gradients = through_circuit(entry, 0, values)
        close(value, loss, entry.name)
        assert loss.min() >= entry.range.low - 1e-8 and loss.max() <= entry.range.high
        for at, name in enumerate(names):
            close(gradients[name], slopes[:, at])
            for row in range(SIZE):
                if entry.name != "categorical_hinge":  # its derivative is in words
                    told = read(entry.derivative, derivative_names(entry, y[row], p[row], at))
                    np.testing.assert_allclose(told, slopes[row, at], rtol=1e-5, atol=1e-6)

    agree()


def derivative_names(entry: Loss, y: np.ndarray, p: np.ndarray, at: int) -> dict[str, float]:
    """Every name that a loss's derivative may use, for one component."""
    names = {"y": y[0], "ŷ": p[0], "yi": y[at], "ŷi": p[at], "ŷk": p[0], "i": at, "k": 0}
    names |= {"Σy": y.sum(), "Σŷ": p.sum(), "Σyŷ": (y * p).sum(), "T": (y * p).sum()}
    norms = {"norm_y": np.linalg.norm(y), "norm_p": np.linalg.norm(p)}
    names |= {**norms, "L": -(y * p).sum() / (norms["norm_y"] * norms["norm_p"] or 1)}
    names |= setting_names(entry) | {"pi": p[at] / p.sum()}
    if entry.name == "categorical_focal_crossentropy":
        each = entry.derivative.partition(" = ")[2]
        shares = p / p.sum()
        inner = [read(each, {**names, "yi": a, "pi": b}) for a, b in zip(y, shares, strict=True)]
        names["Σdp"] = float(np.dot(inner, shares))
    return names


SCALAR_LOSSES = [entry for entry in COMPARED if components(entry, "prediction") == ["prediction"]]


@pytest.mark.parametrize("entry", SCALAR_LOSSES, **by_name)
def test_formula_and_keras_agree_on_losses(entry: Loss) -> None:
    y, p = samples(entry, 5)
    loss, _ = losses_of_keras(entry, y, p)
    for row in range(SIZE):
        names = {"y": y[row, 0], "ŷ": p[row, 0], **setting_names(entry)}
        np.testing.assert_allclose(read(entry.formula, names), loss[row], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("entry", [each for each in COMPARED if each.saturates], **by_name)
def test_where_losses_saturate_next_to_nothing_is_learned(entry: Loss) -> None:
    names, targets = components(entry, "prediction"), components(entry, "target")

    def slopes(points: object) -> np.ndarray:
        p = np.stack([points, *(np.full(len(points), entry.values[one]) for one in names[1:])], 1)
        y = np.stack([np.full(len(points), entry.values[one]) for one in targets], 1)
        return np.abs(losses_of_keras(entry, y, p)[1][:, 0])

    for span in entry.saturates:
        assert slopes(inside(span)).max() < 1e-3
        assert slopes(outside(span)).min() >= 1e-3


@pytest.mark.parametrize(("stranger", "kin"), [(0.3, 0.6), (0.1, 0.2), (0.9, 0.5), (1.2, 0.05)])
def test_circuit_and_keras_agree_on_circle(stranger: float, kin: float) -> None:
    def at(distance: float, way: float) -> list[float]:
        cosine = 1 - distance
        return [cosine, way * math.sqrt(1 - cosine**2), 0.0]

    points = tf.constant([[1.0, 0.0, 0.0], at(stranger, 1), at(kin, -1)], tf.float64)
    labels = tf.constant([0, 1, 0])
    theirs = keras.losses.Circle(reduction=None, dtype="float64")(labels, points)[0]
    values = {"prediction0": stranger, "prediction1": kin}
    entry = LOSSES["circle"]
    made = Circuit(parse(entry.circuit))
    ours = made.forward(**{name: {**entry.values, **values}[name] for name in made.inputs})
    assert ours == pytest.approx(float(theirs), rel=1e-6, abs=1e-9)


def test_the_weights_of_tversky_are_the_other_way_round_than_keras_says() -> None:
    missed, false_alarm = [[1.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 1.0]]
    for (y, p), counted in ((missed, "alpha"), (false_alarm, "beta")):
        loss = keras.losses.Tversky(**{"alpha": 0.0, "beta": 0.0, counted: 1.0})
        assert float(loss([y], [p])) == pytest.approx(0.5)
        other = keras.losses.Tversky(**{"alpha": 1.0, "beta": 1.0, counted: 0.0})
        assert float(other([y], [p])) == pytest.approx(0, abs=1e-6)


def test_labels_in_a_column_go_wrong_in_generalized_cross_entropy() -> None:
    loss = keras.losses.CategoricalGeneralizedCrossEntropy(reduction=None)
    p = tf.constant([[0.7, 0.3], [0.2, 0.8]])
    assert loss(tf.constant([0, 1]), p).shape == (2,)
    assert loss(tf.constant([[0], [1]]), p).shape == (2, 2)


def test_the_outputs_of_keras_for_sparsemax_do_not_add_up_to_1() -> None:
    # Once Keras mends it, compare with Keras like the others and take the advice back.
    theirs = keras.activations.sparsemax(tf.constant([[0.85, 0.0], [3.0, 0.0]]))
    np.testing.assert_allclose(theirs, [[0.5, 0.0], [1.0, 0.0]], atol=1e-6)
    paper = sparsemax_of_the_paper(tf.constant([[0.85, 0.0], [3.0, 0.0]]))
    np.testing.assert_allclose(paper, [[0.925, 0.075], [1.0, 0.0]], atol=1e-6)


def test_keras_hands_on_2_at_0_of_celu() -> None:
    x = tf.constant([0.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = keras.activations.celu(x)
    assert float(tape.gradient(y, x)[0]) == 2.0


# Regularizers.


@pytest.mark.parametrize("entry", REGULARIZERS.values(), **by_name)
def test_circuit_and_keras_agree_on_regularizers(entry: Regularizer) -> None:
    names = components(entry, "weight")
    values = {one.name: one.value for one in entry.settings}
    penalty = getattr(keras.regularizers, entry.keras.rpartition(".")[2])(**values)
    rng = np.random.default_rng(4)
    for weights in rng.normal(size=(SIZE, len(names))):
        tensor = tf.constant(weights.reshape(2, 2) if len(names) == 4 else weights, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            theirs = penalty(tensor)
        slopes = tape.gradient(theirs, tensor).numpy().reshape(-1)
        ours, gradients = through_circuit(
            entry, 0, {name: np.array(w) for name, w in zip(names, weights, strict=True)}
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-7)
        assert entry.range.low <= float(theirs) <= entry.range.high
        for name, slope in zip(names, slopes, strict=True):
            np.testing.assert_allclose(gradients[name], slope, rtol=1e-4, atol=1e-7)
        if len(names) == 1:
            told = read(entry.derivative, {"w": weights[0], **values})
            np.testing.assert_allclose(told, slopes[0], rtol=1e-4)


def test_l1_l2_does_nothing_by_itself() -> None:
    assert float(keras.regularizers.L1L2()(tf.ones(3))) == 0.0
