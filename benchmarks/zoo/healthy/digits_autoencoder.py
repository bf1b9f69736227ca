# Dense autoencoder: 64 pixels -> 12 numbers -> 64 pixels
import os

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", 0)))

encoding_dim = 12

x = load_digits().data / 16.0
np.random.RandomState(2).shuffle(x)
x_train, x_test = x[:1400], x[1400:]

input_img = keras.Input(shape=(64,))
encoded = layers.Dense(48, activation='relu')(input_img)
encoded = layers.Dense(encoding_dim, activation='relu')(encoded)
decoded = layers.Dense(48, activation='relu')(encoded)
decoded = layers.Dense(64, activation='sigmoid')(decoded)

autoencoder = keras.Model(input_img, decoded)
encoder = keras.Model(input_img, encoded)
autoencoder.compile(optimizer=keras.optimizers.Adam(learning_rate=0.003), loss='binary_crossentropy', metrics=['mse'])

autoencoder.fit(x_train, x_train, epochs=40, batch_size=64, shuffle=True, validation_data=(x_test, x_test), verbose=0)

loss, mse = autoencoder.evaluate(x_test, x_test, verbose=0)
codes = encoder.predict(x_test, verbose=0)
print("reconstruction error", mse, "codes", codes.shape)
