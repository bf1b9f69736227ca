"""The private interface of TensorFlow that traces stand on: these fail loudly if it changes."""

import weakref

import numpy as np
import tensorflow as tf

from gatescope.scope import eager

WHY = "TensorFlow changed what Gatescope's traces stand on: mend gatescope/scope/eager.py"


def _seen(function):
    seen = []
    with eager.watch_operations(lambda op, *_: seen.append(op)):
        function()
    return seen


def test_every_eager_operation_is_told_with_inputs_attributes_and_outputs():
    told = []
    x = tf.constant([[1.0, 2.0]])
    with eager.watch_operations(lambda *all_of_it: told.append(all_of_it)):
        product = tf.matmul(x, x, transpose_b=True)
    assert [one[0] for one in told] == ["MatMul"], WHY
    _, inputs, attributes, outputs = told[0]
    assert [eager.identity(tensor) for tensor in inputs] == [eager.identity(x)] * 2, WHY
    assert attributes["transpose_b"] is True and attributes["T"] == eager.FLOAT32, WHY
    assert [eager.identity(tensor) for tensor in outputs] == [eager.identity(product)], WHY


def test_iterations_of_loops_are_told_one_by_one():
    def loop():
        tf.while_loop(lambda i: i < 3, lambda i: [i + 1], [tf.constant(0)])

    assert _seen(loop) == ["Less", "AddV2"] * 3 + ["Less"], WHY


def test_gradients_are_told_from_within_their_functions_frame():
    frames, calls = [], []

    def look(*_):
        import sys

        frame = sys._getframe()
        while frame and frame.f_code is not eager.GRADIENT_OF_ONE_OPERATION:
            frame = frame.f_back
        frames.append(frame and (frame.f_locals["op_name"], len(frame.f_locals["out_grads"])))
        calls.append(weakref.ref(frame.f_locals["mock_op"]))

    x = tf.constant(0.5)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.tanh(x)
    with eager.watch_operations(look):
        tape.gradient(y, x)
    assert frames == [("Tanh", 1)], WHY
    assert calls[0]() is None, WHY


def test_what_a_compiled_function_does_is_one_opaque_operation():
    double = tf.function(lambda x: x * 2)
    double(tf.constant(1.0))
    (seen,) = _seen(lambda: double(tf.constant(1.0)))
    assert eager.is_opaque(seen), WHY


def test_operations_run_again_by_name_in_another_precision_too():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    settings = {"transpose_a": False, "transpose_b": True, "T": eager.FLOAT32}
    (again,) = eager.run("MatMul", [x, x], settings, 1)
    assert np.array_equal(again, tf.matmul(x, x, transpose_b=True)), WHY
    wide = eager.retyped("MatMul", settings, eager.FLOAT32, eager.FLOAT64)
    (precise,) = eager.run("MatMul", [tf.cast(x, tf.float64)] * 2, wide, 1)
    assert precise.dtype == tf.float64, WHY
    assert wide["transpose_b"] is True, WHY


def test_operations_run_again_are_told_to_tapes_if_asked():
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        (y,) = eager.run("Square", [x], {"T": eager.FLOAT32}, 1, recorded=True)
    assert tape.gradient(y, x) == 6.0, WHY


def test_operations_are_known_by_kind():
    stateful = [op for op in ("MatMul", "ReadVariableOp", "Dropout?") if eager.is_stateful(op)]
    assert stateful == ["ReadVariableOp", "Dropout?"], WHY
    assert [eager.has_gradient(op) for op in ("Relu", "StopGradient")] == [True, False], WHY
    assert [eager.is_opaque(op) for op in ("MatMul", "While", "EagerPyFunc")] == [
        False,
        True,
        True,
    ], WHY


def test_the_stream_of_seeds_is_put_back():
    tf.random.set_seed(1)
    with eager.same_random_stream():
        inside = [float(tf.random.uniform([])) for _ in range(3)]
    after = [float(tf.random.uniform([])) for _ in range(3)]
    assert inside == after, WHY


def test_tapes_tell_what_they_are_told_of():
    x, told = tf.constant(2.0), []
    with tf.GradientTape() as outer:
        with tf.GradientTape() as tape:
            tape.watch(x)
            told.append(eager.is_taped([x]))
            with tape.stop_recording(), outer.stop_recording():
                told.append(eager.is_taped([x]))
        told.append(eager.is_taped([x]))
        told.append(eager.another_tape_records(tape))
    told.append(eager.another_tape_records(tape))
    assert told == [True, False, False, True, False], WHY


def test_gradients_of_ones_own_are_told_from_within_their_functions_frame():
    import sys

    frames = []

    @tf.custom_gradient
    def double(x):
        def gradient(upstream):
            frame = sys._getframe()
            while not eager.is_gradient_function(frame.f_code):
                frame = frame.f_back
            frames.append(eager.differentiated(frame))
            return 2 * upstream

        return 2 * x, gradient

    x = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = double(x)
    tape.gradient(y, x)
    ((_, operation, arrived),) = frames
    assert operation == "Identity" and float(arrived[0]) == 1.0, WHY
