"""Circuits shown: in words, as text, as SVG, as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from math import inf, nan
from xml.etree import ElementTree

import pytest

import gatescope as gs
from gatescope.circuits.circuit import Circuit
from gatescope.circuits.gates import GATES
from gatescope.circuits.notation import number
from gatescope.circuits.view import diagram, history, nodes_of
from gatescope.circuits.wires import Wire
from gatescope.errors import GateError


def neuron() -> Circuit:
    circuit = gs.circuit("sigmoid(w0*x0 + w1*x1 + b)", w0=2, x0=-1, w1=-3, x1=-2, b=-3)
    circuit.forward()
    circuit.backward()
    return circuit


def computed(text: str, **values: float) -> Circuit:
    circuit = gs.circuit(text, **values)
    circuit.forward()
    circuit.backward()
    return circuit


def test_gates_explain_themselves() -> None:
    assert neuron().explain()[-1] == (
        "multiply swaps: the gradient on w0 is upstream 0.20 × x0 −1.00 = −0.20; "
        "on x0 0.20 × w0 2.00 = 0.39"
    )


@pytest.mark.parametrize("gate", GATES)
def test_every_gate_has_a_sentence(gate: str) -> None:
    names = "ab"[: len(GATES[gate].derivatives)]
    circuit = computed(
        f"{gate}({', '.join(names)})",
        **{"a": 0.5, "b": 2.0, **{}} if len(names) > 1 else {"a": 0.5},
    )
    (sentence,) = circuit.explain()
    assert sentence.startswith(f"{GATES[gate].words}: the gradient on a is upstream 1.00 × ")


def test_products_of_a_sentence_are_true() -> None:
    circuit = computed("exp(x)", x=1)
    assert circuit.explain() == [
        "exp is its own slope: the gradient on x is upstream 1.00 × out 2.72 = 2.72"
    ]


def test_gradients_that_add_up_are_told() -> None:
    sentences = computed("x*x + x", x=3).explain()
    assert "x is used 3 times, its gradients add up: 1.00 + 3.00 + 3.00 = 7.00" in sentences
    shared = gs.wire("x", 2.0) * 3
    both = gs.circuit([shared, shared * 5])
    both.forward()
    both.backward()
    assert any("its gradients add up: 5.00 + 1.00 = 6.00" in line for line in both.explain())


def test_constants_are_not_talked_about() -> None:
    (sentence,) = computed("x**2", x=3).explain()
    assert "on 2" not in sentence
    assert computed("2*3").explain() == ["multiply swaps"]


def from_elsewhere(value: float) -> Circuit:
    """A circuit whose numbers come from a trace, one of them no finite one."""
    w, x, others = Wire("w", value), Wire("x", 3.0), Wire("others", -1.0)
    product = w * x
    out = (product + others).relu()
    for wire, number_, slope in ((w, value, 1.5), (x, 3.0, value), (product, value, 0.5)):
        wire.value, wire.gradient = number_, slope
    others.gradient, out.value, out.gradient = 0.5, value, 1.0
    out.inputs[0].value, out.inputs[0].gradient = value, 0.5
    return Circuit([out], train=["w"])


def test_numbers_from_elsewhere_are_shown_without_a_run() -> None:
    circuit = from_elsewhere(2.0)
    assert "1.50" in str(circuit) and "1.50" in circuit.to_svg()
    assert "the gradient on w is upstream 0.50 × x 3.00 = 1.50" in circuit.explain()[-1]
    assert circuit.to_dict()["wires"][0]["gradient"] == 1.5
    assert circuit.failure is None


@pytest.mark.parametrize(
    ("value", "text", "plain"), [(nan, "NaN", "NaN"), (inf, "inf", "inf"), (-inf, "−inf", "-inf")]
)
def test_what_is_not_finite_shows_as_such(value: float, text: str, plain: str) -> None:
    circuit = from_elsewhere(value)
    assert str(circuit).count(text) >= 4
    texts = [text.text for text in ElementTree.fromstring(circuit.to_svg()).iter()]  # noqa: S314
    assert texts.count(text) == 5
    told = json.loads(json.dumps(circuit.to_dict(), allow_nan=False))
    assert told["wires"][0]["value"] == told["wires"][1]["gradient"] == plain
    assert any(text in sentence for sentence in circuit.explain())
    assert float(plain) == value or value != value
    assert text in str(Circuit([Wire(value=value).relu()])) and "?" in str(Circuit([Wire().relu()]))


def test_a_run_through_nan_names_the_gate() -> None:
    with pytest.raises(GateError, match="NaN × 3 has no value: the gate 'mul' in w"):
        from_elsewhere(nan).forward()
    with pytest.raises(GateError, match="the gradient through NaN × 3 is no number"):
        from_elsewhere(nan).backward()


def test_a_subclass_is_a_circuit() -> None:
    class Neuron(Circuit):
        pass

    neuron = Neuron(from_elsewhere(2.0).outputs, ["w"])
    assert neuron.train(toward=2, steps=1)[0].loss == 9.0
    assert neuron.compile().forward(w=1.0) == 2.0


def test_nothing_is_explained_before_it_is_computed() -> None:
    assert gs.circuit("a*x", a=1, x=2).explain() == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (-0.0, "0.00"),
        (-0.19661, "−0.20"),
        (49.9707, "49.97"),
        (0.0034, "0.0034"),
        (-1e-9, "−1e−09"),
        (99_999.5, "99999.50"),
        (123_456.0, "1.2e+05"),
    ],
)
def test_numbers_are_written_for_people(value: float, text: str) -> None:
    assert number(value) == text


def test_the_diagram_has_values_above_and_gradients_below() -> None:
    assert str(computed("a*x", a=4, x=5)) == "\n".join(
        [
            "   4.00",
            "a ──────╮",
            "   5.00 │     20.00",
            "        ├─ × ──────→",
            "   5.00 │      1.00",
            "x ──────╯",
            "   4.00",
        ]
    )


def test_what_no_line_can_hold_is_listed() -> None:
    listed = diagram(neuron(), 40).splitlines()
    assert listed[0].split() == ["wire", "gate", "value", "gradient"]
    assert listed[-1].split()[-3:] == ["σ", "0.73", "1.00"]
    assert len({len(line) for line in listed}) == 1


def test_long_names_are_cut_short() -> None:
    name = "x" * 500
    assert max(map(len, str(computed(f"{name}*2", **{name: 1.0})).splitlines())) < 60


def test_svg_and_notebooks_show_every_number() -> None:
    circuit = neuron()
    svg = circuit.to_svg()
    assert circuit._repr_html_() == svg
    texts = {text.text for text in ElementTree.fromstring(svg).iter() if text.text}  # noqa: S314
    assert {"w0", "−3.00", "0.39", "σ", "0.73"} <= texts


def test_json_is_plain_and_complete() -> None:
    circuit = gs.circuit("a*log(x)", a=4, x=1, train="a")
    circuit.train(toward=1, steps=1)
    told = json.loads(json.dumps(circuit.to_dict(), allow_nan=False))
    assert told["expression"] == "a*log(x)"
    assert told["parameters"] == ["a"]
    assert [wire["gate"] for wire in told["wires"]] == [None, None, "log", "mul"]
    assert told["wires"][3]["inputs"] == [0, 2]
    assert told["outputs"] == [3]
    assert [step["number"] for step in told["history"]] == [0, 1]
    assert told["failure"] is None
    assert len(told["words"]) == 2


def test_json_tells_of_a_failure() -> None:
    circuit = gs.circuit("log(x)", x=-1)
    with pytest.raises(ArithmeticError):
        circuit.forward()
    told = circuit.to_dict()
    assert told["failure"].startswith("log(−1) has no value")
    assert told["wires"][1]["value"] is None


def test_a_long_history_shows_its_ends() -> None:
    circuit = gs.circuit("a*x", a=4, x=5, train=["a"])
    circuit.train(toward=50, learning_rate=0.001, steps=500)
    lines = history(circuit).splitlines()
    assert lines[0].split() == ["step", "a", "output", "loss"]
    assert len(lines) == 23 and lines[11].split() == ["…"] * 4
    assert lines[-1].split()[0] == "500"


def test_text_words_and_json_load_nothing_but_python_itself() -> None:
    code = """
import sys, gatescope as gs
circuit = gs.circuit("tanh(a*x)", a=1, x=2, train="a")
circuit.train(toward=1)
str(circuit), circuit.explain(), circuit.to_dict()
heavy = {"numpy", "igraph", "PIL", "rich", "typer", "pydantic", "tensorflow", "keras"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


TERMS = "a*x + b*y + (c*z + d) + others"


def of_five_terms(text: str = f"relu({TERMS})") -> Circuit:
    return computed(text, a=1.0, b=2.0, c=3.0, d=4.0, x=1.0, y=1.0, z=1.0, others=-0.5)


def symbols(circuit: Circuit) -> list[str]:
    return [node.label for node in nodes_of(circuit) if node.inputs]


def test_a_long_sum_is_drawn_as_one() -> None:
    circuit = of_five_terms()
    assert symbols(circuit) == ["×", "×", "×", "Σ", "relu"]
    nodes = nodes_of(circuit)
    (total,) = (node for node in nodes if node.label == "Σ")
    assert [nodes[place].label for place in total.inputs] == ["×", "×", "×", "d", "others"]
    assert (total.above, total.below) == ("9.50", "1.00")
    assert "Σ" in str(circuit) and "Σ" in circuit.to_svg()
    assert "Σ" in diagram(circuit, 30) and "+ " not in str(circuit)
    assert [wire["gate"] for wire in circuit.to_dict()["wires"]].count("add") == 4


def test_a_long_sum_has_one_sentence() -> None:
    sentences = of_five_terms().explain()
    assert sentences[0].endswith(
        "the gradient on the sum of 5 terms is upstream 1.00 × 1.00 = 1.00"
    )
    assert sentences[1] == "plus hands on: each of its 5 terms gets 1.00"
    assert len(sentences) == 5
    assert computed("x + x + x + x + x", x=1).explain() == [
        "plus hands on: each of its 5 terms gets 1.00",
        "x is used 5 times, its gradients add up: 1.00 + 1.00 + 1.00 + 1.00 + 1.00 = 5.00",
    ]


def test_shorter_sums_and_those_used_elsewhere_are_drawn_gate_by_gate() -> None:
    assert symbols(computed("a + b + c + d", a=1, b=2, c=3, d=4)) == ["+", "+", "+"]
    a, b, c, d, e = (gs.wire(name, 1.0) for name in "abcde")
    part = a + b
    assert symbols(Circuit([part + c + d + e, part])) == ["+", "+", "+", "+"]
    assert symbols(Circuit([(part + c + d + e) * part])) == ["+", "+", "+", "+", "×"]
    assert symbols(Circuit([part + c + d + e + part])) == ["+", "Σ"]
    part.name = "half"
    assert symbols(Circuit([part + c + d + e])) == ["+", "+", "+", "+"]


def test_a_sum_that_fails_on_the_way_shows_where() -> None:
    circuit = gs.circuit("a + b + c + d + e", a=1e308, b=1e308, c=1.0, d=1.0, e=1.0)
    with pytest.raises(GateError, match="larger than any float"):
        circuit.forward()
    assert symbols(circuit)[0] == "+✗"


def test_a_sum_of_thousands_is_found_without_recursion() -> None:
    total = gs.wire("x", 1.0)
    for _ in range(5_000):
        total = 0.5 + total
    circuit = gs.circuit(total)
    circuit.forward()
    circuit.backward()
    assert symbols(circuit) == ["Σ"]
    assert circuit.explain() == ["plus hands on: each of its 5001 terms gets 1.00"]


def test_names_of_weights_are_whole_or_keep_their_indices() -> None:
    circuit = Circuit(
        [Wire("dense/kernel[1577, 3]", 1.0) * Wire("decoder/lstm/recurrent_kernel[12, 3]")]
    )
    assert [node.label for node in nodes_of(circuit)[:2]] == [
        "dense/kernel[1577, 3]",
        "decoder/l…rent_kernel[12, 3]",
    ]
