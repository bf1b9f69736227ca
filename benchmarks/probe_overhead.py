"""What the open hood costs: seconds of a training step with `gs.watch`, and with its peers.

    python benchmarks/probe_overhead.py
    python benchmarks/probe_overhead.py --networks mlp --steps 60 --repeats 3   # a first look

Each way of training has a process of its own, which stays; they take turns, an epoch each, round by
round, in an order that turns with the rounds. A ratio is an epoch's time to that of the unwatched
training in the same round, all callbacks and recording included; medians over the rounds, with the
smallest and largest. Ratios of processor time, of all threads, suffer less from other work on the
machine, but count what runs beside the step as if it were in its way. `unwatched again` is another
process that does the same as `unwatched`: its spread is the noise. *First epoch* is the seconds of
the first `fit`, with what building graphs and opening a run add once.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from peers.worker import Worker

WAYS = ("unwatched", "unwatched again", "closed", "0.05", "0.02", "TensorBoard", "Debugger V2")
STEPS = {"mlp": 400, "cnn": 60, "lstm": 120}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(STEPS))
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    parser.add_argument("--steps", type=int, help="of an epoch")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    for network in arguments.networks:
        measure(network, arguments.ways, arguments.steps or STEPS[network], arguments.repeats)


def measure(network: str, ways: list[str], steps: int, repeats: int) -> None:
    rounds: dict[str, list[list[float]]] = {way: [] for way in ways}
    last: dict[str, dict[str, Any]] = {}
    with ExitStack() as opened:
        workers = {way: opened.enter_context(worker(network, way, steps)) for way in ways}
        for number in range(repeats + 1):  # the first warms up
            for way in (*ways[number % len(ways) :], *ways[: number % len(ways)]):
                last[way] = workers[way].ask(1)
                if number:
                    rounds[way].append(last[way]["epochs"][0])
        first = {way: workers[way].about["fit"] for way in ways}
    report(network, steps, rounds, first, last)


def worker(network: str, way: str, steps: int) -> Worker:
    plain = "unwatched" if way == "unwatched again" else way
    settings = {"network": network, "way": plain, "steps": steps}
    return Worker(Path(sys.executable), "keras_watching.py", settings)


def report(
    network: str,
    steps: int,
    rounds: dict[str, list[list[float]]],
    first: dict[str, float],
    last: dict[str, dict[str, Any]],
) -> None:
    base = rounds["unwatched"]
    usual = statistics.median(wall for wall, _ in base) / steps * 1e3
    print(
        f"\n{network}: {usual:.2f} ms a step unwatched, "
        f"{len(base)} rounds of {steps} steps; load {os.getloadavg()[0]:.1f}"
    )
    for way, seconds in rounds.items():
        line = f"  {way:16}"
        for kind, name in enumerate(("time", "processors")):
            ratios = sorted(a[kind] / b[kind] for a, b in zip(seconds, base, strict=True))
            spread = f"({ratios[0]:.3f} … {ratios[-1]:.3f})"
            line += f"  {name} × {statistics.median(ratios):.3f} {spread}"
        line += f"   first epoch {first[way]:.1f} s"
        if "cost" in last[way]:
            told = last[way]
            line += f"   tells {told['cost']:.1%}, probed {told['probed']} of {told['of']}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
