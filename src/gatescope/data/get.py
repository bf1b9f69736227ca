"""Downloads that are whole or absent: checked by their SHA-256, resumed where they stopped."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from gatescope.errors import DataError, UsageError

Progress = Callable[[int, int], None]

_BLOCK = 1 << 18
_SECONDS = 30  # without a byte
_SCHEMES = ("https://", "http://")
# Not any OSError: a full disk is no broken connection.
_BROKEN = (
    urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException,
)  # fmt: skip


@dataclass(frozen=True)
class Download:
    """A file that can be had, and how to know that it is that file.

    Args:
        name: What it is called on disk.
        url: Where it is; http is as safe as https, since the content is checked.
        sha256: The digest of its bytes, 64 hexadecimal digits.
        size: How many bytes it has, or where that is not known, at most.
        is_exact: Whether it is known.
    """

    name: str
    url: str
    sha256: str
    size: int
    is_exact: bool = True


def get(download: Download, folder: Path, *, progress: Progress | None = None) -> Path:
    """Downloads a file, or finds that it is there.

    What arrives goes to `NAME.part`. When the connection breaks, this file stays, and the next call
    asks the server for the rest. Only when size and digest are right it gets its name.

    Args:
        download: The file.
        folder: Where it goes; made if it is not there.
        progress: Called with the bytes that are there and those that there will be.

    Returns:
        The file's path.

    Raises:
        UsageError: The address is of another kind than http and https, or the name is a path.
        DataError: The server cannot be reached, refuses, or breaks off; or what it sends is not
            the file.

    Example:
        >>> get(faces, Path("data"))  # doctest: +SKIP
        PosixPath('data/faces.zip')
    """
    _check(download)
    path, part = folder / download.name, folder / f"{download.name}.part"
    if path.is_file() and _sha256(path) == download.sha256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    if part.exists() and part.stat().st_size > download.size:
        part.unlink()
    if not _is_whole(download, part):
        _fetch(download, part, progress or _nothing)
    if _sha256(part) != download.sha256:
        part.unlink()
        raise DataError(
            f"what {download.url} sends is not {download.name!r}: its SHA-256 is another",
            f"the SHA-256 {download.sha256}",
            "try again; if it stays so, the file was changed and should not be used",
        )
    part.replace(path)
    return path


def _check(download: Download) -> None:
    if not download.url.startswith(_SCHEMES):
        raise UsageError(
            f"{download.url!r} is no address that is downloaded from",
            "https://... or http://...",
            "copy the file by other means",
        )
    if not download.name or Path(download.name).name != download.name:
        raise UsageError(
            f"{download.name!r} is no name of a file", "a name without folders", "name the folder"
        )


def _is_whole(download: Download, part: Path) -> bool:
    if not part.exists():
        return False
    if download.is_exact:
        return part.stat().st_size == download.size
    return _sha256(part) == download.sha256


def _fetch(download: Download, part: Path, progress: Progress) -> None:
    """Appends to `part` what it lacks."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(download.url)  # noqa: S310 (checked above)
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            goes_on = _first_byte(answer) == have
            size = _size(download, answer, have if goes_on else 0)
            with part.open("ab" if goes_on else "wb") as file:
                _copy(answer, file, size or download.size, progress)
    except urllib.error.HTTPError as cause:
        if cause.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()  # of another file than the server has
        raise DataError(
            f"{download.url} cannot be had: the server says {cause.code} {cause.reason}",
            "a server that has the file",
            "check the address, or try again later",
        ) from cause
    except _BROKEN as cause:
        raise _broken_off(download, part, str(cause)) from cause
    if size is not None and part.stat().st_size < size:
        raise _broken_off(download, part, "the server closed the connection")


def _size(download: Download, answer: http.client.HTTPResponse, have: int) -> int | None:
    """How many bytes the file has; None where neither is known."""
    if download.is_exact:
        return download.size
    told = answer.headers.get("Content-Length", "")
    return min(have + int(told), download.size) if told.isdigit() else None


def _first_byte(answer: http.client.HTTPResponse) -> int:
    """Where the server's answer begins: at 0 where it does not do parts."""
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found.group(1)) if answer.status == HTTPStatus.PARTIAL_CONTENT and found else 0


def _copy(answer: http.client.HTTPResponse, file: BinaryIO, size: int, progress: Progress) -> None:
    done = file.seek(0, os.SEEK_END)
    # No more than the file has: a server may send without end.
    while block := answer.read(min(_BLOCK, size + 1 - done)):
        file.write(block)
        done += len(block)
        progress(done, size)
    file.flush()
    os.fsync(file.fileno())


def _broken_off(download: Download, part: Path, reason: str) -> DataError:
    have = part.stat().st_size if part.exists() else 0
    return DataError(
        f"{download.url} broke off after {have:,} of {download.size:,} bytes: {reason}",
        "a connection that lasts",
        "try again: what is there stays, and it goes on from there",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _nothing(done: int, size: int) -> None:
    """Shows no progress."""
