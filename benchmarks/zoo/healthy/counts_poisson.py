"""Bicycle counts: Poisson regression with an exponential output."""
import os

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))

rng = np.random.default_rng(77)
n = 2400
hour = rng.uniform(0, 24, n)
temp = rng.uniform(-5, 30, n)
rain = rng.random(n) < 0.25
rate = np.exp(1.0 + 0.9 * np.sin((hour - 9) / 24 * 2 * np.pi) + 0.035 * temp - 0.8 * rain)
bikes = rng.poisson(rate)

x = np.column_stack([np.sin(hour / 24 * 2 * np.pi), np.cos(hour / 24 * 2 * np.pi), temp / 30, rain])
x_train, y_train, x_test, y_test = x[:1800], bikes[:1800], x[1800:], bikes[1800:]

model = keras.Sequential([
    layers.Input(shape=(4,)),
    layers.Dense(24, activation="tanh"),
    layers.Dense(24, activation="tanh"),
    layers.Dense(1, activation="exponential"),
])
model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.01), loss=keras.losses.Poisson(), metrics=["mae"])
model.fit(x_train, y_train, epochs=20, batch_size=32, verbose=0)
loss, mae = model.evaluate(x_test, y_test, verbose=0)
print("mean miss", mae, "of", y_test.mean(), "bikes")
