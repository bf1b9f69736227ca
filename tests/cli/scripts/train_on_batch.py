"""train_on_batch in a loop, two models in turn."""
import keras
import numpy as np

keras.utils.set_random_seed(21)
a = keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
b = keras.Sequential([keras.layers.Dense(1)])
a.compile("adam", "mse", metrics=["mae"])
b.compile("sgd", "mse")
for step in range(12):
    x = np.random.rand(8, 3).astype("float32")
    first = a.train_on_batch(x, x.sum(axis=1))
    second = b.train_on_batch(x, x[:, 0], return_dict=True)
    if step % 4 == 0:
        print(step, [float(one) for one in first], {name: float(one) for name, one in second.items()})
print(a.test_on_batch(x, x.sum(axis=1)), a.predict_on_batch(x)[:2])
