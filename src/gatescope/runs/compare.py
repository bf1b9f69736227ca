"""What two runs differ in, and from which step on their curves part.

**When curves part.** Both curves of a metric are taken at the steps that they share, n of them.
Their difference is averaged over a window of n/50 steps. They part at the first step from which
that average stays beyond the tolerance for n/20 steps (at least one). The tolerance is the larger
of four standard errors of the averaged difference, had it been noise alone, and 1 % of the span of
both curves. The noise of a curve is estimated from its second differences, which a smooth curve
has none of: the median of |x(t−1) − 2·x(t) + x(t+1)|, times 1.4826 for a standard deviation (if
normal), over the root of 6. A value that is finite in one run alone parts them at once. So equal
configurations under two seeds do not part where only the noise differs; the step is exact to about
half a window. Where the curves ceased to be equal to the bit, `unequal_from` says so, too.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatescope.runs.open import Run, Table

ABSENT = "(absent)"

_ERRORS, _SHARE = 4.0, 0.01
_WINDOWS, _STAYS = 50, 20
_NORMAL = 1.4826 / np.sqrt(6)


@dataclass(frozen=True)
class Difference:
    """A name whose value is another in the second run; `(absent)` where one lacks it."""

    name: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Parting:
    """How two curves of a metric relate.

    Args:
        metric: Its name.
        shared: How many steps they share; nothing more is known where it is none.
        unequal_from: The first step in which they are not equal to the bit, if there is one.
        parts_from: The first step from which they are apart beyond the noise, if there is one.
        meets_again: Whether they are within the noise again at the end.
        last: The value of each at the last shared step.
    """

    metric: str
    shared: int
    unequal_from: int | None = None
    parts_from: int | None = None
    meets_again: bool = False
    last: tuple[float, float] | None = None


@dataclass(frozen=True)
class Comparison:
    """What two runs differ in.

    Args:
        configuration: Settings that differ.
        environment: Platform, packages and variables that differ.
        structure: Layers that differ.
        script: The scripts' differing lines, as `diff` writes them.
        curves: Each metric that both recorded.
        alone: Metrics that one of them recorded alone, with the run's name.
    """

    configuration: list[Difference]
    environment: list[Difference]
    structure: list[Difference]
    script: list[str]
    curves: list[Parting]
    alone: dict[str, str]


def compare(first: Run, second: Run) -> Comparison:
    """Compares two runs.

    Args:
        first: A run.
        second: Another, that may go on.

    Raises:
        RunError: One of them is damaged.

    Example:
        >>> compare(open_run("runs/a"), open_run("runs/b")).curves[0].parts_from  # doctest: +SKIP
        120
    """
    curves, others = first.metric_names, second.metric_names
    return Comparison(
        differences(first.configuration, second.configuration),
        differences(first.environment, second.environment),
        differences(_layers(first), _layers(second)),
        _script(first, second),
        [
            parting(name, first.metric(name), second.metric(name))
            for name in curves
            if name in others
        ],
        {name: first.folder.name for name in curves if name not in others}
        | {name: second.folder.name for name in others if name not in curves},
    )


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """The names, dotted where they stand within others, whose values differ.

    Example:
        >>> differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}})
        [Difference(name='a.b', first=1, second=3)]
    """
    flat, other = _flat(first), _flat(second)
    return [
        Difference(name, flat.get(name, ABSENT), other.get(name, ABSENT))
        for name in dict.fromkeys([*flat, *other])
        if _differ(flat.get(name, ABSENT), other.get(name, ABSENT))
    ]


def parting(metric: str, first: Table, second: Table) -> Parting:
    """Where the curves of a metric part; the module says by which criterion.

    Args:
        metric: Its name.
        first: `step` and `value` of one run, as `Run.metric` returns them.
        second: Those of the other.
    """
    steps_N, places_N, others_N = np.intersect1d(first["step"], second["step"], return_indices=True)
    a_N, b_N = first["value"][places_N], second["value"][others_N]
    if not len(steps_N):
        return Parting(metric, 0)
    unequal_N = (a_N != b_N) & ~(np.isnan(a_N) & np.isnan(b_N))
    apart_N = _apart(a_N, b_N, unequal_N)
    start = _first_stretch(apart_N, max(1, len(steps_N) // _STAYS))
    return Parting(
        metric,
        len(steps_N),
        int(steps_N[np.argmax(unequal_N)]) if unequal_N.any() else None,
        None if start is None else int(steps_N[start]),
        start is not None and not apart_N[-1],
        (float(a_N[-1]), float(b_N[-1])),
    )


def _apart(
    a_N: NDArray[np.float64], b_N: NDArray[np.float64], unequal_N: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    window = max(1, len(a_N) // _WINDOWS)
    both_N = np.isfinite(a_N) & np.isfinite(b_N)
    difference_N = np.subtract(a_N, b_N, out=np.zeros(len(a_N)), where=both_N)
    gap_N = np.abs(_averaged(difference_N, window))
    finite = np.concatenate([a_N[both_N], b_N[both_N]])
    span = np.ptp(finite) if len(finite) else 0.0
    noise = max(_noise(a_N[both_N]), _noise(b_N[both_N]))
    tolerance = max(_ERRORS * noise * np.sqrt(2 / window), _SHARE * span)
    return (unequal_N & ~both_N) | (gap_N > tolerance)


def _averaged(values_N: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    kernel = np.ones(window)
    counts_N = np.convolve(np.ones(len(values_N)), kernel, "same")
    return np.convolve(values_N, kernel, "same") / counts_N


def _noise(values_N: NDArray[np.float64]) -> float:
    """The standard deviation of what is no smooth curve; none is known of less than five values."""
    if len(values_N) < 5:
        return 0.0
    return float(_NORMAL * np.median(np.abs(np.diff(values_N, 2))))


def _first_stretch(apart_N: NDArray[np.bool_], length: int) -> int | None:
    """Where the first run of so many true values begins."""
    sums = np.convolve(apart_N.astype(np.int64), np.ones(length, np.int64), "valid")
    return int(np.argmax(sums == length)) if (sums == length).any() else None


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in content.items():
        flat |= (
            _flat(value, f"{prefix}{name}.")
            if isinstance(value, Mapping) and value
            else {f"{prefix}{name}": value}
        )
    return flat


def _differ(first: Any, second: Any) -> bool:
    return repr(first) != repr(second)  # NaN is NaN, and 1 is not 1.0


def _layers(run: Run) -> dict[str, Any]:
    """The layers by name, and their order, so that a move is seen."""
    layers = {
        str(layer.get("name", place)): {key: value for key, value in layer.items() if key != "name"}
        for place, layer in enumerate(run.structure)
    }
    return {**layers, "(order)": " → ".join(layers)}


def _script(first: Run, second: Run) -> list[str]:
    before, after = ((run.script or {}).get("text", "").splitlines() for run in (first, second))
    names = (first.folder.name, second.folder.name)
    return list(difflib.unified_diff(before, after, *names, n=0, lineterm=""))
