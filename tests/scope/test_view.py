"""How a trace is shown: tree, one gate, plain data, page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import keras
import numpy as np
import pytest
import tensorflow as tf

import gatescope as gs
from gatescope.errors import UsageError
from gatescope.report.tree import Branch, text_tree
from gatescope.scope.parts import parts_of
from gatescope.scope.trace import Trace
from gatescope.scope.view import gate_list

RANDOM = np.random.default_rng(0)
VOID = {"meta", "img"}


@pytest.fixture(scope="module")
def dense() -> Trace:
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, name="inner")], name="encoder"
    )
    model = keras.Sequential(
        [keras.Input((4,)), inner, keras.layers.Dense(2, name="head")], name="net"
    )
    model.compile("sgd", "mse")
    return gs.trace(model, RANDOM.random((5, 4)), RANDOM.random((5, 2)))


@pytest.fixture(scope="module")
def recurrent() -> Trace:
    keras.utils.set_random_seed(0)
    lstm = keras.layers.LSTM(6, name="lstm")  # whatever other tests have named before
    model = keras.Sequential([keras.Input((20, 3)), lstm, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return gs.trace(model, RANDOM.random((2, 20, 3)), RANDOM.random((2, 1)))


@pytest.fixture(scope="module")
def bad() -> Trace:
    function = lambda a, b: tf.reduce_sum(tf.sqrt(a) * b)  # noqa: E731
    return gs.trace(function, np.array([1.0, -1.0]), np.array([2.0, 3.0]))


def line_of(text: str, name: str) -> str:
    (found,) = [line for line in text.splitlines() if re.search(rf"[─ ]*{name}", line)]
    return found


def test_the_first_line_has_the_totals(dense: Trace) -> None:
    first = str(dense).splitlines()[0]
    forward = sum(gate.phase == "forward" for gate in dense.gates)
    assert f"{len(dense.gates)} gates: {forward} forward, " in first
    assert f"loss {dense.loss:.6g}" in first
    assert "all in full" in first and "of 1,074 MB allowed" in first


def test_the_tree_nests_layers_in_the_order_of_their_calls(dense: Trace) -> None:
    labels = [line[:24].rstrip() for line in str(dense).splitlines()[3:]]
    assert labels[:4] == [
        "net  Sequential",
        "├─ encoder  Sequential",
        "│  └─ inner  Dense",
        "└─ head  Dense",
    ]
    assert labels[4].startswith("mse  Loss")


def test_a_layer_s_line_has_shape_mean_deviation_gradient_and_gates(dense: Trace) -> None:
    (value,) = dense.calls_of("inner")[0].outputs
    array, gradient = value.array, value.gradient.array
    told = re.split(r"  +", line_of(str(dense), "inner").partition("inner")[2])
    assert told[2] == "5×3"
    assert told[3] == f"{array.mean():.3g} ± {array.std():.3g}".replace("-", "−")
    assert float(told[4]) == pytest.approx(np.linalg.norm(gradient), rel=5e-3)
    gates = dense.find("inner")
    assert told[5:] == [
        str(sum(g.phase == phase for g in gates)) for phase in ("forward", "backward")
    ]


def test_the_gates_of_the_roots_are_all_gates(recurrent: Trace) -> None:
    parts = parts_of(recurrent.gates, recurrent.calls)
    counted = sum(part.count(phase) for part in parts for phase in ("forward", "backward"))
    assert counted == len(recurrent.gates)


def test_equal_steps_are_one_line(recurrent: Trace) -> None:
    text = str(recurrent)
    assert len(text.splitlines()) < 12
    folded = line_of(text, "lstm_cell × 20")
    assert "20 × 17" in folded
    assert re.search(r"\d … \d", folded)  # gradients of the first and the last step


def test_gates_below_their_layers_are_those_of_the_first_step(recurrent: Trace) -> None:
    text = recurrent.tree("lstm", ops=True, width=150)
    assert text.count("ReadVariableOp recurrent_kernel") == 2  # Keras asks the cell's shape first
    assert re.search(r"AddV2 \+ 19 steps +1 number", text)
    assert "lstm.py:" in text and "← #" in text
    assert "dense" not in text


def test_a_loop_of_several_layers_is_folded_as_a_whole() -> None:
    first, second = keras.layers.Dense(3, name="first"), keras.layers.Dense(3, name="second")

    def looped(x):
        for _ in range(5):
            x = second(first(x))
        return x

    x = tf.ones((2, 3))
    looped(x)
    text = str(gs.trace(looped, x))
    assert "loop × 5" in text and "├─ first × 5" in text and "└─ second × 5" in text


def test_uses_of_a_shared_layer_are_told_apart() -> None:
    i = keras.Input((3,))
    shared = keras.layers.Dense(3, name="shared")
    model = keras.Model(i, shared(shared(i)))
    assert str(gs.trace(model, np.ones((1, 3)))).count("shared  Dense") == 2


def test_the_optimizer_and_what_ran_outside_of_layers_have_their_lines() -> None:
    class Own(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            return {}

    i = keras.Input((3,))
    model = Own(i, keras.layers.Dense(1)(i))
    model.compile("sgd")
    text = str(gs.trace(model, np.ones((2, 3)), np.ones((2, 1))))
    assert "optimizer" in text and "update" in text
    assert "Own.train_step, test_view.py" in text


def test_a_function_shows_its_gates_at_once(bad: Trace) -> None:
    text = str(bad)
    assert "#0 Sqrt" in text and "✗ 1 of 2 not finite" in text


def test_of_many_gates_of_a_function_some_are_left_out() -> None:
    sums = {}
    exec("def long(x):\n" + "    x = x + 1.0\n" * 60 + "    return x", sums)  # noqa: S102
    assert "… 20 more gates" in str(gs.trace(sums["long"], tf.ones(2)))


def test_a_function_without_gates() -> None:
    assert "no gate ran" in str(gs.trace(lambda x: x, tf.ones(2)))


def test_summaries_are_counted_and_shown(dense: Trace) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    trace = gs.trace(model, RANDOM.random((5, 4)), memory_budget=0)
    assert re.search(r"\d as summaries only; 0.000 MB kept of 0.000 MB", str(trace))
    assert "±" in str(trace)
    assert "only a summary was kept" in trace.describe(trace.find(op="MatMul")[0])
    assert not any("elements" in value for value in trace.to_dict()["values"] if value["shape"])


def test_an_unknown_layer_is_told(dense: Trace) -> None:
    with pytest.raises(UsageError, match="no layer 'innner' ran"):
        dense.tree("innner")
    with pytest.raises(UsageError, match="no layer 'innner' ran"):
        dense.to_html("innner")


def test_lines_fit_the_width(recurrent: Trace) -> None:
    assert max(map(len, recurrent.tree(ops=True, width=100).splitlines()[1:])) <= 100


def test_one_gate_in_full(dense: Trace) -> None:
    (gate, *_) = dense.find("inner", "MatMul", phase="forward")
    text = dense.describe(gate)
    assert text == dense.describe(gate.place)
    assert "net/encoder/inner (Dense), call 0" in text
    assert "dense.py:" in text and "transpose_a=False" in text
    assert "input 0" in text and "input 1" in text and "gradient, norm" in text
    assert "5×4" in text and "float32" in text
    first = gate.outputs[0].array.ravel()[0]
    assert f"{first:.3g}".replace("-", "−") in text
    for place in (-1, len(dense.gates)):
        with pytest.raises(UsageError, match=f"there is no gate {place}"):
            dense.describe(place)


def test_a_backward_gate_names_the_gate_it_passes_the_gradient_through(dense: Trace) -> None:
    gate = next(gate for gate in dense.gates if gate.gradient_of)
    forward = gate.gradient_of
    assert f"gradient of  #{forward.place} {forward.name}" in dense.describe(gate)


def test_bad_elements_are_shown_first(bad: Trace) -> None:
    assert "[1] = nan" in bad.describe(0)


def test_gates_as_a_table(recurrent: Trace) -> None:
    found = recurrent.find("lstm_cell", "MatMul", step=3)
    head, *rows = gate_list(found).splitlines()
    assert head.split()[:4] == ["gate", "runs", "layer", "step"]
    assert len(rows) == len(found)
    assert rows[0].startswith(f"#{found[0].place} MatMul")


@pytest.mark.parametrize("name", ["dense", "recurrent", "bad"])
def test_plain_data_is_json_and_complete(name: str, request: pytest.FixtureRequest) -> None:
    trace: Trace = request.getfixturevalue(name)
    told = json.loads(json.dumps(trace.to_dict(), allow_nan=False))
    assert len(told["gates"]) == len(trace.gates)
    for gate, row in zip(trace.gates, told["gates"], strict=True):
        values = [told["values"][place] for place in row["outputs"]]
        assert [tuple(value["shape"]) for value in values] == [v.shape for v in gate.outputs]
        assert all(value["gate"] == gate.place for value in values)
        assert row["layer"] == gate.layer and row["op"] == gate.op
        if gate.gradient_of:
            assert row["gradient_of"] == gate.gradient_of.place
    for call, row in zip(trace.calls, told["calls"], strict=True):
        assert row["path"] == call.path and len(row["outputs"]) == len(call.outputs)


def test_what_is_not_finite_has_a_name_in_json(bad: Trace) -> None:
    told = bad.to_dict()
    assert told["loss"] == "nan"
    (place,) = told["gates"][0]["outputs"]
    assert told["values"][place]["elements"] == [1.0, "nan"]
    assert told["first_bad"] == {
        "what": "not finite",
        "value": place,
        "gate": 0,
        "elements": [[1]],
        "bad": 1,
    }


def test_elements_are_told_up_to_a_number(dense: Trace) -> None:
    told = dense.to_dict(elements=10)["values"]
    sizes = [int(np.prod(value["shape"])) for value in told if "elements" in value]
    assert sizes and max(sizes) == 10
    assert not any("elements" in value for value in dense.to_dict(elements=-1)["values"])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_and_strings(policy: str) -> None:
    layer = keras.layers.Dense(2, dtype=policy)
    layer(np.ones((1, 3)))
    trace = gs.trace(
        lambda x: (layer(x), tf.strings.length(tf.constant(["a", "é"]))), tf.ones((2, 3))
    )
    json.dumps(trace.to_dict(), allow_nan=False)
    assert "float16" in trace.to_html()
    assert "StringLength" in trace.tree(ops=True)


class Page(HTMLParser):
    """Checks that tags close in order; keeps what leads where."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open, self.tags, self.ids, self.links = [], [], [], []
        self.feed(markup)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", ["dense", "recurrent", "bad"])
def test_the_page_has_every_gate_once_and_links_lead_to_them(
    name: str, request: pytest.FixtureRequest
) -> None:
    trace: Trace = request.getfixturevalue(name)
    found = Page(trace.to_html())
    assert sorted(found.ids) == sorted(f"g{gate.place}" for gate in trace.gates)
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert not any(tag == "script" for tag, _ in found.tags)
    assert not any(str(value).startswith("http") for _, a in found.tags for value in a.values())


def test_the_page_opens_what_is_bad(bad: Trace) -> None:
    found = Page(bad.to_html())
    (flagged,) = [a for tag, a in found.tags if tag == "details" and a.get("class") == "bad"]
    assert "open" in flagged
    assert "The first bad value." in bad.to_html() and "[1] = nan" in bad.to_html()


def test_a_page_of_one_layer_has_its_gates_alone(recurrent: Trace) -> None:
    found = Page(recurrent.to_html("lstm_cell"))
    assert sorted(found.ids) == sorted(f"g{gate.place}" for gate in recurrent.find("lstm_cell"))


def test_names_cannot_write_markup() -> None:
    layer = keras.layers.Dense(1, name="<script>alert(1)<b>")
    layer(np.ones((1, 2)))
    page = gs.trace(layer.__call__, tf.ones((1, 2))).to_html()
    assert "<script" not in page and "&lt;script&gt;" in page
    Page(page)


def test_the_last_gates_of_a_very_long_page_are_lines_alone(
    recurrent: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatescope.scope.page._MOST_TABLES", 100)
    found = Page(page := recurrent.to_html())
    assert len(found.ids) == 100
    assert f"Of the last {len(recurrent.gates) - 100:,} gates the values are left out" in page
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)


def test_five_thousand_gates_give_a_page_below_ten_megabytes(recurrent: Trace) -> None:
    each = len(recurrent.to_html()) / len(recurrent.gates)
    assert 5_000 * each < 10e6


def test_a_notebook_gets_a_frame_or_of_many_gates_text(dense: Trace, recurrent: Trace) -> None:
    shown = dense._repr_html_()
    assert shown.startswith("<iframe") and "&lt;!doctype html&gt;" in shown
    assert recurrent._repr_html_().startswith("<pre>")


def test_the_representation_is_short(dense: Trace) -> None:
    assert repr(dense) == f"<trace of {len(dense.gates)} gates>"


def test_a_tree_of_text_leaves_empty_columns_out() -> None:
    tree = Branch("a", ("1", "", "–"), (Branch("b", ("", "", ""), (Branch("c", ("3", "", "")),)),))
    assert text_tree([tree, Branch("d", ("4", "", ""))], ("n", "m", "k"), 80).splitlines() == [
        "         n",
        "a        1",
        "└─ b",
        "   └─ c  3",
        "d        4",
    ]


def test_a_tree_of_text_cuts_long_labels() -> None:
    drawn = text_tree([Branch("a" * 60, ("1",))], ("n",), 40)
    assert "…" in drawn and max(map(len, drawn.splitlines())) <= 40
