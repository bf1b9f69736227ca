"""What the open hood costs: seconds of a training step with `gs.watch`, and with its peers.

    python benchmarks/probe_overhead.py
    python benchmarks/probe_overhead.py --networks mlp --epochs 40 --repeats 3   # a first look

For `gs.watch`, one process trains with the hood open and shut by turns, a short epoch each, all
that Python does beside the step included: *time* is the median over pairs of neighbouring epochs of
the ratio of their mean steps, with its quartiles; *median step* is the ratio of
median steps. `tells` is what the watch itself says it cost.

Peers need processes of their own, which stay and take turns, an epoch each, in an order that turns
with the rounds; ratios are those of an epoch to the unwatched one of the same round, medians over
the rounds with the smallest and largest. `closed` was watched and then closed. `unwatched again`
does the same as `unwatched`: its spread is the noise between processes.
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

BUDGETS = ("0.05", "0.02")
PEERS = ("unwatched", "unwatched again", "closed", "TensorBoard", "Debugger V2")
STEPS = {"mlp": 40, "cnn": 8, "lstm": 12}  # of an epoch: about a quarter of a second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(STEPS))
    parser.add_argument("--budgets", nargs="*", default=list(BUDGETS))
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--epochs", type=int, default=400, help="open and shut together")
    parser.add_argument("--repeats", type=int, default=9, help="rounds of the peers")
    arguments = parser.parse_args()
    for network in arguments.networks:
        for budget in arguments.budgets:
            with worker(network, budget, STEPS[network]) as watching:
                report_turns(network, budget, watching.ask(arguments.epochs))
        if arguments.peers:
            measure(network, arguments.peers, STEPS[network], arguments.repeats)


def report_turns(network: str, budget: str, told: dict[str, Any]) -> None:
    pairs = list(zip(told["open"], told["shut"], strict=False))
    ratios = sorted(statistics.mean(a) / statistics.mean(b) for a, b in pairs)
    low, _, high = statistics.quantiles(ratios, n=4)
    opened, shut = (sorted(s for epoch in told[how] for s in epoch) for how in ("open", "shut"))
    usual = statistics.median(shut)
    print(
        f"{network}, overhead={budget}: {usual * 1e3:.2f} ms a step unwatched; time × "
        f"{statistics.median(ratios):.3f} ({low:.3f} … {high:.3f}) over {len(ratios)} pairs; "
        f"median step × {statistics.median(opened) / usual:.3f}; tells {told['cost']:.1%}, "
        f"looked at {told['probed']} of {told['of']}",
        flush=True,
    )


def measure(network: str, ways: list[str], steps: int, repeats: int) -> None:
    rounds: dict[str, list[list[float]]] = {way: [] for way in ways}
    with ExitStack() as opened:
        workers = {way: opened.enter_context(worker(network, way, steps)) for way in ways}
        for number in range(repeats + 1):  # the first warms up
            for way in (*ways[number % len(ways) :], *ways[: number % len(ways)]):
                told = workers[way].ask(1)
                if number:
                    rounds[way].append(told["epochs"][0])
        first = {way: workers[way].about["fit"] for way in ways}
    report(network, steps, rounds, first)


def worker(network: str, way: str, steps: int) -> Worker:
    plain = "unwatched" if way == "unwatched again" else way
    settings = {"network": network, "way": plain, "steps": steps}
    return Worker(Path(sys.executable), "keras_watching.py", settings)


def report(
    network: str,
    steps: int,
    rounds: dict[str, list[list[float]]],
    first: dict[str, float],
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
        print(line, flush=True)


if __name__ == "__main__":
    main()
