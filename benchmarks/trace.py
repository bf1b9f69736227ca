"""What a trace costs: seconds and memory of `gs.trace` beside one eager training step.

    python -m venv VENV && VENV/bin/pip install torch torchlens
    python benchmarks/trace.py --torchlens-python VENV/bin/python

Time is a ratio: a trace of a network to one eager step of the same network (Keras:
`train_on_batch` with `run_eagerly=True`; PyTorch: forward, loss, backward, optimizer). TorchLens
does the same with the same networks in PyTorch, activations and gradients saved, its loss and
backward pass included, in an environment of its own; without `--torchlens-python` its rows are left
out. Processes are kept, and take turns, round by round; ratios are medians over the rounds, each
that of a trace and a step of the same round. PyTorch's steps have a process without TorchLens,
which would slow them. All have one thread: a second gains nothing on networks this small, and on a
busy machine two that wait for each other measure the other work.

Memory is how far resident memory (Linux: `VmHWM`, set back before) grows over what the process held
when all was loaded and had run once on two samples; each figure is the median of several new
processes, since one that has worked already has room left over.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from peers.memory import STATUS
from peers.worker import Worker

SAMPLES, PASSES = 32, 3
KERAS = ("cnn", "lstm")
TORCH = ("cnn", "lstm", "lstm, fused")
BUDGETS = (None, 10_000_000, 1_000_000)
Answer = dict[str, Any]


class Place(NamedTuple):
    """Where something runs: an interpreter, a script, and whether it is to trace."""

    python: Path
    script: str
    threads: int
    traces: bool

    def open(self) -> Worker:
        settings = {"threads": self.threads, "traces": self.traces}
        return Worker(self.python, self.script, settings)


class Pair(NamedTuple):
    """A network that is trained for a step here, and traced there."""

    network: str
    step: Place
    trace: Place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torchlens-python", type=Path, help="interpreter that has TorchLens")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--processes", type=int, default=3, help="of each figure of memory, 0: none"
    )
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    pairs = list(paired(arguments.threads, arguments.torchlens_python))
    report_time(measured(pairs, arguments.rounds))
    if STATUS.exists() and arguments.processes:
        report_memory(pairs, arguments.processes)


def paired(threads: int, torchlens_python: Path | None) -> Iterator[Pair]:
    keras = Place(Path(sys.executable), "keras_tracing.py", threads, traces=True)
    yield from (Pair(network, keras, keras) for network in KERAS)
    if torchlens_python:
        plain, lens = (
            Place(torchlens_python, "torchlens_tracing.py", threads, traces)
            for traces in (False, True)
        )
        yield from (Pair(network, plain, lens) for network in TORCH)


def request(network: str, work: str, budget: int | None = None) -> dict[str, object]:
    return {
        "network": network,
        "work": work,
        "budget": budget,
        "samples": SAMPLES,
        "passes": PASSES,
    }


class Row(NamedTuple):
    """A pair's rounds, each the answers to a step and to a trace."""

    name: str
    rounds: list[tuple[Answer, Answer]]


def measured(pairs: list[Pair], rounds: int) -> list[Row]:
    """All pairs in turn, round by round; the first round only warms up."""
    with ExitStack() as stack:
        places = {place for pair in pairs for place in (pair.step, pair.trace)}
        workers = {place: stack.enter_context(place.open()) for place in places}
        rows = {
            pair: Row(f"{workers[pair.trace].about['version']} | {pair.network}", [])
            for pair in pairs
        }
        for number in range(rounds + 1):
            for pair in pairs:
                load = os.getloadavg()[0]
                print(f"round {number}: {rows[pair].name}, load {load:.1f}", file=sys.stderr)
                step = workers[pair.step].ask(request(pair.network, "step"))
                trace = workers[pair.trace].ask(request(pair.network, "trace"))
                if number:
                    rows[pair].rounds.append((step, trace))
    return list(rows.values())


def report_time(rows: list[Row]) -> None:
    print(
        "| | network | gates | with gradient | backward | step, ms | trace, ms | ratio | rounds |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|---|")
    for row in rows:
        step, trace = (
            statistics.median(answer["seconds"] for answer in answers) * 1e3
            for answers in zip(*row.rounds, strict=True)
        )
        ratios = [trace["seconds"] / step["seconds"] for step, trace in row.rounds]
        last = row.rounds[-1][1]
        print(
            f"| {row.name} | {last['forward']} | {last['gradients']} | {last['backward']} "
            f"| {step:.1f} | {trace:.1f} | {statistics.median(ratios):.1f} "
            f"| {min(ratios):.1f} to {max(ratios):.1f} |",
        )


def report_memory(pairs: list[Pair], processes: int) -> None:
    print("\n| | network | budget, MB | kept, MB | resident memory grew by, MB | processes |")
    print("|---|---|---:|---:|---:|---|")
    for pair in pairs:
        report_growth(pair.step, request(pair.network, "step"), processes)
        ours = pair.step is pair.trace
        for budget in BUDGETS if ours else (None,):
            report_growth(pair.trace, request(pair.network, "trace", budget), processes)


def report_growth(place: Place, asked: dict[str, object], processes: int) -> None:
    answers = [grown(place, asked) for _ in range(processes)]
    growth = [answer["growth"] for answer in answers]
    kept, allowed = answers[0].get("kept"), answers[0].get("allowed")
    if allowed:
        assert all(answer["kept"] <= allowed for answer in answers)
    print(
        f"| {answers[0]['version']}, {asked['work']} | {asked['network']} "
        f"| {f'{allowed / 1e6:,.0f}' if allowed else ''} | {f'{kept / 1e6:.1f}' if kept else ''} "
        f"| {statistics.median(growth):.1f} | {min(growth):.1f} to {max(growth):.1f} |",
        flush=True,
    )


def grown(place: Place, asked: dict[str, object]) -> Answer:
    """The answer of a new process that has run the same once on two samples."""
    with place.open() as worker:
        worker.ask({**asked, "samples": 2, "passes": 1})
        return {**worker.ask({**asked, "passes": 1}), "version": worker.about["version"]}


if __name__ == "__main__":
    main()
