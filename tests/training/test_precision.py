"""The precision that is chosen for a processor."""

import keras
import pytest

from gatescope.training import precision
from gatescope.training.precision import dtype_policy, multiplies_bfloat16


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
    assert multiplies_bfloat16(file) is low


def test_where_nothing_tells_it_is_float32(tmp_path):
    assert not multiplies_bfloat16(tmp_path / "absent")


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
