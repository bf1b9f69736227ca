"""Runs recipes under several seeds, each of which draws another split: scores, bands, baselines.

    python benchmarks/recipes.py                      # all whose data is shipped or made
    python benchmarks/recipes.py hidden logistic --seeds 0 1 2
    python benchmarks/recipes.py sentiment --data sentence_polarity.zip
    python benchmarks/recipes.py table --data low_birth_weight.csv --target low --drop bwt

Scores are those on the test part: accuracy of classes, R² of numbers.
"""

from __future__ import annotations

import argparse
import importlib
import math
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gatescope.recipes.kinds.results import Results
from gatescope.recipes.kinds.settings import override

NAMES = (
    "gate", "gates", "losses", "learning_rate", "logistic", "activations", "hidden", "convolution",
    "many_to_many", "house_prices", "recurrence", "language", "table",
    "deep", "pooling", "style", "dream",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--target")
    parser.add_argument("--drop", action="append")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    arguments = parser.parse_args()
    given = {
        name: value for name in ("data", "target", "drop") if (value := getattr(arguments, name))
    }
    for name in arguments.names:
        began = time.monotonic()
        found = [run(name, seed, given, arguments.settings) for seed in arguments.seeds]
        took = (time.monotonic() - began) / len(found)
        print(f"\n{name}: {took:.0f} s a run")
        report(found)


def run(name: str, seed: int, given: Mapping[str, Any], settings: Sequence[str]) -> Results:
    module = importlib.import_module(f"gatescope.recipes.{name}")
    chosen = module.recipe(**given)
    seeds = [f"{where}={seed + (where == 'training.seed')}" for where in seeds_of(chosen)]
    chosen = override(chosen, [*seeds, *settings])
    with tempfile.TemporaryDirectory() as folder:
        return chosen.run(module, Path(folder), resume=False, console=None)


def seeds_of(model: BaseModel, before: str = "") -> Iterator[str]:
    """The settings of a recipe that are seeds, of the split among them, wherever they are."""
    for name, value in model:
        if name == "seed":
            yield f"{before}{name}"
        if isinstance(value, BaseModel):
            yield from seeds_of(value, f"{before}{name}.")


def report(found: list[Results]) -> None:
    for score in dict.fromkeys(name for one in found for name in one.scores):
        values = [one.scores.get(score, math.nan) for one in found]  # NaN where it diverged
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
