"""Jobs for several processes, which import them from here; see test_distribution.py."""

import os
import signal

import keras
import numpy as np
from keras import layers

from gatescope.errors import UsageError
from gatescope.training.distribution import Job

RNG = np.random.default_rng(4)
X = RNG.normal(size=(41, 5)).astype("float32")
Y = (X.sum(1) > 0).astype("int64")


def classifier():
    inputs = keras.Input((5,))
    hidden = layers.Dense(16, "relu", kernel_regularizer="l2")(inputs)
    model = keras.Model(inputs, layers.Dense(2, "softmax")(hidden))
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def job():
    """The last batch of 8 has one row: one of two workers has none of it."""
    return Job(classifier(), (X, Y), (X[:9], Y[:9]))


def normalized():
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(2, "softmax"),
        ]
    )
    model.compile(loss="sparse_categorical_crossentropy")
    return Job(model, (X, Y))


def uncompiled():
    return Job(keras.Sequential([keras.Input((5,)), layers.Dense(2)]), (X, Y))


def dying():
    """The second of two workers is killed when the third epoch asks for its data."""
    import json

    import tensorflow as tf

    rank = json.loads(os.environ["TF_CONFIG"])["task"]["index"]

    def data(epoch):
        if rank == 1 and epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)

    return Job(classifier(), data)


def surviving():
    """The same without the death."""
    import tensorflow as tf

    return Job(classifier(), lambda epoch: tf.data.Dataset.from_tensor_slices((X, Y)).batch(8))


def by_keras():
    """What `keras.Model.fit` makes of it, as an error's text."""
    model = classifier()
    try:
        model.fit(X, Y, batch_size=8, verbose=0)
    except Exception as error:
        raise UsageError("fit fails", type(error).__name__, "") from error
    raise UsageError("fit works", "", "")
