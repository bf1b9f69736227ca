"""Two circles, with a training loop written by hand."""
import os

import numpy as np
import tensorflow as tf
from sklearn.datasets import make_circles
from sklearn.model_selection import train_test_split

tf.keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))

X, y = make_circles(n_samples=1000, noise=0.08, factor=0.5, random_state=0)
X = X.astype(np.float32)
y = y.astype(np.float32).reshape(-1, 1)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)

train_ds = tf.data.Dataset.from_tensor_slices((X_train, y_train)).shuffle(1000).batch(32)
test_ds = tf.data.Dataset.from_tensor_slices((X_test, y_test)).batch(64)

model = tf.keras.Sequential([
    tf.keras.layers.Input(shape=(2,)),
    tf.keras.layers.Dense(24, activation="tanh"),
    tf.keras.layers.BatchNormalization(),
    tf.keras.layers.Dense(24, activation="tanh"),
    tf.keras.layers.Dense(1, activation="sigmoid"),
])
loss_object = tf.keras.losses.BinaryCrossentropy()
optimizer = tf.keras.optimizers.Adam(learning_rate=0.01)

train_loss = tf.keras.metrics.Mean(name="train_loss")
test_accuracy = tf.keras.metrics.BinaryAccuracy(name="test_accuracy")


@tf.function
def train_step(x, labels):
    with tf.GradientTape() as tape:
        predictions = model(x, training=True)
        loss = loss_object(labels, predictions)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    train_loss(loss)


@tf.function
def test_step(x, labels):
    predictions = model(x, training=False)
    test_accuracy(labels, predictions)


EPOCHS = 40
for epoch in range(EPOCHS):
    train_loss.reset_state()
    for x, labels in train_ds:
        train_step(x, labels)
    if epoch % 10 == 9:
        print(f"Epoch {epoch + 1}, loss {train_loss.result():.4f}")

for x, labels in test_ds:
    test_step(x, labels)
accuracy = float(test_accuracy.result())
print("Test accuracy:", accuracy)
