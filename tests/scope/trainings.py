"""Trainings of every kind, small: what watching must not change.

Each builds a compiled model from a fixed seed and returns it with the arguments of `fit`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

SAMPLES, BATCH, FEATURES = 40, 8, 5
Training = tuple[keras.Model, dict[str, Any]]
TRAININGS: dict[str, Callable[[], Training]] = {}


def _training(build: Callable[[], Training]) -> Callable[[], Training]:
    def seeded() -> Training:
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(11)
        try:
            return build()
        finally:
            keras.config.set_dtype_policy("float32")

    TRAININGS[build.__name__] = seeded
    return seeded


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(SAMPLES, FEATURES)).astype("float32")
    return x, (x.sum(1) > 0).astype("float32")[:, None]


def plain(**compiled: Any) -> keras.Model:
    stack = [layers.Dense(6, activation="relu", name="hidden"), layers.Dropout(0.2)]
    model = keras.Sequential([keras.Input((FEATURES,)), *stack, layers.Dense(1, name="head")])
    settings = {"optimizer": "adam", "loss": "mse", "metrics": ["mae"], "jit_compile": False}
    model.compile(**(settings | compiled))
    return model


def given(**more: Any) -> dict[str, Any]:
    x, y = data()
    return {"x": x, "y": y, "batch_size": BATCH, "epochs": 2, "verbose": 0} | more


@_training
def sequential() -> Training:
    return plain(), given()


@_training
def several_steps_an_execution() -> Training:
    return plain(steps_per_execution=4), given()


@_training
def eagerly() -> Training:
    return plain(run_eagerly=True), given()


@_training
def accumulated() -> Training:
    optimizer = keras.optimizers.Adam(gradient_accumulation_steps=2)
    return plain(optimizer=optimizer), given()


@_training
def half_precision() -> Training:
    keras.config.set_dtype_policy("mixed_float16")
    return plain(), given()


@_training
def scheduled_and_clipped() -> Training:
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, clipnorm=0.5, use_ema=True)
    return plain(optimizer=optimizer), given()


@_training
def images() -> Training:
    stack = [
        layers.Conv2D(3, 3, use_bias=False, name="conv"),
        layers.BatchNormalization(),
        layers.DepthwiseConv2D(2, activation="tanh"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((6, 6, 1)), *stack])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    x = np.random.default_rng(0).random((SAMPLES, 6, 6, 1)).astype("float32")
    return model, given(x=x, y=data()[1][:, 0], validation_split=0.2)


@_training
def words() -> Training:
    stack = [
        layers.Embedding(9, 4, mask_zero=True),
        layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
        layers.GRU(3, dropout=0.1),
        layers.Dense(1, activation="sigmoid"),
    ]
    model = keras.Sequential([keras.Input((5,), dtype="int32"), *stack])
    model.compile("rmsprop", "binary_crossentropy", jit_compile=False)
    x = np.random.default_rng(0).integers(0, 9, (SAMPLES, 5))
    return model, given(x=x, class_weight={0: 1.0, 1: 3.0})


@_training
def several_outputs() -> Training:
    a, b = keras.Input((FEATURES,), name="a"), keras.Input((FEATURES,), name="b")
    shared = keras.Sequential([layers.Dense(4, activation="elu"), layers.LayerNormalization()])
    joined = layers.Concatenate()([shared(a), shared(b)])
    outputs = {"left": layers.Dense(1)(joined), "right": layers.Dense(2)(joined)}
    model = keras.Model({"a": a, "b": b}, outputs)
    losses = {"left": "mse", "right": "mae"}
    model.compile("adam", losses, loss_weights={"left": 1.0, "right": 0.5}, jit_compile=False)
    x, y = data()
    return model, given(x={"a": x, "b": -x}, y={"left": y, "right": np.hstack([y, -y])})


class Subclassed(keras.Model):
    """Layers in lists and attributes, some called twice, one in a loop of the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = [layers.Dense(FEATURES, activation="tanh") for _ in range(2)]
        self.again = layers.Dense(FEATURES)
        self.head = layers.Dense(1)

    def call(self, x: Any, training: bool = False) -> Any:
        for layer in self.stack:
            x = layer(x)
        x = self.again(self.again(x))
        _, x = tf.while_loop(
            lambda step, x: step < 2, lambda step, x: (step + 1, self.again(x)), (0, x)
        )
        self.add_loss(tf.reduce_mean(tf.square(x)))
        return self.head(x)


@_training
def subclassed() -> Training:
    model = Subclassed()
    model.compile("adam", "mse", jit_compile=False)
    x, y = data()
    return model, given(sample_weight=np.linspace(0, 1, SAMPLES), validation_data=(x, y))


class Gan(keras.Model):
    """Two optimizers in a step of its own, which draws random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.maker, self.judge = layers.Dense(FEATURES), layers.Dense(1)
        self.maker.build((None, 3))
        self.judge.build((None, FEATURES))
        self.seeds = keras.random.SeedGenerator(1)

    def compile(self, **settings: Any) -> None:
        super().compile(**settings)
        self.first, self.second = keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.02)

    def train_step(self, real: Any) -> dict[str, Any]:
        noise = keras.random.normal((BATCH, 3), seed=self.seeds)
        made = self.maker(noise)
        with tf.GradientTape() as tape:
            lost = tf.reduce_mean(self.judge(made)) - tf.reduce_mean(self.judge(real))
        weights = self.judge.trainable_weights
        self.first.apply_gradients(zip(tape.gradient(lost, weights), weights, strict=True))
        with tf.GradientTape() as tape:
            won = -tf.reduce_mean(tf.tanh(self.judge(self.maker(noise))))
        weights = self.maker.trainable_weights
        self.second.apply_gradients(zip(tape.gradient(won, weights), weights, strict=True))
        return {"lost": lost, "won": won}


@_training
def adversarial() -> Training:
    model = Gan()
    model.compile(jit_compile=False)
    dataset = tf.data.Dataset.from_tensor_slices(data()[0]).batch(BATCH).repeat()
    return model, {"x": dataset, "epochs": 2, "steps_per_epoch": 4, "verbose": 0}


@_training
def called_back() -> Training:
    stop = keras.callbacks.EarlyStopping("loss", patience=0, restore_best_weights=True)
    rate = keras.callbacks.LearningRateScheduler(lambda epoch: [0.01, 0.7, 0.01][epoch])
    return plain(optimizer="sgd"), given(epochs=3, callbacks=[stop, rate])


@_training
def generated() -> Training:
    def batches() -> Any:
        x, y = data()
        for place in range(0, SAMPLES, BATCH):
            yield x[place : place + BATCH], y[place : place + BATCH]

    return plain(), {"x": batches(), "steps_per_epoch": 2, "epochs": 2, "verbose": 0}


class Batches(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 5

    def __getitem__(self, place: int) -> Any:
        x, y = data()
        return x[place * BATCH :][:BATCH], y[place * BATCH :][:BATCH], np.full(BATCH, 0.5)


@_training
def python_dataset() -> Training:
    return plain(), {"x": Batches(), "epochs": 2, "verbose": 0}
