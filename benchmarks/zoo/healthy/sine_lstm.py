# LSTM for a noisy sine wave with a window, after many blog posts
import os

import numpy as np
from sklearn.metrics import mean_absolute_error
from sklearn.preprocessing import MinMaxScaler
import keras
from keras.models import Sequential
from keras.layers import LSTM, Dense

keras.utils.set_random_seed(int(os.environ.get('ZOO_SEED', 0)))


def create_dataset(dataset, look_back=1):
    dataX, dataY = [], []
    for i in range(len(dataset) - look_back - 1):
        dataX.append(dataset[i:(i + look_back), 0])
        dataY.append(dataset[i + look_back, 0])
    return np.array(dataX), np.array(dataY)


rng = np.random.RandomState(5)
t = np.arange(0, 1300)
series = 20 + 8 * np.sin(0.2 * t) + 3 * np.sin(0.05 * t) + rng.normal(0, 0.4, t.shape)
dataset = series.reshape(-1, 1)

# normalize the dataset
scaler = MinMaxScaler(feature_range=(0, 1))
dataset = scaler.fit_transform(dataset)

train_size = int(len(dataset) * 0.7)
train, test = dataset[:train_size], dataset[train_size:]

look_back = 12
trainX, trainY = create_dataset(train, look_back)
testX, testY = create_dataset(test, look_back)

# reshape input to be [samples, time steps, features]
trainX = np.reshape(trainX, (trainX.shape[0], look_back, 1))
testX = np.reshape(testX, (testX.shape[0], look_back, 1))

model = Sequential()
model.add(LSTM(16, input_shape=(look_back, 1)))
model.add(Dense(1))
model.compile(loss='mean_squared_error', optimizer=keras.optimizers.Adam(learning_rate=0.01), metrics=['mae'])
model.fit(trainX, trainY, epochs=15, batch_size=32, verbose=0)

testScore = model.evaluate(testX, testY, verbose=0)
testPredict = model.predict(testX, verbose=0)
print('Test MAE: %.4f' % mean_absolute_error(testY, testPredict[:, 0]))
