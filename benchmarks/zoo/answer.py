"""Asks the doctor about the programs of one half of the zoo, as a user would.

    python benchmarks/zoo/answer.py answers.jsonl --half A
    python benchmarks/zoo/answer.py answers.jsonl --half A --only 'labels|digits_cnn'
    python benchmarks/zoo/score.py answers.jsonl --half A --names benchmarks/doctor_names.json

Each program is written to a folder of its own and run by `gatescope run`; its last run goes to
`gatescope doctor --json`. Faults that stand come first, then those that are possible, as the doctor
ranks them. Of variants only those that `check.py` has kept are asked about. Answers that the file
has already are not asked for again, so it can be stopped. Seconds are of the wall clock,
running and diagnosing together, with `--workers` programs at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from check import data_folder, learns, read_results, verdicts
from faults import variants
from programs import PROGRAMS
from split import read_split

LIMIT_SECONDS = 600
Answer = dict[str, Any]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("answers", type=Path)
    parser.add_argument("--half", choices=("A", "B"), required=True)
    parser.add_argument("--only", default="", help="a regular expression that names must match")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    known = options.answers.read_text().splitlines() if options.answers.exists() else []
    answered = {json.loads(line)["name"] for line in known}
    asked = {
        name: source
        for name, source in programs(options.half).items()
        if name not in answered and re.search(options.only, name)
    }
    print(f"{len(asked)} programs to ask about, {len(answered)} answered")
    lock = threading.Lock()

    def keep(name: str, source: str) -> None:
        answer = ask(name, source)
        with lock, options.answers.open("a") as file:
            file.write(json.dumps(answer) + "\n")
            print(f"{answer['seconds']:6.1f} s  {name}: {told(answer)}", flush=True)

    with ThreadPoolExecutor(options.workers) as workers:
        list(workers.map(keep, asked, asked.values()))


def programs(half: str) -> dict[str, str]:
    """Sources of the half's healthy programs and kept variants, by name."""
    halves, results, judged = read_split(), read_results(), verdicts()
    healthy = {p.name: p.path.read_text() for p in PROGRAMS if learns(p, results.get(p.name))}
    faulty = {
        v.name: v.source
        for v in variants()
        if not judged.get(v.name, "dropped").startswith("dropped")
    }
    return {n: source for n, source in (healthy | faulty).items() if halves[n] == half}


def ask(name: str, source: str) -> Answer:
    """Runs a program under the open hood and asks the doctor about its last training."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        script = Path(folder) / f"{name.partition('--')[0]}.py"
        script.write_text(source)
        _gatescope(folder, "run", script.name)
        runs = sorted((Path(folder) / "runs").glob("*/run.sqlite"), key=_started)
        told = _gatescope(folder, "doctor", str(runs[-1].parent), "--json") if runs else ""
    seconds = round(time.perf_counter() - began, 1)
    if not told:
        return {"name": name, "seconds": seconds, "findings": [], "runs": len(runs)}
    diagnosis = json.loads(told)
    findings = [_short(one) for one in diagnosis["findings"] if _is_said(one)]
    return {
        "name": name, "seconds": seconds, "findings": findings, "outcome": diagnosis["outcome"],
        "notes": diagnosis["notes"],
    }  # fmt: skip


def _gatescope(folder: str, *arguments: str) -> str:
    environment = {**os.environ, "ZOO_SEED": "0", "ZOO_DATA": str(data_folder())}
    done = subprocess.run(
        [sys.executable, "-m", "gatescope", *arguments],
        capture_output=True, text=True, cwd=folder, env=environment, timeout=LIMIT_SECONDS,
    )  # fmt: skip
    return done.stdout


def _started(database: Path) -> float:
    return database.stat().st_ctime


def _is_said(finding: Answer) -> bool:
    """Whether the report names it: as a fault, or as possible."""
    return finding["stands"] or finding["confidence"] >= 0.25


def _short(finding: Answer) -> Answer:
    return {
        "cause": finding["rule"],
        "layer": finding["layer"],
        "line": finding["where"]["line"] if finding["where"] else None,
        "proven": finding["proved"],
        "stands": finding["stands"],
        "confidence": round(finding["confidence"], 2),
        "proof": finding["proof"]["verdict"] if finding["proof"] else None,
    }


def told(answer: Answer) -> str:
    """The first three findings in one line."""
    marks = {True: "*", False: ""}
    said = [f"{one['cause']}{marks[one['proven']]}" for one in answer["findings"][:3]]
    return ", ".join(said) or "healthy"


if __name__ == "__main__":
    main()
