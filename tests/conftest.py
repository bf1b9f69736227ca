"""For all tests."""

from __future__ import annotations

import gc

# TensorFlow and Keras hold half a million objects that stay. With Python's own thresholds the
# collector looks at all of them time and again, which took a twentieth of what tests take.
gc.set_threshold(10_000, 20, 20)
