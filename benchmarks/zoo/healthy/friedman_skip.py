import os

import keras
import numpy as np
from keras import layers
from sklearn.datasets import make_friedman1
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))

x, y = make_friedman1(n_samples=1500, n_features=8, noise=0.5, random_state=11)
y = (y - y.mean()) / y.std()
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=11)

inputs = keras.Input(shape=(8,), name="features")
h = layers.Dense(48, activation="relu", name="first")(inputs)
h = layers.Dense(48, activation="relu", name="second")(h)
h = layers.Concatenate(name="skip")([h, inputs])
h = layers.Dense(24, activation="relu", name="third")(h)
outputs = layers.Dense(1, name="value")(h)
model = keras.Model(inputs=inputs, outputs=outputs, name="friedman")

schedule = keras.optimizers.schedules.ExponentialDecay(0.05, decay_steps=400, decay_rate=0.8)
model.compile(
    optimizer=keras.optimizers.SGD(learning_rate=schedule, momentum=0.9),
    loss=keras.losses.Huber(),
    metrics=[keras.metrics.MeanAbsoluteError()],
)
model.fit(x_train, y_train, epochs=30, batch_size=32, verbose=0)

test_loss, test_mae = model.evaluate(x_test, y_test, verbose=0)
print("huber %.4f, mae %.4f, guessing the mean %.4f" % (
    test_loss, test_mae, np.abs(y_test - y_train.mean()).mean()))
