"""Peak memory of training on tables and image folders that grow: it must stay flat.

    python benchmarks/streaming_memory.py csv 1 2 4 8
    python benchmarks/streaming_memory.py images 1 2 --folder /somewhere/with/room

Of each size (GB = 10^9 bytes) a file or folder is made and removed again; every byte of it is on
disk and goes through the readers of `gatescope train table` and of a recipe of images: once to look
it over, once more to learn scaling and categories (tables), one epoch of training, validation, and
the score of the test part. Each training is a process of its own, of which the largest resident
memory is told by `getrusage`. What is written repeats itself, which no reader takes notice of.
"""

from __future__ import annotations

import argparse
import io
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

GB = 10**9
COLUMNS = 24
BLOCK = 50_000  # rows that repeat
PICTURES = 100  # that repeat


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("csv", "images", "train-csv", "train-images"))
    parser.add_argument("sizes", nargs="*", default=["1", "2"])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    if arguments.kind.startswith("train-"):
        train(arguments.kind.removeprefix("train-"), Path(arguments.sizes[0]))
        return
    print(f"{'GB':>5s} {'files or rows':>14s} {'peak MB':>8s} {'minutes':>8s}")
    for size in map(float, arguments.sizes):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            measure(arguments.kind, size, Path(folder))


def measure(kind: str, size: float, folder: Path) -> None:
    made, count = (write_table if kind == "csv" else write_images)(folder, int(size * GB))
    began = time.monotonic()
    command = [sys.executable, __file__, f"train-{kind}", str(made)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    peak = int(result.stdout.split()[-1]) / 1024
    minutes = (time.monotonic() - began) / 60
    print(f"{size:5g} {count:14,d} {peak:8.0f} {minutes:8.1f}", flush=True)


def write_table(folder: Path, size: int) -> tuple[Path, int]:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(BLOCK, COLUMNS))
    kinds = rng.integers(0, 12, BLOCK)
    label = (numbers[:, 0] + numbers[:, 1] * (kinds % 2) > 0).astype(int)
    rows = [
        ",".join([*map(repr, row), f"kind{kind}", "yn"[one]])  # as pandas writes numbers
        for row, kind, one in zip(numbers.tolist(), kinds, label, strict=True)
    ]
    block = ("\n".join(rows) + "\n").encode()
    path = folder / "table.csv"
    with path.open("wb") as file:
        names = [*(f"x{place}" for place in range(COLUMNS)), "kind", "label"]
        file.write((",".join(names) + "\n").encode())
        blocks = max(round(size / len(block)), 1)
        for _ in range(blocks):
            file.write(block)
    return path, blocks * BLOCK


def write_images(folder: Path, size: int) -> tuple[Path, int]:
    rng = np.random.default_rng(0)
    packed = []
    for place in range(PICTURES):
        small = rng.integers(0, 256, (60, 80, 3)) // 2 + 60 * (place % 2)
        photo = Image.fromarray(small.astype(np.uint8)).resize((640, 480), Image.Resampling.BICUBIC)
        grain = np.asarray(photo, np.int16) + rng.integers(-12, 12, (480, 640, 3))
        file = io.BytesIO()
        Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(file, "jpeg", quality=95)
        packed.append(file.getvalue())
    root, written, count = folder / "images", 0, 0
    for name in ("dark", "light"):
        (root / name).mkdir(parents=True)
    while written < size:
        content = packed[count % PICTURES]
        (root / ("dark", "light")[count % 2] / f"{count}.jpg").write_bytes(content)
        written, count = written + len(content), count + 1
    return root, count


def train(kind: str, path: Path) -> None:
    """Trains for an epoch and prints the largest resident memory, in kB."""
    from gatescope.data.images import ImagesConfig
    from gatescope.data.sources import ImageFiles
    from gatescope.data.splits import SplitConfig
    from gatescope.models.conv import BlockConfig, ConvConfig
    from gatescope.recipes import table
    from gatescope.recipes.kinds.from_data import inputs_of, outputs_of
    from gatescope.recipes.kinds.network import NetworkRecipe
    from gatescope.recipes.kinds.settings import override
    from gatescope.training.fit import FitConfig

    if kind == "csv":
        made = table.recipe(path, "label")
        chosen = override(made, ["training.epochs=1", "training.batch_size=1024"])
    else:
        split = SplitConfig(dev=0.1, test=0.1, seed=0)
        asked = ImagesConfig(height=128, width=128, channels=3, split=split)
        source = ImageFiles(path=path, images=asked)
        found = source.load()
        block = BlockConfig(filters=8, stride=4)
        chosen = NetworkRecipe(
            data=source,
            network=ConvConfig(
                inputs=inputs_of(found), blocks=(block,), top="average", outputs=outputs_of(found)
            ),
            training=FitConfig(epochs=1),
            baselines=(),
            expected={},
        )
    run = Path(tempfile.mkdtemp())
    module = table if kind == "csv" else ModuleType("images")
    results = chosen.run(module, run, resume=False, console=None)
    shutil.rmtree(run)
    print(results.scores, results.notes)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main()
