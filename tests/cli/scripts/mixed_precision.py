"""float16 with a loss scale."""
import keras
import numpy as np

keras.utils.set_random_seed(11)
keras.mixed_precision.set_global_policy("mixed_float16")
x, y = np.random.rand(64, 8).astype("float32"), np.random.randint(4, size=64)
model = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.Dense(4, dtype="float32", activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
print(model.fit(x, y, epochs=2, verbose=0).history)
print(model.optimizer.name, float(model.optimizer.dynamic_scale))
keras.mixed_precision.set_global_policy("float32")
