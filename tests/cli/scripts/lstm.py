"""Words in, a bidirectional LSTM with masking, one number out."""
import keras
import numpy as np

keras.utils.set_random_seed(12)
x = np.random.randint(0, 40, (96, 10))
y = (x[:, 0] > 20).astype("float32")
inputs = keras.Input((None,), dtype="int32")
h = keras.layers.Embedding(40, 8, mask_zero=True)(inputs)
h = keras.layers.Bidirectional(keras.layers.LSTM(6, return_sequences=True))(h)
h = keras.layers.GRU(5, recurrent_dropout=0.1)(h)
model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(h))
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
print(model.fit(x, y, batch_size=32, epochs=2, verbose=0).history)
