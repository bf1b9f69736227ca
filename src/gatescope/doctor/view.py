"""How a diagnosis is shown: text, JSON, and one HTML page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from gatescope.doctor.finding import Finding
from gatescope.doctor.findings import Findings
from gatescope.report.curves import text_plot
from gatescope.report.html import Html, element, escape, facts, page, paragraph, section
from gatescope.report.plots import line_chart
from gatescope.report.series import Series

_WIDTH = 96
_CURVE_WIDTH, _CURVE_HEIGHT = 44, 5
_MOST_POSSIBLE = 5
_LONGEST_CODE = 100  # letters


def text(diagnosis: Findings) -> str:
    """The diagnosis for a terminal."""
    lines = [verdict(diagnosis), ""]
    for number, finding in enumerate(diagnosis.standing, 1):
        lines += [*_finding(finding, number), ""]
    possible = diagnosis.possible[:_MOST_POSSIBLE]
    if possible:
        lines += ["possible, not proved:", *(_short(one) for one in possible), ""]
    lines.append("looked at: " + "; ".join(diagnosis.seen))
    lines += [f"note: {one}" for one in diagnosis.notes]
    return "\n".join(lines)


def verdict(diagnosis: Findings) -> str:
    """The first line: how many faults, or healthy."""
    standing, proved = len(diagnosis.standing), len(diagnosis.proved)
    if not standing:
        outcome = diagnosis.outcome
        if outcome is not None and outcome.fails:
            return f"{diagnosis.name}: it does not learn well, and no rule knows why for sure"
        if outcome is not None and outcome.learns_nothing:
            return f"{diagnosis.name}: it learns nothing, nor does a simple model: look at the data"
        return f"{diagnosis.name}: healthy, as far as was looked"
    faults = "1 fault" if standing == 1 else f"{standing} faults"
    return f"{diagnosis.name}: {faults}, {proved or 'none'} proved"


def _finding(finding: Finding, number: int) -> Iterator[str]:
    where = _where(finding)
    yield f"{number}. {finding.cause}   [{_mark(finding)}; {finding.rule}]"
    for label, content in (
        ("at", where),
        ("symptom", finding.symptom),
        ("remedy", finding.remedy),
        ("proof", finding.proof.sentence if finding.proof else ""),
    ):
        if content:
            yield from _wrapped(f"   {label + ':':9}", content)
    for sentence in finding.evidence:
        yield from _wrapped("   ·       ", sentence)
    for series in finding.series[:1]:
        yield from _plot(series.x, series.y, series.label)
    yield from (f"   {line}" for line in finding.diff.splitlines())


def _mark(finding: Finding) -> str:
    return "proved" if finding.proved else f"confidence {finding.confidence:.0%}"


def _where(finding: Finding) -> str:
    parts = []
    if finding.where:
        parts.append(f"{finding.where.file}:{finding.where.line}: {_code(finding.where.text)}")
    if finding.layer:
        parts.append(f"layer {finding.layer}")
    if finding.step is not None:
        parts.append(f"from step {finding.step}")
    return ", ".join(parts)


def _code(text: str) -> str:
    """A line of source within a sentence: a script may be one long line."""
    text = text.rstrip(", ")
    return text if len(text) <= _LONGEST_CODE else f"{text[: _LONGEST_CODE - 1]}…"


def _wrapped(head: str, content: str) -> list[str]:
    return textwrap.wrap(
        content, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head)
    ) or [head]


def _plot(x: tuple[float, ...], y: tuple[float, ...], label: str) -> list[str]:
    if not _is_curve(x, y):
        return []
    finite = [(a, b) for a, b in zip(x, y, strict=True) if isfinite(b)]
    line = Series(label, [a for a, _ in finite], [b for _, b in finite])
    return [f"     {one}" for one in text_plot(line, width=_CURVE_WIDTH, height=_CURVE_HEIGHT)]


def _is_curve(x: Sequence[float], y: Sequence[float]) -> bool:
    """Whether there is more to draw than a point."""
    return len({a for a, b in zip(x, y, strict=True) if isfinite(b)}) > 1


def _short(finding: Finding) -> str:
    where = f" ({finding.where.file}:{finding.where.line})" if finding.where else ""
    tried = " — tried, did not improve" if finding.refuted else ""
    return f"  - {finding.cause}{where}; remedy: {finding.remedy}{tried}"


def html(diagnosis: Findings) -> str:
    """The diagnosis as one page, without script."""
    outcome = diagnosis.outcome
    known = [
        ("faults", len(diagnosis.standing)),
        ("proved", len(diagnosis.proved)),
        ("skill", "–" if outcome is None or outcome.known is None else f"{outcome.known:.2f}"),
    ]
    parts = [section("Overview", facts(known))]
    parts += [kept_section(one.summary) for one in diagnosis.standing]
    if diagnosis.possible:
        items = [element("li", escape(_short(one).strip(" -"))) for one in diagnosis.possible]
        parts.append(section("Possible, not proved", element("ul", *items)))
    seen = [paragraph(one) for one in (*diagnosis.seen, *diagnosis.notes)]
    parts.append(section("What was looked at", *seen))
    return page(f"Diagnosis of {diagnosis.name}", *parts, lead=verdict(diagnosis))


def kept_section(told: Mapping[str, Any]) -> Html:
    """A finding as a run keeps it, as a section of a page.

    Args:
        told: What `Finding.summary` holds.
    """
    place = [f"layer {told['layer']}" if "layer" in told else "",
             f"from step {told['step']}" if "step" in told else ""]  # fmt: skip
    where = ", ".join(part for part in (told.get("where", ""), *place) if part)
    body = [paragraph(where), paragraph(told["symptom"]), *map(paragraph, told.get("evidence", ()))]
    body.append(paragraph(f"Remedy: {told['remedy']}"))
    if "proof" in told:
        body.append(paragraph(f"Proof: {told['proof']}"))
    if proved := _curves(told.get("proof_series", ())):
        title = "Proof: two copies while they were trained"
        body.append(line_chart(proved, title=title, x_label="step", y_label="loss"))
    for curve in _curves(told.get("series", ())):
        body.append(line_chart([curve], title=curve.label, x_label="step", y_label=curve.label))
    if "diff" in told:
        body.append(element("pre", escape(told["diff"])))
    body.append(paragraph(f"Rule {told['rule']}; {told.get('source', '')}".rstrip("; ")))
    mark = "proved" if told["proved"] else f"confidence {told['confidence']:.0%}"
    return section(f"{told['cause']} [{mark}]", *body)


def _curves(told: Sequence[Mapping[str, Any]]) -> list[Series]:
    return [Series(**one) for one in told if _is_curve(one["x"], one["y"])]
