"""The most memory a process has held; Gatescope and its PyTorch peers all ask here."""

from __future__ import annotations

import re
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_megabytes() -> float | None:
    """Peak resident memory of this process in MB; None where the kernel does not tell.

    Not `getrusage`: there Linux hands a child process the peak of the parent that started it.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text()) if STATUS.exists() else None
    return int(found[1]) * 1024 / 1e6 if found else None
