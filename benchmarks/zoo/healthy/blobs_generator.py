# fitting from a python generator
import os

import numpy as np
from sklearn.datasets import make_blobs

import keras
from keras.layers import Activation, Dense
from keras.models import Sequential

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", 0)))

BATCH = 32
CENTERS = 6

points, blob = make_blobs(n_samples=2400, centers=CENTERS, cluster_std=1.6, random_state=4)
points = points / 10.0
x_train, y_train = points[:1800], blob[:1800]
x_test, y_test = points[1800:], blob[1800:]


def batches(x, y):
    while True:
        rows = np.random.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            chosen = rows[start:start + BATCH]
            yield x[chosen], y[chosen]


model = Sequential()
model.add(keras.Input(shape=(2,)))
model.add(Dense(32))
model.add(Activation("relu"))
model.add(Dense(32))
model.add(Activation("relu"))
model.add(Dense(CENTERS))
model.add(Activation("softmax"))

model.compile(loss="sparse_categorical_crossentropy",
              optimizer=keras.optimizers.Adam(learning_rate=0.01),
              metrics=["accuracy"])

model.fit(batches(x_train, y_train), steps_per_epoch=len(x_train) // BATCH, epochs=15, verbose=2)

result = model.evaluate(x_test, y_test, verbose=0)
print("loss, accuracy:", result)
