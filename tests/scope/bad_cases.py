"""Trainings that go wrong at a known step, in a known layer and operation.

    for name, build in CASES.items():
        case = build(jit=False)
        case.model.fit(case.x, case.y, batch_size=BATCH, shuffle=False)

All draw from a fixed seed. Steps before `case.step` are healthy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers

BATCH, STEPS, WRONG = 8, 6, 3


class Case(NamedTuple):
    """A training, and where it goes wrong.

    `layer` and `op` are what the event must name; None stands for a value that was bad as it came
    in, whose name `told` holds. `xla` says whether XLA compiles it.
    """

    model: keras.Model
    x: Any
    y: Any
    step: int
    layer: str | None
    op: str | None
    told: str = ""
    xla: bool = True


CASES: dict[str, Callable[[], Case]] = {}


def _case(build: Callable[[], Case]) -> Callable[[], Case]:
    def seeded() -> Case:
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(3)
        try:
            return build()
        finally:
            keras.config.set_dtype_policy("float32")

    CASES[build.__name__] = seeded
    return seeded


class Op(layers.Layer):
    """Any function as a layer."""

    def __init__(self, function: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function

    def call(self, x: Any) -> Any:
        return self.function(x)


def data(features: int = 4, **at: float) -> Any:
    """Healthy rows, but for the columns named `c0=…`, … in the batch that goes wrong."""
    x = np.random.default_rng(0).uniform(0.5, 1.5, (BATCH * STEPS, features)).astype("float32")
    for column, value in at.items():
        x[BATCH * WRONG + 2, int(column[1:])] = value
    return x


def targets(x: Any) -> Any:
    return x.reshape(len(x), -1)[:, :1] * 0.5


def trained(
    *stack: Any, features: int = 4, loss: Any = "mse", optimizer: Any = None, **at: float
) -> tuple[keras.Model, Any, Any]:
    """A compiled model of layers, with data and targets."""
    x = data(features, **at)
    model = keras.Sequential([keras.Input((features,)), *stack])
    model.compile(optimizer or keras.optimizers.SGD(1e-3), loss)
    return model, x, targets(x)


def head() -> Any:
    return layers.Dense(1, name="head")


@_case
def log_of_zero() -> Case:
    model, x, y = trained(Op(tf.math.log, name="logarithm"), head(), c1=0.0)
    return Case(model, x, y, WRONG, "logarithm", "Log")


@_case
def zero_by_zero() -> Case:
    def share(x: Any) -> Any:
        return x[:, :2] / x[:, 2:]

    model, x, y = trained(Op(share, name="share"), head(), c0=0.0, c2=0.0)
    return Case(model, x, y, WRONG, "share", "RealDiv")


@_case
def one_by_zero() -> Case:
    model, x, y = trained(Op(tf.math.reciprocal, name="inverse"), head(), c0=0.0)
    return Case(model, x, y, WRONG, "inverse", "Reciprocal")


@_case
def exp_overflow() -> Case:
    model, x, y = trained(Op(tf.exp, name="exponential"), head(), c0=200.0)
    return Case(model, x, y, WRONG, "exponential", "Exp")


@_case
def float16_overflow() -> Case:
    keras.config.set_dtype_policy("mixed_float16")
    large = layers.Dense(4, kernel_initializer="ones", name="large")
    model, x, y = trained(
        large, layers.Dense(1, dtype="float32", name="head"), c0=60_000.0, c1=60_000.0
    )
    return Case(model, x, y, WRONG, "large", "MatMul")


@_case
def float16_square() -> Case:
    keras.config.set_dtype_policy("mixed_float16")
    model, x, y = trained(
        Op(tf.square, name="square"), layers.Dense(1, dtype="float32", name="head"), c0=300.0
    )
    return Case(model, x, y, WRONG, "square", "Square")


@_case
def nan_input() -> Case:
    model, x, y = trained(layers.Dense(3, name="first"), head(), c2=np.nan)
    return Case(model, x, y, WRONG, None, None, "the input 'x'")


@_case
def infinite_input() -> Case:
    model, x, y = trained(layers.Dense(3, name="first"), head(), c2=np.inf)
    return Case(model, x, y, WRONG, None, None, "the input 'x'")


@_case
def nan_target() -> Case:
    model, x, y = trained(layers.Dense(3, name="first"), head())
    y[BATCH * WRONG + 1] = np.nan
    return Case(model, x, y, WRONG, None, None, "the input 'y'")


@_case
def exploding_rnn() -> Case:
    kept = keras.initializers.Identity(gain=60.0)
    cell = layers.SimpleRNN(
        3, activation="linear", recurrent_initializer=kept, kernel_initializer="ones", name="rnn"
    )
    x = np.zeros((BATCH * STEPS, 30, 2), "float32")
    x[BATCH * WRONG :] = 1.0
    model = keras.Sequential([keras.Input((30, 2)), cell, head()])
    model.compile(keras.optimizers.SGD(1e-9), "mse")
    return Case(model, x, targets(x), WRONG, "rnn", "MatMul")


@_case
def exploding_rate() -> Case:
    model, x, y = trained(head(), optimizer=keras.optimizers.SGD(1e12))
    return Case(model, x, y, 2, "mse", "Square")


@_case
def gradient_of_root() -> Case:
    model, x, y = trained(
        layers.Dense(3, use_bias=False, name="first"), Op(tf.sqrt, name="root"), head()
    )
    model.layers[0].set_weights([np.ones((4, 3), "float32")])
    x[BATCH * WRONG + 2] = 0.0
    return Case(model, x, y, WRONG, "root", "SqrtGrad")


@_case
def where_trap() -> Case:
    def safe(x: Any) -> Any:
        return tf.where(x > 0, tf.math.log(x), 0.0)

    first = layers.Dense(3, use_bias=False, kernel_initializer="ones", name="first")
    model, x, y = trained(first, Op(safe, name="safe"), head())
    x[BATCH * WRONG + 2] = 0.0
    return Case(model, x, y, WRONG, "safe", "Log")


@_case
def gradient_of_norm() -> Case:
    first = layers.Dense(3, use_bias=False, name="first")
    model, x, y = trained(
        first, Op(lambda x: tf.norm(x, axis=1, keepdims=True), name="norm"), head()
    )
    x[BATCH * WRONG + 2] = 0.0
    return Case(model, x, y, WRONG, "norm", "SqrtGrad")


@_case
def gradient_of_power() -> Case:
    first = layers.Dense(3, use_bias=False, kernel_initializer="ones", name="first")
    model, x, y = trained(first, Op(lambda x: tf.pow(x, 0.5), name="power"), head())
    x[BATCH * WRONG + 2] = 0.0
    return Case(model, x, y, WRONG, "power", "Pow")


@_case
def gradient_of_embedding() -> Case:
    x = np.random.default_rng(0).integers(1, 9, (BATCH * STEPS, 5))
    x[BATCH * WRONG + 3, 4] = 0
    table = np.ones((9, 4), "float32")
    table[0] = 0.0
    stack = [
        layers.Embedding(9, 4, name="table"),
        Op(tf.sqrt, name="root"),
        layers.Flatten(),
        head(),
    ]
    model = keras.Sequential([keras.Input((5,), dtype="int32"), *stack])
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    model.layers[0].set_weights([table])
    return Case(model, x, targets(x.astype("float32")), WRONG, "root", "SqrtGrad")


@_case
def loss_that_divides() -> Case:
    def relative(y: Any, predicted: Any) -> Any:
        return tf.reduce_mean(tf.abs(y - predicted) / y)

    model, x, y = trained(layers.Dense(3, name="first"), head(), loss=relative)
    y[BATCH * WRONG + 1] = 0.0
    return Case(model, x, y, WRONG, "relative", "RealDiv")


@_case
def loss_with_log() -> Case:
    def likelihood(y: Any, predicted: Any) -> Any:
        return -tf.reduce_mean(y * tf.math.log(predicted))

    ready = layers.Dense(1, kernel_initializer="ones", activation="relu", name="head")
    model, x, y = trained(ready, loss=likelihood)
    x[BATCH * WRONG + 2] = -1.0
    return Case(model, x, y, WRONG, "likelihood", "Log")


@_case
def layer_of_ones_own() -> Case:
    class Normalized(layers.Layer):
        def call(self, x: Any) -> Any:
            return x / tf.reduce_sum(x, axis=1, keepdims=True)

    model, x, y = trained(Normalized(name="normalized"), head())
    x[BATCH * WRONG + 2] = 0.0
    return Case(model, x, y, WRONG, "normalized", "RealDiv")


@_case
def softmax_by_hand() -> Case:
    def softmax(x: Any) -> Any:
        e = tf.exp(x)
        return e / tf.reduce_sum(e, axis=1, keepdims=True)

    model, x, y = trained(Op(softmax, name="by_hand"), head(), c1=100.0)
    return Case(model, x, y, WRONG, "by_hand", "Exp")


@_case
def variance_of_nothing() -> Case:
    strict = layers.BatchNormalization(epsilon=0.0, name="strict")
    model, x, y = trained(layers.Dense(2, name="first"), strict, head())
    x[BATCH * WRONG : BATCH * (WRONG + 1)] = 1.0
    return Case(model, x, y, WRONG, "strict", "Rsqrt")


@_case
def standard_score() -> Case:
    def score(x: Any) -> Any:
        mean = tf.reduce_mean(x, axis=1, keepdims=True)
        return (x - mean) / tf.math.reduce_std(x, axis=1, keepdims=True)

    model, x, y = trained(Op(score, name="score"), head())
    x[BATCH * WRONG + 2] = 1.0
    return Case(model, x, y, WRONG, "score", "RealDiv")


@_case
def arc_cosine() -> Case:
    model, x, y = trained(Op(lambda x: tf.acos(x / 2), name="angle"), head(), c0=2.5)
    return Case(model, x, y, WRONG, "angle", "Acos")


@_case
def root_of_negative() -> Case:
    model, x, y = trained(Op(tf.sqrt, name="root"), head(), c3=-1.0)
    return Case(model, x, y, WRONG, "root", "Sqrt")


@_case
def power_of_negative() -> Case:
    model, x, y = trained(Op(lambda x: tf.pow(x, 1.5), name="power"), head(), c3=-1.0)
    return Case(model, x, y, WRONG, "power", "Pow")


@_case
def logarithm_of_one_minus() -> Case:
    model, x, y = trained(Op(lambda x: tf.math.log1p(-x / 2), name="log1p"), head(), c3=2.0)
    return Case(model, x, y, WRONG, "log1p", "Log1p")


@_case
def infinity_less_infinity() -> Case:
    def difference(x: Any) -> Any:
        return tf.sinh(x) - tf.cosh(x)

    model, x, y = trained(Op(difference, name="difference"), head(), c0=100.0)
    return Case(model, x, y, WRONG, "difference", "Sinh")


@_case
def product_of_huge() -> Case:
    model, x, y = trained(Op(lambda x: x * x, name="squared"), head(), c0=1e20)
    return Case(model, x, y, WRONG, "squared", "Mul")


@_case
def convolution() -> Case:
    x = np.random.default_rng(0).random((BATCH * STEPS, 6, 6, 1)).astype("float32")
    x[BATCH * WRONG, 5, 5] = 0.0
    stack = [
        Op(tf.math.log, name="logarithm"),
        layers.Conv2D(2, 3, padding="same", name="conv"),
        layers.GlobalAveragePooling2D(),
        head(),
    ]
    model = keras.Sequential([keras.Input((6, 6, 1)), *stack])
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    return Case(model, x, targets(x), WRONG, "logarithm", "Log")


@_case
def gradient_in_a_corner() -> Case:
    x = np.random.default_rng(0).uniform(0.5, 1, (BATCH * STEPS, 6, 6, 1)).astype("float32")
    x[BATCH * WRONG, 5, 5] = 0.0
    stack = [
        layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer="ones", name="depthwise"),
        Op(tf.sqrt, name="root"),
        layers.GlobalAveragePooling2D(),
        head(),
    ]
    model = keras.Sequential([keras.Input((6, 6, 1)), *stack])
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    return Case(model, x, targets(x), WRONG, "root", "SqrtGrad")


@_case
def attention_without_keys() -> Case:
    def attend(x: Any) -> Any:
        scores = tf.where(x > 0.0, x, -np.inf)
        return tf.nn.softmax(scores, axis=-1)

    model, x, y = trained(Op(attend, name="attention"), head())
    x[BATCH * WRONG + 2] = -1.0
    return Case(model, x, y, WRONG, "attention", "Softmax")


@_case
def penalty() -> Case:
    first = layers.Dense(
        3, name="first", activity_regularizer=lambda out: tf.reduce_mean(tf.math.log(out))
    )
    first.kernel_initializer = keras.initializers.Ones()
    model, x, y = trained(first, head())
    x[BATCH * WRONG + 2] = 0.0
    return Case(model, x, y, WRONG, "first", "Log")


@_case
def cross_entropy_of_probabilities() -> Case:
    def entropy(y: Any, predicted: Any) -> Any:
        return -tf.reduce_mean((1 - y) * tf.math.log(1 - predicted))

    sure = layers.Dense(1, kernel_initializer="ones", activation="sigmoid", name="head")
    model, x, y = trained(sure, loss=entropy, c0=60.0)
    return Case(model, x, y, WRONG, "entropy", "Log")


@_case
def gradient_of_distance() -> Case:
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(3, use_bias=False, name="shared")

    def distance(pair: Any) -> Any:
        return tf.sqrt(tf.reduce_sum(tf.square(pair[0] - pair[1]), axis=1, keepdims=True))

    model = keras.Model([a, b], Op(distance, name="distance")([shared(a), shared(b)]))
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    one, two = data(), data()[::-1].copy()
    two[BATCH * WRONG + 2] = one[BATCH * WRONG + 2]
    return Case(model, [one, two], targets(one), WRONG, "distance", "SqrtGrad")


@_case
def dictionary_of_inputs() -> Case:
    size, count = keras.Input((1,), name="size"), keras.Input((1,), name="count")

    def ratio(pair: Any) -> Any:
        return tf.math.log(pair[0] / pair[1])

    model = keras.Model(
        {"size": size, "count": count}, head()(Op(ratio, name="ratio")([size, count]))
    )
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    x = {"size": data(1), "count": data(1)}
    x["count"][BATCH * WRONG + 2] = 0.0
    return Case(model, x, targets(x["size"]), WRONG, "ratio", "RealDiv")


@_case
def large_gradient() -> Case:
    wide = layers.Dense(300, use_bias=False, kernel_initializer="ones", name="wide")
    slow = keras.optimizers.SGD(1e-9)
    model, x, y = trained(wide, Op(tf.sqrt, name="root"), head(), features=100, optimizer=slow)
    x[BATCH * WRONG + 2] = 0.0
    return Case(model, x, y, WRONG, "root", "SqrtGrad")
