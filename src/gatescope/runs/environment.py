"""On what a training ran, found out without loading anything for it."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "KERAS_BACKEND",
    "OMP_NUM_THREADS",
    "PYTHONHASHSEED",
    "TF_CPP_MIN_LOG_LEVEL",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_USE_LEGACY_KERAS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)


def environment() -> dict[str, object]:
    """Platform, processor, Python, installed packages, and the variables that steer the engine.

    No other variable of the environment is read: they hold people's secrets.

    Example:
        >>> environment()["python"]  # doctest: +SKIP
        '3.11.7'
    """
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "python": platform.python_version(),
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "packages": packages(),
    }


def packages() -> dict[str, str]:
    """Names and versions of the installed packages, by the names of their folders.

    `importlib.metadata` opens a file for each to say the same, which takes half a second.
    """
    found: dict[str, str] = {}
    for folder in sys.path:
        for info in sorted(Path(folder or ".").glob("*.dist-info")):
            name, _, version = info.stem.partition("-")
            found.setdefault(name.replace("_", "-").lower(), version)
    return dict(sorted(found.items()))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
