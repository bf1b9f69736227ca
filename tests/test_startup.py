"""While TensorFlow starts, no garbage is collected; whatever happens, it is as before after it."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from gatescope.startup import quiet_startup, uncollected


@pytest.fixture(autouse=True)
def _collecting() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_garbage_is_collected_again_after_a_start() -> None:
    with quiet_startup():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_garbage_is_collected_again_after_a_start_that_fails() -> None:
    with pytest.raises(ImportError), quiet_startup():
        raise ImportError("no engine")
    assert gc.isenabled()


def test_who_collects_none_collects_none_afterwards() -> None:
    gc.disable()
    with uncollected():
        pass
    assert not gc.isenabled()
