"""How many photos are enough? Scores and minutes of captioners fine-tuned from the shipped one.

    python benchmarks/learning_curve.py ../shared/data/flickr8k runs/learning-curve

Two kinds of data that the shipped captioner was not trained on: photos like those it knows
(Flickr8k's dev split, of which the last 400 photos are only scored), and pictures of another world
(generated scenes, whose captions share few words with people's). For each number of photos one
training with `--from shipped` and one from the ImageNet backbone alone, both with the default
recipe; a tenth of the photos is what epochs are chosen on. The first row of each kind is the
shipped captioner as it is. Minutes are wall time of the training, start of TensorFlow apart.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from rich.console import Console

from gatescope.caption.bundle import SHIPPED
from gatescope.caption.evaluation import evaluate
from gatescope.caption.fitting import fit
from gatescope.data.captions import load_captions
from gatescope.data.scenes import make_scenes
from gatescope.recipes.caption import recipe
from gatescope.recipes.kinds.settings import override

SCORED = {"photos": 400, "scenes": 200}
SEED = 1000  # of scenes, unlike any recipe's


class Picture(NamedTuple):
    """A picture on disk and what was said of it."""

    path: Path
    captions: Sequence[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="Flickr8k")
    parser.add_argument("run", type=Path)
    parser.add_argument("--photos", type=int, nargs="*", default=[100, 300, 600])
    parser.add_argument("--kinds", nargs="*", default=["photos", "scenes"])
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", dest="settings")
    arguments = parser.parse_args()
    print("| kind | photos | start | CIDEr-D | BLEU-4 | minutes |\n|---|---:|---|---:|---:|---:|")
    for kind in arguments.kinds:
        most = max(arguments.photos) + SCORED[kind]
        if kind == "photos":
            pictures = flickr_dev(arguments.data, most)
        else:
            pictures = scenes(arguments.run / "pictures", most)
        learned, scored = pictures[: -SCORED[kind]], pictures[-SCORED[kind] :]
        test = written(arguments.run / f"{kind}-test", {"test": scored})
        print(row(kind, 0, "shipped, as it is", SHIPPED, test, 0.0), flush=True)
        for count in arguments.photos:
            parts = {"dev": learned[: count // 10], "train": learned[count // 10 : count]}
            data = written(arguments.run / f"{kind}-{count}", parts)
            for name, start in (("shipped", SHIPPED), ("ImageNet", None)):
                run = arguments.run / f"{kind}-{count}-{name}"
                began = time.monotonic()
                chosen = override(recipe(start), [*mirrored(kind), *arguments.settings])
                fit(chosen, data, run, start=start, console=Console(stderr=True))
                minutes = (time.monotonic() - began) / 60
                print(row(kind, count, name, run / "bundle", test, minutes), flush=True)


def mirrored(kind: str) -> list[str]:
    """Scenes' captions say left and right."""
    return ["training.mirror=false"] if kind == "scenes" else []


def flickr_dev(data: Path, count: int) -> list[Picture]:
    """The first photos of the dev split."""
    photos = load_captions(data).split("dev")[:count]
    return [Picture(photo.path, photo.captions) for photo in photos]


def scenes(folder: Path, count: int) -> list[Picture]:
    """Generated scenes, written as files."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for place, scene in enumerate(make_scenes(count, seed=SEED, size=224)):
        path = folder / f"{place:05d}.png"
        Image.fromarray(scene.image).save(path)
        pictures.append(Picture(path, scene.captions[:1]))
    return pictures


def written(folder: Path, parts: dict[str, Iterable[Picture]]) -> Path:
    """A folder of photos with captions and splits, as a user would have it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("photo", "caption", "split"))
        for split, pictures in parts.items():
            for picture in pictures:
                shutil.copy(picture.path, folder / picture.path.name)
                rows.writerows((picture.path.name, text, split) for text in picture.captions)
    return folder


def row(kind: str, count: int, start: str, bundle: Path, data: Path, minutes: float) -> str:
    """One line of the table, scored on pictures that nothing was chosen on."""
    scores = evaluate(bundle, data, split="test", beam=3).scores
    cells = (f"{scores.cider:.3f}", f"{scores.bleu4:.3f}", f"{minutes:.1f}")
    return f"| {' | '.join((kind, str(count), start, *cells))} |"


if __name__ == "__main__":
    main()
