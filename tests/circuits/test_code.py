"""A circuit's programs compute what it computes."""

from __future__ import annotations

import contextlib
import io

import pytest

from gatescope.circuits.circuit import circuit
from gatescope.circuits.code import to_python, to_tensorflow
from gatescope.circuits.gates import GATES

ONE_INPUT = [name for name, gate in GATES.items() if len(gate.derivatives) == 1]
EXPRESSIONS = [
    "a*x", "sigmoid(w*x + b)", "max(a, 2) - min(b, a)/3", "(x + y)*(x - y), x**2", "-x**3",
    *("-x" if name == "neg" else f"{name}(x)" for name in ONE_INPUT),
]  # fmt: skip


def printed(program: str) -> list[str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(program, "program", "exec"), {})  # noqa: S102
    return out.getvalue().split()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_tensorflow_prints_the_circuits_value_and_gradients(expression: str) -> None:
    made = circuit(expression)
    made.forward(**{name: 0.7 + place for place, name in enumerate(made.inputs)})
    made.backward()
    told = printed(to_tensorflow(made))
    # TensorFlow's own gelu divides by a square root of 2 in single precision, whatever goes in.
    near = 1e-8 if "gelu" in expression else 1e-12
    assert float(told[0]) == pytest.approx(sum(wire.value for wire in made.outputs), rel=near)
    names, numbers = told[1::2], told[2::2]
    for name, number in zip(names, numbers, strict=True):
        assert float(number) == pytest.approx(made.inputs[name].gradient, rel=10 * near, abs=1e-12)
    assert set(names) == set(made.inputs)


def test_python_makes_the_same_circuit() -> None:
    made = circuit("sigmoid(w*x + b)", train=("w", "b"), w=2.5, x=-1, b=3)
    made.forward()
    made.backward()
    scope: dict = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(to_python(made), scope)  # noqa: S102
    assert scope["circuit"].to_dict() == made.to_dict()
