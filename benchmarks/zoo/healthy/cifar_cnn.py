"""Four classes of CIFAR-10 read from a zip of JPEGs."""
import io
import os
import zipfile

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow.keras import layers, models

tf.keras.utils.set_random_seed(int(os.environ.get("ZOO_SEED", "0")))

DATA = os.path.join(os.environ.get("ZOO_DATA", "../shared/data"), "cifar10_subset.zip")
CLASSES = ["airplane", "automobile", "frog", "horse"]


def load(archive, split, per_class):
    images, labels = [], []
    names = sorted(archive.namelist())
    for label, name in enumerate(CLASSES):
        files = [f for f in names if f.startswith(f"{split}/{name}/")][:per_class]
        for f in files:
            images.append(np.asarray(Image.open(io.BytesIO(archive.read(f))).convert("RGB")))
            labels.append(label)
    return np.array(images, dtype="float32"), np.array(labels)


with zipfile.ZipFile(DATA) as archive:
    train_images, train_labels = load(archive, "train", 500)
    test_images, test_labels = load(archive, "test", 150)

# Normalize pixel values to be between 0 and 1
train_images = train_images / 255.0
test_images = test_images / 255.0

model = models.Sequential()
model.add(layers.Input(shape=(32, 32, 3)))
model.add(layers.Conv2D(16, (3, 3), activation='relu'))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Conv2D(32, (3, 3), activation='relu'))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Flatten())
model.add(layers.Dense(32, activation='relu'))
model.add(layers.Dense(4))

model.compile(optimizer=tf.keras.optimizers.Adam(),
              loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
              metrics=['accuracy'])

history = model.fit(train_images, train_labels, epochs=6, batch_size=32, verbose=2,
                    validation_data=(test_images, test_labels))

test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=2)
print(test_acc)
