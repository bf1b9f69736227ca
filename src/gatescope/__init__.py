"""Gatescope builds, trains and looks inside neural networks on TensorFlow and Keras 3.

Public names load on first use (PEP 562), so `import gatescope as gs` is quick and the parts that
need no TensorFlow work without it.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatescope.caption.captioner import Captioner, load_captioner
    from gatescope.circuits.circuit import circuit
    from gatescope.circuits.wires import wire
    from gatescope.doctor.asking import diagnose
    from gatescope.runs.open import open_run
    from gatescope.scope.parameters import parameters
    from gatescope.scope.replay import replay
    from gatescope.scope.trace import trace
    from gatescope.scope.watch import watch
    from gatescope.studio.beside import studio

# The only import-time settings, which must stand before TensorFlow loads. One silences what that
# writes to the terminal (3, for it reports even a slower int32 kernel as an error); the other asks
# for oneDNN's kernels, about twice as fast, on processors without AVX-512 too.
_SETTINGS = {
    name: value
    for name, value in (("TF_CPP_MIN_LOG_LEVEL", "3"), ("TF_ENABLE_ONEDNN_OPTS", "1"))
    if name not in os.environ
}
os.environ.update(_SETTINGS)

__version__ = "0.1.0"
__all__ = [
    "Captioner",
    "__version__",
    "circuit",
    "diagnose",
    "load_captioner",
    "open_run",
    "parameters",
    "replay",
    "studio",
    "trace",
    "watch",
    "wire",
]

_HOMES = {
    "Captioner": "gatescope.caption.captioner",
    "circuit": "gatescope.circuits.circuit",
    "diagnose": "gatescope.doctor.asking",
    "load_captioner": "gatescope.caption.captioner",
    "open_run": "gatescope.runs.open",
    "parameters": "gatescope.scope.parameters",
    "replay": "gatescope.scope.replay",
    "studio": "gatescope.studio.beside",
    "trace": "gatescope.scope.trace",
    "watch": "gatescope.scope.watch",
    "wire": "gatescope.circuits.wires",
}
_WITHOUT_ENGINE = ("circuit", "diagnose", "open_run", "studio", "wire")


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'gatescope' has no attribute {name!r}")
    if name not in _WITHOUT_ENGINE:
        _load_with_engine(_HOMES[name])
    return globals().setdefault(name, getattr(importlib.import_module(_HOMES[name]), name))


def load_ipython_extension(shell: object) -> None:
    """What `%load_ext gatescope` calls: opens the hood on whatever the notebook trains."""
    from gatescope.scope.notebook import open_hood

    open_hood()


def unload_ipython_extension(shell: object) -> None:
    """What `%unload_ext gatescope` calls: shuts the hood, and says where the runs are."""
    from gatescope.scope.notebook import shut_hood

    shut_hood()


def leave_environment() -> None:
    """Takes the settings back, for a script that runs as if Gatescope were not there."""
    for name in _SETTINGS:
        os.environ.pop(name, None)


def users_environment() -> dict[str, str]:
    """The environment without the settings, for a process of the user's own."""
    return {name: value for name, value in os.environ.items() if name not in _SETTINGS}


def _load_with_engine(module: str) -> None:
    from gatescope.startup import quiet_startup

    try:
        with quiet_startup():
            importlib.import_module(module)
    except ImportError as cause:
        from gatescope.errors import engine_missing

        engine_missing(cause)


def __dir__() -> list[str]:
    return sorted(__all__)
