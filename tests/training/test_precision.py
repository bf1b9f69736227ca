"""The precision that is chosen for a processor."""

from functools import partial

import keras
import numpy as np
import pytest

from gatescope.training import precision
from gatescope.training.precision import computing_in, dtype_policy
from gatescope.training.precision import multiplies_bfloat16 as read


@pytest.mark.parametrize(
    ("cpuinfo", "low"),
    [
        ("processor : 0\nflags\t\t: fpu avx2 avx512_bf16 sse\n", True),
        ("flags : amx_bf16\n", True),
        ("Features : fp asimd bf16\n", True),
        ("flags : fpu avx2\nbugs : avx512_bf16\n", False),
        ("", False),
    ],
)
def test_bfloat16_is_for_processors_that_have_instructions_for_it(tmp_path, cpuinfo, low):
    file = tmp_path / "cpuinfo"
    file.write_text(cpuinfo)
    assert read(file) is low


def test_where_nothing_tells_it_is_float32(tmp_path):
    assert not read(tmp_path / "absent")


@pytest.mark.parametrize(
    ("asked", "has", "policy"),
    [
        ("auto", True, "mixed_bfloat16"),
        ("auto", False, "float32"),
        ("bfloat16", False, "mixed_bfloat16"),
        ("float32", True, "float32"),
    ],
)
def test_layers_are_built_in_it_and_then_as_before(monkeypatch, asked, has, policy):
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: has)
    before = keras.config.dtype_policy()
    with pytest.raises(KeyboardInterrupt), dtype_policy(asked):
        assert keras.layers.Dense(1).dtype_policy.name == policy
        raise KeyboardInterrupt
    assert keras.config.dtype_policy() == before


def convolution():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )


def dtypes(model):
    return [layer.compute_dtype for layer in model.layers]


def test_a_built_model_computes_all_but_its_outputs_in_bfloat16_and_goes_back():
    model = convolution()
    with computing_in(model, "bfloat16"):
        assert dtypes(model) == ["bfloat16", "bfloat16", "float32"]
        assert {weight.dtype for weight in model.weights} == {"float32"}
        assert keras.ops.dtype(model(np.zeros((1, 8, 8, 1)))) == "float32"
    assert dtypes(model) == ["float32"] * 3


@pytest.mark.parametrize("able", [True, False])
def test_auto_lowers_convolutions_where_the_processor_is_able(able, monkeypatch, tmp_path):
    flags = "amx_bf16" if able else "avx512_bf16"  # which multiplies it, but not fast enough
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}")
    monkeypatch.setattr(precision, "multiplies_bfloat16", partial(read, tmp_path / "cpuinfo"))
    with computing_in(model := convolution(), "auto"):
        assert dtypes(model)[0] == ("bfloat16" if able else "float32")
    dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), keras.layers.Dense(2)])
    with computing_in(dense, "auto"):
        assert dtypes(dense) == ["float32"] * 2


@pytest.mark.parametrize(
    "layer", [keras.layers.DepthwiseConv2D(3), keras.layers.SeparableConv2D(4, 3)]
)
def test_auto_leaves_convolutions_of_single_channels(layer, monkeypatch):
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda instructions: True)
    model = keras.Sequential([keras.Input((8, 8, 4)), keras.layers.Conv2D(4, 3), layer])
    with computing_in(model, "auto"):
        assert set(dtypes(model)) == {"float32"}
