"""Three spiral arms, five hidden layers."""
import os

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))


def spiral(points, arms, seed):
    rng = np.random.default_rng(seed)
    x, y = [], []
    for arm in range(arms):
        r = np.linspace(0.05, 1, points)
        theta = np.linspace(arm * 4, (arm + 1) * 4, points) + rng.normal(0, 0.15, points)
        x.append(np.c_[r * np.sin(theta), r * np.cos(theta)])
        y.append(np.full(points, arm))
    return np.concatenate(x).astype("float32"), np.concatenate(y)


X_train, y_train = spiral(400, 3, 0)
X_test, y_test = spiral(150, 3, 1)

model = keras.Sequential()
model.add(layers.Input(shape=(2,)))
model.add(layers.Dense(32, kernel_initializer="he_normal", activation="relu"))
model.add(layers.Dense(32, kernel_initializer="he_normal", activation="relu"))
model.add(layers.Dense(32, kernel_initializer="he_normal", activation="relu"))
model.add(layers.Dense(32, kernel_initializer="he_normal", activation="relu"))
model.add(layers.Dense(32, kernel_initializer="he_normal", activation="relu"))
model.add(layers.Dense(3, activation="softmax"))

model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.003),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
model.fit(X_train, y_train, epochs=30, batch_size=32, verbose=0)
loss, acc = model.evaluate(X_test, y_test, verbose=0)
print(f"accuracy {acc:.3f} (chance 0.333)")
