"""A dense classifier with a validation split, its history printed."""
import keras
import numpy as np

keras.utils.set_random_seed(1)
x = np.random.rand(256, 8).astype("float32")
y = (x.sum(axis=1) > 4).astype("float32")
model = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1, activation="sigmoid")])
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, epochs=3, validation_split=0.2, verbose=0)
for name, values in history.history.items():
    print(name, values)
print("test", model.evaluate(x, y, verbose=0))
