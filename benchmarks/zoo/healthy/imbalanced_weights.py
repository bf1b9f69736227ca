"""One positive in fifteen: class weights."""
import os

import numpy as np
import keras
from keras import layers
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", 0)))

X, y = make_classification(n_samples=3000, n_features=12, n_informative=6, weights=[0.94],
                           class_sep=0.9, flip_y=0.01, random_state=21)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=21)
scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_test = scaler.transform(X_test)

neg, pos = np.bincount(y_train)
print("negatives", neg, "positives", pos)
weights = {0: len(y_train) / (2.0 * neg), 1: len(y_train) / (2.0 * pos)}

model = keras.Sequential()
model.add(keras.Input(shape=(12,)))
model.add(layers.Dense(24, activation="relu"))
model.add(layers.Dense(12, activation="relu"))
model.add(layers.Dense(1, activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(learning_rate=0.003),
              metrics=["accuracy", keras.metrics.Recall(name="recall")])
model.fit(X_train, y_train, epochs=12, batch_size=32, class_weight=weights, verbose=0)

loss, acc, recall = model.evaluate(X_test, y_test, verbose=0)
guess = (model.predict(X_test, verbose=0)[:, 0] > 0.5).astype(int)
balanced = balanced_accuracy_score(y_test, guess)
print(f"accuracy {acc:.3f} recall {recall:.3f} balanced accuracy {balanced:.3f}")
