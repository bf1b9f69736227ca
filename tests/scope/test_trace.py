"""Traces of every kind of network: whole, exact, placed, and without a mark on what was traced."""

from __future__ import annotations

import logging
import random
import re
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import NETWORKS, Network
from tensorflow.python.framework import op_callbacks

import gatescope as gs
from gatescope.scope.trace import Trace

OWN_STEPS = ("gan", "vae", "gradient_penalty")


class Traced(NamedTuple):
    name: str
    network: Network
    trace: Trace
    variables: list[Any]
    before: list[np.ndarray]  # what the variables were before the trace


class Reference(NamedTuple):
    """The same step by hand, without a trace."""

    loss: float
    gradients: dict[str, np.ndarray]
    forward: list[str]
    operations: Counter[str]


@pytest.fixture(scope="module", params=NETWORKS)
def traced(request) -> Traced:
    network = NETWORKS[request.param]()
    variables = variables_of(network.model)
    before = [variable.numpy() for variable in variables]
    return Traced(request.param, network, trace_of(network), variables, before)


@pytest.fixture(scope="module")
def reference(traced: Traced) -> Reference:
    return step_by_hand(NETWORKS[traced.name](), traced.name in OWN_STEPS)


def trace_of(network: Network, **settings: Any) -> Trace:
    if network.y is None:
        return gs.trace(network.model, network.x, training=True, **settings)
    return gs.trace(network.model, network.x, network.y, **settings)


def variables_of(model: keras.Model) -> list[Any]:
    optimizers = [part for part in vars(model).values() if isinstance(part, keras.Optimizer)]
    more = [variable for optimizer in optimizers for variable in optimizer.variables]
    return [*model.variables, *model.metrics_variables, *more]


def values_of(model: keras.Model) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables_of(model)]


@contextmanager
def operations():
    """The names of the operations that run, by TensorFlow's own callback."""
    seen: list[str] = []

    def see(name, inputs, attributes, outputs, op_name=None, graph=None):
        if graph is None:
            seen.append(name.decode() if isinstance(name, bytes) else name)

    op_callbacks.add_op_callback(see)
    tf.config.run_functions_eagerly(True)
    try:
        yield seen
    finally:
        tf.config.run_functions_eagerly(False)
        op_callbacks.remove_op_callback(see)


def step_by_hand(network: Network, own_step: bool) -> Reference:
    x, y = (tf.nest.map_structure(_tensor, part) for part in (network.x, network.y))
    with operations() as seen:
        if own_step:
            losses = network.model.train_step((x,) if y is None else (x, y))
            return Reference(
                sum(map(float, losses.values())), {}, [], Counter(map(unnumbered, seen))
            )
        with tf.GradientTape() as tape:
            flat = tf.nest.flatten(x, expand_composites=True)
            tape.watch([part for part in flat if part.dtype.is_floating])
            y_pred = network.model(x, training=True)
            loss = network.model.compute_loss(x=x, y=y, y_pred=y_pred, training=True)
        forward = list(seen)
        weights = network.model.trainable_variables
        gradients = tape.gradient(loss, weights)
    named = {
        weight.path: tf.convert_to_tensor(gradient).numpy()
        for weight, gradient in zip(weights, gradients, strict=True)
    }
    return Reference(float(loss), named, forward, Counter(map(unnumbered, seen)))


def _tensor(part: Any) -> Any:
    return tf.convert_to_tensor(part) if isinstance(part, np.ndarray) else part


def unnumbered(operation: str) -> str:
    """Functions have a number in their name, another one each time."""
    return re.sub(r"(_\d+)+$", "", operation)


def equal(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(one.tobytes() == other.tobytes() for one, other in zip(a, b, strict=True))


def gradients_of(trace: Trace) -> dict[str, np.ndarray]:
    return {
        value.name: value.gradient.array
        for value in trace.values
        if value.kind == "variable" and value.gradient
    }


# Every kind of network.


def test_the_loss_is_the_models_own_to_the_bit(traced, reference):
    assert traced.trace.loss == reference.loss


def test_the_gradients_are_those_of_the_tape(traced, reference):
    found = gradients_of(traced.trace)
    for path, gradient in reference.gradients.items():
        assert found[path].shape == gradient.shape, path
        largest = np.abs(gradient.astype(np.float64)).max()
        np.testing.assert_allclose(
            found[path].astype(np.float64), gradient, rtol=1e-5, atol=1e-6 * largest, err_msg=path
        )


def test_every_operation_is_recorded(traced, reference):
    gates = traced.trace.gates
    if reference.forward:
        forward = [gate.op for gate in gates if gate.phase == "forward"]
        assert list(map(unnumbered, forward)) == list(map(unnumbered, reference.forward))
    # Gradients of all values are asked for, so there are more of them than a training takes.
    missing = reference.operations - Counter(unnumbered(gate.op) for gate in gates)
    assert not missing - Counter({"AddV2": missing["AddV2"]})  # sums that became one of three
    assert missing["AddV2"] <= 2


def test_every_number_and_gradient_verifies(traced):
    verification = traced.trace.verify()
    assert verification.ok, str(verification)
    assert verification.gradients > 10
    assert set(verification.not_recomputed) <= {"opaque", "stateful: variables, random streams"}
    assert sum(verification.not_differenced.values()) <= 0.2 * verification.gradients


def test_healthy_networks_raise_no_alarm(traced):
    assert traced.trace.first_bad() is None


def test_no_variable_is_touched(traced):
    assert equal([variable.numpy() for variable in traced.variables], traced.before)


def test_training_goes_on_as_if_nothing_had_been_traced(traced):
    other = NETWORKS[traced.name]()
    assert _trained(traced.network) == _trained(other)
    assert equal(values_of(traced.network.model), values_of(other.model))


def _trained(network: Network) -> dict[str, float]:
    model = network.model
    model.run_eagerly, model.jit_compile = True, False
    with operations():  # so that functions run eagerly
        return _one_step(network, model)


def _one_step(network: Network, model: keras.Model) -> dict[str, float]:
    if type(model).train_step is not keras.Model.train_step:
        batch = (network.x,) if network.y is None else (network.x, network.y)
        batch = tf.nest.map_structure(tf.convert_to_tensor, batch)
        return {name: float(value) for name, value in model.train_step(batch).items()}
    return model.train_on_batch(network.x, network.y, return_dict=True)


def test_gates_belong_to_layers_and_lines(traced):
    gates = traced.trace.gates
    assert [gate.place for gate in gates] == list(range(len(gates)))
    inside = [gate for gate in gates if gate.phase == "forward" and gate.layer]
    assert len(inside) > 0.25 * sum(gate.phase == "forward" for gate in gates)
    assert all(gate.source for gate in gates if gate.phase == "forward")
    backward = [gate for gate in gates if gate.phase == "backward"]
    placed = [gate for gate in backward if gate.gradient_of or gate.layer]
    assert len(placed) > 0.7 * len(backward)
    for gate in backward:
        if gate.gradient_of:
            assert gate.gradient_of.phase in ("forward", "backward")
            assert (gate.layer, gate.step) == (gate.gradient_of.layer, gate.gradient_of.step)


def test_values_know_their_gates(traced):
    for gate in traced.trace.gates:
        assert all(value.gate is gate for value in gate.outputs)
        assert all(gate in value.gates for value in gate.inputs)


def test_networks_are_of_twenty_kinds():
    assert len(NETWORKS) >= 20


# Where gates are.


def test_the_line_of_a_layers_own_operation_is_the_users():
    trace = trace_of(NETWORKS["own_operations"]())
    (sine,) = trace.find("own", "Sin")
    lines = Path(__file__).with_name("networks.py").read_text().splitlines()
    assert sine.source.file.endswith("networks.py")
    assert "tf.sin(mixed_BTK)" in lines[sine.source.line - 1]
    assert sine.source.function == "OwnOperations.call"
    backward = [gate for gate in trace.gates if gate.gradient_of is sine]
    assert {gate.op for gate in backward} == {"Cos", "Mul"}
    assert {gate.source for gate in backward} == {sine.source}
    assert {gate.layer for gate in backward} == {sine.layer}
    assert {gate.phase for gate in backward} == {"backward"}


def test_lstm_gates_have_a_step_for_each_time():
    trace = trace_of(NETWORKS["lstm"]())
    products = trace.find("lstm_cell", "MatMul", phase="forward")
    assert {gate.step for gate in products} == set(range(5))
    assert {
        len(trace.find("lstm_cell", "MatMul", phase="forward", step=t)) for t in range(1, 5)
    } == {2}
    backward = trace.find("lstm_cell", "MatMul", phase="backward")
    assert {gate.step for gate in backward} == set(range(5))
    assert all(gate.gradient_of.op == "MatMul" for gate in backward)


def test_loops_of_tensorflow_have_steps():
    trace = trace_of(NETWORKS["while_loop"]())
    assert [gate.step for gate in trace.find("loop", "Tanh")] == [0, 1, 2, 3]
    assert trace.find("loop", "Tanh", step=2)[0].name.endswith("loop/Tanh[2]")


def test_loops_of_python_have_steps():
    trace = trace_of(NETWORKS["python_loop"]())
    assert [gate.step for gate in trace.find("again", "Tanh")] == [0, 1, 2]


def test_the_second_use_of_a_shared_layer_is_step_one():
    trace = trace_of(NETWORKS["siamese"]())
    assert [gate.step for gate in trace.find("encoder", "Relu", phase="forward")] == [0, 1]
    assert [call.number for call in trace.calls_of("encoder")] == [0, 1]
    kernel = next(value for value in trace.values if value.name.endswith("/dense/kernel"))
    assert len([g for g in kernel.gates if g.op == "ReadVariableOp" and g.phase == "forward"]) == 2


def test_phases_of_a_step_of_its_own():
    trace = trace_of(NETWORKS["gan"]())
    assert {gate.phase for gate in trace.gates} == {"forward", "backward", "update"}
    assert len(trace.passes) == len(trace.losses) == 2
    assert trace.find(op="AssignVariableOp", phase="update") or trace.find(
        op="AssignSubVariableOp", phase="update"
    )


def test_gradients_of_gradients_are_told_from_the_loss():
    trace = trace_of(NETWORKS["gradient_penalty"]())
    assert [one.inner for one in trace.passes] == [True, False]
    x = next(value for value in trace.values if value.name == "x")
    assert list(x.gradients) == [0]
    kernel = next(value for value in trace.values if value.name.endswith("kernel"))
    assert kernel.gradient is kernel.gradients[1]


def test_compiled_functions_are_seen_operation_by_operation():
    trace = trace_of(NETWORKS["compiled_call"]())
    assert trace.find("compiled_call/dense", "MatMul") and not any(
        gate.opaque for gate in trace.gates
    )


def test_what_stays_closed_is_an_opaque_gate():
    trace = trace_of(NETWORKS["vectorized_map"]())
    opaque = [gate for gate in trace.gates if gate.opaque]
    assert opaque and all(gate.inputs and gate.outputs for gate in opaque)
    assert trace.verify().not_recomputed["opaque"] == len(opaque)


def test_that_functions_run_openly_is_no_news():
    told = []
    handler = logging.Handler()
    handler.emit = told.append
    logger = tf.get_logger()
    logger.addHandler(handler)
    try:
        trace_of(NETWORKS["vectorized_map"]())
        filters = list(logger.filters)
        logger.warning("news")
    finally:
        logger.removeHandler(handler)
    assert [record.getMessage() for record in told] == ["news"] and not filters


def test_inputs_targets_weights_and_variables_are_named():
    network = NETWORKS["several_inputs_and_outputs"]()
    weight = {"price": np.ones(4, "float32"), "kind": np.arange(4, dtype="float32")}
    trace = gs.trace(network.model, network.x, network.y, sample_weight=weight)
    names = {value.name for value in trace.values if value.kind == "input"}
    assert {"x[wide]", "x[deep]", "y[price]", "y[kind]", "sample_weight[kind]"} <= names
    assert {"hidden/kernel", "price/bias"} <= {
        value.name for value in trace.values if value.kind == "variable"
    }
    plain = gs.trace(network.model, network.x, network.y)
    assert trace.loss != plain.loss


def test_gradients_of_lookups_are_whole():
    network = NETWORKS["bidirectional_masked"]()
    gradient = gradients_of(trace_of(network))["sequential/embedding/embeddings"]
    assert gradient.shape == (9, 4)
    used = np.isin(np.arange(9), network.x)
    assert (gradient[used] != 0).any() and (gradient[~used] == 0).all()


# Other ways to trace.


def test_forward_only_without_targets_is_what_predict_runs():
    network = NETWORKS["convolutional"]()
    trace = gs.trace(network.model, network.x)
    assert {gate.phase for gate in trace.gates} == {"forward"}
    assert trace.loss is None and trace.losses == () and trace.passes == ()
    with operations() as seen:
        outputs = network.model(network.x, training=False)
    assert [gate.op for gate in trace.gates] == seen
    assert np.array_equal(trace.calls[0].outputs[0].array, outputs)
    assert trace.verify().ok


def test_training_may_be_chosen():
    network = NETWORKS["convolutional"]()
    wet, dry = (gs.trace(network.model, network.x, training=mode) for mode in (True, False))
    assert wet.find("dropout", "StatelessRandomUniformV2")
    assert "StatelessRandomUniformV2" not in {gate.op for gate in dry.gates}
    without = gs.trace(network.model, network.x, network.y, training=False)
    assert without.find("batch_normalization", "Rsqrt") and without.loss is not None
    assert "StatelessRandomUniformV2" not in {gate.op for gate in without.gates}


def test_a_loss_may_be_given():
    network = NETWORKS["dense"]()
    model = keras.models.clone_model(network.model)
    trace = gs.trace(model, network.x, network.y, loss=network.loss)
    expected = keras.losses.get(network.loss)(network.y, model(network.x, training=True))
    assert trace.loss == pytest.approx(float(np.mean(expected)))
    assert trace.verify().ok


def test_graph_training_goes_on_as_if_nothing_had_been_traced():
    one, two = NETWORKS["convolutional"](), NETWORKS["convolutional"]()
    first = [network.model.train_on_batch(network.x, network.y) for network in (one, two)]
    trace_of(one)
    second = [network.model.train_on_batch(network.x, network.y) for network in (one, two)]
    assert first[0] == first[1] and second[0] == second[1]
    assert equal(values_of(one.model), values_of(two.model))


def test_functions_of_tensors_with_gradients():
    trace = gs.trace(lambda a, b: tf.reduce_sum(a * tf.exp(b)), np.ones(3), [1.0, 2.0, 3.0])
    assert trace.loss == pytest.approx(np.exp([1, 2, 3]).sum())
    a = next(value for value in trace.values if value.name == "a")
    assert np.allclose(a.gradient.array, np.exp([1, 2, 3]))
    assert trace.verify().ok


def test_functions_without_one_number_have_no_gradients():
    trace = gs.trace(tf.function(lambda x: x * 2), np.ones(3, "float32"))
    assert [gate.op for gate in trace.gates] == ["Mul"] and trace.loss is None
    assert {gate.phase for gate in trace.gates} == {"forward"}


def test_python_decides_in_functions():
    @tf.function
    def collatz(n):
        steps = tf.constant(0.0)
        while n > 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1.0
        return steps

    trace = gs.trace(collatz, tf.constant(6))
    assert trace.loss == 8.0
    assert [gate.step for gate in trace.find(op="AddV2", phase="forward")][-1] == 7


def test_a_training_step_of_ones_own_is_traced():
    weight, other = tf.Variable([1.0, 2.0], name="weight"), keras.Variable([1.0, 2.0])
    optimizer = keras.optimizers.Adam()

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((weight * x) ** 2)
        optimizer.apply([tape.gradient(loss, weight)], [other])
        weight.assign_sub(x)
        return loss

    trace = gs.trace(step, tf.constant([3.0, 4.0]))
    assert trace.loss == 73.0
    assert {gate.phase for gate in trace.gates} == {"forward", "backward", "update"}
    assert weight.numpy().tolist() == [1.0, 2.0]
    assert not optimizer.built
    assert trace.verify().ok
    found = next(value for value in trace.values if value.name == "weight")
    assert found.gradient.array.tolist() == [18.0, 64.0]


def test_unconnected_gradients_are_zero_only_where_asked():
    def slopes(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(weight * x)
        return tape.gradient(loss, [weight, other], unconnected_gradients="zero")

    weight, other = tf.Variable(2.0), tf.Variable(3.0)
    trace = gs.trace(slopes, tf.constant([1.0, 2.0]))
    assert [gate.op for gate in trace.gates].count("ZerosLike") == 1


def test_complex_numbers_verify():
    trace = gs.trace(lambda x: tf.reduce_sum(tf.abs(tf.signal.rfft(x)) ** 2), np.arange(8.0))
    assert trace.verify().ok and trace.verify().gradients > 4


def test_what_no_tape_saw_adds_no_gradient():
    class Frozen(keras.Model):
        def train_step(self, data):
            x, _ = data
            doubled = 2 * x  # outside of the tape
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(self.layers[-1](x) * doubled + tf.reduce_sum(x * x))
            self.optimizer.apply(
                tape.gradient(loss, self.trainable_weights), self.trainable_weights
            )
            return {"loss": loss}

    inputs = keras.Input((3,))
    model = Frozen(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd")
    trace = gs.trace(model, np.ones((2, 3), "float32"), np.ones((2, 1), "float32"))
    verification = trace.verify()
    assert verification.ok, str(verification)


def test_the_budget_for_large_views():
    base = tf.random.normal([1000])
    trace = gs.trace(lambda x: (x[:10] * 2, x * 3), base)
    assert trace.kept >= base.shape[0] * 4 * 2


# Nothing changes.


def draws() -> list[float]:
    """One number from each stream of random numbers."""
    return [
        random.random(),
        float(np.random.rand()),
        float(tf.random.uniform([])),
        float(keras.random.uniform([])),
        float(GENERATOR.uniform([])),
        float(tf.random.get_global_generator().uniform([])),
    ]


GENERATOR = tf.random.Generator.from_seed(5)
COUNTER = tf.Variable(0)


def everything_random(x):
    draws()
    COUNTER.assign_add(1)
    return tf.reduce_sum(x) + float(keras.layers.Dropout(0.5)(x, training=True)[0])


def failing(x):
    everything_random(x)
    raise KeyError("the function failed")


@pytest.mark.parametrize("function", [everything_random, failing])
def test_streams_variables_and_classes_are_put_back(function):
    def seeded():
        keras.utils.set_random_seed(3)
        tf.random.set_global_generator(tf.random.Generator.from_seed(2))
        GENERATOR.reset_from_seed(5)

    seeded()
    expected = [draws(), draws()]
    seeded()
    found = [draws()]
    methods = [keras.Layer.__call__, keras.Operation.__call__, keras.losses.Loss.__call__]
    methods += [tf.GradientTape.gradient, keras.Optimizer.apply]
    own = [vars(keras.Optimizer).get("apply"), vars(keras.optimizers.LossScaleOptimizer)["apply"]]
    if function is failing:
        with pytest.raises(KeyError, match="the function failed"):
            gs.trace(function, np.ones(4, "float32"))
    else:
        gs.trace(function, np.ones(4, "float32"))
    found.append(draws())
    assert found == expected
    assert COUNTER.numpy() == 0
    again = [keras.Layer.__call__, keras.Operation.__call__, keras.losses.Loss.__call__]
    again += [tf.GradientTape.gradient, keras.Optimizer.apply]
    assert methods == again
    assert own == [
        vars(keras.Optimizer).get("apply"),
        vars(keras.optimizers.LossScaleOptimizer)["apply"],
    ]
    assert not tf.config.functions_run_eagerly()
    with operations() as seen:
        pass
    assert seen == [] and not tf.config.functions_run_eagerly()


def test_functions_stay_eager_where_they_were():
    tf.config.run_functions_eagerly(True)
    try:
        gs.trace(lambda x: x + 1, 1.0)
        assert tf.config.functions_run_eagerly()
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("kind", ["Adam", "RMSprop", "Muon"])
def test_an_optimizer_that_is_not_built_stays_so(kind, tmp_path):
    network = NETWORKS["vae"]()
    network.model.compile(getattr(keras.optimizers, kind)())
    trace_of(network)
    assert not network.model.optimizer.built
    other = NETWORKS["vae"]()
    other.model.compile(getattr(keras.optimizers, kind)())
    optimizers = [one.model.optimizer for one in (network, other)]
    for one in (network, other):
        one.model.train_step((tf.constant(one.x),))
    paths = [[variable.path for variable in optimizer.variables] for optimizer in optimizers]
    assert paths[0] == paths[1]
    assert equal(
        *([variable.numpy() for variable in optimizer.variables] for optimizer in optimizers)
    )
    tf.train.Checkpoint(network.model.optimizer).save(tmp_path / "optimizer")


def test_other_threads_are_neither_recorded_nor_disturbed():
    network = NETWORKS["dense"]()
    other = NETWORKS["lstm"]()
    expected = other.model(other.x).numpy()
    results, stop, started = [], threading.Event(), threading.Event()

    def work():
        while not stop.is_set():
            with tf.GradientTape() as tape:
                outputs = other.model(other.x)
                loss = tf.reduce_sum(network.model(network.x)) + tf.reduce_sum(outputs)
            gradients = tape.gradient(loss, other.model.trainable_variables)
            results.append((outputs.numpy(), len(gradients)))
            started.set()

    quiet = trace_of(network)
    thread = threading.Thread(target=work)
    thread.start()
    started.wait(20)
    try:
        traces = [trace_of(network) for _ in range(3)]
    finally:
        stop.set()
        thread.join()
    for trace in traces:
        assert [gate.op for gate in trace.gates] == [gate.op for gate in quiet.gates]
        assert [call.path for call in trace.calls] == [call.path for call in quiet.calls]
    assert all(np.array_equal(outputs, expected) and count == 5 for outputs, count in results)


def test_traces_in_two_threads_take_turns():
    call = keras.Layer.__call__
    networks = [NETWORKS["dense"](), NETWORKS["python_loop"]()]
    expected = [[gate.op for gate in trace_of(network).gates] for network in networks]
    found: list[list[str]] = [[], []]

    def work(place):
        for _ in range(2):
            found[place] = [gate.op for gate in trace_of(networks[place]).gates]

    threads = [threading.Thread(target=work, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected
    assert keras.Layer.__call__ is call


def test_a_trace_inside_of_a_trace():
    network = NETWORKS["dense"]()
    inner = []

    def function(x):
        inner.append(trace_of(network))
        return tf.reduce_sum(x)

    trace = gs.trace(function, tf.ones(3))
    assert trace.loss == 3.0
    assert inner[0].loss == trace_of(network).loss


def test_a_trace_holds_on_to_nothing_but_itself():
    import gc
    import weakref

    network = NETWORKS["dense"]()
    trace = trace_of(network)
    gates = weakref.ref(trace.gates[-1])
    del trace
    gc.collect()
    assert gates() is None
