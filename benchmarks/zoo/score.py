"""Scores a doctor's answers to the zoo.

    python benchmarks/zoo/score.py answers.jsonl --half A
    python benchmarks/zoo/score.py answers.jsonl --half B --names names.json

`answers.jsonl` has one line for each program that the doctor has seen, healthy or not:

    {"name": "iris_onehot--labels_shuffled", "seconds": 12.3,
     "findings": [{"cause": "labels_shuffled", "layer": null, "line": 20, "proven": true}, …]}

Findings are ranked, the likeliest first; `layer` and `line` may be null. `names.json` translates
the doctor's names of causes into the zoo's: {"shuffled-labels": ["labels_shuffled"]}. Only pairs
that `check.py` has kept are scored, and old spellings apart from training faults.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from check import learns, read_results, verdicts
from faults import Variant, variants
from programs import PROGRAMS
from split import read_split

Answer = dict[str, Any]


def causes_of(finding: Answer, names: dict[str, list[str]]) -> set[str]:
    """A finding's cause in the zoo's words."""
    return set(names.get(finding["cause"], [finding["cause"]]))


def judge(
    variant: Variant, layers: list[str], answer: Answer, names: dict[str, list[str]]
) -> Answer:
    """What is right in one answer. Layer and line are those of the first finding of right cause."""
    findings = answer["findings"]
    right = [f for f in findings if causes_of(f, names) & set(variant.causes)]
    first = right[0] if right else {}
    line = first.get("line")
    return {
        "detected": bool(findings),
        "detected, proven": any(f.get("proven") for f in findings),
        "top 1": bool(findings) and findings[0] in right,
        "top 3": any(f in right for f in findings[:3]),
        "layer": (first.get("layer") in layers) if layers else None,
        "line": line in variant.lines,
        "statement": line is not None and any(a <= line <= b for a, b in variant.statements),
    }


def shares(rows: Iterable[Answer]) -> str:
    """The share of each property that is true, where it applies."""
    rows = list(rows)
    cells = []
    for key in rows[0] if rows else ():
        values = [row[key] for row in rows if row[key] is not None]
        cells.append(
            f"{key} {sum(values)}/{len(values)} = {100 * sum(values) / max(1, len(values)):.0f} %"
        )
    return "; ".join(cells)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("answers", type=Path)
    parser.add_argument("--half", choices=("A", "B"), required=True)
    parser.add_argument("--names", type=Path)
    parser.add_argument("--each", action="store_true", help="a line for each wrong answer")
    options = parser.parse_args()
    names = json.loads(options.names.read_text()) if options.names else {}
    answers = {a["name"]: a for a in map(json.loads, options.answers.read_text().splitlines())}
    halves, results, judged = read_split(), read_results(), verdicts()

    kept = [
        v
        for v in variants()
        if halves[v.name] == options.half
        and not judged.get(v.name, "dropped").startswith("dropped")
    ]
    answered = sum(v.name in answers for v in kept)
    print(f"half {options.half}: {len(kept)} kept pairs, {answered} answered")
    for title, spelling in (("training faults", False), ("old spellings", True)):
        part = [v for v in kept if (v.group == "spelling") is spelling and v.name in answers]
        rows = [judge(v, results[v.name].get("layers", []), answers[v.name], names) for v in part]
        print(f"{title}: {shares(rows)}")
        for v, row in zip(part, rows, strict=True):
            if options.each and not row["top 1"]:
                said = [f["cause"] for f in answers[v.name]["findings"][:3]]
                print(f"  {v.name}: {said or 'healthy'}")

    healthy = [
        p.name
        for p in PROGRAMS
        if halves[p.name] == options.half and p.name in answers and learns(p, results.get(p.name))
    ]
    alarmed = [n for n in healthy if answers[n]["findings"]]
    proven = [n for n in alarmed if any(f.get("proven") for f in answers[n]["findings"])]
    print(f"healthy: {len(healthy)}, any finding {len(alarmed)}, proven {len(proven)} {proven}")
    seconds = sorted(
        a["seconds"] for a in answers.values() if halves.get(a["name"]) == options.half
    )
    if seconds:
        print(f"seconds: median {seconds[len(seconds) // 2]:.1f}, longest {seconds[-1]:.1f}")


if __name__ == "__main__":
    main()
