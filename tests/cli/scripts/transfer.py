"""A frozen base with a new head, then all of it fine-tuned after compiling anew."""
import keras
import numpy as np

keras.utils.set_random_seed(16)
x, y = np.random.rand(48, 8, 8, 3).astype("float32"), np.random.randint(2, size=48)
base = keras.Sequential(
    [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.BatchNormalization(), keras.layers.GlobalAveragePooling2D()],
    name="base",
)
base.trainable = False
inputs = keras.Input((8, 8, 3))
outputs = keras.layers.Dense(1)(keras.layers.Dropout(0.2)(base(inputs, training=False)))
model = keras.Model(inputs, outputs)
loss = keras.losses.BinaryCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(), loss, metrics=[keras.metrics.BinaryAccuracy()])
print(model.fit(x, y, epochs=2, batch_size=16, verbose=0).history)
base.trainable = True
model.compile(keras.optimizers.Adam(1e-4), loss, metrics=[keras.metrics.BinaryAccuracy()])
print(model.fit(x, y, epochs=2, batch_size=16, verbose=0).history)
