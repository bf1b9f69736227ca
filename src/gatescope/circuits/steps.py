"""What training leaves behind."""

from __future__ import annotations

from typing import NamedTuple


class Step(NamedTuple):
    """A circuit after some steps: what it came to, and the loss's gradients that move it on."""

    number: int
    loss: float
    outputs: tuple[float, ...]
    parameters: dict[str, float]
    gradients: dict[str, float]
