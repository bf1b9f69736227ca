"""`Trace.verify`: what was changed in a record is found, and named; what is right is not."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from networks import NETWORKS

import gatescope as gs
from gatescope.scope.record import Value

SOME = ("dense", "convolutional", "lstm", "transformer", "mixed_bfloat16", "gradient_penalty")


def trace_of(name):
    network = NETWORKS[name]()
    return gs.trace(network.model, network.x, network.y)


def change(value: Value, factor: float = 1.3) -> tuple[int, ...]:
    """Changes the largest element of a value."""
    array = value.array.copy()
    index = np.unravel_index(np.abs(array.astype(np.float64)).argmax(), array.shape)
    array[index] = array[index] * factor
    value.tensor = tf.constant(array)
    return tuple(map(int, index))


@pytest.mark.parametrize("phase", ["forward", "backward"])
@pytest.mark.parametrize("name", SOME)
def test_a_changed_value_is_found(name, phase):
    trace = trace_of(name)
    assert trace.verify().ok
    gates = [
        gate
        for gate in trace.gates
        if gate.phase == phase and gate.op != "ReadVariableOp" and gate.outputs
    ]
    random = np.random.default_rng(3)
    for gate in random.permutation(np.array([g for g in gates if g.outputs[0].is_float]))[:3]:
        value = gate.outputs[0]
        if not value.array.any():
            continue
        before, index = value.tensor, change(value)
        verification = trace.verify(samples=1)
        assert not verification.ok
        named = [wrong for wrong in verification.mismatches if wrong.what == "value"]
        assert (value, index) in [(wrong.value, wrong.element) for wrong in named]
        assert f"value of gate {gate.place} {gate.name}{list(index)}" in "\n".join(map(str, named))
        value.tensor = before
    assert trace.verify().ok


@pytest.mark.parametrize("name", SOME)
def test_a_changed_gradient_link_is_found(name):
    trace = trace_of(name)
    products = [gate for gate in trace.gates if gate.op in ("MatMul", "Conv2D", "Einsum")]
    value = next(gate.inputs[1] for gate in products if gate.inputs[1].gradients)
    number, right = max(value.gradients.items())
    wrong = Value(tf.constant(right.array * 2), "constant")
    value.gradients[number] = wrong
    verification = trace.verify(samples=20)
    assert not verification.ok
    mismatch = next(wrong for wrong in verification.mismatches if wrong.value is value)
    assert mismatch.what == "gradient"
    assert mismatch.recorded == pytest.approx(2 * mismatch.expected, rel=0.05)
    assert str(verification).splitlines()[0].endswith("differ")


def test_a_gradient_of_another_value_is_found():
    trace = trace_of("python_loop")
    first, second = (trace.find("again", "Tanh", step=step)[0].outputs[0] for step in (0, 1))
    first.gradients[0], second.gradients[0] = second.gradient, first.gradient
    found = {wrong.value for wrong in trace.verify(samples=10).mismatches}
    assert {first, second} <= found


def test_a_wrong_whole_number_is_found():
    trace = gs.trace(lambda x: tf.size(x) * 1000003, np.ones((2, 3)))
    value = trace.find(op="Mul")[0].outputs[0]
    value.tensor = value.tensor + 1
    (wrong,) = trace.verify().mismatches
    assert (wrong.recorded, wrong.expected) == (6000019.0, 6000018.0)


def test_a_gradient_of_ones_own_is_said_to_be_unchecked():
    @tf.custom_gradient
    def double(x):
        return 2 * x, lambda upstream: 3 * upstream  # wrong

    trace = gs.trace(lambda x: tf.reduce_sum(tf.exp(double(x))), np.ones(3))
    verification = trace.verify()
    assert verification.ok
    assert verification.not_differenced == {"a custom gradient": 2}
    assert "2 elements of gradients not checked: a custom gradient" in str(verification)
    (backward,) = [gate for gate in trace.gates if gate.gradient_of and gate.op == "Mul"][-1:]
    assert backward.source.function.endswith("double.<locals>.<lambda>")


def test_kinks_are_said_to_be_unchecked():
    trace = gs.trace(lambda x: tf.reduce_sum(tf.nn.relu(x)) * 1e-7, np.zeros(4))
    verification = trace.verify()
    assert verification.ok and verification.not_differenced["at a kink"] == 2


def test_gradients_that_cancel_are_right():
    def function(x):
        return tf.reduce_sum(tf.nn.softmax(x + bias) * np.arange(6, dtype="float32"))

    bias = tf.Variable(0.5)
    trace = gs.trace(function, np.random.default_rng(1).normal(size=(3, 6)))
    assert trace.verify(samples=18).ok


def test_random_operations_are_said_to_be_stateful():
    trace = gs.trace(lambda x: x + tf.random.uniform([3]), np.ones(3))
    assert trace.verify().not_recomputed == {"stateful: variables, random streams": 1}


def test_the_same_seed_takes_the_same_samples():
    trace = trace_of("dense")
    assert trace.verify(seed=1) == trace.verify(seed=1)
    assert trace.verify(samples=4).gradients > trace.verify(samples=1).gradients


# The budget of memory.


@pytest.mark.parametrize("budget", [0, 1000, 20_000])
@pytest.mark.parametrize("name", ["convolutional", "lstm", "mixed_float16"])
def test_the_budget_is_kept(name, budget):
    network = NETWORKS[name]()
    whole = gs.trace(network.model, network.x, network.y)
    trace = gs.trace(network.model, network.x, network.y, memory_budget=budget)
    assert trace.memory_budget == budget and trace.kept <= budget
    buffers = {}
    for value in trace.values:
        if value.nbytes and value.array is not None:
            start = value.array.__array_interface__["data"][0]
            buffers[start] = max(buffers.get(start, 0), value.nbytes)
    assert sum(buffers.values()) <= budget
    assert [gate.op for gate in trace.gates if gate.phase == "forward"] == [
        gate.op for gate in whole.gates if gate.phase == "forward"
    ]
    verification = trace.verify()
    assert verification.ok
    assert budget > 5000 or verification.not_recomputed["only summaries were kept"] > 20
    assert trace.first_bad() is None


@pytest.mark.parametrize("share", [0.05, 0.15, 0.25, 0.5, 0.75])
def test_what_was_not_kept_is_never_called_wrong(share):
    network = NETWORKS["residual"]()
    budget = int(share * gs.trace(network.model, network.x, network.y).kept)
    verification = gs.trace(network.model, network.x, network.y, memory_budget=budget).verify()
    assert verification.ok, verification
    assert verification.not_differenced["only summaries were kept"]


def test_a_summary_still_has_the_loss():
    network = NETWORKS["dense"]()
    whole = gs.trace(network.model, network.x, network.y)
    trace = gs.trace(network.model, network.x, network.y, memory_budget=0)
    assert trace.loss == whole.loss and f"loss {whole.loss:.6g}" in str(trace)


@pytest.mark.filterwarnings("error")
def test_what_is_not_finite_brings_no_warnings():
    def norms(x):
        return tf.reduce_sum(tf.norm(x * tf.constant([0.0, 1.0]), axis=-1))

    trace = gs.trace(norms, np.array([[3.0, 0.0], [1.0, 2.0]], "float32"))
    assert trace.verify().not_differenced["not finite"]


def test_summaries_are_right():
    network = NETWORKS["convolutional"]()
    whole = gs.trace(network.model, network.x)
    trace = gs.trace(network.model, network.x, memory_budget=0)
    assert trace.kept == 0
    for full, short in zip(whole.gates, trace.gates, strict=True):
        for one, other in zip(full.outputs, short.outputs, strict=True):
            assert (one.shape, one.dtype, one.nbytes) == (other.shape, other.dtype, other.nbytes)
            if not one.is_float or not one.nbytes:
                continue
            assert other.array is None and other.summary == one.summary
            exact = one.array.astype(np.float64)
            assert other.summary.minimum == exact.min()
            assert other.summary.maximum == exact.max()
            assert other.summary.mean == pytest.approx(exact.mean())
            assert other.summary.deviation == pytest.approx(exact.std())
            assert other.summary.zeros == (exact == 0).sum()
            assert other.summary.elements == exact.size


def test_summaries_count_what_is_not_finite():
    x = np.array([1.0, np.nan, -np.inf, 0.0, 3.0])
    trace = gs.trace(lambda x: x * 1.0, x, memory_budget=0)
    summary = trace.gates[0].outputs[0].summary
    assert (summary.elements, summary.not_finite, summary.zeros) == (5, 2, 1)
    assert (summary.minimum, summary.maximum, summary.magnitude) == (0, 3, 3)
    bad = trace.first_bad()
    assert bad.value.name == "x" and bad.bad == 2 and bad.elements == ()
    assert "only a summary was kept" in str(bad)
