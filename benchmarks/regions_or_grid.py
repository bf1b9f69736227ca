"""Do regions earn their place? The same captioner on proposals and on a 7 × 7 grid alone.

    python benchmarks/regions_or_grid.py ../shared/data/flickr8k runs/regions-or-grid

Both train the `teach` stage of the shipped recipe on the train split, from the same seeds, with
the CNN frozen, and are scored on dev, beam 3. Both have 50 regions: 24 proposals, the whole photo
and a 5 × 5 grid, as shipped, or the whole photo and the cells of a 7 × 7 grid. The CNN's maps are
made once for all, in RUN/cache.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from gatescope.caption.fitting import CACHE, CaptionRecipe, fit
from gatescope.models.regions import RegionConfig
from gatescope.recipes.caption import recipe
from gatescope.recipes.kinds.settings import override

VARIANTS = {
    "24 proposals, whole photo, 5 × 5 grid": RegionConfig(),
    "whole photo, 7 × 7 grid": RegionConfig(proposals=0, grid=7),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    base = override(recipe(), ["training.tune.epochs=0", "training.reward.epochs=0"])
    print("| attention over | seed | CIDEr-D | BLEU-4 |\n|---|---|---|---|")
    for name, regions in VARIANTS.items():
        for seed in range(arguments.seeds):
            run = arguments.run / f"{regions.proposals}-{regions.grid}-{seed}"
            training = base.training.model_copy(update={"seed": seed + 1})
            variant: CaptionRecipe = base.model_copy(
                update={"regions": regions, "training": training}
            )
            _share(arguments.run / CACHE, run)
            resume = (run / "recipe.json").exists()
            bundle = fit(variant, arguments.data, run, resume=resume, console=Console(stderr=True))
            scores = bundle.description.scores
            print(f"| {name} | {seed + 1} | {scores['cider']:.3f} | {scores['bleu4']:.3f} |")


def _share(cache: Path, run: Path) -> None:
    """Lends a run the common cache; a run deletes its own when it ends, and a link is not one."""
    for folder in (cache, run):
        folder.mkdir(parents=True, exist_ok=True)
    if not (run / CACHE).exists():
        (run / CACHE).symlink_to(cache.resolve())


if __name__ == "__main__":
    main()
