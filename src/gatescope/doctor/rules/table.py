"""The table of rules, and the word that puts a function into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gatescope.doctor.evidence import Curve, Evidence
from gatescope.doctor.finding import Finding, Series

Check = Callable[[Evidence], Iterator[Finding]]
_POINTS = 60


@dataclass(frozen=True)
class Rule:
    """A rule.

    Args:
        name: That of its function.
        source: Where its knowledge comes from: a paper, or documentation.
        check: Yields what it finds; nothing where the evidence that it needs is missing.
    """

    name: str
    source: str
    check: Check


RULES: list[Rule] = []
"""All rules, in the order of their modules."""


def rule(source: str) -> Callable[[Check], Check]:
    """Puts a function into the table, under its own name."""

    def put(check: Check) -> Check:
        RULES.append(Rule(check.__name__, source, check))
        return check

    return put


def series(label: str, curve: Curve) -> Series:
    """A small series of a curve, thinned evenly."""
    stride = max(1, len(curve.x) // _POINTS)
    x, y = curve.x[::stride], curve.y[::stride]
    return Series(label, tuple(map(float, x)), tuple(map(float, y)))
