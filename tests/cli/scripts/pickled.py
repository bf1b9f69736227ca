"""Pickles a class of its own, and reads a file beside itself by a relative path."""
import pickle
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np


@dataclass
class Settings:
    units: int
    rate: float


again = pickle.loads(pickle.dumps(Settings(3, 0.1)))
print(again, Settings.__module__)
table = np.genfromtxt("table.csv", delimiter=",", skip_header=1)
print(table.shape, Path(__file__).name, __name__, __doc__)
keras.utils.set_random_seed(24)
model = keras.Sequential([keras.layers.Dense(again.units), keras.layers.Dense(1)])
model.compile(keras.optimizers.Ftrl(again.rate), "mse")
print(model.fit(table[:, :-1], table[:, -1], epochs=2, verbose=0).history)
