"""The files of a folder, a zip or a tar, read one by one; none is unpacked as files to disk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from gatescope.errors import DataError

# Far above any photo or sound that is trained on; a small zip can hold a file of any size.
MAX_BYTES = 256_000_000

# Of a tar as a whole, unpacked: more than any data set that a machine like this could train on.
MAX_TAR_BYTES = 64_000_000_000

_BLOCK = 1 << 20
_PACKED: tuple[tuple[bytes, Callable[[Path], Any]], ...] = (
    (b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open),
)  # fmt: skip
"""What unpacks a file, by how it begins."""
_DAMAGED = (
    OSError, RuntimeError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, tarfile.TarError,
    lzma.LZMAError,
)  # fmt: skip
_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True, eq=False)
class Archive:
    """Files by name.

    Args:
        name: What messages call it.
        names: The files' names relative to it, with `/` between folders, sorted. Hidden files and
            what systems add by themselves are left out.
        skipped: Names that lead out of it, by `..` or by a link; they are not read.
        read_bytes: Reads a file.
        empty: Its folders that hold nothing, sorted.
    """

    name: str
    names: tuple[str, ...]
    skipped: tuple[str, ...]
    read_bytes: Callable[[str], bytes]
    empty: tuple[str, ...] = ()

    def read(self, name: str) -> bytes:
        """Reads a file.

        Args:
            name: One of `names`. Several threads may read at once.

        Raises:
            DataError: It is larger than 256 MB unpacked, damaged, or encrypted.
        """
        try:
            return self.read_bytes(name)
        except _DAMAGED as cause:
            raise DataError(
                f"{name!r} in {self.name} cannot be read: {cause}",
                "a whole file that is not encrypted",
                "copy, download or pack it again",
            ) from cause


def open_archive(path: str | os.PathLike[str]) -> Archive:
    """Opens a folder, a zip or a tar.

    A tar that is compressed (gzip, bzip2, xz) is unpacked into one temporary file, which has no
    name and goes with the process, for only so its files can be reached in any order.

    Args:
        path: The folder or the file.

    Raises:
        DataError: There is no such path, it is none of them, or it is damaged.

    Example:
        >>> open_archive("faces.zip").names[0]
        's1/1.pgm'
    """
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise DataError(f"there is no {str(path)!r}", "a folder, a zip or a tar", "check the path")
    try:
        if zipfile.is_zipfile(path):
            return _zip(path, zipfile.ZipFile(path))
        return _tar(path, cast("IO[bytes]", _unpacked(path)))
    except _DAMAGED as cause:
        raise DataError(
            f"{str(path)!r} is no zip or tar, or a damaged one: {cause}",
            "a folder, a zip or a tar",
            "download it again, or unpack it and name the folder",
        ) from cause


def _folder(path: Path) -> Archive:
    root = path.resolve()
    inside, skipped, empty = [], [], []
    for parent, folders, every in os.walk(root):
        folders[:] = [name for name in folders if not _is_junk(name)]
        files = [name for name in every if not _is_junk(name)]
        if not folders and not files:
            empty.append(Path(parent).relative_to(root).as_posix())
        for file in map(Path(parent).joinpath, files):
            # Opening a pipe would wait for ever.
            if file.is_file() and file.resolve().is_relative_to(root):
                inside.append(file.relative_to(root).as_posix())
            else:
                skipped.append(file.relative_to(root).as_posix())

    def read(name: str) -> bytes:
        _check_size(os.path.getsize(root / name))
        return (root / name).read_bytes()

    return Archive(
        repr(str(path)), tuple(sorted(inside)), tuple(sorted(skipped)), read, tuple(sorted(empty))
    )


def _zip(path: Path, packed: zipfile.ZipFile) -> Archive:
    # Some packers of Windows write its own sign between folders.
    named = {info.filename.replace("\\", "/"): info for info in packed.infolist()}
    folders = [name for name, info in named.items() if info.is_dir() or name.endswith("/")]
    members = {
        name: info
        for name, info in named.items()
        if name not in folders and not any(map(_is_junk, PurePosixPath(name).parts))
    }
    inside = [name for name, info in members.items() if not _leaves(name, info)]

    def read(name: str) -> bytes:
        # No more is unpacked than what the zip says, whatever it holds.
        _check_size(members[name].file_size)
        return packed.read(members[name])

    skipped = sorted(members.keys() - set(inside))
    empty = _empty(folders, named)
    return Archive(repr(str(path)), tuple(sorted(inside)), tuple(skipped), read, empty)


def _empty(folders: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Folders of a packed file that hold nothing.

    Args:
        folders: Their names as they are packed.
        names: Of all that is packed.
    """
    filled = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    plain = {str(PurePosixPath(name)) for name in folders}
    return tuple(
        sorted(name for name in plain - filled if not any(map(_is_junk, PurePosixPath(name).parts)))
    )


def _unpacked(path: Path) -> Any:
    """A file that can be read at any place: the file itself, or what is in it, compressed."""
    with path.open("rb") as file:
        begins = file.read(max(len(sign) for sign, _ in _PACKED))
    opener = next((opener for sign, opener in _PACKED if begins.startswith(sign)), None)
    if opener is None:
        return path.open("rb")
    plain = tempfile.TemporaryFile()  # noqa: SIM115 (it stays open as long as what is read of it)
    with opener(path) as packed:
        while block := packed.read(_BLOCK):
            plain.write(block)
            if plain.tell() > MAX_TAR_BYTES:
                raise OSError(f"it has more than {MAX_TAR_BYTES:,} bytes unpacked")
    plain.flush()
    plain.seek(0)
    return plain


def _tar(path: Path, plain: IO[bytes]) -> Archive:
    with tarfile.open(fileobj=plain, mode="r:") as packed:
        named = {info.name.removeprefix("./"): info for info in packed}
    folders = [name for name, info in named.items() if info.isdir()]
    members = {
        name: info
        for name, info in named.items()
        if not info.isdir() and not any(map(_is_junk, PurePosixPath(name).parts))
    }
    # Links, devices, and files with holes are no data.
    inside = [
        name
        for name, info in members.items()
        if info.isreg() and not info.issparse() and not _name_leaves(name)
    ]

    def read(name: str) -> bytes:
        info = members[name]
        _check_size(info.size)
        content = os.pread(plain.fileno(), info.size, info.offset_data)
        if len(content) < info.size:
            raise EOFError(f"it ends after {len(content):,} of {info.size:,} bytes")
        return content

    skipped = sorted(members.keys() - set(inside))
    empty = _empty(folders, named)
    return Archive(repr(str(path)), tuple(sorted(inside)), tuple(skipped), read, empty)


def _leaves(name: str, info: zipfile.ZipInfo) -> bool:
    """Whether a member is a link, or its name leads out of where it would be unpacked."""
    return stat.S_ISLNK(info.external_attr >> 16) or _name_leaves(name)


def _name_leaves(name: str) -> bool:
    path = PurePosixPath(name)
    return ":" in path.parts[0] or path.is_absolute() or ".." in path.parts


def _is_junk(name: str) -> bool:
    return name in _JUNK or (name.startswith(".") and name != "..")


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise OSError(f"it has {size:,} bytes, and {MAX_BYTES:,} are read at most")


def without_common_folders(names: Iterable[str]) -> dict[str, str]:
    """Leaves out folders that hold all files, as a zip's outermost often does.

    Args:
        names: The files' names.

    Returns:
        The shorter name of each; at least one folder stays where all files are in one.

    Example:
        >>> without_common_folders(["pets/cat/1.jpg", "pets/dog/1.jpg"])
        {'pets/cat/1.jpg': 'cat/1.jpg', 'pets/dog/1.jpg': 'dog/1.jpg'}
    """
    shorter = {name: name for name in names}
    while shorter and _share_a_folder(list(shorter.values())):
        shorter = {name: short.partition("/")[2] for name, short in shorter.items()}
    return shorter


def _share_a_folder(names: list[str]) -> bool:
    """Whether all files are in one outermost folder, and in another one within it."""
    outermost = {name.partition("/")[0] for name in names}
    return len(outermost) == 1 and all(name.count("/") > 1 for name in names)
