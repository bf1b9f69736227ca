"""1D convolutions over a sensor: what kind of bump is in the signal (tf.data pipeline)."""

import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))

LENGTH = 64
NUM_CLASSES = 4
BATCH_SIZE = 32


def make_signals(count, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.4, (count, LENGTH)).astype("float32")
    y = rng.integers(0, NUM_CLASSES, count)
    shapes = np.stack([
        np.hanning(12),
        np.linspace(0, 1, 12),
        np.linspace(1, 0, 12),
        np.sin(np.linspace(0, 2 * np.pi, 12)),
    ])
    for row, label in enumerate(y):
        at = rng.integers(0, LENGTH - 12)
        x[row, at:at + 12] += 2 * shapes[label]
    return x[..., np.newaxis], y


x_train, y_train = make_signals(1600, 0)
x_test, y_test = make_signals(400, 1)

train_ds = tf.data.Dataset.from_tensor_slices((x_train, y_train))
train_ds = train_ds.shuffle(2000).batch(BATCH_SIZE).prefetch(1)
test_ds = tf.data.Dataset.from_tensor_slices((x_test, y_test)).batch(BATCH_SIZE)

model = keras.Sequential([
    keras.Input(shape=(LENGTH, 1)),
    layers.Conv1D(16, 7, padding="same", activation="relu"),
    layers.MaxPooling1D(2),
    layers.Conv1D(32, 5, padding="same", activation="relu"),
    layers.GlobalMaxPooling1D(),
    layers.Dropout(0.2),
    layers.Dense(NUM_CLASSES, activation="softmax"),
])
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.003),
    loss=keras.losses.SparseCategoricalCrossentropy(),
    metrics=["accuracy"],
)
model.fit(train_ds, epochs=12, validation_data=test_ds, verbose=2)

loss, acc = model.evaluate(test_ds, verbose=0)
print("Test accuracy: %.3f" % acc)
