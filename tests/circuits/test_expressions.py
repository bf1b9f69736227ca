"""What an expression may hold, and what is said of anything else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gatescope as gs
from gatescope.circuits.expressions import parse
from gatescope.circuits.gates import GATES
from gatescope.circuits.wires import Wire, apply, expression, wire
from gatescope.errors import UsageError


def said(source: object, **given: object) -> list[str]:
    with pytest.raises(UsageError) as refusal:
        gs.circuit(source, **given).forward()
    happened, expected, fix = str(refusal.value).splitlines()
    assert expected.startswith("  expected: ") and fix.startswith("  fix: ")
    return [happened, expected.removeprefix("  expected: "), fix.removeprefix("  fix: ")]


def test_an_expression_is_a_circuit() -> None:
    neuron = gs.circuit("sigmoid(w0*x0 + w1*x1 + b)", w0=2, x0=-1, w1=-3, x1=-2, b=-3)
    assert neuron.forward() == pytest.approx(0.7310585786300049)
    assert list(neuron.inputs) == ["w0", "x0", "w1", "x1", "b"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3*4", 14),
        ("2**3**2", 512),
        ("-2**2", -4),
        ("(-2)**2", 4),
        ("2 - 3 - 4", -5),
        ("2/4/2", 0.25),
        ("+3", 3),
        ("--3", 3),
        ("max(1, min(5, 3))", 3),
        ("abs(-3) + neg(1)", 2),
        (" \n 1_000 + .5", 1000.5),
        ("1e3*1", 1000),
    ],
)
def test_signs_bind_as_in_python(text: str, value: float) -> None:
    assert gs.circuit(text).forward() == value


def test_several_expressions_are_several_outputs() -> None:
    circuit = gs.circuit("a*x, a + x", a=4, x=5)
    assert circuit.forward() == (20.0, 9.0)
    circuit.backward()
    assert circuit.inputs["a"].gradient == 6.0
    circuit.backward(0.0, 1.0)
    assert circuit.inputs["a"].gradient == 1.0


def test_any_gate_can_be_called_by_name() -> None:
    for name, row in GATES.items():
        (made,) = parse(f"{name}({', '.join('pq'[: len(row.derivatives)])})")
        assert made.gate is row


def test_wires_can_stand_for_names() -> None:
    x = wire("x", 3.0)
    (made,) = parse("prediction + 1", {"prediction": x * 2})
    assert expression(made) == "x*2 + 1"


def test_long_sums_are_no_trouble() -> None:
    assert gs.circuit("+".join(["x"] * 1500), x=1).forward() == 1500


REFUSED = {
    "x.real": "leave it out",
    "x.__class__": "leave it out",
    "(1).__class__.__bases__[0]": "leave it out",
    "__import__('os').system('true')": "call gates by their name with inputs alone",
    "x[0]": "leave it out",
    "'x'": "leave it out",
    "f'{x}'": "leave it out",
    "True*x": "leave it out",
    "1j*x": "leave it out",
    "None": "leave it out",
    "...": "leave it out",
    "lambda: x": "leave it out",
    "[x for x in y]": "leave it out",
    "x if y else z": "leave it out",
    "(y := x)": "leave it out",
    "x and y": "leave it out",
    "not x": "leave it out",
    "~x": "leave it out",
    "x // y": "leave it out",
    "x % y": "leave it out",
    "x @ y": "leave it out",
    "x ^ 2": "a power is written x**2",
    "x > 2": "step(a - b) is 1 where a > b, else 0",
    "sigmoid * 2": "sigmoid is a gate: give it inputs",
    "max(*x)": "leave it out",
    "max(a=1, b=2)": "call gates by their name",
    "(x, y) + 1": "leave it out",
    "()": "leave it out",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_the_whitelist_does_not_know_is_refused(text: str) -> None:
    happened, expected, fix = said(text, **({"x": 1} if text == "x" else {}))
    assert happened.endswith("is not allowed in an expression")
    assert expected == "numbers, names, + - * / **, brackets, and gates such as sigmoid(x)"
    assert fix.startswith(REFUSED[text])


@pytest.mark.parametrize("text", ["", "  ", "a*", "a b", "2x", "a = 3", "a\0b", "(a", "a)", "‘a’"])
def test_what_is_no_expression_is_told_with_the_place(text: str) -> None:
    happened, *_ = said(text)
    assert " is no expression: " in happened
    assert happened.isprintable()


def test_unknown_gates_are_answered_by_the_nearest() -> None:
    assert said("sigmod(x)")[0] == "there is no gate 'sigmod'"
    assert said("sigmod(x)")[2] == "did you mean 'sigmoid'?"
    assert said("eval(x)")[0] == "there is no gate 'eval'"


def test_a_wrong_number_of_inputs_is_told() -> None:
    assert said("max(a)") == ["the gate 'max' got 1 input", "2 inputs", "max(a, b)"]
    assert said("exp(a, b)") == ["the gate 'exp' got 2 inputs", "1 input", "exp(a)"]
    assert said("exp()")[0] == "the gate 'exp' got 0 inputs"


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000 + "x" + ")" * 10_000,
        "(" * 10_000,
        "exp(" * 10_000 + "x" + ")" * 10_000,
        "[" * 10_000,
        "-" * 10_000 + "x",
        "2**" * 10_000 + "x",
        "+".join(["x"] * 10_000),
        "x" * 200_000,
        "x if y else " * 5_000 + "x",
    ],
    ids=lambda text: text[:8],
)
def test_nesting_and_length_have_a_limit(text: str) -> None:
    happened, expected, fix = said(text)
    assert happened.startswith("the expression is ")
    assert len(happened) < 100
    assert expected == "at most 100 brackets deep and 100,000 letters long"
    assert "gs.wire" in fix


@pytest.mark.parametrize("text", ["1e999", f"1{'0' * 400}", "1" * 5000])
def test_constants_that_no_float_holds_are_refused(text: str) -> None:
    assert len(said(f"{text}*x")[0]) < 200


def test_names_that_do_not_fit_are_told() -> None:
    happened, expected, fix = said("rate*x", rat=3)
    assert (happened, expected) == ("the circuit has no input 'rat'", "one of rate, x")
    assert fix == "did you mean 'rate'?"
    assert said("a*x", train=["w"])[0] == "the circuit has no input 'w'"
    assert said("2*3", x=1)[1] == "no name: the circuit has constants only"


def test_missing_values_are_named() -> None:
    assert said("a*x + b", x=1) == ["no value for a, b", "a number for every input", "a=1 b=1"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "five", None, [1.0], 10**400])
def test_values_must_be_finite_numbers(value: object) -> None:
    happened, expected, _ = said("a*x", a=value, x=1)
    assert happened.startswith("a is ")
    assert expected == "a finite number, such as 2, -0.5 or 1e-3"


def test_a_refused_value_changes_nothing() -> None:
    circuit = gs.circuit("a*x", a=4, x=5)
    with pytest.raises(UsageError):
        circuit.forward(a=1, x=float("nan"))
    assert circuit.forward() == 20.0


def test_train_takes_one_name_as_a_word() -> None:
    assert list(gs.circuit("rate*x", train="rate").parameters) == ["rate"]


def leaves() -> st.SearchStrategy[Wire]:
    return st.one_of(
        st.sampled_from("abc").map(lambda name: Wire(name)),
        st.integers(-9, 9).map(lambda value: Wire(value=float(value))),
    )


def combined(inner: st.SearchStrategy[Wire]) -> st.SearchStrategy[Wire]:
    ones = sorted(name for name, row in GATES.items() if len(row.derivatives) == 1)
    twos = sorted(GATES.keys() - set(ones))
    return st.one_of(
        st.builds(apply, st.sampled_from(ones), inner),
        st.builds(apply, st.sampled_from(twos), inner, inner),
    )


def shape(made: Wire) -> object:
    if made.gate is None:
        return made.name or made.value
    if made.gate.name == "neg" and made.inputs[0].value is not None:
        return -made.inputs[0].value  # minus a constant is a constant, when typed
    return made.gate.name, *map(shape, made.inputs)


@settings(deadline=None, derandomize=True)
@given(st.recursive(leaves(), combined, max_leaves=12))
def test_a_wire_written_out_reads_back_the_same(made: Wire) -> None:
    (again,) = parse(expression(made, 10_000))
    assert shape(again) == shape(made)
