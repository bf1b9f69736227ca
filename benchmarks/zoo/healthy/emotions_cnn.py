import io
import os
import zipfile

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow.keras.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from tensorflow.keras.models import Sequential
from tensorflow.keras.utils import to_categorical

tf.keras.utils.set_random_seed(int(os.environ.get('ZOO_SEED', 0)))

path = os.environ.get('ZOO_DATA', '../shared/data') + '/facial_emotions.zip'
emotions = ['anger', 'disgust', 'fear', 'happy', 'surprise']
images, labels, subjects = [], [], []
with zipfile.ZipFile(path) as z:
    for name in sorted(z.namelist()):
        emotion = name.split('/')[0]
        if emotion not in emotions or not name.endswith('.png'):
            continue
        img = Image.open(io.BytesIO(z.read(name))).convert('L').resize((24, 24))
        images.append(np.array(img))
        labels.append(emotions.index(emotion))
        subjects.append(int(os.path.basename(name)[1:4]))

X = np.array(images).reshape(-1, 24, 24, 1).astype('float32') / 255.0
y = to_categorical(labels, len(emotions))

# no person may be in both sets
held_out = np.array(subjects) % 4 == 3
X_train, y_train = X[~held_out], y[~held_out]
X_test, y_test = X[held_out], y[held_out]

model = Sequential([
    Conv2D(16, (3, 3), activation='relu', padding='same', input_shape=(24, 24, 1)),
    MaxPooling2D((2, 2)),
    Conv2D(32, (3, 3), activation='relu', padding='same'),
    BatchNormalization(),
    MaxPooling2D((2, 2)),
    Flatten(),
    Dense(48, activation='relu'),
    Dropout(0.3),
    Dense(len(emotions), activation='softmax')
])
model.compile(optimizer=tf.keras.optimizers.Adam(learning_rate=0.001),
              loss='categorical_crossentropy', metrics=['accuracy'])
model.fit(X_train, y_train, epochs=15, batch_size=32, verbose=2)

_, accuracy = model.evaluate(X_test, y_test, verbose=0)
print('Accuracy on new people: %.3f' % accuracy)
