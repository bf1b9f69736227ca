# noisy XOR with a home-made layer and train_on_batch
import os

import numpy as np
import keras
from keras import ops

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))


class Linear(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="glorot_uniform")
        self.b = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, inputs):
        return ops.matmul(inputs, self.w) + self.b


rng = np.random.default_rng(6)
x = rng.uniform(-1, 1, size=(2000, 2)).astype("float32")
y = ((x[:, 0] > 0) != (x[:, 1] > 0)).astype("float32")
x_train, y_train = x[:1500], y[:1500]
x_test, y_test = x[1500:], y[1500:]

model = keras.Sequential([
    keras.Input(shape=(2,)),
    Linear(16),
    keras.layers.LeakyReLU(),
    Linear(16),
    keras.layers.LeakyReLU(),
    keras.layers.Dense(1, activation="sigmoid"),
])
model.compile(optimizer=keras.optimizers.Nadam(learning_rate=0.01), loss="binary_crossentropy", metrics=["accuracy"])

for step in range(900):
    batch = rng.choice(len(x_train), 32, replace=False)
    logs = model.train_on_batch(x_train[batch], y_train[batch], return_dict=True)
    if step % 200 == 0:
        print(step, {k: round(float(v), 3) for k, v in logs.items()})

loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print("xor accuracy:", accuracy)
