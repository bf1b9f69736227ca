"""Values and gradients of random circuits against `tf.GradientTape` in float64."""

from __future__ import annotations

import math
import random

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatescope.circuits.circuit import Circuit
from gatescope.circuits.gates import GATES, functions
from gatescope.circuits.wires import Wire, apply, wire

# TensorFlow's own leaky_relu and gelu hold their constants in float32, which is 8 digits too few.
OPS = {
    "add": tf.add,
    "sub": tf.subtract,
    "mul": tf.multiply,
    "div": tf.divide,
    "pow": tf.pow,
    "neg": tf.negative,
    "exp": tf.exp,
    "log": tf.math.log,
    "sqrt": tf.sqrt,
    "abs": tf.abs,
    "max": tf.maximum,
    "min": tf.minimum,
    "sin": tf.sin,
    "cos": tf.cos,
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "relu": tf.nn.relu,
    "leaky_relu": lambda x: tf.where(x > 0, x, 0.2 * x),
    "elu": tf.nn.elu,
    "gelu": lambda x: 0.5 * x * (1 + tf.math.erf(x / math.sqrt(2))),
    "silu": tf.nn.silu,
    "softplus": tf.nn.softplus,
    "step": lambda x: tf.cast(x > 0, tf.float64),
}
NAMES = sorted(OPS)
JUMPS = {"relu", "leaky_relu", "elu", "abs", "step"}
REACH = 50.0  # values beyond it are left out: they would lose the digits that are compared


def tame(gate: str, ends: list[Wire]) -> float | None:
    """The gate's value, if it has one that float64 knows to ten digits whatever the library."""
    values = [end.value for end in ends]
    a, b = values[0], values[-1]
    given_exactly = not any(end.gate for end in ends)
    if gate in JUMPS and abs(a) < 1e-3 and not given_exactly:
        return None
    if gate in ("max", "min") and abs(a - b) < 1e-3 and not given_exactly:
        return None
    if (gate in ("log", "sqrt") and a < 0.1) or (gate == "div" and abs(b) < 0.1):
        return None
    if gate == "pow" and (abs(a) < 0.1 or abs(b) > 3 or (a < 0 and ends[1].gate)):
        return None
    try:
        value = functions(GATES[gate])[0](a, b)
    except (ArithmeticError, ValueError):
        return None
    return value if math.isfinite(value) and abs(value) <= REACH else None


def random_circuit(seed: int, size: int) -> Circuit:
    """Gates drawn from all, on wires drawn from all so far; now and then an exact 0 or a tie."""
    draw = random.Random(seed)
    wires = [wire(f"x{at}", draw.randint(-64, 64) / 16) for at in range(draw.randint(1, 4))]
    wires += [Wire(value=draw.randint(-3, 3)) for _ in range(draw.randint(0, 2))]
    while sum(each.gate is not None for each in wires) < size:
        gate = draw.choice(NAMES)
        ends = [draw.choice(wires[-8:]) for _ in GATES[gate].derivatives]
        value = tame(gate, ends)
        if value is not None:
            wires.append(apply(gate, *ends))
            wires[-1].value = value
    return Circuit(wires[-draw.randint(1, 2) :])


def tape_of(circuit: Circuit) -> tuple[list[float], list[float]]:
    """Values of all wires, and the gradients of the outputs' sum on them."""
    tensors: dict[Wire, tf.Tensor] = {}
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        for each in circuit.wires:
            if each.gate:
                tensors[each] = OPS[each.gate.name](*(tensors[end] for end in each.inputs))
            else:
                tensors[each] = tf.constant(each.value, tf.float64)
            tape.watch(tensors[each])  # of gates too: the tape loses what follows a step
        total = tf.add_n([tensors[end] for end in circuit.outputs])
    sources = list(tensors.values())
    gradients = tape.gradient(total, sources, unconnected_gradients="zero")
    return [float(value) for value in sources], [float(gradient) for gradient in gradients]


@settings(
    max_examples=2000,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.integers(0, 2**40), st.integers(1, 24))
def test_random_circuits_equal_the_tape(seed: int, size: int) -> None:
    circuit = random_circuit(seed, size)
    values, gradients = tape_of(circuit)
    circuit.forward()
    circuit.backward()
    # What cancels to next to nothing has no digits to compare, beside the largest there is.
    scale = max(1.0, *map(abs, gradients))
    for place, each in enumerate(circuit.wires):
        assert math.isclose(each.value, values[place], rel_tol=1e-9, abs_tol=1e-12)
        assert math.isclose(each.gradient, gradients[place], rel_tol=1e-9, abs_tol=1e-12 * scale)


def test_every_gate_is_compared() -> None:
    assert OPS.keys() == GATES.keys()


AT_THE_JUMP = [
    *((gate, (0.0,)) for gate in sorted(JUMPS)),
    *((gate, (1.5, 1.5)) for gate in ("max", "min")),
    ("pow", (0.0, 2.0)),
    ("pow", (0.0, 1.0)),
    ("pow", (-2.0, 3.0)),
]


@pytest.mark.parametrize(("gate", "values"), AT_THE_JUMP)
def test_where_a_derivative_jumps_the_side_is_that_of_tensorflow(
    gate: str, values: tuple[float, ...]
) -> None:
    circuit = Circuit([apply(gate, *(wire("ab"[at], value) for at, value in enumerate(values)))])
    circuit.forward()
    circuit.backward()
    assert ([w.value for w in circuit.wires], [w.gradient for w in circuit.wires]) == tape_of(
        circuit
    )


def test_the_two_written_out_here_are_those_of_tensorflow() -> None:
    x = tf.constant([-3.0, -0.5, 0.0, 0.5, 3.0], tf.float64)
    for gate, whole in (("leaky_relu", tf.nn.leaky_relu), ("gelu", tf.nn.gelu)):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            ours, theirs = OPS[gate](x), whole(x)
        assert ours.numpy() == pytest.approx(theirs.numpy(), rel=1e-6)
        assert tape.gradient(ours, x).numpy() == pytest.approx(
            tape.gradient(theirs, x).numpy(), rel=1e-6
        )


@pytest.mark.parametrize("gate", ["sigmoid", "silu", "softplus", "gelu", "tanh", "elu"])
@pytest.mark.parametrize("value", [-700.0, -40.0, -1e-9, 0.0, 1e-9, 40.0, 700.0])
def test_far_out_and_close_to_0_saturating_gates_stay_right(gate: str, value: float) -> None:
    circuit = Circuit([apply(gate, wire("a", value))])
    circuit.forward()
    circuit.backward()
    values, gradients = tape_of(circuit)
    assert circuit.wires[1].value == pytest.approx(values[1], rel=1e-9, abs=1e-15)
    assert circuit.wires[0].gradient == pytest.approx(gradients[0], rel=1e-9, abs=1e-15)
