"""Who is it? Thirty people, fifteen grey photos each, a plain network on small images."""
import io
import os
import zipfile

import keras
import numpy as np
from keras import layers
from PIL import Image

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))

folder = os.environ.get("ZOO_DATA", "../shared/data")
pictures, people = [], []
with zipfile.ZipFile(os.path.join(folder, "faces.zip")) as z:
    for name in sorted(n for n in z.namelist() if n.endswith(".pgm")):
        person = int(name.split("/")[-2].lstrip("s"))
        picture = Image.open(io.BytesIO(z.read(name))).resize((23, 28))
        pictures.append(np.asarray(picture, dtype="float32"))
        people.append(person)

names, people = np.unique(people, return_inverse=True)
pictures = np.array(pictures).reshape(len(pictures), -1)
pictures = (pictures - 127.5) / 127.5
shuffled = np.random.RandomState(8).permutation(len(pictures))
pictures, people = pictures[shuffled], people[shuffled]
x_train, y_train = pictures[:330], people[:330]
x_test, y_test = pictures[330:], people[330:]
print(x_train.shape, x_test.shape, len(names))

inputs = keras.Input(shape=(x_train.shape[1],))
x = layers.Dense(96, activation="relu")(inputs)
x = layers.Dropout(0.2)(x)
x = layers.Dense(96, activation="relu")(x)
outputs = layers.Dense(len(names), activation="softmax")(x)
model = keras.Model(inputs, outputs)

model.compile(loss="sparse_categorical_crossentropy", optimizer=keras.optimizers.Adam(1e-3), metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=16, epochs=50, verbose=0)
test_loss, test_accuracy = model.evaluate(x_test, y_test, verbose=0)
print("test accuracy", test_accuracy)
