"""A pipeline of tf.data: shuffled, batched, mapped, prefetched."""
import numpy as np
import tensorflow as tf
from tensorflow import keras

keras.utils.set_random_seed(3)
x = np.random.rand(200, 4).astype("float32")
y = x @ np.array([[1.0], [-2.0], [3.0], [0.5]], "float32")
dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(200).batch(16).map(lambda a, b: (a * 2.0, b)).prefetch(2)
validation = tf.data.Dataset.from_tensor_slices((x[:50], y[:50])).batch(25)
model = tf.keras.Sequential([tf.keras.layers.Dense(8, activation="tanh"), tf.keras.layers.Dense(1)])
model.compile(tf.keras.optimizers.SGD(0.05), "mse", metrics=["mae"])
print(model.fit(dataset, epochs=3, validation_data=validation, verbose=0).history)
print(model.predict(x[:3], verbose=0))
