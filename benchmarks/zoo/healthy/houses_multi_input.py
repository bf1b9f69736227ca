import os

import keras
import numpy as np
import tensorflow as tf
from keras.layers import Concatenate, Dense, Embedding, Flatten, Input
from keras.models import Model

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", 0)))

# made-up houses: size, rooms, age and one of 12 districts
rng = np.random.RandomState(9)
n = 2000
size = rng.uniform(40, 220, n)
rooms = np.clip((size / 30 + rng.normal(0, 0.7, n)).round(), 1, 8)
age = rng.uniform(0, 90, n)
district = rng.randint(0, 12, n)
worth = rng.uniform(0.6, 1.8, 12)
price = worth[district] * (size * 2.2 + rooms * 9 - np.minimum(age, 50) * 1.3) + rng.normal(0, 12, n)

numbers = np.column_stack([size, rooms, age])
numbers = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
price = (price - price.mean()) / price.std()

num_train, num_test = numbers[:1500], numbers[1500:]
dist_train, dist_test = district[:1500], district[1500:]
y_train, y_test = price[:1500], price[1500:]

num_in = Input(shape=(3,), name="numbers")
dist_in = Input(shape=(1,), dtype="int32", name="district")
emb = Embedding(12, 4)(dist_in)
emb = Flatten()(emb)
merged = Concatenate()([num_in, emb])
hidden = Dense(32, activation="relu")(merged)
hidden = Dense(16, activation="relu")(hidden)
out = Dense(1)(hidden)

model = Model(inputs=[num_in, dist_in], outputs=out)
model.compile(optimizer=keras.optimizers.RMSprop(learning_rate=0.005), loss="mean_squared_error", metrics=["mae"])
model.fit([num_train, dist_train], y_train, epochs=20, batch_size=32, validation_split=0.1, verbose=2)

mse, mae = model.evaluate([num_test, dist_test], y_test, verbose=0)
print("MSE:", mse, "MAE:", mae)
print("explained:", 1 - mse / np.var(y_test))
