"""The memory that a process holds; Gatescope and its PyTorch peers all ask here."""

from __future__ import annotations

import re
from pathlib import Path

STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_megabytes() -> float | None:
    """Peak resident memory of this process in MB; None where the kernel does not tell.

    Not `getrusage`: there Linux hands a child process the peak of the parent that started it.
    """
    return _megabytes("VmHWM")


def resident_megabytes() -> float | None:
    """Resident memory of this process now, in MB; None where the kernel does not tell."""
    return _megabytes("VmRSS")


def forget_peak() -> None:
    """From here on the peak is of what comes, where the kernel can do that (Linux)."""
    if REFERENCES.exists():
        REFERENCES.write_text("5")


def _megabytes(row: str) -> float | None:
    found = re.search(rf"{row}:\s+(\d+) kB", STATUS.read_text()) if STATUS.exists() else None
    return int(found[1]) * 1024 / 1e6 if found else None
