"""argparse, and a guard."""
import argparse

import keras
import numpy as np


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=4)
    parser.add_argument("--name", default="nobody")
    parser.add_argument("rest", nargs="*")
    args = parser.parse_args()
    print(args)
    keras.utils.set_random_seed(23)
    model = keras.Sequential([keras.layers.Dense(args.units), keras.layers.Dense(1)], name=args.name)
    model.compile("adagrad", "huber")
    x = np.random.rand(32, 2)
    print(model.fit(x, x[:, 0], verbose=0).history)


if __name__ == "__main__":
    main()
