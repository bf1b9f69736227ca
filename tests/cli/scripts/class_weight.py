"""Unbalanced classes with class_weight, and sample weights in a second fit."""
import keras
import numpy as np

keras.utils.set_random_seed(5)
x = np.random.rand(200, 5)
y = (x[:, 0] > 0.9).astype(int)
model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "sigmoid")])
model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.Precision(name="precision"), keras.metrics.Recall(name="recall")])
print(model.fit(x, y, epochs=2, class_weight={0: 1.0, 1: 9.0}, verbose=0).history)
print(model.fit(x, y, epochs=1, sample_weight=np.linspace(0.5, 1.5, 200), verbose=0).history)
