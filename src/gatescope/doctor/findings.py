"""What the doctor found in a training, and what of it counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gatescope.doctor.finding import SCHEMA, Finding
from gatescope.doctor.outcome import Outcome

_WORTH_SAYING = 0.25


@dataclass(frozen=True)
class Findings:
    """What the doctor found in a training.

    Args:
        name: Of the run or the model.
        findings: All of them, the likeliest cause first.
        outcome: How well the network does.
        notes: What could not be looked at, and why.
        seen: What was looked at.
    """

    name: str
    findings: tuple[Finding, ...]
    outcome: Outcome | None
    notes: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()

    @property
    def standing(self) -> tuple[Finding, ...]:
        """Findings that count as faults: proved, or sure by themselves and not refuted."""
        return tuple(one for one in self.findings if one.stands)

    @property
    def proved(self) -> tuple[Finding, ...]:
        """Findings whose remedy was tried and improved the network."""
        return tuple(one for one in self.findings if one.proved)

    @property
    def possible(self) -> tuple[Finding, ...]:
        """Findings that may be faults."""
        rest = (one for one in self.findings if not one.stands)
        return tuple(one for one in rest if one.confidence >= _WORTH_SAYING)

    @property
    def healthy(self) -> bool:
        """Whether nothing stands, and it is not known to fail for reasons that no rule knows."""
        outcome = self.outcome
        fails = outcome is not None and (outcome.fails or outcome.learns_nothing)
        return not self.standing and not fails

    @property
    def told(self) -> dict[str, Any]:
        """All of it as plain data; `schema` says of which version."""
        outcome = self.outcome
        return {
            "schema": SCHEMA,
            "name": self.name,
            "healthy": self.healthy,
            "outcome": None if outcome is None else {
                "skill": outcome.known, "train": outcome.train, "simple": outcome.simple,
                "task": outcome.task,
            },
            "findings": [one.told | {"rank": rank} for rank, one in enumerate(self.findings, 1)],
            "seen": list(self.seen),
            "notes": list(self.notes),
        }  # fmt: skip
