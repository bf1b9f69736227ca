"""Losses, written as the expressions that make them circuits."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gatescope.circuits.expressions import parse
from gatescope.circuits.refusals import finite
from gatescope.circuits.wires import Wire
from gatescope.errors import UsageError, nearest

LOSSES: Mapping[str, str] = MappingProxyType(
    {
        "squared": "(prediction - target)**2",
        "absolute": "abs(prediction - target)",
        "huber": "0.5*min(abs(prediction - target), 1)**2 + max(0, abs(prediction - target) - 1)",
        "log_loss": "-(target*log(prediction) + (1 - target)*log(1 - prediction))",
        "hinge": "max(1 - target*prediction, 0)",
    }
)
"""One row a loss. For log_loss the prediction is a probability, for hinge the target is -1 or 1."""


def loss(name: str, prediction: Wire, target: Wire | float) -> Wire:
    """Puts a loss behind a wire.

    Args:
        name: One of `LOSSES`.
        prediction: The wire that should come near the target.
        target: What it should be.

    Returns:
        The loss's output.

    Raises:
        UsageError: There is no such loss.

    Example:
        >>> loss("squared", wire("p", 3.0), 1.0)
        <wire (p - 1)**2: value None, gradient None>
    """
    if name not in LOSSES:
        raise UsageError(
            f"there is no loss {name!r}",
            f"one of {', '.join(LOSSES)}",
            nearest(name, LOSSES) or "use another loss",
        )
    end = target if isinstance(target, Wire) else Wire(value=finite(target, "the target"))
    (output,) = parse(LOSSES[name], {"prediction": prediction, "target": end})
    return output
