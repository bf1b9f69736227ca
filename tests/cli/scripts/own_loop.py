"""A training loop of its own, step by step, as in Keras' guide."""
import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(18)
inputs = keras.Input(shape=(20,))
h = keras.layers.Dense(16, activation="relu")(inputs)
model = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Dropout(0.1)(h)))
optimizer = keras.optimizers.Adam(learning_rate=1e-2)
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
metric = keras.metrics.SparseCategoricalAccuracy()
x, y = np.random.rand(128, 20).astype("float32"), np.random.randint(4, size=128)
dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(128).batch(32)
for epoch in range(3):
    for step, (x_batch, y_batch) in enumerate(dataset):
        with tf.GradientTape() as tape:
            logits = model(x_batch, training=True)
            loss = loss_fn(y_batch, logits)
        gradients = tape.gradient(loss, model.trainable_weights)
        optimizer.apply(gradients, model.trainable_weights)
        metric.update_state(y_batch, logits)
        if step % 2 == 0:
            print("epoch", epoch, "step", step, "loss", float(loss))
    print("accuracy", float(metric.result()))
    metric.reset_state()
