"""A variational autoencoder: a train_step of its own around add_loss, reconstruction printed."""
import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


class Sampling(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        mean, log_var = inputs
        epsilon = keras.random.normal(shape=ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_var) * epsilon


class VAE(keras.Model):
    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder, self.decoder = encoder, decoder
        self.loss_tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.loss_tracker]

    def train_step(self, data):
        with tf.GradientTape() as tape:
            mean, log_var, z = self.encoder(data)
            rebuilt = self.decoder(z)
            error = ops.mean(ops.sum(ops.square(data - rebuilt), axis=1))
            kl = -0.5 * ops.mean(ops.sum(1 + log_var - ops.square(mean) - ops.exp(log_var), axis=1))
            loss = error + kl
        weights = tape.watched_variables()
        grads = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result(), "watched": float(len(weights))}


keras.utils.set_random_seed(30)
inputs = keras.Input((6,))
h = layers.Dense(8, activation="relu")(inputs)
mean, log_var = layers.Dense(2)(h), layers.Dense(2)(h)
encoder = keras.Model(inputs, [mean, log_var, Sampling()([mean, log_var])])
decoder = keras.Sequential([keras.Input((2,)), layers.Dense(8, activation="relu"), layers.Dense(6)])
vae = VAE(encoder, decoder)
vae.compile(optimizer="adam")
data = np.random.rand(80, 6).astype("float32")
print(vae.fit(data, epochs=2, batch_size=20, verbose=0).history)
