import os
import resource
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from errno import EFBIG, ENOSPC

import pytest

from gatescope.runs.files import atomic_write, remove_unfinished

# Writes a large file; the process is killed at the n-th call of one of these functions.
KILLED_WRITER = """
import os, pathlib, signal, sys
from gatescope.runs.files import atomic_write

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def half(file):
    file.write(b"n" * 500_000)
    file.flush()
    kill()

path, moment = pathlib.Path(sys.argv[1]), sys.argv[2]
if moment == "fsync":
    os.fsync = kill
elif moment == "replace":
    pathlib.Path.replace = kill
elif moment == "replaced":
    pathlib.Path.unlink = kill
atomic_write(path, half if moment == "write" else b"n" * 1_000_000)
"""


@contextmanager
def largest_file(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_and_nothing_else_stays(tmp_path):
    file = tmp_path / "history.json"
    atomic_write(file, b"old")
    atomic_write(file, lambda opened: opened.writelines([b"n", b"ew"]))
    assert file.read_bytes() == b"new"
    assert names(tmp_path) == ["history.json"]


def test_a_new_file_is_as_readable_as_any_other(tmp_path):
    atomic_write(tmp_path / "ours", b"")
    (tmp_path / "plain").write_bytes(b"")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_reader_that_opened_the_old_file_still_reads_it(tmp_path):
    file = tmp_path / "f"
    atomic_write(file, b"old")
    with file.open("rb") as reader:
        atomic_write(file, b"newer")
        assert reader.read() == b"old"


@pytest.mark.parametrize("size", [0, 100, 99_999])
def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path, size):
    file = tmp_path / "f"
    atomic_write(file, b"")
    with largest_file(size), pytest.raises(OSError) as error:
        atomic_write(file, b"n" * 100_000)
    assert error.value.errno == EFBIG
    assert file.read_bytes() == b"" and names(tmp_path) == ["f"]


def test_an_error_that_only_syncing_meets_leaves_the_old_file(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(ENOSPC, os.strerror(ENOSPC))

    file = tmp_path / "f"
    atomic_write(file, b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic_write(file, b"new")
    assert file.read_bytes() == b"old" and names(tmp_path) == ["f"]


def test_a_writer_that_fails_leaves_the_old_file(tmp_path):
    def fail(opened):
        opened.write(b"half")
        raise KeyboardInterrupt

    file = tmp_path / "f"
    atomic_write(file, b"old")
    with pytest.raises(KeyboardInterrupt):
        atomic_write(file, fail)
    assert file.read_bytes() == b"old" and names(tmp_path) == ["f"]


def test_the_content_is_synced_before_it_takes_the_place_and_the_folder_after(
    tmp_path, monkeypatch
):
    calls = []
    fsync, replace = os.fsync, type(tmp_path).replace

    def spy_fsync(descriptor):
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        calls.append("folder" if folder else os.fstat(descriptor).st_size)
        fsync(descriptor)

    def spy_replace(source, target):
        calls.append("replace")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(type(tmp_path), "replace", spy_replace)
    atomic_write(tmp_path / "f", b"content")
    assert calls == [7, "replace", "folder"]


@pytest.mark.parametrize("moment", ["write", "fsync", "replace", "replaced"])
def test_a_killed_writer_leaves_the_old_file_or_all_of_the_new(tmp_path, moment):
    file = tmp_path / "[f].json"
    other = tmp_path / ".f.json.1.unfinished"
    file.write_bytes(b"old")
    other.write_bytes(b"of another file")
    ended = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(file), moment])
    assert ended.returncode == -signal.SIGKILL
    assert file.read_bytes() == (b"n" * 1_000_000 if moment == "replaced" else b"old")
    assert len(names(tmp_path)) == (2 if moment == "replaced" else 3)
    remove_unfinished(file)
    assert names(tmp_path) == sorted([file.name, other.name])


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "nowhere" / "f", b"")
