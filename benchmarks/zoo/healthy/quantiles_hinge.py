# hinge loss wants labels of -1 and 1
import os

import numpy as np
import keras
from keras.models import Sequential
from keras.layers import Dense
from keras.optimizers import SGD
from sklearn.datasets import make_gaussian_quantiles

keras.utils.set_random_seed(int(os.environ.get('ZOO_SEED', 0)))

X, y = make_gaussian_quantiles(n_samples=1600, n_features=3, n_classes=2, random_state=5)
y = np.where(y == 0, -1, 1)
n_train = 1200
trainX, testX = X[:n_train, :], X[n_train:, :]
trainy, testy = y[:n_train], y[n_train:]

model = Sequential()
model.add(Dense(50, input_dim=3, activation='relu', kernel_initializer='he_uniform'))
model.add(Dense(25, activation='relu', kernel_initializer='he_uniform'))
model.add(Dense(1, activation='tanh'))
opt = SGD(learning_rate=0.02, momentum=0.9)
model.compile(loss='hinge', optimizer=opt, metrics=['mse'])
history = model.fit(trainX, trainy, validation_data=(testX, testy), epochs=30, batch_size=32, verbose=0)

test_hinge, test_mse = model.evaluate(testX, testy, verbose=0)
sign = np.where(model.predict(testX, verbose=0)[:, 0] > 0, 1, -1)
print('Test hinge: %.3f' % test_hinge, 'right: %.3f' % np.mean(sign == testy))
