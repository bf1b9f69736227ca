"""Diagnoses: evidence, rules, places in the source, proofs, ranked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gatescope.doctor import gather, view
from gatescope.doctor.changes import Specimen
from gatescope.doctor.edits import edits, joined
from gatescope.doctor.evidence import Evidence, Layer
from gatescope.doctor.finding import CERTAIN, Change, Finding
from gatescope.doctor.findings import Findings
from gatescope.doctor.origins import Side, last_change
from gatescope.doctor.outcome import Outcome
from gatescope.doctor.parts import about, inputs_of, outputs_of
from gatescope.doctor.proof import Bench, is_worth_trying, prove
from gatescope.doctor.rules import RULES, Rule, data, dynamics, outputs
from gatescope.doctor.rules.crashes import is_about_labels
from gatescope.doctor.rules.spellings import about_spelling
from gatescope.doctor.script import LayerCall
from gatescope.runs.open import Run
from gatescope.scope.words import plural

BUDGET = 60.0
"""Seconds that proofs may take."""
_ENDED = 3
_FITTED = ("fit", "data")
_ONLY_SYMPTOMS = 0.7  # what shows in gradients has its cause elsewhere
_DYNAMICS = dynamics.__name__
_OF_DATA = [
    one
    for one in RULES
    if one.check.__module__ == data.__name__ or one.name == "index_beyond_embedding"
]
_OF_LABELS = [one for one in RULES if one.check.__module__ == outputs.__name__]
_OF_OUTPUTS = [*_OF_DATA, *_OF_LABELS]
_LIKELY, _SURE = 0.5, 0.86


@dataclass(frozen=True)
class Diagnosis(Findings):
    """What the doctor says of a training, which shows itself."""

    __str__ = view.text

    def html(self) -> str:
        """One page, without script."""
        return view.html(self)


def diagnose_run(run: Run, *, prove: bool = True, seconds: float = BUDGET) -> Diagnosis:
    """Diagnoses what a run recorded.

    Args:
        run: The run.
        prove: Whether to try remedies on copies, where the run kept its model and some data.
        seconds: What that may take.
    """
    case = gather.from_run(run)
    specimen = gather.specimen_of(run, case) if prove else None
    notes = () if specimen or not prove else ("no proofs: the run kept no model and no data",)
    known = case.outcome is not None and case.outcome.known is not None
    if specimen is None or known or case.crash is not None:
        return concluded(run.name, case, specimen, notes=notes, seconds=seconds)
    with Bench(specimen, seconds) as bench:
        case = replace(case, outcome=_measured(bench, case))
        return concluded(run.name, case, specimen, notes=notes, bench=bench)


def _measured(bench: Bench, case: Evidence) -> Outcome | None:
    """How well a copy does that is trained as long as the original was, if that is short."""
    came = bench.trial((), 0)
    if "error" in came or came["cut"] or (case.steps or 0) > 2 * came["steps"]:
        return case.outcome
    return replace(case.outcome or Outcome(None), skill=came["skill"], train=came["train"])


def concluded(
    name: str,
    case: Evidence,
    specimen: Specimen | None,
    *,
    notes: Sequence[str] = (),
    seconds: float = BUDGET,
    bench: Bench | None = None,
) -> Diagnosis:
    """Rules, proofs and their order.

    Args:
        name: What to call the training.
        case: The evidence.
        specimen: What to prove on; None for no proofs.
        notes: What could not be looked at.
        seconds: What proofs may take.
        bench: A child process that has the specimen already.
    """
    findings = ranked(examine(case))
    if specimen is not None and any(map(is_worth_trying, findings)):
        with nullcontext(bench) if bench else Bench(specimen, seconds) as used:
            findings = ranked(prove(used, findings, fine=case.fine, outcome=case.outcome))
    if case.cut:
        notes = (
            *notes,
            f"it was cut short ({case.cut}): what it would have learned later is not known",
        )
    return Diagnosis(name, tuple(grouped(findings)), case.outcome, tuple(notes), seen(case))


def examine(case: Evidence) -> list[Finding]:
    """What the rules find, each with its place in the source; a rule that fails finds nothing."""
    found = _found(RULES, case)
    for name, part in outputs_of(case):
        seen = _found(_OF_OUTPUTS, replace(part, outcome=gather.judge(part)))
        found += about(name, _new(seen, found))
    for name, part in inputs_of(case):
        found += about(name, _new(_found(_OF_DATA, part), found))
    if is_about_labels(case):
        found = [_explaining(one) for one in found]
    spelled = [one for one in found if one.kind == "spelling"]
    others = [one for one in found if one.kind != "spelling"]
    return [located(one, case) for one in (*others, *about_spelling(spelled, case))]


def _found(rules: Sequence[Rule], case: Evidence) -> list[Finding]:
    found = []
    for rule in rules:
        with suppress(Exception):  # a slip in one rule must not hide what others see
            for finding in rule.check(case):
                found.append(replace(finding, rule=rule.name, source=rule.source))
    return found


def _explaining(finding: Finding) -> Finding:
    """What a rule about labels, loss and last layer finds is what ended the script."""
    known = finding.confidence >= _LIKELY and any(r.name == finding.rule for r in _OF_LABELS)
    if not known or finding.kind != "training":
        return finding
    return replace(finding, kind="crash", confidence=max(finding.confidence, _SURE))


def _new(seen: Sequence[Finding], found: Sequence[Finding]) -> list[Finding]:
    """What is not found yet: of the whole, or of another input or output."""
    known = [(one.rule, one.changes, one.layer) for one in found]
    return [one for one in seen if (one.rule, one.changes, one.layer) not in known]


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """The likeliest cause first: what was proved, then what is sure, then what is possible."""
    ordered = sorted(findings, key=_weight, reverse=True)
    # Nearly any network gains by more steps: what is sure by itself says more of the cause.
    later = [one for one in ordered if _is_longer(one)]
    sure = [one for one in ordered if one.stands and one not in later]
    rest = [one for one in ordered if one not in later and one not in sure]
    return [*sure, *later, *rest] if later and sure else ordered


def _is_longer(finding: Finding) -> bool:
    """Whether its remedy is to train on, and that helped."""
    targets = {one.target for one in finding.changes}
    return finding.proved and targets == {"fit.epochs"}


def grouped(findings: Sequence[Finding]) -> list[Finding]:
    """What a likelier finding explains is told with that, not again: symptoms, and the same remedy.

    Old spellings are one finding, so that all of them are mended at once.
    """
    kept: list[Finding] = []
    for finding in findings:
        place = next((i for i, one in enumerate(kept) if _explains(one, finding)), None)
        if place is None:
            kept.append(finding)
        else:
            told = kept[place].evidence
            kept[place] = replace(kept[place], evidence=(*told, f"seen with it: {finding.cause}"))
    return kept


def _explains(cause: Finding, other: Finding) -> bool:
    if other.stands and not cause.stands:
        return False
    if cause.kind != "training" and other.kind == "crash":
        return True
    mended, wanted = (
        {(change.target, change.part, str(change.value)) for change in one.changes}
        for one in (cause, other)
    )
    if wanted and wanted <= mended:
        return True
    if not _is_symptom(other):
        return False
    shared = {one.target for one in other.changes} <= {one.target for one in cause.changes}
    return cause.proved or (bool(other.changes) and shared)


def _is_symptom(finding: Finding) -> bool:
    return any(r.name == finding.rule and r.check.__module__ == _DYNAMICS for r in RULES)


def _weight(finding: Finding) -> float:
    weight = finding.confidence * (_ONLY_SYMPTOMS if _is_symptom(finding) else 1)
    if finding.kind != "training":
        # What ended the script comes before what might be wrong with its training, unless that may
        # be behind it.
        weight += _ENDED if finding.confidence > CERTAIN else 0
    if finding.proved and finding.proof:
        gain = min(1.0, max(0.0, float(finding.proof.numbers.get("gain", 0.0))))
        return weight + gain + 1
    return weight - finding.refuted


def located(finding: Finding, case: Evidence) -> Finding:
    """The finding with its line and its diff, where the script is known."""
    script = case.script
    if script is None or script.tree is None:
        return finding
    calls = _calls(case.layers)
    changes = joined(script, finding.changes)
    found = [(change, edits(script, change, calls)) for change in changes]
    every = [edit for _, part in found for edit in part]
    line = _line(finding, found, case)
    return replace(
        finding,
        where=script.place(line) if line else None,
        diff=script.diff(every) if every else "",
    )


def _line(
    finding: Finding, found: Sequence[tuple[Change, Sequence[Any]]], case: Evidence
) -> int | None:
    focus, script = finding.focus or "", case.script
    if focus.startswith("line:"):
        return int(focus.removeprefix("line:"))
    if focus.startswith(("data:", "made:")) and script is not None:
        side: Side = "x" if focus.endswith("x") else "y"
        changed = last_change(script, side, usual=focus.startswith("made:"))
        if changed is not None:
            return changed
        focus = ""
    if focus == "crash":
        return case.crash.line if case.crash else None
    for change, part in found:
        if part and (not focus or change.target == focus):
            return int(part[0].line)
    asked = _calls(case.layers).get(finding.layer or "")
    call = script.layer(asked) if script and asked else None
    if call is None and script is not None and (finding.changes or finding.focus):
        first = finding.changes[0].target if finding.changes else str(finding.focus)
        root = first.replace(":", ".").partition(".")[0]
        compiled = root in ("optimizer", "loss", "metrics")
        call = script.compiling() if compiled else script.fitting() if root in _FITTED else None
    return call.lineno if call else None


def _calls(layers: Sequence[Layer]) -> dict[str, LayerCall]:
    kinds = [layer.kind for layer in layers]
    return {
        layer.name: LayerCall(
            layer.kind, layer.name, kinds[:place].count(layer.kind), kinds.count(layer.kind),
            dict(layer.config),
        )
        for place, layer in enumerate(layers)
    }  # fmt: skip


def seen(case: Evidence) -> tuple[str, ...]:
    """What was looked at, and what that says, in sentences."""
    told = []
    if case.outcome is not None and case.outcome.known is not None:
        told.append(case.symptom)
    if case.losses is not None and len(case.losses.finite.y):
        known, steps = case.losses.finite, plural(len(case.losses.y), "step")
        tenth = max(1, len(known.y) // 10)
        spoiled = case.losses.x[~np.isfinite(case.losses.y)]
        told.append(
            f"batch loss from {known.y[:tenth].mean():.3g} to {known.y[-tenth:].mean():.3g} "
            f"in {steps}" + (f", not finite from step {int(spoiled[0])} on" if len(spoiled) else "")
        )
    if case.probes:
        told.append(f"{plural(len(case.probes), 'layer')} probed")
    dead = [case.probe(name, "dead") for name in case.probes]
    shares = [float(one.y[-1]) for one in dead if one is not None]
    if shares:
        told.append(f"at most {max(shares):.0%} of a layer's units dead")
    if case.sample is not None and case.sample.x:
        told.append(f"{len(case.sample.x[0]):,} samples of the data")
    told.append(f"{len(RULES)} rules")
    return tuple(told)
