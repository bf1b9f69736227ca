"""A learning-rate schedule, gradient accumulation, clipping, moving averages, several steps at once."""
import keras
import numpy as np

keras.utils.set_random_seed(28)
x, y = np.random.rand(96, 4).astype("float32"), np.random.rand(96, 1).astype("float32")
for settings in ({"gradient_accumulation_steps": 2}, {"use_ema": True, "clipnorm": 0.5}):
    model = keras.Sequential([keras.layers.Dense(6, kernel_regularizer="l2", activation="relu"), keras.layers.Dense(1)])
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.9)
    model.compile(keras.optimizers.Adam(rate, **settings), "mse", steps_per_execution=3)
    print(model.fit(x, y, batch_size=8, epochs=2, verbose=0).history)
