"""Trains `torch_captioner` on the batches that `caption_training.py` made; run by that script."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_captioner import Captioner

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
Forward = Callable[..., Tensor]


def batches(data: dict[str, np.ndarray], size: int) -> Iterator[Batch]:
    """Batches of photos, features in float32, as a data loader would give them."""
    for start in range(0, len(data["words"]), size):
        part = slice(start, start + size)
        features = torch.from_numpy(data["features"][part]).float()
        boxes = torch.from_numpy(data["boxes"][part])
        words = torch.from_numpy(data["words"][part]).long()
        yield features, boxes, words[:, :, :-1], words[:, :, 1:]


def loss_of(forward: Forward, batch: Batch, skip: bool) -> Tensor:
    """Cross-entropy over words; with `skip`, padding never reaches the vocabulary's product."""
    features, boxes, words, targets = batch
    if skip:
        said = targets != 0
        logits = forward(features, boxes, words, said)
        return functional.cross_entropy(logits.float(), targets[said], label_smoothing=0.1)
    logits = forward(features, boxes, words).flatten(0, 2)
    return functional.cross_entropy(
        logits.float(), targets.flatten(), ignore_index=0, label_smoothing=0.1
    )


class Contender:
    """One way to train: its own model, optimizer and precision."""

    def __init__(self, settings: dict[str, Any], precision: str, skip: bool, compiled: bool):
        torch.manual_seed(1)
        self.model = Captioner(**settings["sizes"])
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=float(settings["rate"]), weight_decay=0.01, fused=True
        )
        self.forward = torch.compile(self.model) if compiled else self.model
        self.low, self.skip = precision == "bfloat16", skip

    def step(self, batch: Batch) -> float:
        """One step of gradient descent."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.low):
            loss = loss_of(self.forward, batch, self.skip)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()
        return loss.item()


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    torch.set_num_threads(settings["threads"])
    data = dict(np.load(settings["data"]))
    contenders: dict[str, Contender] = {}
    print(json.dumps({"version": torch.__version__}), flush=True)
    for line in sys.stdin:
        choice = json.loads(line)
        try:
            contender = contenders.setdefault(line, None) or Contender(settings, **choice)
            contenders[line] = contender
            start = time.perf_counter()
            losses = [contender.step(batch) for batch in batches(data, settings["batch"])]
            seconds = time.perf_counter() - start
            answer = {"seconds": seconds, "loss": float(np.mean(losses))}
        except Exception as failure:  # noqa: BLE001 - whatever torch.compile meets is the answer
            answer = {"failure": f"{type(failure).__name__}: {failure}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
