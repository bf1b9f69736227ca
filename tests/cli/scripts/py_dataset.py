"""keras.utils.PyDataset, the Sequence of old."""
import math

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y, batch_size, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y, self.batch_size = x, y, batch_size

    def __len__(self):
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, index):
        part = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return self.x[part], self.y[part]

    def on_epoch_end(self):
        print("an epoch of the data ends")


keras.utils.set_random_seed(17)
x, y = np.random.rand(70, 4), np.random.rand(70, 1)
model = keras.Sequential([keras.layers.Dense(5, activation="relu"), keras.layers.Dense(1)])
model.compile("adam", "mae")
print(model.fit(Batches(x, y, 16), validation_data=Batches(x, y, 32), epochs=2, shuffle=False, verbose=0).history)
