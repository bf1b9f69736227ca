"""Cross-validation: a model for each fold."""
import keras
import numpy as np
from sklearn.model_selection import KFold

keras.utils.set_random_seed(15)
x = np.random.rand(90, 5).astype("float32")
y = x[:, 0] - x[:, 1]
scores = []
for fold, (train, test) in enumerate(KFold(3, shuffle=True, random_state=0).split(x)):
    model = keras.Sequential([keras.layers.Dense(6, activation="relu"), keras.layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(x[train], y[train], epochs=2, batch_size=10, verbose=0)
    scores.append(model.evaluate(x[test], y[test], verbose=0)[1])
    print("fold", fold, model.name, scores[-1])
print(np.mean(scores))
