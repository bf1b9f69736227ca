import subprocess
import sys

# TensorFlow cannot take the switch back, so it is tried in a process of its own. Without the
# call nearly every one of these updates differs in its last bits.
RACE = """
import numpy as np, tensorflow as tf
from gatescope.training.determinism import repeat_exactly

repeat_exactly()
rng = np.random.default_rng(0)
rows = tf.constant(rng.normal(size=(200_000, 16)).astype("float32"))
update = tf.IndexedSlices(rows, tf.constant(rng.integers(0, 50, 200_000)))
variable, results = tf.Variable(tf.zeros((50, 16))), set()
for _ in range(10):
    variable.assign(tf.zeros((50, 16)))
    variable.scatter_add(update)
    results.add(variable.numpy().tobytes())
print(len(results), tf.config.optimizer.get_experimental_options()["arithmetic_optimization"])
"""


def test_updates_that_race_between_threads_repeat_to_the_bit():
    ended = subprocess.run(
        [sys.executable, "-c", RACE], check=True, capture_output=True, text=True, timeout=300
    )
    assert ended.stdout.split() == ["1", "False"]
