"""Errors that the script itself catches."""
import keras
import numpy as np

keras.utils.set_random_seed(27)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
try:
    model.fit(np.ones((4, 4)), np.ones((4, 2)))
except ValueError as error:
    print("not compiled:", str(error)[:40])
model.compile("adam", "mse")
for wrong in ({"nb_epoch": 2}, {"epochs": 1, "x": np.ones((4, 3))}):
    try:
        model.fit(**{"x": np.ones((4, 4)), "y": np.ones((4, 2)), "verbose": 0} | wrong)
    except (TypeError, ValueError) as error:
        print(type(error).__name__, str(error).splitlines()[0][:60])
print(model.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0).history)
