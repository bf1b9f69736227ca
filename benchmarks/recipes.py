"""Runs recipes under several seeds, each of which draws another split: scores, bands, baselines.

    python benchmarks/recipes.py                      # all whose data is shipped or made
    python benchmarks/recipes.py hidden logistic --seeds 0 1 2

Scores are those on the test part: accuracy of classes, R² of numbers.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import tempfile
import time
from pathlib import Path

from gatescope.recipes.network import NetworkRecipe
from gatescope.recipes.results import Results
from gatescope.recipes.settings import override

NAMES = (
    "gate", "gates", "losses", "learning_rate", "logistic", "activations", "hidden", "convolution",
    "deep", "pooling", "style", "dream",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    for name in arguments.names:
        began = time.monotonic()
        found = [run(name, seed) for seed in arguments.seeds]
        took = (time.monotonic() - began) / len(found)
        print(f"\n{name}: {took:.0f} s a run")
        report(found)


def run(name: str, seed: int) -> Results:
    module = importlib.import_module(f"gatescope.recipes.{name}")
    chosen = module.recipe()
    if isinstance(chosen, NetworkRecipe):
        chosen = override(chosen, [f"data.seed={seed}", f"training.seed={seed + 1}"])
    with tempfile.TemporaryDirectory() as folder:
        return chosen.run(module, Path(folder), resume=False, console=None)


def report(found: list[Results]) -> None:
    for score in found[0].scores:
        values = [one.scores[score] for one in found]
        band = found[0].expected.get(score)
        inside = (
            ""
            if band is None
            else f"   {band[0]:g} to {band[1]:g}"
            + ("" if all(band[0] <= value <= band[1] for value in values) else "  OUTSIDE")
        )
        told = ", ".join(f"{value:.4g}" for value in values)
        print(f"  {score:32s} {statistics.mean(values):.4g}  ({told}){inside}")
    for baseline in found[0].baselines:
        values = [one.baselines[baseline] for one in found]
        print(f"  baseline: {baseline}: {statistics.mean(values):.4g}")


if __name__ == "__main__":
    main()
