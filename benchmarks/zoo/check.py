"""Runs the zoo: do the healthy programs learn, are the faulty ones worse than their twins?

    python benchmarks/zoo/check.py                       # everything that results.jsonl lacks
    python benchmarks/zoo/check.py --only 'iris|moons'   # a part
    python benchmarks/zoo/check.py --fresh --only iris   # a process for each run, into no file
    python benchmarks/zoo/check.py --report              # verdicts and counts of what is there

Each program runs under three seeds on one core, `--workers` at a time. One line of `results.jsonl`
holds one program: a run that is stopped goes on where it was, and an edited program, whose digest
has changed, runs again. A variant that is no worse under two seeds is spared the third.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import queue
import re
import select
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from faults import Variant, variants
from programs import BY_NAME, PROGRAMS, Program

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
SEEDS = (0, 1, 2)
LIMIT_SECONDS = 180.0  # of the wall clock, on a machine that others use too
RUNS_PER_WORKER = 40  # a worker's memory grows with every model it has seen
LEAST = 0.02  # of the score: a smaller difference is no fault anybody would look for
# Their harm is in the report, not in the model.
LYING = frozenset({"accuracy_for_regression", "evaluation_in_training_mode"})

Record = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A program to run: a healthy one or a variant."""

    name: str
    program: Program
    source: str
    layers: tuple[tuple[int, int], ...] = ()

    @property
    def digest(self) -> str:
        """Changes with the source and with what is read from it."""
        read = (
            f"{self.source}\0{self.program.score}\0{self.program.reported}\0{self.program.honest}"
        )
        return hashlib.sha256(read.encode()).hexdigest()[:12]

    def request(self, seed: int) -> Record:
        """What a worker is asked."""
        return {
            "id": self.name,
            "program": self.program.name,
            "seed": seed,
            "source": self.source,
            "score": self.program.score,
            "reported": self.program.reported,
            "honest": self.program.honest or self.program.score,
            "layers": self.layers,
        }


class Worker:
    """A process that runs one program after another, and is replaced when it hangs or has aged."""

    def __init__(self, runs: int) -> None:
        self._runs = runs
        self._process: subprocess.Popen[str] | None = None
        self._left = 0

    def ask(self, request: Record) -> Record:
        """Runs one program under one seed."""
        if self._process is None or self._left == 0:
            self.stop()
            self._start()
        self._left -= 1
        process = self._process
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], LIMIT_SECONDS)
        if not ready:
            self.stop(kill=True)
            return {
                "crash": {"type": "Timeout", "text": f"over {LIMIT_SECONDS:.0f} s", "line": None}
            }
        line = process.stdout.readline()
        if not line:
            self.stop(kill=True)
            return {"crash": {"type": "Died", "text": "the process ended", "line": None}}
        return json.loads(line)

    def _start(self) -> None:
        environment = dict(
            os.environ,
            TF_NUM_INTRAOP_THREADS="1",
            TF_NUM_INTEROP_THREADS="1",
            OMP_NUM_THREADS="1",
            OPENBLAS_NUM_THREADS="1",
            CUDA_VISIBLE_DEVICES="-1",
            TF_CPP_MIN_LOG_LEVEL="3",
            ZOO_DATA=str(data_folder()),
        )
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self._left = self._runs

    def stop(self, kill: bool = False) -> None:
        """Ends the process."""
        if self._process is not None:
            if kill:
                self._process.kill()
            self._process.stdin.close()
            self._process.wait()
            self._process = None


def data_folder() -> Path:
    """Where `../shared/data` is, as seen from the project."""
    return Path(os.environ.get("ZOO_DATA", HERE.parents[2] / "shared" / "data")).resolve()


def jobs(found: Iterable[Variant]) -> list[Job]:
    """The healthy programs first, then the variants in an order that mixes kinds and programs."""
    healthy = [Job(p.name, p, p.path.read_text()) for p in PROGRAMS]
    faulty = [Job(v.name, BY_NAME[v.program], v.source, v.layers) for v in found]
    mixed = sorted(faulty, key=lambda job: hashlib.sha256(job.name.encode()).hexdigest())
    return [*healthy, *mixed]


def read_results() -> dict[str, Record]:
    """The last record of each program."""
    if not RESULTS.exists():
        return {}
    records = [json.loads(line) for line in RESULTS.read_text().splitlines() if line.strip()]
    return {record["name"]: record for record in records if "name" in record}


def run_all(wanted: list[Job], workers: int, runs: int, keep: Callable[[Record], None]) -> None:
    """Runs jobs in several processes and hands every record to `keep`."""
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in wanted:
        waiting.put(job)
    lock = threading.Lock()
    healthy = {name: r for name, r in read_results().items() if name in BY_NAME}

    def serve() -> None:
        worker = Worker(runs)
        while True:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                break
            record = _record(job, worker, healthy.get(job.program.name))
            with lock:
                if job.name in BY_NAME:
                    healthy[job.name] = record
                keep(record)
        worker.stop()

    threads = [threading.Thread(target=serve) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _record(job: Job, worker: Worker, twin: Record | None) -> Record:
    record: Record = {"name": job.name, "digest": job.digest, "date": _today()}
    for key in ("scores", "reported", "honest", "seconds"):
        record[key] = []
    for seed in SEEDS:
        answer = worker.ask(job.request(seed))
        if answer.get("crash", {}).get("type") == "Died":  # perhaps somebody else ended it
            answer = worker.ask(job.request(seed))
        record["scores"].append(answer.get("score"))
        record["reported"].append(answer.get("reported"))
        record["honest"].append(answer.get("honest"))
        record["seconds"].append(answer.get("seconds"))
        for key in ("crash", "unread", "layers"):
            if answer.get(key):
                record[key] = answer[key]
        if seed == 1 and job.name not in BY_NAME and twin and not _promising(job, record, twin):
            break
    return record


def _promising(job: Job, record: Record, twin: Record) -> bool:
    if job.name.split("--")[1] in LYING or "crash" in record:
        return True
    least = min(score for score in twin["scores"] if score is not None)
    return all(score is None or score < least for score in record["scores"])


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


# Verdicts


def learns(program: Program, record: Record | None) -> bool:
    """Whether a healthy program really learns: every seed reaches its floor."""
    if record is None or "crash" in record or len(record["scores"]) < len(SEEDS):
        return False
    return all(score is not None and score >= program.floor for score in record["scores"])


def verdict(variant: Variant, record: Record, twin: Record) -> str:
    """What a faulty program is beside its twin.

    "crash" (stops with an error under every seed), "worse" (every seed below every seed of the
    twin, and the means apart by more than the wider spread of the two, or by more than twice the
    twin's spread), "lies" (the number it shows its user is not the model's), or "dropped: …".
    """
    scores = [score for score in record["scores"] if score is not None]
    if "crash" in record and record["crash"]["type"] in ("Timeout", "Died"):
        return f"dropped: {record['crash']['text']}"
    if "crash" in record and not scores:
        return "crash"
    if variant.kind in LYING and _lies(record, twin):
        return "lies"
    if variant.group == "spelling":
        return "dropped: still accepted"
    if not scores:
        return "dropped: score unreadable"
    if len(record["scores"]) < len(SEEDS) or max(scores) >= min(twin["scores"]):
        return "dropped: not worse"
    gap = _mean(twin["scores"]) - _mean(scores)
    if gap < LEAST or gap <= min(
        max(_spread(scores), _spread(twin["scores"])), 2 * _spread(twin["scores"])
    ):
        return "dropped: within the seeds' spread"
    return "worse"


def _lies(record: Record, twin: Record) -> bool:
    def gaps(r: Record) -> list[float]:
        pairs = zip(r["reported"], r["honest"], strict=True)
        return [
            abs(shown - true) for shown, true in pairs if shown is not None and true is not None
        ]

    usual = max(gaps(twin), default=0.0)
    size = max((abs(true) for true in record["honest"] if true is not None), default=0.0)
    mine = gaps(record)
    return bool(mine) and min(mine) > max(5 * usual, 0.02 * size, 1e-3)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _spread(values: list[float]) -> float:
    return max(values) - min(values)


def verdicts() -> dict[str, str]:
    """The verdict on every variant that has a fresh result."""
    found = variants()
    fresh = {job.name: job.digest for job in jobs(found)}
    results = {n: r for n, r in read_results().items() if r["digest"] == fresh.get(n)}
    judged = {}
    for variant in found:
        twin, record = results.get(variant.program), results.get(variant.name)
        if record is None or twin is None:
            continue
        if not learns(BY_NAME[variant.program], twin):
            judged[variant.name] = "dropped: its twin does not learn"
        else:
            judged[variant.name] = verdict(variant, record, twin)
    return judged


def report() -> None:
    """Prints counts and what was dropped."""
    found = {v.name: v for v in variants()}
    results, judged = read_results(), verdicts()
    seconds = [  # of processor time, on one core
        s for p in PROGRAMS if p.name in results for s in results[p.name]["seconds"] if s
    ]
    good = [p.name for p in PROGRAMS if learns(p, results.get(p.name))]
    ran = [p.name for p in PROGRAMS if p.name in results]
    print(f"healthy programs: {len(good)} of {len(ran)} learn, of {len(PROGRAMS)} in all")
    if seconds:
        print(f"  seconds a run: {min(seconds):.1f} to {max(seconds):.1f}, "
              f"median {sorted(seconds)[len(seconds) // 2]:.1f}")  # fmt: skip
    for p in PROGRAMS:
        if p.name in results:
            scores = results[p.name]["scores"]
            word = "" if p.name in good else "DOES NOT LEARN"
            print(f"  {p.name:24s} baseline {p.baseline:.2f} floor {p.floor:.2f} {scores} {word}")
    training = {n: v for n, v in judged.items() if found[n].group != "spelling"}
    spelling = {n: v for n, v in judged.items() if found[n].group == "spelling"}
    for title, part in (("training faults", training), ("old spellings", spelling)):
        kept = [n for n, v in part.items() if not v.startswith("dropped")]
        kinds = len({found[n].kind for n in kept})
        print(f"{title}: {len(kept)} kept of {len(part)} run, {kinds} kinds")
        for word, count in Counter(part.values()).most_common():
            print(f"  {word}: {count}")
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    for name, word in judged.items():
        by_kind[found[name].kind]["dropped" if word.startswith("dropped") else "kept"] += 1
    for kind, counts in sorted(by_kind.items()):
        print(f"  {kind:36s} kept {counts['kept']:2d} dropped {counts['dropped']:2d}")
    print(f"{len(found) - len(judged)} variants still to run")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="regular expression over names")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--fresh", action="store_true", help="a new process for each run; printed only"
    )
    parser.add_argument("--again", action="store_true", help="run what has a result, too")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    if options.report:
        report()
        return
    done, present = read_results(), data_folder().is_dir()
    wanted = [
        job
        for job in jobs(variants())
        if (present or not job.program.needs_data)
        and re.search(options.only, job.name)
        and (options.fresh or options.again or done.get(job.name, {}).get("digest") != job.digest)
    ]
    print(f"{len(wanted)} programs to run", flush=True)
    if not options.fresh and wanted:
        _append({"date": _today(), "versions": _versions()})
    started, count = time.perf_counter(), 0

    def keep(record: Record) -> None:
        nonlocal count
        count += 1
        if not options.fresh:
            _append(record)
        crash = record.get("crash", {})
        print(f"{count}/{len(wanted)} {time.perf_counter() - started:.0f} s {record['name']} "
              f"{record['scores']} {crash.get('type', '')} {crash.get('text', '')[:80]!r} "
              f"{record.get('unread', '')} {record['seconds']}", flush=True)  # fmt: skip

    run_all(wanted, options.workers, 1 if options.fresh else RUNS_PER_WORKER, keep)


def _append(record: Record) -> None:
    with RESULTS.open("a") as file:
        file.write(json.dumps(record) + "\n")
        file.flush()


def _versions() -> dict[str, str]:
    python = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    names = ("keras", "tensorflow-cpu", "numpy", "scikit-learn")
    return {"python": python} | {name: version(name) for name in names}


if __name__ == "__main__":
    main()
