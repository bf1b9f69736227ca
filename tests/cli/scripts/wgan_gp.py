"""A gradient of a gradient in a loop of its own, compiled by XLA's path of tf.function or not."""
import keras
import tensorflow as tf

keras.utils.set_random_seed(20)
critic = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)])
optimizer = keras.optimizers.Adam(1e-3)


@tf.function
def step(real, fake):
    with tf.GradientTape() as tape:
        middle = (real + fake) / 2.0
        with tf.GradientTape() as inner:
            inner.watch(middle)
            score = critic(middle, training=True)
        slope = inner.gradient(score, middle)
        penalty = tf.reduce_mean((tf.norm(slope, axis=1) - 1.0) ** 2)
        loss = tf.reduce_mean(critic(fake)) - tf.reduce_mean(critic(real)) + 10.0 * penalty
    variables = critic.trainable_variables
    optimizer.apply(tape.gradient(loss, variables), variables)
    return loss


for _ in range(8):
    print(float(step(tf.random.normal((16, 4)) + 1.0, tf.random.normal((16, 4)))))
