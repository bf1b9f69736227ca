"""The networks of `keras_tracing.py` in PyTorch: an eager step, and TorchLens; run by `trace.py`.

TorchLens wraps PyTorch's functions for good once it has traced, so it is imported only where it is
asked for: steps are timed in a process of their own.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from turns import Work, take_turns


class FusedLSTM(nn.Module):
    """`nn.LSTM`, which is one operation to PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrence = nn.LSTM(32, 64, batch_first=True)
        self.output = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.recurrence(x)[0][:, -1])


class LoopedLSTM(nn.Module):
    """The same with its loop written out, as Keras runs it eagerly: each gate is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(32, 256)
        self.recur = nn.Linear(64, 256, bias=False)
        self.output = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        output = memory = x.new_zeros(len(x), 64)
        for step in x.unbind(1):
            gates = (self.project(step) + self.recur(output)).chunk(4, 1)
            take, forget, give = (torch.sigmoid(gates[place]) for place in (0, 1, 3))
            memory = forget * memory + take * torch.tanh(gates[2])
            output = give * torch.tanh(memory)
        return self.output(output)


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3),
        nn.ReLU(),
        nn.BatchNorm2d(16),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(800, 10),
    )


NETWORKS = {
    "cnn": (cnn, (1, 28, 28)),
    "lstm": (LoopedLSTM, (20, 32)),
    "lstm, fused": (FusedLSTM, (20, 32)),
}


class Judged(nn.Module):
    """A network and its loss, so that the loss is traced too, as `gs.trace` does."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(self.network(x), y)


@cache
def judged(name: str) -> tuple[Judged, torch.optim.Optimizer]:
    model = Judged(NETWORKS[name][0]())
    return model, torch.optim.Adam(model.parameters())


def find(request: dict[str, Any]) -> Work:
    """An eager step, or a trace with all activations and gradients."""
    model, optimizer = judged(request["network"])
    x = torch.randn(request["samples"], *NETWORKS[request["network"]][1])
    y = torch.randint(0, 10, (request["samples"],))

    def step() -> Tensor:
        optimizer.zero_grad()
        loss = model(x, y)
        loss.backward()
        optimizer.step()
        return loss

    def trace() -> Any:
        import torchlens

        options = torchlens.options.CaptureOptions(save_grads=True)
        log = torchlens.trace(model, (x, y), capture=options)
        log.log_backward(log[log.output_layers[0]].out)
        return log

    if request["work"] == "step":
        return Work(step, lambda loss: {"loss": loss.item()})
    return Work(trace, about)


def about(log: Any) -> dict[str, float]:
    return {
        "forward": log.num_ops,
        "backward": log.num_grad_fn_calls,
        "gradients": log.num_grad_fns_with_op,
        "kept": int(log.saved_activation_memory) + int(log.saved_gradient_memory),
    }


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    torch.set_num_threads(settings["threads"])
    version = f"PyTorch {torch.__version__}"
    if settings["traces"]:
        import torchlens

        version = f"TorchLens {torchlens.__version__}"
    take_turns({"version": version}, find)


if __name__ == "__main__":
    main()
