# multi-label classification
import os

import keras
import numpy as np
from keras.layers import Dense
from keras.models import Sequential
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", 0)))


def get_dataset():
    X, y = make_multilabel_classification(n_samples=1500, n_features=16, n_classes=5, n_labels=2, random_state=1)
    return X, y


def get_model(n_inputs, n_outputs):
    model = Sequential()
    model.add(Dense(40, input_dim=n_inputs, kernel_initializer='he_uniform', activation='relu'))
    model.add(Dense(20, kernel_initializer='he_uniform', activation='relu'))
    model.add(Dense(n_outputs, activation='sigmoid'))
    model.compile(loss='binary_crossentropy', optimizer='adam', metrics=['binary_accuracy'])
    return model


X, y = get_dataset()
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=1)
scaler = StandardScaler().fit(X_train)
X_train = scaler.transform(X_train)
X_test = scaler.transform(X_test)

model = get_model(X.shape[1], y.shape[1])
model.fit(X_train, y_train, verbose=0, epochs=25, batch_size=32)

loss, acc = model.evaluate(X_test, y_test, verbose=0)
yhat = model.predict(X_test, verbose=0).round()
print('binary accuracy', acc)
print('F1', f1_score(y_test, np.nan_to_num(yhat), average='micro'))
