"""Which of six colours are in the picture? A multi-label convnet on generated scenes."""

import os

import keras
import numpy as np
from keras import layers

from gatescope.data.scenes import COLOURS, make_scenes

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))
NAMES = sorted(COLOURS)


def load(count, seed):
    scenes = make_scenes(count, seed=seed, size=32)
    images = np.stack([scene.image for scene in scenes])
    labels = np.array([[name in {o.colour for o in scene.objects} for name in NAMES] for scene in scenes])
    return images.astype("float32"), labels.astype("float32")


x_train, y_train = load(700, 0)
x_test, y_test = load(250, 1)

model = keras.Sequential(
    [
        keras.Input((32, 32, 3)),
        layers.Rescaling(1 / 127.5, offset=-1),
        layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
        layers.GlobalMaxPooling2D(),
        layers.Dense(32, activation="relu"),
        layers.Dense(len(NAMES), activation="sigmoid"),
    ]
)
model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.BinaryAccuracy(name="accuracy")])
model.fit(x_train, y_train, batch_size=16, epochs=15, verbose=2)
results = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
print(results)
