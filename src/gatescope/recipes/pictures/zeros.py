"""How many weights are as good as 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gatescope.recipes.kinds.network import Trained

_NOTHING = 0.01


def measure(trained: Sequence[Trained]) -> Mapping[str, float]:
    """The share of each network's kernels that is smaller than a hundredth.

    Args:
        trained: Any networks.
    """
    return {f"weights near 0: {one.name}": _share(one) for one in trained}


def _share(one: Trained) -> float:
    kernels = [np.abs(np.asarray(v)).ravel() for v in one.model.weights if len(v.shape) > 1]
    return float((np.concatenate(kernels) < _NOTHING).mean())
