"""Wine cultivars: functional API, integer labels, logits."""

import os

import numpy as np
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

import keras
from keras import layers

SEED = int(os.environ.get("ZOO_SEED", "0"))
keras.utils.set_random_seed(SEED)

features, labels = load_wine(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(
    features, labels, test_size=0.3, stratify=labels, random_state=1
)

mean = x_train.mean(axis=0)
std = x_train.std(axis=0)
x_train = (x_train - mean) / std
x_test = (x_test - mean) / std

inputs = keras.Input(shape=(13,))
x = layers.Dense(32, activation="relu")(inputs)
x = layers.Dense(16, activation="relu")(x)
outputs = layers.Dense(3)(x)
model = keras.Model(inputs, outputs)

model.compile(
    optimizer=keras.optimizers.SGD(learning_rate=0.05, momentum=0.9),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(x_train, y_train, batch_size=16, epochs=40, verbose=2)

loss, acc = model.evaluate(x_test, y_test, verbose=0)
print("test loss:", loss)
print("test accuracy:", acc)
print(np.bincount(model.predict(x_test, verbose=0).argmax(axis=1)))
