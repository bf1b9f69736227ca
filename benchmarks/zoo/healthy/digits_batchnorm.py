import os

import numpy as np
import tensorflow as tf
from sklearn import datasets, model_selection

tf.keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))

digits = datasets.load_digits()
x = digits.data.astype("float32") / 16.0
y = digits.target
x_train, x_test, y_train, y_test = model_selection.train_test_split(x, y, test_size=0.2, random_state=7)
print(x_train.shape, "train samples,", np.unique(y).size, "classes")

model = tf.keras.models.Sequential([
    tf.keras.layers.Input(shape=(64,)),
    tf.keras.layers.Dense(64, activation='relu'),
    tf.keras.layers.BatchNormalization(),
    tf.keras.layers.Dense(64, activation='relu'),
    tf.keras.layers.BatchNormalization(),
    tf.keras.layers.Dense(10, activation='softmax')
])

model.compile(optimizer=tf.keras.optimizers.RMSprop(learning_rate=0.001),
              loss='sparse_categorical_crossentropy',
              metrics=['accuracy'])

model.fit(x_train, y_train, epochs=12, batch_size=32, verbose=2)
test_loss, test_acc = model.evaluate(x_test, y_test, verbose=2)
print('\nTest accuracy:', test_acc)
