"""`Trace.find`: gates by layer, operation, step, name and phase, and what is said of wrong ones."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import NETWORKS

import gatescope as gs
from gatescope.errors import UsageError


@pytest.fixture(scope="module")
def lstm():
    network = NETWORKS["lstm"]()
    return gs.trace(network.model, network.x, network.y)


@pytest.fixture(scope="module")
def nested():
    network = NETWORKS["nested"]()
    return gs.trace(network.model, network.x, network.y)


def test_by_nothing_all_are_found(lstm):
    assert lstm.find() == list(lstm.gates)


def test_by_layer_and_what_is_inside(lstm):
    cell, layer, model = (lstm.find(name) for name in ("lstm_cell", "lstm", "sequential"))
    assert set(cell) < set(layer) < set(model)
    assert lstm.find("lstm/lstm_cell") == lstm.find("sequential/lstm/lstm_cell") == cell
    assert [gate.place for gate in cell] == sorted(gate.place for gate in cell)


def test_by_the_path_of_one_of_two_namesakes(nested):
    both = nested.find("dense")
    assert both == nested.find("sequential/dense")
    assert all(gate.layer.endswith("sequential/dense") for gate in both)


def test_by_loss(nested):
    assert {gate.layer.split("/")[0] for gate in nested.find("binary_crossentropy")} == {
        "binary_crossentropy"
    }


def test_by_operation_step_phase_and_name(lstm):
    forward = lstm.find("lstm_cell", "MatMul", phase="forward")
    assert {gate.op for gate in forward} == {"MatMul"}
    one = lstm.find("lstm_cell", "MatMul", step=3, phase="forward")
    assert len(one) == 2 and {gate.name for gate in one} == {"sequential/lstm/lstm_cell/MatMul[3]"}
    recurrent = lstm.find(name="recurrent_kernel", phase="forward")
    assert recurrent and {gate.op for gate in recurrent} >= {"ReadVariableOp", "MatMul"}
    assert lstm.find(name="dense/bias", op="AddV2")[0].inputs[1].name.endswith("dense/bias")
    assert lstm.find(phase="update") == []


def told(error) -> tuple[str, str, str]:
    return error.value.happened, error.value.expected, error.value.fix


def test_an_unknown_layer(lstm):
    with pytest.raises(UsageError) as error:
        lstm.find("lstn_cell")
    happened, expected, fix = told(error)
    assert happened == "no layer 'lstn_cell' ran in this trace"
    assert expected == (
        "one of sequential, sequential/lstm, sequential/lstm/lstm_cell, sequential/dense, mse"
    )
    assert fix == "did you mean 'lstm_cell'?"


def test_an_unknown_operation(lstm):
    with pytest.raises(UsageError) as error:
        lstm.find(op="Matmul")
    happened, expected, fix = told(error)
    assert happened == "no operation 'Matmul' ran in this trace"
    assert "MatMul" in expected and fix.startswith("did you mean 'MatMul'")


@pytest.mark.parametrize(("step", "fix"), [(9, "step=4"), (-1, "step=0")])
def test_a_step_out_of_range(lstm, step, fix):
    with pytest.raises(UsageError) as error:
        lstm.find("lstm_cell", "Tanh", step=step)
    assert told(error) == (
        f"there is no step {step} of these gates",
        "a step from 0 to 4",
        fix,
    )


def test_a_step_of_what_ran_once(nested):
    with pytest.raises(UsageError, match="step 0: they ran once"):
        nested.find("dense", "MatMul", step=1, phase="forward")


def test_a_trace_without_layers():
    trace = gs.trace(lambda x: x * 2, tf.ones(3))
    with pytest.raises(UsageError, match="no layer ran at all"):
        trace.find("dense")
    assert [gate.op for gate in trace.find(op="Mul")] == ["Mul"]


def test_calls_of_a_layer_know_what_went_in_and_out(nested):
    (call,) = nested.calls_of("dense_1")
    assert call.inputs[0].shape == (4, 6) and call.outputs[0].shape == (4, 4)
    assert np.isfinite(call.outputs[0].array).all()


def test_a_phase_that_does_not_exist(lstm):
    with pytest.raises(UsageError) as error:
        lstm.find(phase="forwards")
    assert told(error) == (
        "there is no phase 'forwards'",
        "one of forward, backward, update",
        "did you mean 'forward' or 'backward'?",
    )


def test_a_layer_in_place_of_its_name(lstm):
    with pytest.raises(UsageError, match="no layer") as error:
        lstm.find(lstm.calls[1].layer)
    assert told(error)[2].startswith("did you mean 'lstm'")


def test_a_gate_by_no_number(lstm):
    with pytest.raises(UsageError, match="there is no gate 'MatMul'"):
        lstm.describe("MatMul")


def test_variables_of_a_graph_that_is_gone_do_not_matter(tmp_path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)])
    model.compile(loss="mse")
    model.export(tmp_path / "saved", format="tf_saved_model", verbose=False)
    gone = tf.Graph()
    with gone.as_default():
        kept = tf.Variable(1.0)  # as the export makes, and Keras may hold on to
    assert gs.trace(model, np.ones((4, 3)), np.ones((4, 2))).gates
    assert kept is not None
