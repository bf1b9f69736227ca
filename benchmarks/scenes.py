"""Scenes: are captions right and words grounded where colour and shape never met in training?

    python benchmarks/scenes.py

Trains the recipe from scratch, once for each seed, which draws other scenes and other weights, and
scores it on test scenes of seeds never trained on: the ordinary split, and one whose every scene
has a colour–shape pair that no training scene shows. A caption is right if it is word for word one
of the scene's true ones; a size, colour or shape word is grounded if the region with its largest
weight overlaps its object's box by half. Seconds are wall time, start of TensorFlow apart; the
processor's seconds tell what a busy machine hides.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from rich.console import Console

from gatescope.recipes import scenes
from gatescope.recipes.kinds.settings import override

COLUMNS = (
    "seed",
    "right",
    "right, held-out pairs",
    "grounded",
    "grounded, held-out pairs",
    "baseline right",
    "baseline right, held-out pairs",
    "seconds",
    "processor seconds",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", dest="settings")
    arguments = parser.parse_args()
    print(_row(COLUMNS), _row(["---"] * len(COLUMNS)), sep="\n")
    for seed in arguments.seeds:
        recipe = override(scenes.recipe(), [*arguments.settings, f"seed={seed}"])
        before = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            result = scenes.run(recipe, Path(folder), resume=False, console=Console(stderr=True))
        shares = (
            result.exact,
            result.exact_held_out,
            result.grounding,
            result.grounding_held_out,
            result.baseline,
            result.baseline_held_out,
        )
        used = time.process_time() - before
        cells = [*(f"{share:.1%}" for share in shares), f"{result.seconds:.0f}", f"{used:.0f}"]
        print(_row([str(seed), *cells]), flush=True)


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
