"""One training a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gatescope.errors import RunError
from gatescope.runs.lock import Lock, is_held

HOLD = """
import sys, time
from pathlib import Path
from gatescope.runs.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_lock_is_held_until_it_is_released(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    lock = Lock(tmp_path)
    for _ in range(2):  # looking takes nothing away
        assert is_held(tmp_path)
        with pytest.raises(RunError, match="another training writes into") as caught:
            Lock(tmp_path)
        assert caught.value.fix.startswith("wait until it has ended")
    lock.release()
    assert not is_held(tmp_path)
    Lock(tmp_path).release()
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]


def test_a_dead_process_leaves_its_lock_free(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        assert is_held(tmp_path)
        with pytest.raises(RunError):
            Lock(tmp_path)
        holder.send_signal(signal.SIGKILL)
    assert not is_held(tmp_path)
    Lock(tmp_path).release()


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.read(reading, 1)
        os._exit(0)
    lock.release()
    assert not is_held(tmp_path)
    os.write(writing, b"x")
    os.waitpid(child, 0)


def test_a_folder_that_may_not_be_written_is_not_held(small_disk: Path) -> None:
    Lock(small_disk).release()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert not is_held(small_disk)
