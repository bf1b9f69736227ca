"""Saves in the middle, loads, trains on; weights alone, too."""
import keras
import numpy as np

keras.utils.set_random_seed(7)
x = np.random.rand(96, 4).astype("float32")
y = np.random.randint(0, 3, 96)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, activation="gelu"), keras.layers.Dense(3)])
model.compile("adamw", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["sparse_categorical_accuracy"])
model.fit(x, y, epochs=2, verbose=0)
model.save("model.keras")
model.save_weights("model.weights.h5")
loaded = keras.models.load_model("model.keras")
print(loaded.fit(x, y, epochs=2, verbose=0).history)
clone = keras.models.clone_model(model)
clone.load_weights("model.weights.h5")
print(np.abs(clone.predict(x, verbose=0) - model.predict(x, verbose=0)).max())
print(model.name, loaded.name, clone.name, [layer.name for layer in keras.Sequential([keras.layers.Dense(2)]).layers])
