"""The two halves of the zoo: rules are written on half A, half B is scored once.

    python benchmarks/zoo/split.py          # writes split.json, or checks that it still fits

A half is drawn by fault and program, before any result is known: variants are put in the order of
their groups, kinds and a seeded hash and dealt out in turn, so that each kind has as many in one
half as in the other, give or take one, and kinds of a single variant alternate. Healthy programs
are dealt out alike. A variant that is new goes to the half that has fewer of its kind; none ever
changes its half.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Literal

from faults import Variant, variants
from programs import PROGRAMS

SEED = 4
SPLIT = Path(__file__).parent / "split.json"

Half = Literal["A", "B"]


def read_split() -> dict[str, Half]:
    """The half of each variant and of each healthy program."""
    return json.loads(SPLIT.read_text())["halves"] if SPLIT.exists() else {}


def deal(found: list[Variant], known: dict[str, Half]) -> dict[str, Half]:
    """Adds what is new to the halves that are known."""
    halves = dict(known)
    places = [("healthy", "healthy", p.name) for p in PROGRAMS]
    places += [(v.group, v.kind, v.name) for v in found]
    counts = Counter((kind, halves[name]) for _, kind, name in places if name in halves)
    turn: Half = "A"
    for _, kind, name in sorted(places, key=lambda p: (p[0], p[1], _hash(p[2]))):
        if name in halves:
            continue
        more = counts[kind, "A"] - counts[kind, "B"]
        half: Half = turn if more == 0 else ("B" if more > 0 else "A")
        halves[name] = half
        counts[kind, half] += 1
        turn = "B" if half == "A" else "A"
    return halves


def _hash(name: str) -> str:
    return hashlib.sha256(f"{SEED} {name}".encode()).hexdigest()


def main() -> None:
    """Command line."""
    found = variants()
    known = read_split()
    halves = deal(found, known)
    names = {p.name for p in PROGRAMS} | {v.name for v in found}
    SPLIT.write_text(json.dumps({"seed": SEED, "halves": dict(sorted(halves.items()))}, indent=0))
    now = Counter(half for name, half in halves.items() if name in names)
    print(
        f"{dict(now)}, {len(halves) - len(known)} new, {len(set(halves) - names)} no longer there"
    )
    if known and set(known) != names:
        sys.exit("split.json has changed: commit it")


if __name__ == "__main__":
    main()
