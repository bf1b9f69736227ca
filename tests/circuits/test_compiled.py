"""Straight-line functions give what the circuit gives."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest

import gatescope as gs
from gatescope.circuits.circuit import Circuit
from gatescope.circuits.gates import GATES
from gatescope.circuits.wires import apply
from gatescope.errors import GateError, UsageError


def random_circuit(seed: int, size: int = 40) -> Circuit:
    """Every gate may come, on values kept within (0, 3) where each of them is at home."""
    draw = random.Random(seed)
    wires = [gs.wire(name, draw.uniform(0.2, 2)) for name in "abcd"]
    for _ in range(size):
        gate = draw.choice(sorted(GATES))
        ends = [draw.choice(wires[-10:]) for _ in GATES[gate].derivatives]
        made = apply(gate, *ends)
        wires.append((made.sin() + 1.5) if gate in ("exp", "pow", "log", "div", "mul") else made)
        wires[-1] = wires[-1].abs() + 0.1
    return Circuit(wires[-2:])


@pytest.mark.parametrize("seed", range(60))
def test_numbers_give_the_very_floats_of_the_circuit(seed: int) -> None:
    circuit = random_circuit(seed)
    compiled = circuit.compile()
    values = {name: random.Random(seed + 1).uniform(0.2, 2) for name in circuit.inputs}
    outputs = circuit.forward(**values)
    circuit.backward()
    gradients = {name: wire.gradient for name, wire in circuit.inputs.items()}
    assert compiled.forward(**values) == outputs
    assert compiled.backward(**values) == (outputs, gradients)


@pytest.mark.parametrize("seed", range(20))
def test_arrays_give_each_element_of_the_circuit(seed: int) -> None:
    circuit = random_circuit(seed)
    name, *_ = circuit.inputs
    points = np.linspace(0.2, 2, 7)
    outputs, gradients = circuit.compile().backward(**{name: points})
    for place, point in enumerate(points):
        values = circuit.forward(**{name: float(point)})
        circuit.backward()
        assert [output[place] for output in outputs] == pytest.approx(values, rel=1e-9)
        for other, wire in circuit.inputs.items():
            assert gradients[other][place] == pytest.approx(wire.gradient, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("gate", sorted(GATES))
def test_every_gate_on_arrays_either_side_of_0(gate: str) -> None:
    names = "ab"[: len(GATES[gate].derivatives)]
    circuit = gs.circuit(f"{gate}({', '.join(names)})")
    at = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    compiled = circuit.compile()
    outputs, gradients = compiled.backward(**dict.fromkeys(names, at))
    for place, point in enumerate(at):
        try:
            expected = compiled.backward(**dict.fromkeys(names, float(point)))
        except GateError:
            continue
        assert outputs[place] == pytest.approx(expected[0], rel=1e-14)
        assert {n: g[place] for n, g in gradients.items()} == pytest.approx(expected[1], rel=1e-14)


def test_arrays_broadcast_and_everything_takes_their_shape() -> None:
    compiled = gs.circuit("a*x + b, b", b=1).compile()
    outputs, gradients = compiled.backward(a=np.ones((3, 1)), x=np.arange(4))
    assert [output.shape for output in outputs] == [(3, 4), (3, 4)]
    assert {name: gradient.shape for name, gradient in gradients.items()} == dict.fromkeys(
        "axb", (3, 4)
    )
    assert (gradients["b"] == 2).all()


def test_an_element_without_a_value_leaves_the_others(recwarn: pytest.WarningsRecorder) -> None:
    got = gs.circuit("log(x)").compile().forward(x=np.array([-1.0, 0.0, 1.0]))
    assert np.isnan(got[0]) and got[1] == -np.inf and got[2] == 0.0
    assert not recwarn.list


def test_inputs_left_out_keep_their_value_of_then() -> None:
    circuit = gs.circuit("a*x", a=4, x=5)
    compiled = circuit.compile()
    circuit.forward(a=100)
    assert compiled.forward() == 20.0
    assert compiled.forward(x=1) == 4.0


def test_of_numbers_the_failing_gate_is_named_and_the_circuit_untouched() -> None:
    circuit = gs.circuit("log(x) + y", x=1, y=2)
    circuit.forward()
    compiled = circuit.compile()
    for call in (compiled.forward, compiled.backward):
        with pytest.raises(GateError, match=r"log\(−1\) has no value"):
            call(x=-1)
    assert [wire.value for wire in circuit.wires] == [1.0, 2.0, 0.0, 2.0]
    assert circuit.failure is None
    with pytest.raises(GateError, match="larger than any float"):
        gs.circuit("sigmoid(x*x)").compile().forward(x=1e200)
    with pytest.raises(GateError, match="gradient through sqrt"):
        gs.circuit("sqrt(x)").compile().backward(x=0)


def test_wrong_names_and_values_are_told() -> None:
    compiled = gs.circuit("rate*x", x=2).compile()
    with pytest.raises(UsageError, match="did you mean 'rate'"):
        compiled.forward(rat=1)
    with pytest.raises(UsageError, match="no value for rate"):
        compiled.forward()
    for value in ("one", float("nan"), [1.0]):
        with pytest.raises(UsageError, match="rate is "):
            compiled.forward(rate=value)


def test_large_finite_values_that_sum_to_no_float_are_no_failure() -> None:
    compiled = gs.circuit("max(x, y)").compile()
    assert compiled.forward(x=1.5e308, y=1e308) == 1.5e308
    assert compiled.backward(x=1.5e308, y=1e308) == (1.5e308, {"x": 1.0, "y": 0.0})


def test_users_names_are_not_in_the_source() -> None:
    assert "secret" not in gs.circuit("secret*2").compile().source


def test_a_circuit_of_4_000_gates_compiles() -> None:
    out = gs.wire("x", 1.0)
    for _ in range(4_000):
        out = out + 0.5
    assert gs.circuit(out).compile().backward() == (2_001.0, {"x": 1.0})


def test_constants_and_inputs_alone_compile() -> None:
    assert gs.circuit("x").compile().backward(x=2) == (2.0, {"x": 1.0})
    assert gs.circuit("2 - -3").compile().backward() == (5.0, {})
    assert gs.circuit("x*2, x*2").compile().backward(x=1) == ((2.0, 2.0), {"x": 4.0})


def test_numbers_need_no_numpy() -> None:
    code = (
        "import sys, gatescope as gs; gs.circuit('tanh(a*x)', a=1).compile().backward(x=2.0);"
        "assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
