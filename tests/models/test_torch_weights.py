"""Legacy state dicts, written here byte by byte as PyTorch writes them."""

import hashlib
import io
import os
import pickle
import sys
import types
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatescope.errors import DataError
from gatescope.models.torch_weights import LEGACY_MAGIC, PROTOCOL, read_state_dict


def _named(module: str, name: str) -> type:
    return type(name, (), {"__module__": module})


FloatStorage, LongStorage = _named("torch", "FloatStorage"), _named("torch", "LongStorage")


def _rebuild_tensor_v2() -> None:
    """Pickled by name alone."""


_rebuild_tensor_v2.__module__ = "torch._utils"


class Storage:
    def __init__(self, key: str, data: np.ndarray) -> None:
        self.key, self.data = key, data


class Tensor:
    """A view of a storage: offset, shape and strides in elements."""

    def __init__(self, storage: Storage, offset: int, shape: tuple, stride: tuple) -> None:
        self.parts = (storage, offset, shape, stride, False, OrderedDict())

    def __reduce__(self):
        return _rebuild_tensor_v2, self.parts


class RunsCode:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


class StoragePickler(pickle.Pickler):
    def persistent_id(self, obj):
        if not isinstance(obj, Storage):
            return None
        kind = FloatStorage if obj.data.dtype == np.float32 else LongStorage
        return ("storage", kind, obj.key, "cpu", obj.data.size, None)


@pytest.fixture(autouse=True)
def torch_by_name(monkeypatch):
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage, torch.LongStorage = FloatStorage, LongStorage
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def legacy(tensors: object, storages: list[Storage], magic: object = LEGACY_MAGIC) -> bytes:
    file = io.BytesIO()
    keys = [storage.key for storage in storages]
    for part in (magic, PROTOCOL, {"little_endian": True}, tensors, keys):
        StoragePickler(file, protocol=2).dump(part)
    for storage in storages:
        file.write(storage.data.size.to_bytes(8, "little") + storage.data.tobytes())
    return file.getvalue()


def read(folder: Path, data: bytes) -> dict[str, np.ndarray]:
    path = folder / "weights.pth"
    path.write_bytes(data)
    return read_state_dict(path, sha256=hashlib.sha256(data).hexdigest())


def one_tensor() -> bytes:
    storage = Storage("0", np.arange(6, dtype=np.float32))
    return legacy(OrderedDict(weight=Tensor(storage, 0, (2, 3), (3, 1))), [storage])


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.permutations(range(4)), st.integers(0, 3), st.sampled_from([np.float32, np.int64]))
def test_tensors_come_back_whatever_the_order_of_their_axes_in_storage(
    tmp_path, axes, offset, dtype
):
    wanted = np.arange(2 * 3 * 4 * 5, dtype=dtype).reshape(2, 3, 4, 5)
    stored = np.ascontiguousarray(wanted.transpose(axes))
    strides = stored.transpose(np.argsort(axes)).strides
    storage = Storage("0", np.concatenate([np.full(offset, -1, dtype), stored.ravel()]))
    stride = tuple(step // stored.itemsize for step in strides)
    tensor = Tensor(storage, offset, wanted.shape, stride)
    found = read(tmp_path, legacy(OrderedDict(weight=tensor), [storage]))["weight"]
    assert found.dtype == dtype
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, wanted)


def test_tensors_may_share_a_storage_and_be_scalars(tmp_path):
    storage = Storage("0", np.arange(6, dtype=np.float32))
    tensors = OrderedDict(row=Tensor(storage, 3, (3,), (1,)), last=Tensor(storage, 5, (), ()))
    found = read(tmp_path, legacy(tensors, [storage]))
    assert list(found) == ["row", "last"]
    assert found["row"].tolist() == [3, 4, 5]
    assert found["last"].shape == ()
    assert found["last"] == 5


@pytest.mark.parametrize("place", ["magic", "tensors"])
def test_a_hostile_pickle_is_refused_by_the_name_of_its_callable_and_does_not_run(tmp_path, place):
    attack = RunsCode(tmp_path / "attacked")
    data = legacy(attack, []) if place == "tensors" else legacy({}, [], magic=attack)
    with pytest.raises(DataError, match=r"names (posix|nt)\.mkdir") as caught:
        read(tmp_path, data)
    assert "do not use this file" in caught.value.fix
    assert not (tmp_path / "attacked").exists()


def test_attributes_of_allowed_names_cannot_be_reached(tmp_path):
    # Protocol 4 may name dotted attributes: collections.OrderedDict.__init_subclass__ and beyond.
    dotted = b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.fromkeys\x93."
    with pytest.raises(DataError, match=r"collections\.OrderedDict\.fromkeys"):
        read(tmp_path, dotted)


def test_another_digest_is_refused_before_anything_is_read(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(legacy(RunsCode(tmp_path / "attacked"), []))
    with pytest.raises(DataError, match=r"weights\.pth has SHA-256") as caught:
        read_state_dict(path, sha256="0" * 64)
    assert caught.value.expected == "0" * 64
    assert "force-reinstall" in caught.value.fix


def test_another_magic_number_is_refused(tmp_path):
    with pytest.raises(DataError, match="it has 42 where 0x1950a86a20f9469cfc6c belongs"):
        read(tmp_path, legacy({}, [], magic=42))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a zip archive", b"\x89PNG\r\n\x1a\n"])
def test_files_of_another_layout_are_refused(tmp_path, data):
    with pytest.raises(DataError, match="not a complete legacy PyTorch state dict"):
        read(tmp_path, data)


def test_every_truncation_is_refused(tmp_path):
    whole = one_tensor()
    assert read(tmp_path, whole)["weight"].shape == (2, 3)
    for length in range(len(whole)):
        with pytest.raises(DataError, match="not a complete legacy PyTorch state dict"):
            read(tmp_path, whole[:length])


@pytest.mark.parametrize("size", [0, 1, 6])
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(tmp_path, size):
    storage = Storage("0", np.arange(size, dtype=np.float32))
    beyond = Tensor(storage, 4, (3,), (1,))
    with pytest.raises(DataError, match="not a complete legacy PyTorch state dict"):
        read(tmp_path, legacy(OrderedDict(weight=beyond), [storage]))
