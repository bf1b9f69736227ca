"""Photos per second in captioning a folder: ours and eager PyTorch with the same weights.

    python benchmarks/caption_speed.py --photos FOLDER --torch-python VENV/bin/python

From files to captions: JPEG, squashing, EfficientNet-Lite0, region proposals, suppression,
RoIAlign, and the LSTM with beam 3, each in batches of its own choice. Ours is what
`gatescope caption FOLDER` calls. Both take turns, round by round, with the same number of threads;
a contender's figure is the median of its rounds. PyTorch lives in an environment of its own
(`pip install torch numpy pillow safetensors`); without `--torch-python` its row is left out.

Captions tell that both do the same: nearly all agree, but for near ties that rounding decides.
Without `--photos`, the sample photos are written out again and again, cropped a little each time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

import gatescope as gs
from gatescope.caption.bundle import SHIPPED, WEIGHTS, Bundle
from gatescope.caption.caption import PhotoFailure
from gatescope.caption.vocabulary import SPECIAL
from gatescope.data.photos import find_photos
from gatescope.data.samples import sample_photos
from gatescope.layers.region_proposal import RegionProposal
from gatescope.layers.roi_align import RoIAlign
from gatescope.models.efficientnet_lite import STAGES, TRUNK_STAGES
from peers.memory import peak_megabytes
from peers.worker import Worker

BEAM = 3
CROPPED = 4  # pixels cropped from a sample photo, more each time it is written


class Result(NamedTuple):
    """What a round gave."""

    seconds: float
    captions: list[str]
    peak: float | None  # MB, of the process so far


class Contender(NamedTuple):
    """A row of the table."""

    name: str
    round: Callable[[], Result]


def main() -> None:
    arguments = parsed()
    limit_threads(arguments.threads)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        photos = find_photos(arguments.photos or sample_folder(folder / "photos", arguments.count))
        photos = photos[: arguments.count]
        captioner = gs.load_captioner()
        contenders = [ours(captioner, photos)]
        if arguments.torch_python:
            settings = peer_settings(captioner.bundle, folder / "backbone.npz")
            settings |= {"photos": list(map(str, photos)), "threads": arguments.threads}
            worker = Worker(arguments.torch_python, "torch_captioning.py", settings)
            contenders.append(pytorch(stack.enter_context(worker)))
        results = measured(contenders, arguments.rounds)
    report(results, len(photos))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, help="a folder; the sample photos by default")
    parser.add_argument("--count", type=int, default=96, help="photos of the folder")
    parser.add_argument("--rounds", type=int, default=5, help="after one that warms up")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--torch-python", type=Path, help="interpreter that has PyTorch")
    return parser.parse_args()


def limit_threads(count: int) -> None:
    import tensorflow as tf  # not before gatescope, which asks it for oneDNN

    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)


def sample_folder(folder: Path, count: int) -> Path:
    """Writes the sample photos as JPEG files, no two of which are the same."""
    folder.mkdir()
    samples = sample_photos()
    for number in range(count):
        repeat, which = divmod(number, len(samples))
        name, pixels = list(samples.items())[which]
        cropped = pixels[CROPPED * repeat :, CROPPED * repeat :]
        Image.fromarray(cropped).save(folder / f"{number:04d}-{name}.jpg", quality=90)
    return folder


def ours(captioner: gs.Captioner, photos: list[Path]) -> Contender:
    """`Captioner.caption_all`, which streams the batches of `gatescope caption`."""

    def one_round() -> Result:
        start = time.perf_counter()
        captions = []
        for result in captioner.caption_all(photos, beam=BEAM):
            if isinstance(result, PhotoFailure):
                raise SystemExit(f"not a photo to measure with: {result.error}")
            captions.append(result.text)
        return Result(time.perf_counter() - start, captions, peak_megabytes())

    return Contender("Gatescope", one_round)


def pytorch(worker: Worker) -> Contender:
    """Rounds of the PyTorch process."""
    return Contender(
        f"PyTorch {worker.about['version']}, eager", lambda: Result(**worker.ask("another round"))
    )


def peer_settings(bundle: Bundle, backbone: Path) -> dict[str, Any]:
    """All that the peer needs; what the bundle's weights lack of the CNN goes into a file."""
    description, regions = bundle.description, bundle.description.regions
    if description.decoder.cell != "lstm":
        raise SystemExit(f"the peer has an LSTM, the bundle a cell {description.decoder.cell!r}")
    lacking = {"trunk": bundle.detector.trunk}
    if not description.tuned:
        lacking["top"] = bundle.detector.top
    arrays = {"anchors": regions.anchors(), "fallback": regions.fallback()}
    for part, model in lacking.items():
        # Numbered as in the bundle.
        arrays |= {f"{part}/{i:03d}": weight.numpy() for i, weight in enumerate(model.weights)}
    np.savez(backbone, **arrays)
    layers = {
        "candidates": RegionProposal(regions.anchors(), regions.proposals).candidates,
        "sampling": RoIAlign().sampling,
    }
    return {
        "weights": str(SHIPPED / WEIGHTS),
        "backbone": str(backbone),
        "stages": STAGES,
        "trunk_stages": TRUNK_STAGES,
        "regions": {**regions.model_dump(), **layers},
        "rules": {**description.decoding.with_beam(BEAM).model_dump(), **SPECIAL._asdict()},
        "words": bundle.vocabulary.words,
    }


def measured(contenders: list[Contender], rounds: int) -> dict[str, list[Result]]:
    """What every round gave; the first round only warms up."""
    results: dict[str, list[Result]] = {contender.name: [] for contender in contenders}
    for number in range(rounds + 1):
        for contender in contenders:
            result = contender.round()
            if number:
                results[contender.name].append(result)
    return results


def report(results: dict[str, list[Result]], photos: int) -> None:
    """Prints a Markdown table; ratios and captions are compared with ours."""
    mine, *_ = results.values()
    print("| | photos/s | rounds | ours is faster by | same captions | peak memory |")
    print("|---|---:|---|---:|---:|---:|")
    for name, rounds in results.items():
        times = [result.seconds for result in rounds]
        middle = statistics.median(times)
        spread = f"{photos / max(times):.2f} to {photos / min(times):.2f}"
        ratio = middle / statistics.median(result.seconds for result in mine)
        pairs = zip(rounds[-1].captions, mine[-1].captions, strict=True)
        same = statistics.mean(caption == other for caption, other in pairs)
        peak = rounds[-1].peak
        memory = "unknown" if peak is None else f"{peak:,.0f} MB"
        print(
            f"| {name} | {photos / middle:.2f} | {spread} | {ratio:.2f} | {same:.1%} | {memory} |"
        )


if __name__ == "__main__":
    main()
