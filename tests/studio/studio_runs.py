"""Runs for pages to show: written in a blink, with all that a training records."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gatescope.runs.findings import keep_findings
from gatescope.runs.record import RunWriter, start_run

LAYERS = ["conv", "dense", "logits"]
STATISTICS = ["mean", "deviation", "minimum", "maximum", "zeros", "dead", "saturated",
              "gradient", "update_ratio"]  # fmt: skip
FINDING = {
    "cause": "learning_rate=1 is too high <for adam>", "symptom": "the loss jumps",
    "remedy": "set it to 0.001", "where": "train.py:8", "layer": "dense", "step": 20,
    "proved": True, "stands": True, "confidence": 0.9, "rule": "high rate",
    "diff": "@@ -8 +8 @@\n-Adam(1)\n+Adam(0.001)", "proof": "skill 0.1 became 0.9",
    "evidence": ["updates are 40 % of the weights"],
    "series": [{"label": "batch loss", "x": [0, 1, 2], "y": [1.0, 3.0, 2.0]}],
}  # fmt: skip


def started(root: Path, name: str = "digits", rate: float = 0.01) -> RunWriter:
    """A run that goes on until it is finished."""
    return start_run(
        root, name, tensorboard=False,
        configuration={"optimizer": {"name": "adam", "learning_rate": rate}, "batch": 32},
        structure=[{"name": layer, "kind": "Dense", "parameters": 10} for layer in LAYERS],
    )  # fmt: skip


def record(writer: RunWriter, first: int, end: int, rate: float = 0.01) -> None:
    """Metrics of every step, of the other split at every 50th, probes of every fifth."""
    for step in range(first, end):
        loss = 2 / (1 + 0.05 * step) + 0.1 * np.sin(step)
        writer.metrics(step, step // 50, {"batch_loss": loss, "learning_rate": rate})
        if step % 50 == 49:
            writer.metrics(step, step // 50, {"loss": loss, "val_loss": loss + 0.1})
    steps = np.arange(first, end, 5)
    numbers_NLS = np.random.default_rng(first).uniform(
        0.01, 1, (len(steps), len(LAYERS), len(STATISTICS))
    )
    numbers_NLS[..., STATISTICS.index("minimum")] *= -3
    numbers_NLS[..., STATISTICS.index("maximum")] += 2
    writer.probes(steps, LAYERS, STATISTICS, numbers_NLS.astype(np.float32))


def written(root: Path, name: str = "digits", steps: int = 200, rate: float = 0.01) -> str:
    """A run that has ended; the name of its folder."""
    with started(root, name, rate) as writer:
        record(writer, 0, steps, rate)
    keep_findings(writer.folder, [FINDING])
    return writer.folder.name
