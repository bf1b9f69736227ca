"""Next letter of a toy text, a prediction at every step."""

import os

import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))

rng = np.random.RandomState(14)
subjects = ["the cat", "the dog", "a bird", "my friend", "the old man"]
verbs = ["sees", "likes", "follows", "paints"]
things = ["a tree.", "the house.", "the river.", "some apples."]
text = " ".join(
    f"{rng.choice(subjects)} {rng.choice(verbs)} {rng.choice(things)}" for _ in range(1000)
)
vocab = sorted(set(text))
char2idx = {c: i for i, c in enumerate(vocab)}
text_as_int = np.array([char2idx[c] for c in text])

seq_length = 40
n = (len(text_as_int) - 1) // seq_length
inputs = text_as_int[: n * seq_length].reshape(n, seq_length)
targets = text_as_int[1 : n * seq_length + 1].reshape(n, seq_length)
x_train, y_train = inputs[: n * 4 // 5], targets[: n * 4 // 5]
x_test, y_test = inputs[n * 4 // 5 :], targets[n * 4 // 5 :]

dataset = tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle(1000).batch(16, drop_remainder=True)


class MyModel(keras.Model):
    def __init__(self, vocab_size, embedding_dim, rnn_units):
        super().__init__()
        self.embedding = keras.layers.Embedding(vocab_size, embedding_dim)
        self.gru = keras.layers.GRU(rnn_units, return_sequences=True)
        self.dense = keras.layers.Dense(vocab_size)

    def call(self, x, training=False):
        x = self.embedding(x)
        x = self.gru(x, training=training)
        return self.dense(x)


model = MyModel(len(vocab), 16, 48)
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.01),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(dataset, epochs=6, verbose=2)

loss, acc = model.evaluate(x_test, y_test, verbose=0)
print("next letter right: %.3f, perplexity %.2f" % (acc, np.exp(loss)))
