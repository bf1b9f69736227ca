"""Time of an epoch: `training.fit`, plain `keras.Model.fit`, and eager PyTorch.

    python benchmarks/training_speed.py --torch-python VENV/bin/python

Scikit-learn's 1,797 digits in batches of 32 through an MLP, a CNN and an LSTM; the same layers,
optimizer (Adam) and data for all. Every contender is a process of its own, with the same number of
threads, and all take turns, round by round. A round trains a new network; its first epoch, in which
TensorFlow traces, is left out. Ratios are of the times within a round, and their median counts.

- *Gatescope*: `fit` as it is by default (what it picks: steps per execution, precision), with a run
  on disk. To reach: 1.3 times as fast as Keras, and as PyTorch.
- *Gatescope, plain*: the same, a step at a time in float32, with a run on disk: what `fit` adds to
  Keras. To reach: at most 3 % on the CNN.

PyTorch lives in an environment of its own (`pip install torch numpy`); without `--torch-python` it
is left out; it runs with one thread, too, for on steps as short as these its threads may cost more
than they do. `work` is CPU time, which other programs disturb less than the clock.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from peers.worker import Worker

NETWORKS = ("mlp", "cnn", "lstm")
NAMES = {
    "gatescope": "Gatescope", "gatescope-plain": "Gatescope, plain", "keras": "Keras fit",
    "torch": "PyTorch, eager", "torch-1": "PyTorch, eager, one thread",
}  # fmt: skip
FASTER, ADDED = 1.3, 1.03
Rounds = dict[str, list[dict[str, float]]]


def main() -> None:
    arguments = parsed()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        digits = load_digits()
        x, y = (digits.images / 16).astype(np.float32), digits.target.astype(np.int64)
        np.savez(folder / "digits.npz", x=x, y=y)
        workers = started(stack, folder / "digits.npz", arguments)
        found = {
            network: measured(workers, network, arguments.rounds) for network in arguments.networks
        }
    report(found)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", type=Path, help="interpreter that has PyTorch")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=20, help="of a round, without its first")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def started(stack: ExitStack, data: Path, arguments: argparse.Namespace) -> dict[str, Worker]:
    """A process for each contender."""
    settings = {
        "data": str(data), "epochs": arguments.epochs, "batch": arguments.batch,
        "threads": arguments.threads,
    }  # fmt: skip
    mine = Path(sys.executable)
    scripts = {name: (mine, "small_training.py") for name in NAMES if "torch" not in name}
    if arguments.torch_python:
        scripts |= {
            name: (arguments.torch_python, "torch_small.py") for name in ("torch", "torch-1")
        }
    alone = {"torch-1": {"threads": 1}}
    return {
        name: stack.enter_context(
            Worker(python, script, {**settings, "contender": name, **alone.get(name, {})})
        )
        for name, (python, script) in scripts.items()
    }


def measured(workers: dict[str, Worker], network: str, rounds: int) -> Rounds:
    """What each contender answered in each round, the first of which only warms up.

    Who begins changes from round to round, so that none always follows the same one.
    """
    found: Rounds = {name: [] for name in workers}
    for number in range(rounds + 1):
        names = list(workers)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            print(f"{network}, round {number}: {NAMES[name]}", file=sys.stderr)
            answer = workers[name].ask({"network": network})
            if number:
                found[name].append(answer)
    return found


def report(found: dict[str, Rounds]) -> None:
    print("| network | | ms an epoch | rounds | work, ms | whole, s | times Gatescope's | loss |")
    print("|---|---|---:|---|---:|---:|---:|---:|")
    for network, rounds in found.items():
        for name, answers in rounds.items():
            print(f"| {network} | {NAMES[name]} | {row(answers, rounds['gatescope'])} |")
    for network, rounds in found.items():
        for name in [one for one in ("keras", "torch", "torch-1") if one in rounds]:
            reached = ratio(rounds[name], rounds["gatescope"])
            print(f"{network}: {reached:.2f} times as fast as {NAMES[name]} (bar {FASTER})")
        added = ratio(rounds["gatescope-plain"], rounds["keras"])
        print(f"{network}: plain fit takes {added:.3f} times Keras' time (bar {ADDED} on the cnn)")


def row(answers: list[dict[str, float]], mine: list[dict[str, float]]) -> str:
    times = [1e3 * one["seconds"] for one in answers]
    work, whole = (statistics.median(one[kind] for one in answers) for kind in ("work", "whole"))
    return (
        f"{statistics.median(times):.0f} | {min(times):.0f} to {max(times):.0f} | "
        f"{1e3 * work:.0f} | {whole:.1f} | {ratio(answers, mine):.2f} | {answers[-1]['loss']:.4f}"
    )


def ratio(theirs: list[dict[str, float]], mine: list[dict[str, float]]) -> float:
    """The median over rounds of how many times as long they took."""
    pairs = zip(theirs, mine, strict=True)
    return statistics.median(one["seconds"] / other["seconds"] for one, other in pairs)


if __name__ == "__main__":
    main()
