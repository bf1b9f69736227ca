"""The same in a tf.function, and a whole epoch in another."""
import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(19)
model = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
loss_fn = keras.losses.MeanSquaredError()
x = np.random.rand(96, 6).astype("float32")
y = x.sum(axis=1, keepdims=True)
dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)


@tf.function
def train_step(x, y):
    print("tracing")
    with tf.GradientTape() as tape:
        loss = loss_fn(y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss


@tf.function
def train_epoch(dataset):
    total = 0.0
    for x, y in dataset:
        total += train_step(x, y)
    return total


for epoch in range(20):
    losses = [float(train_step(x, y)) for x, y in dataset]
print(losses)
print(float(train_epoch(dataset)), float(train_epoch(dataset)))
