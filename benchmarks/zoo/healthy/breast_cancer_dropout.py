import os
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from tensorflow import keras
from tensorflow.keras.callbacks import EarlyStopping
from tensorflow.keras.layers import Dense, Dropout
from tensorflow.keras.models import Sequential

tf.keras.utils.set_random_seed(int(os.environ.get('ZOO_SEED', 0)))

data = load_breast_cancer()
X_train, X_test, y_train, y_test = train_test_split(data.data, data.target, test_size=0.25, random_state=101)

sc = StandardScaler()
X_train = sc.fit_transform(X_train)
X_test = sc.transform(X_test)

model = Sequential([
    Dense(30, activation='relu', input_shape=(30,)),
    Dropout(0.3),
    Dense(15, activation='relu'),
    Dropout(0.3),
    Dense(1, activation='sigmoid'),
])

model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001),
              loss='binary_crossentropy',
              metrics=['accuracy'])

early_stop = EarlyStopping(monitor='val_loss', mode='min', patience=10, restore_best_weights=True)

history = model.fit(X_train, y_train,
                    epochs=40,
                    batch_size=16,
                    validation_split=0.2,
                    callbacks=[early_stop],
                    verbose=0)

test_loss, test_acc = model.evaluate(X_test, y_test, verbose=0)
predictions = (model.predict(X_test, verbose=0) > 0.5).astype("int32")
print('stopped after', len(history.history['loss']), 'epochs')
print('Test accuracy', test_acc, 'positives', int(np.sum(predictions)))
