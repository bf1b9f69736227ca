"""Which wave is it: sine, square or sawtooth? Stacked GRU, functional API."""

import os

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))

STEPS = 30
NAMES = ["sine", "square", "sawtooth"]


def make_waves(count, rng):
    kind = rng.integers(0, 3, size=count)
    frequency = rng.uniform(1.0, 3.0, size=(count, 1))
    phase = rng.uniform(0, 1, size=(count, 1))
    cycles = frequency * np.linspace(0, 1, STEPS)[None, :] + phase
    waves = np.stack([np.sin(2 * np.pi * cycles), np.sign(np.sin(2 * np.pi * cycles)), 2 * (cycles % 1) - 1])
    chosen = waves[kind, np.arange(count)]
    noisy = chosen + rng.normal(0, 0.15, size=chosen.shape)
    return noisy[..., None].astype("float32"), kind


x_train, y_train = make_waves(1200, np.random.default_rng(1))
x_test, y_test = make_waves(400, np.random.default_rng(2))

inputs = keras.Input((STEPS, 1))
x = layers.GRU(24, return_sequences=True)(inputs)
x = layers.GRU(24)(x)
outputs = layers.Dense(len(NAMES), activation="softmax")(x)
model = keras.Model(inputs, outputs)

model.compile(
    loss="sparse_categorical_crossentropy",
    optimizer=keras.optimizers.Adam(learning_rate=5e-3),
    metrics=["accuracy"],
)
model.fit(x_train, y_train, batch_size=32, epochs=8, verbose=2)
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print("accuracy on new waves", round(accuracy, 3))
