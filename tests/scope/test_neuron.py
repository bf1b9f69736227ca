"""Any number of a network opens as a circuit that computes what the network computed."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import NETWORKS

import gatescope as gs
from gatescope.circuits.circuit import Circuit
from gatescope.errors import TraceError, UsageError
from gatescope.scope import eager
from gatescope.scope import neuron as neuron_module
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


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(name="flat"),
            layers.Dense(30, activation="relu", name="hidden"),
            layers.Dense(3, name="scores"),
        ],
        name="small",
    )
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = np.random.default_rng(0).uniform(size=(2, 12, 12, 1)).astype("float32")
    return gs.trace(model, x, np.array([0, 2]))


def test_the_largest_terms_are_drawn_and_the_others_are_their_exact_sum(small):
    neuron = small.neuron("scores", unit=1, sample=1, terms=4)
    assert isinstance(neuron, Circuit)
    inputs = small.calls_of("scores")[0].inputs[0].array[1].astype(float)
    (kernel,) = [v.array for v in small.find("scores", "MatMul", phase="forward")[0].inputs[1:]]
    products = inputs * kernel[:, 1]
    largest = np.argsort(-np.abs(products), kind="stable")[:4]
    drawn = {name for name in neuron.inputs if name.startswith("hidden[")}
    assert drawn == {f"hidden[1, {place}]" for place in largest}
    rest = neuron.inputs["26 others"].value
    assert rest == pytest.approx(np.delete(products, largest).sum(), rel=1e-12)


def test_shares_of_a_dense_neuron_are_its_products(small):
    neuron = small.neuron("scores", (0, 2), terms=30)
    for name, share in neuron.contributions.items():
        if name.startswith("hidden["):
            weight = neuron.inputs[f"scores/kernel[{name.partition(', ')[2][:-1]}, 2]"]
            assert share == pytest.approx(neuron.inputs[name].value * weight.value)
    shares = [abs(share) for share in neuron.contributions.values()]
    assert shares == sorted(shares, reverse=True)


def test_following_leads_from_a_score_to_the_pixels(small):
    path = small.neuron("scores", (0, 1)).path()
    layers = [neuron.name.partition("[")[0] for neuron in path]
    assert layers == ["scores", "hidden", "pool", "conv"]
    pixels = [name for name in path[-1].inputs if name.startswith("x[")]
    assert len(pixels) == 8
    assert small.neuron("scores", (0, 1)).follow(2)[1].name.startswith("hidden[0, ")
    assert small.neuron("scores", (0, 1)).path(to="x")[-1].name == path[-1].name


def test_following_to_what_is_no_source_names_those_that_are(small):
    with pytest.raises(UsageError, match=r"scores does not come from an input 'y'(.|\n)*one of x"):
        small.neuron("scores", (0, 1)).follow(to="y")


def test_a_recurrent_layer_opens_at_the_step_of_its_cell_with_every_inner_gate():
    network = NETWORKS["lstm"]()
    trace = gs.trace(network.model, network.x, network.y)
    (call,) = [call for call in trace.calls if isinstance(call.layer, keras.layers.LSTM)]
    last = call.inputs[0].shape[1] - 1
    neuron = trace.neuron(call.outputs[0], (1, 2))
    assert neuron.name == f"lstm_cell@{last}[1, 2]"
    kinds = [wire.gate.name for wire in neuron.wires if wire.gate]
    assert kinds.count("sigmoid") == 3  # input, forget, output
    assert kinds.count("tanh") == 2  # candidate, state
    # Named as Keras' own code names them.
    names = {wire.name.partition("@")[0] for wire in neuron.wires if wire.gate}
    assert names >= {f"lstm_cell/{gate}.Sigmoid" for gate in "ifo"}
    assert names >= {"lstm_cell/c.Tanh", "lstm_cell/c.AddV2", "lstm_cell/h.Tanh"}
    assert trace.neuron("lstm_cell", unit=2, sample=1).name == neuron.name
    earlier = trace.neuron("lstm_cell", unit=2, sample=1, step=1)
    assert earlier.name == "lstm_cell@1[1, 2]"
    layer = call.layer.name
    assert trace.neuron(layer, unit=2, sample=1, step=1).name == earlier.name
    with pytest.raises(UsageError, match=f"'{layer}' has no step 99(.|\n)*from 0 to {last}"):
        trace.neuron(layer, unit=2, step=99)


def test_a_path_through_many_steps_looks_at_the_trace_once(monkeypatch):
    looked = []
    before = neuron_module._before
    monkeypatch.setattr(neuron_module, "_before", lambda value: looked.append(1) or before(value))
    network = NETWORKS["lstm"]()
    path = gs.trace(network.model, network.x).neuron("lstm_cell", unit=1).path()
    assert len(path) == 5 and len(looked) == 1


def test_a_neuron_is_a_circuit_that_draws_explains_and_trains_as_any_other(small):
    neuron = small.neuron("conv", (0, 3, 4, 1), terms=4)
    assert "Σ" in str(neuron) and "5 others" in str(neuron) and "conv/bias[1]" in str(neuron)
    assert neuron.to_svg().startswith("<svg")
    assert neuron.explain()
    assert len(neuron.to_dict()["wires"]) == len(neuron.wires)
    assert neuron.compile().forward() == pytest.approx(neuron.forward())


def test_a_drawing_says_which_number_it_is_and_what_its_gradients_are_of(small):
    drawn = str(small.neuron("scores", unit=1))
    assert drawn.startswith("scores[0, 1]: above each wire its value, below it the gradient of the")
    assert "gradient of the loss\n\n" in drawn
    trace = gs.trace(lambda x: x * [2.0], tf.constant([1.0], name="<x>"))
    neuron = trace.neuron(trace.outputs[0], (0,))
    assert "gradient of this number\n\n" in str(neuron)
    assert neuron._repr_html_().startswith("<p>Mul[0]: above")


def test_what_is_not_finite_is_shown_as_it_is():
    trace = gs.trace(lambda x: tf.math.log(x) * 2.0, tf.constant([1.0, 0.0, -1.0]))
    neuron = trace.neuron(trace.outputs[0], (2,))
    assert np.isnan(neuron.outputs[0].value)
    assert "NaN" in str(neuron)


@pytest.mark.filterwarnings("error")
def test_the_way_of_a_nan_is_followed_to_where_it_came_in(small):
    x = np.ones((2, 12, 12, 1), "float32")
    x[1, 9, 8, 0] = np.nan
    neuron = gs.trace(small.calls[0].layer, x).neuron("conv", (1, 8, 8, 3), terms=2)
    assert repr(neuron) == "<neuron conv[1, 8, 8, 3] = nan>"
    assert next(iter(neuron.contributions)) == "x[1, 9, 8, 0]"
    neuron = gs.trace(small.calls[0].layer, x).neuron("scores", unit=2, sample=1, terms=2)
    assert next(iter(neuron.path()[-1].contributions)) == "x[1, 9, 8, 0]"


def test_operations_without_a_rule_open_by_their_derivatives():
    x = np.array([[1.0, 2.0, 4.0]], np.float32)
    trace = gs.trace(lambda x: tf.math.cumsum(tf.math.erf(x), axis=1), x)
    neuron = trace.neuron(trace.outputs[0], (0, 1))
    assert neuron.forward() == pytest.approx(float(trace.outputs[0].array[0, 1]), rel=SAME)
    slope = 2 / np.sqrt(np.pi) * np.exp(-(x[0] ** 2))
    neuron.backward(1.0)
    found = {name: wire.gradient for name, wire in neuron.inputs.items()}
    assert found == pytest.approx({"x[0, 0]": slope[0], "x[0, 1]": slope[1]}, rel=SAME)


@pytest.mark.parametrize(
    ("arguments", "settings", "text"),
    [
        (("score", (0, 1)), {}, "no layer 'score' ran(.|\n)*did you mean 'scores'"),
        (("scores", (0, 3)), {}, r"scores has no element \[0, 3\](.|\n)*\(0 to 1, 0 to 2\)"),
        (("scores", (0,)), {}, r"scores has no element \[0\](.|\n)*2 numbers"),
        (("scores",), {"unit": 3}, r"scores has no element \[0, 3\](.|\n)*\(0 to 1, 0 to 2\)"),
        (("conv",), {"unit": 3}, r"conv has 2 × 10 × 10 × 4 elements(.|\n)*\(1, 9, 9, 3\)"),
        (("scores", (0, 1)), {"step": 1}, "'scores' has no step 1(.|\n)*from 0 to 0"),
        (("scores", (0, 1)), {"terms": 0}, "terms is 0(.|\n)*1 or more"),
        (("scores", (0, 1)), {"terms": 2.5}, "terms is 2.5(.|\n)*1 or more"),
        (("scores", ("a", 0.5)), {}, r"scores has no element \['a', 0.5\]"),
        (("scores", 1), {}, r"scores has no element \[1\](.|\n)*2 numbers"),
        (("scores", (0, 1)), {"unit": 2}, "both the index .* unit=2 were given"),
        ((7,), {"unit": 2}, "int '7' says nothing of where(.|\n)*a gate or a value"),
    ],
)
def test_what_cannot_be_opened_is_said_with_what_can(small, arguments, settings, text):
    with pytest.raises(UsageError, match=text):
        small.neuron(*arguments, **settings)


def test_values_beyond_the_budget_and_whole_numbers_are_refused(small):
    model = small.calls[0].layer
    poor = gs.trace(model, np.zeros((2, 12, 12, 1), np.float32), memory_budget=0)
    with pytest.raises(TraceError, match=r"only a summary of scores(.|\n)*memory_budget"):
        poor.neuron("scores", (0, 1))
    whole = gs.trace(lambda x: x + 1, tf.constant([1, 2]))
    with pytest.raises(TraceError, match="holds int32, which has no neurons"):
        whole.neuron(whole.outputs[0], (0,))
