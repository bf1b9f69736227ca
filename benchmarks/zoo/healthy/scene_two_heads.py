"""Two questions about a generated scene: how many objects, and how much of it is covered."""

import os

import keras
import numpy as np
from keras import layers

from gatescope.data.scenes import make_scenes

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))


def load(count, seed):
    scenes = make_scenes(count, seed=seed, size=32)
    x = np.stack([scene.image for scene in scenes]).astype("float32") / 255.0
    objects = np.array([len(scene.objects) for scene in scenes]) - 1
    boxes = [scene.boxes for scene in scenes]
    covered = np.array([np.sum((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])) for b in boxes])
    return x, objects, (covered * 10).astype("float32")


x_train, count_train, area_train = load(700, 0)
x_test, count_test, area_test = load(250, 1)

image = keras.Input(shape=(32, 32, 3), name="image")
x = layers.Conv2D(16, 3, activation="relu", padding="same")(image)
x = layers.MaxPooling2D()(x)
x = layers.Conv2D(24, 3, activation="relu", padding="same")(x)
x = layers.MaxPooling2D()(x)
x = layers.Flatten()(x)
x = layers.Dense(32, activation="relu")(x)
count = layers.Dense(3, activation="softmax", name="count")(x)
area = layers.Dense(1, name="area")(x)

model = keras.Model(image, {"count": count, "area": area})
model.compile(
    optimizer=keras.optimizers.Adam(2e-3),
    loss={"count": "sparse_categorical_crossentropy", "area": "mse"},
    loss_weights={"count": 1.0, "area": 0.5},
    metrics={"count": ["accuracy"], "area": ["mae"]},
)
model.fit(
    x_train,
    {"count": count_train, "area": area_train},
    epochs=15,
    batch_size=32,
    verbose=0,
)
results = model.evaluate(x_test, {"count": count_test, "area": area_test}, verbose=0, return_dict=True)
for name, value in sorted(results.items()):
    print(f"{name:20s} {value:.4f}")
