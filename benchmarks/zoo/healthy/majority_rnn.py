# SimpleRNN: were there more ones than zeros in the first ten bits?
import os
import numpy as np
import tensorflow as tf
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Dense, SimpleRNN

tf.keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))

rs = np.random.RandomState(123)
bits = rs.randint(0, 2, size=(3000, 15))
X = (bits * 2 - 1).astype('float32').reshape((3000, 15, 1))
Y = (bits[:, :9].sum(axis=1) > 4).astype('int32')

X_train, Y_train = X[:2200], Y[:2200]
X_test, Y_test = X[2200:], Y[2200:]

model = Sequential([
    SimpleRNN(20, activation='tanh', input_shape=(15, 1)),
    Dense(1, activation='sigmoid'),
])
optimizer = tf.keras.optimizers.Adam(learning_rate=0.005)
model.compile(loss='binary_crossentropy', optimizer=optimizer, metrics=['accuracy'])

history = model.fit(X_train, Y_train, epochs=20, batch_size=32, validation_split=0.1, verbose=0)
print('last training accuracy', history.history['accuracy'][-1])

scores = model.evaluate(X_test, Y_test, verbose=0)
print('Test accuracy', scores[1])
