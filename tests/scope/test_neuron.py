"""Any number of a network opens as a circuit that computes what the network computed."""

import numpy as np
import pytest
import tensorflow as tf
from networks import NETWORKS

import gatescope as gs
from gatescope.scope import eager
from gatescope.scope.record import Value

# Single precision adds up in another order: what it is off by, as a share of the largest number
# that was added.
SAME = 1e-5
ALL = 10**6  # terms


@pytest.fixture(scope="module", params=NETWORKS)
def traced(request):
    network = NETWORKS[request.param]()
    parts = [network.x] if network.y is None else [network.x, network.y]
    return gs.trace(network.model, *parts, training=True)


def _calls(trace):
    """The first call of every layer that gave real numbers."""
    first = {}
    for call in trace.calls:
        if call.outputs and call.outputs[0].is_float and 0 not in call.outputs[0].shape:
            first.setdefault(call.path, call)
    return first.values()


def _neurons(trace, terms):
    random = np.random.default_rng(3)
    for call in _calls(trace):
        value = call.outputs[0]
        index = tuple(int(random.integers(size)) for size in value.shape)
        yield call, trace.neuron(value, index, terms=terms)


def _scale(neuron):
    """The largest number that was added or multiplied, of which digits may be lost."""
    return max(abs(wire.value) for wire in neuron.wires)


def test_a_neuron_of_each_layer_has_the_value_and_gradient_of_the_trace(traced):
    opened = 0
    for call, neuron in _neurons(traced, terms=8):
        recorded = neuron.element.number
        assert neuron.outputs[0].value == recorded, call
        half = "16" in neuron.element.value.dtype
        if not half and not any("16" in value.dtype for value in call.inputs):
            again = neuron.forward()
            assert abs(again - recorded) <= SAME * max(abs(recorded), _scale(neuron)), call
        gradient = neuron.element.gradient
        if gradient is not None:
            assert neuron.outputs[0].gradient == pytest.approx(gradient, rel=SAME), call
        opened += 1
    assert opened


def test_gradients_are_those_of_tensorflow_through_the_same_gates(traced):
    compared = 0
    for call, neuron in _neurons(traced, terms=ALL):
        expected = _replayed(traced, neuron)
        if expected is None:
            continue
        neuron.backward(1.0)
        found = [np.abs(one).max() for one in expected.values() if one is not None]
        near = float(SAME * max(found, default=0.0))
        for name, wire in neuron.inputs.items():
            element = neuron.element_of(wire)
            if element is None or element.value not in expected:
                continue
            slopes = expected[element.value]
            slope = 0.0 if slopes is None else float(slopes.reshape(-1)[element.flat])
            assert wire.gradient == pytest.approx(slope, rel=SAME, abs=near), (call, name)
            compared += 1


def _replayed(trace, neuron):
    """The gradient of the neuron's number on each of its inputs' tensors, by a tape.

    None where a tensor is partly opened and partly an input: a tape cannot cut it in two.
    """
    elements = [neuron.element_of(wire) for wire in neuron.inputs.values()]
    leaves = {element.value for element in elements if element}
    output = neuron.element.value
    here = output.gate and (output.gate.call, output.gate.step)
    made = [value.gate for value in leaves if value.gate]
    inside = [gate for gate in made if (gate.call, gate.step) == here]
    partly = any(part.is_float for gate in inside for part in gate.inputs)
    if partly or any("16" in value.dtype for value in leaves | {output}):
        return None
    known: dict[Value, tf.Tensor] = {value: tf.identity(value.tensor) for value in leaves}
    with tf.GradientTape() as tape:
        tape.watch(list(known.values()))
        for gate in trace.gates[: output.gate.place + 1 if output.gate else 0]:
            _replay(gate, known)
        made = known.get(output)
        if made is None:
            return None
        number = tf.reshape(made, [-1])[neuron.element.flat]
    values = list(leaves)
    found = tape.gradient(number, [known[value] for value in values])
    dense = (None if one is None else tf.convert_to_tensor(one).numpy() for one in found)
    return dict(zip(values, dense, strict=True))


def _replay(gate, known):
    """Runs a gate again if it depends on what is known; what is known already stays."""
    if gate.opaque or eager.is_stateful(gate.op) or not known.keys() & set(gate.inputs):
        return
    inputs = [known.get(value, value.tensor) for value in gate.inputs]
    outputs = eager.run(gate.op, inputs, gate.attributes, len(gate.outputs), recorded=True)
    for value, tensor in zip(gate.outputs, outputs, strict=True):
        known.setdefault(value, tensor)
