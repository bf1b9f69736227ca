"""Two inputs, two outputs, losses and metrics by name, data in dicts."""
import keras
import numpy as np

keras.utils.set_random_seed(8)
title = keras.Input((12,), dtype="int32", name="title")
tags = keras.Input((5,), name="tags")
features = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(50, 8)(title))
joined = keras.layers.concatenate([features, tags])
priority = keras.layers.Dense(1, activation="sigmoid", name="priority")(joined)
department = keras.layers.Dense(4, name="department")(joined)
model = keras.Model(inputs=[title, tags], outputs={"priority": priority, "department": department})
model.compile(
    optimizer=keras.optimizers.RMSprop(1e-3),
    loss={"priority": "binary_crossentropy", "department": keras.losses.CategoricalCrossentropy(from_logits=True)},
    loss_weights={"priority": 1.0, "department": 0.2},
    metrics={"department": ["accuracy"]},
)
n = 128
data = {"title": np.random.randint(50, size=(n, 12)), "tags": np.random.randint(2, size=(n, 5)).astype("float32")}
labels = {"priority": np.random.rand(n, 1) > 0.5, "department": np.eye(4)[np.random.randint(4, size=n)]}
print(model.fit(data, labels, epochs=2, batch_size=32, verbose=0).history)
print({name: part.shape for name, part in model.predict(data, verbose=0).items()})
