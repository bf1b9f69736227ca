"""Leaves with an exit code of its own after a training."""
import sys

import keras
import numpy as np

keras.utils.set_random_seed(25)
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse")
print(model.fit(np.ones((8, 2)), np.ones(8), verbose=0).history)
sys.exit(3)
