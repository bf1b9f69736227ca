"""Runs for the tests to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gatescope.runs.record import RunWriter, start_run

LAYERS, STATISTICS = ["dense", "output"], ["mean", "dead"]


def record(root: Path, name: str = "digits", **more: object) -> RunWriter:
    """Starts a run with a configuration and a structure."""
    given = {
        "configuration": {"optimizer": {"name": "adam", "learning_rate": 0.01}, "batch": 32},
        "structure": [{"name": "dense", "units": 4}, {"name": "output", "units": 1}],
        "argv": ["--fast"],
    }
    return start_run(root, name, **{**given, **more})


FINDING = {"symptom": "dead units", "layer": "dense"}


def fill(writer: RunWriter, steps: int = 100, scale: float = 1.0) -> None:
    """Records a falling loss, probes of every tenth step and an event."""
    for step in range(steps):
        writer.metrics(step, step // 50, {"loss": scale / (step + 1), "accuracy": 0.5})
        if step % 50 == 49:
            writer.metrics(step, step // 50, {"val_loss": scale * 2})
    probed = np.arange(0, steps, 10)
    numbers_NLS = np.arange(len(probed) * 4, dtype=np.float32).reshape(-1, 2, 2)
    writer.probes(probed, LAYERS, STATISTICS, numbers_NLS)
    writer.event("checkpoint", 7, {"file": "a"})
