"""fit, look, fit on with another learning rate, from the epoch it was at."""
import keras
import numpy as np

keras.utils.set_random_seed(22)
x, y = np.random.rand(64, 3), np.random.rand(64)
model = keras.Sequential([keras.layers.Dense(8, activation="selu"), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(0.1), "mse")
first = model.fit(x, y, epochs=2, verbose=0)
model.optimizer.learning_rate = 0.01
second = model.fit(x, y, epochs=4, initial_epoch=2, verbose=0)
print(first.epoch, first.history)
print(second.epoch, second.history, model.optimizer.iterations.numpy())
