"""Values forward, gradients backward, parameters down, and what is told where that fails."""

from __future__ import annotations

import numpy as np
import pytest

import gatescope as gs
from gatescope.circuits.circuit import Circuit
from gatescope.circuits.wires import Wire
from gatescope.errors import GateError, UsageError


def failure(circuit: Circuit, *, backward: bool = False) -> list[str]:
    if backward:
        circuit.forward()
    with pytest.raises(GateError) as told:
        circuit.backward() if backward else circuit.forward()
    assert circuit.failure is not None and circuit.failure.error is told.value
    return [
        part.split(": ", 1)[-1] if at else part
        for at, part in enumerate(str(told.value).splitlines())
    ]


def gradients(circuit: Circuit) -> dict[str, float | None]:
    return {name: wire.gradient for name, wire in circuit.inputs.items()}


def test_values_and_gradients_are_on_every_wire() -> None:
    circuit = gs.circuit("a*x + b", a=4, x=5, b=1)
    assert circuit.forward() == 21.0
    circuit.backward()
    assert [wire.value for wire in circuit.wires] == [4.0, 5.0, 1.0, 20.0, 21.0]
    assert [wire.gradient for wire in circuit.wires] == [5.0, 4.0, 1.0, 1.0, 1.0]


def test_a_wire_used_twice_sums_its_gradients() -> None:
    circuit = gs.circuit("x*x + x", x=3)
    circuit.forward()
    circuit.backward()
    assert gradients(circuit) == {"x": 7.0}


def test_backward_again_does_not_add_up() -> None:
    circuit = gs.circuit("x*x", x=3)
    circuit.forward()
    for _ in range(2):
        circuit.backward()
    assert gradients(circuit) == {"x": 6.0}


def test_backward_computes_values_that_are_missing() -> None:
    circuit = gs.circuit("x*x", x=3)
    circuit.backward()
    assert gradients(circuit) == {"x": 6.0}


def test_new_values_stay() -> None:
    circuit = gs.circuit("a*x", a=4)
    assert circuit.forward(x=5) == 20.0
    assert circuit.forward(a=2) == 10.0


def test_operators_and_names_build_circuits() -> None:
    x, y = gs.wire("x", 2.0), gs.wire("y", 3.0)
    out = (2 + x) * (y - 1) / 2 - (3 - x) + 2 * y + x**2 + 2**x + 12 / y + abs(-y) + x.max(y)
    circuit = gs.circuit(out)
    assert circuit.forward() == 4 * 2 / 2 - 1 + 6 + 4 + 4 + 4 + 3 + 3
    assert gs.circuit([x.sigmoid(), x.relu()]).forward() == (pytest.approx(0.8807970779778823), 2.0)


def test_numpy_numbers_may_stand_on_the_left() -> None:
    assert gs.circuit(np.float64(2.0) * gs.wire("x", 3.0)).forward() == 6.0


def test_what_wires_cannot_do_is_a_type_or_attribute_error() -> None:
    x = gs.wire("x")
    with pytest.raises(TypeError):
        x + "y"
    with pytest.raises(AttributeError, match="no gate is called so"):
        x.sigmod()


def test_two_wires_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two wires are called 'x'"):
        gs.circuit(gs.wire("x") + gs.wire("x"))


def test_deep_circuits_need_no_recursion() -> None:
    out = gs.wire("x", 1.0)
    for _ in range(20_000):
        out = out + 0.5
    circuit = gs.circuit(out)
    assert circuit.forward() == 10_001.0
    circuit.backward()
    assert gradients(circuit) == {"x": 1.0}
    assert "…" in repr(out)


def test_doubling_a_wire_over_and_over_stays_small() -> None:
    out = gs.wire("x", 0.001)
    for _ in range(300):
        out = out * out
    circuit = gs.circuit(out)
    assert circuit.forward() == 0.0
    assert len(repr(out)) < 150


def test_values_and_gradients_can_come_from_elsewhere() -> None:
    w, x = Wire("w", 2.0), Wire("x", 3.0)
    product = w * x
    product.value, product.gradient, w.gradient, x.gradient = 6.0, 0.5, 1.5, 1.0
    others = Wire("others", -1.0)
    others.gradient = 0.5
    out = product + others
    out.value, out.gradient = 5.0, 0.5
    assert "6.00" in str(Circuit([out])) and "0.50" in str(Circuit([out]))


def test_step_goes_down_the_gradient() -> None:
    circuit = gs.circuit("a*x", a=4, x=5, train=["a"])
    circuit.forward()
    circuit.backward()
    assert circuit.step(0.1) == pytest.approx(3.5 * 5)
    assert circuit.inputs["a"].value == 3.5
    assert circuit.inputs["x"].value == 5.0


def test_step_needs_parameters_and_gradients() -> None:
    with pytest.raises(UsageError, match="the circuit has no parameters"):
        gs.circuit("a*x", a=4, x=5).step(0.1)
    with pytest.raises(UsageError, match="no gradients yet"):
        gs.circuit("a*x", a=4, x=5, train="a").step(0.1)


def test_upstream_gradients_must_fit_the_outputs() -> None:
    with pytest.raises(UsageError, match="2 upstream gradients for 1 outputs"):
        gs.circuit("a*x", a=4, x=5).backward(1.0, 2.0)
    with pytest.raises(UsageError, match="upstream is 'nan'"):
        gs.circuit("a*x", a=4, x=5).backward(float("nan"))


@pytest.mark.parametrize(
    ("text", "values", "happened", "expected", "fix"),
    [
        (
            "2*log(x - 3)",
            {"x": 2},
            "log(−1) has no value: the gate 'log' in log(x - 3)",
            "an input above 0",
            "change x (2)",
        ),
        (
            "1/(x - 2)",
            {"x": 2},
            "1 ÷ 0 has no value: the gate 'div' in 1/(x - 2)",
            "a divisor other than 0",
            "change x (2)",
        ),
        (
            "exp(a*b)",
            {"a": 100, "b": 10},
            "exp(1000) is larger than any float: the gate 'exp' in exp(a*b)",
            "inputs whose result stays within ±1.8e308",
            "change a (100) or b (10)",
        ),
        (
            "x*x",
            {"x": 1e200},
            "1e+200 × 1e+200 is larger than any float: the gate 'mul' in x*x",
            "inputs whose result stays within ±1.8e308",
            "change x (1e+200)",
        ),
        (
            "sigmoid(1e308*x)",
            {"x": 10},
            "1e+308 × 10 is larger than any float: the gate 'mul' in 1e+308*x",
            "inputs whose result stays within ±1.8e308",
            "change x (10)",
        ),
        (
            "x**0.5",
            {"x": -1},
            "−1 ** 0.5 has no value: the gate 'pow' in x**0.5",
            "a base above 0, or a whole exponent (of 0 or more over a base of 0)",
            "change x (−1)",
        ),
        (
            "sqrt(x)",
            {"x": -1},
            "sqrt(−1) has no value: the gate 'sqrt' in sqrt(x)",
            "an input above 0",
            "change x (−1)",
        ),
        (
            "log(0)",
            {},
            "log(0) has no value: the gate 'log' in log(0)",
            "an input above 0",
            "change the expression",
        ),
    ],
)
def test_a_gate_without_a_value_is_named(
    text: str, values: dict[str, float], happened: str, expected: str, fix: str
) -> None:
    assert failure(gs.circuit(text, **values)) == [happened, expected, fix]


def test_a_gate_without_a_gradient_is_named() -> None:
    assert failure(gs.circuit("sqrt(x) + y", x=0, y=1), backward=True)[0] == (
        "the gradient through sqrt(0) is infinite: the gate 'sqrt' in sqrt(x)"
    )
    steep = gs.circuit("1e200*(1e200*x)", x=1e-300)
    assert failure(steep, backward=True)[0] == (
        "the gradient through 1e+200 × 1e−300 is larger than any float: the gate 'mul' in 1e+200*x"
    )


def test_the_rest_of_the_circuit_still_shows() -> None:
    circuit = gs.circuit("a*b + log(c), a + 1", a=2, b=3, c=-1)
    failure(circuit)
    values = {str(wire.gate and wire.gate.name): wire.value for wire in circuit.wires if wire.gate}
    assert values == {"mul": 6.0, "log": None, "add": 3.0}
    drawn = str(circuit)
    assert "log✗" in drawn and "6.00" in drawn


def test_gradients_that_do_not_pass_the_failing_gate_still_show() -> None:
    circuit = gs.circuit("sqrt(x) + y*z", x=0, y=2, z=3)
    failure(circuit, backward=True)
    assert gradients(circuit) == {"x": None, "y": 3.0, "z": 2.0}


def test_after_a_failure_the_circuit_goes_on() -> None:
    circuit = gs.circuit("log(x)", x=-1)
    failure(circuit)
    assert circuit.forward(x=1) == 0.0
    assert circuit.failure is None
    circuit.backward()
    assert gradients(circuit) == {"x": 1.0}


def test_large_finite_values_that_sum_to_no_float_are_no_failure() -> None:
    circuit = gs.circuit("max(x, y)", x=1.5e308, y=1e308)
    assert circuit.forward() == 1.5e308
    circuit.backward()
    assert gradients(circuit) == {"x": 1.0, "y": 0.0}
