"""Makes TensorFlow give the same bits for the same training, run after run."""

from __future__ import annotations

import tensorflow as tf


def repeat_exactly() -> None:
    """From here on, the same step on the same machine gives the same bits.

    Two things stand against that on a CPU. Scattered updates of a variable, such as plain SGD on
    an `Embedding`, race between threads; TensorFlow has ordered kernels for those. And its graph
    optimizer merges sums of gradients into sums of three and more, which add up in the order in
    which their terms happen to be ready; so it is told not to. Neither was seen to cost time.

    It holds for all of the process and for what is traced after the call. Random operations of
    TensorFlow then refuse to run without `keras.utils.set_random_seed`.

    Example:
        >>> repeat_exactly()  # doctest: +SKIP
        >>> keras.utils.set_random_seed(1)  # doctest: +SKIP
    """
    tf.config.experimental.enable_op_determinism()
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
