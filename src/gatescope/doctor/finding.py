"""What the doctor says: a cause, what shows it, what mends it, and whether that was proved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

SCHEMA = 1
"""Version of what `told` of a finding and of a diagnosis look like."""
Kind = Literal["training", "spelling", "crash"]
Verdict = Literal["improved", "not improved", "unclear", "not tried"]
"""`unclear` is what was NaN and became finite, and no better than guessing in so few steps."""
CERTAIN = 0.8
"""Confidence from which a finding stands though no proof was possible."""


@dataclass(frozen=True)
class Change:
    """A step of a remedy that a program can take.

    Args:
        action: `set` a value, `remove` a layer, or `insert` one.
        target: What, such as `optimizer.learning_rate`, `layer:dense_1.activation`, `loss`,
            `fit.batch_size`, `data.x` or `layer:dropout`.
        value: Plain data.
        part: Of several inputs or outputs the one that it is about, by name or place.

    Example:
        >>> Change("set", "optimizer.learning_rate", 0.001).target
        'optimizer.learning_rate'
    """

    action: Literal["set", "remove", "insert"]
    target: str
    value: Any = None
    part: str = ""

    @property
    def layer(self) -> str | None:
        """The layer that it is about."""
        if not self.target.startswith("layer:"):
            return None
        return self.target.removeprefix("layer:").partition(".")[0]

    @property
    def setting(self) -> str:
        """What stands behind the first dot of the target."""
        return self.target.partition(".")[2]


@dataclass(frozen=True)
class Place:
    """A line of the user's source."""

    file: str
    line: int
    text: str


@dataclass(frozen=True)
class Series:
    """A small curve that shows the symptom."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Proof:
    """What a short retraining with the remedy came to.

    Args:
        verdict: Whether it improved by more than the noise of seeds.
        sentence: What was measured, in words.
        numbers: What was measured.
        series: The loss of a copy as it was, and of one with the remedy, while they trained; none
            where the remedy is another loss, which cannot be compared.
    """

    verdict: Verdict
    sentence: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    series: tuple[Series, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A fault, or what may be one.

    Args:
        cause: What is wrong, in a sentence.
        symptom: What it does to the training.
        remedy: What mends it, in words.
        confidence: How surely the rule knows, from 0 to 1.
        rule: Name of the rule that says so; filled in by `examine`, as is what follows it there.
        evidence: Sentences with numbers.
        changes: The remedy for programs.
        layer: Where in the network.
        step: When it began.
        series: Small curves.
        kind: A fault of training, an old spelling, or what crashed the script.
        source: Where the rule's knowledge comes from.
        focus: The change whose line is to blame; the first by default.
        where: The line of the user's source.
        diff: The remedy as a unified diff of the user's source.
        proof: What retraining with the remedy came to.
    """

    cause: str
    symptom: str
    remedy: str
    confidence: float
    rule: str = ""
    evidence: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    layer: str | None = None
    step: int | None = None
    series: tuple[Series, ...] = ()
    kind: Kind = "training"
    source: str = ""
    focus: str | None = None
    where: Place | None = None
    diff: str = ""
    proof: Proof | None = None

    @property
    def proved(self) -> bool:
        """Whether the remedy was tried and improved the network."""
        return self.proof is not None and self.proof.verdict == "improved"

    @property
    def refuted(self) -> bool:
        """Whether the remedy was tried and did not."""
        return self.proof is not None and self.proof.verdict == "not improved"

    @property
    def stands(self) -> bool:
        """Whether it counts as a fault; if not, it is only possible."""
        return self.proved or (not self.refuted and self.confidence >= CERTAIN)

    @property
    def told(self) -> dict[str, Any]:
        """All of it as plain data, stable between versions of the same `SCHEMA`."""
        return asdict(self) | {"stands": self.stands, "proved": self.proved}

    @property
    def summary(self) -> dict[str, Any]:
        """What a run keeps of it: what a reader wants, and nothing that is empty."""
        where = f"{self.where.file}:{self.where.line}" if self.where else ""
        told = {
            "cause": self.cause, "symptom": self.symptom, "remedy": self.remedy, "where": where,
            "layer": self.layer, "step": self.step, "proved": self.proved, "stands": self.stands,
            "confidence": self.confidence, "rule": self.rule, "diff": self.diff,
            "proof": self.proof.sentence if self.proof else "", "source": self.source,
            "evidence": list(self.evidence), "series": [asdict(one) for one in self.series],
            "proof_series": [asdict(one) for one in self.proof.series] if self.proof else [],
        }  # fmt: skip
        return {name: value for name, value in told.items() if value not in (None, "", [])}
