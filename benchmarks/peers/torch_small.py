"""Trains the networks of `small_training.py` by eager PyTorch; run by `training_speed.py`."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


class Last(nn.Module):
    """An LSTM's state after the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 64, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0][:, -1]


def network(name: str) -> nn.Module:
    if name == "mlp":
        layers = [nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(128, 10))
    if name == "lstm":
        return nn.Sequential(Last(), nn.Linear(64, 10))
    return nn.Sequential(
        nn.Unflatten(1, (1, 8)),
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip


def trained(name: str, x: Tensor, y: Tensor, settings: dict[str, Any]) -> dict[str, float]:
    """Seconds and CPU seconds an epoch, the first left out; the last loss; parameters."""
    torch.manual_seed(1)
    model = network(name)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)
    began = time.perf_counter()
    times = []
    for _ in range(settings["epochs"] + 1):
        times.append((time.perf_counter(), time.process_time()))
        loss = epoch(model, optimizer, x, y, settings["batch"])
    times.append((time.perf_counter(), time.process_time()))
    (start, start_work), (end, end_work) = times[1], times[-1]
    return {
        "seconds": (end - start) / settings["epochs"],
        "work": (end_work - start_work) / settings["epochs"],
        "whole": time.perf_counter() - began,
        "loss": loss,
        "parameters": sum(one.numel() for one in model.parameters()),
    }


def epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, size: int
) -> float:
    """The mean loss of a pass in a new order; the loss stays a tensor until its end."""
    order, total = torch.randperm(len(x)), torch.zeros(())
    for chosen in order.split(size):
        loss = functional.cross_entropy(model(x[chosen]), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(chosen)
    return float(total) / len(x)


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    torch.set_num_threads(settings["threads"])
    loaded = np.load(settings["data"])
    x, y = torch.from_numpy(loaded["x"]), torch.from_numpy(loaded["y"])
    print(json.dumps({"version": torch.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(trained(json.loads(line)["network"], x, y, settings)), flush=True)


if __name__ == "__main__":
    main()
