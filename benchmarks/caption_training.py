"""Captions per second in training: ours, plain `keras.Model.fit`, and eager PyTorch.

    python benchmarks/caption_training.py --torch-python VENV/bin/python

One model, one batch and one set of sizes for all: those of the shipped recipe's first stage. Data
are random regions and captions of random words whose lengths are distributed as Flickr8k's, so
43 % of a batch's places are padding. All take turns, round by round, with the same number of
threads; a contender's figure is the median of its rounds. PyTorch lives in an environment of its
own (`pip install torch numpy`); without `--torch-python` its rows are left out.

Losses tell that all learn the same: each has its own random numbers, so they agree but for that.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import gatescope  # noqa: F401  before TensorFlow, which asks only once whether to use oneDNN

# isort: split
import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gatescope.caption.bundle import new_decoder
from gatescope.caption.features import RegionCache
from gatescope.caption.fitting import CaptionRecipe
from gatescope.caption.training import TeachTrainer, TrainingSet
from gatescope.caption.vocabulary import SPECIAL, SPECIAL_WORDS, Vocabulary
from gatescope.training.optimizers import FusedAdamW
from peers.keras_captioner import PlainCaptioner, word_loss
from peers.worker import Worker

WORDS = 2550
RATE = 8e-4
# Captions of 20,000 of Flickr8k by their number of words, from 2; the last are 20 and more.
LENGTHS = (10, 85, 233, 586, 1314, 1697, 1940, 2199, 2258, 2074, 1819, 1521, 1218, 894, 654, 455)
LENGTHS += (345, 243, 457)
Round = Callable[[], tuple[float, float]]  # seconds and mean loss


class Contender(NamedTuple):
    """A row of the table."""

    name: str
    precision: str
    round: Round


class Stopwatch(keras.callbacks.Callback):
    """Times the steps of an epoch, without what `fit` does once."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.seconds, self.loss = time.perf_counter() - self.start, (logs or {})["loss"]


def main() -> None:
    arguments = parsed()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    recipe = CaptionRecipe()
    data = random_data(recipe, arguments.steps * recipe.training.batch_size)
    with ExitStack() as stack:
        contenders = [*ours(recipe, data), *plain_keras(recipe, data)]
        if arguments.torch_python:
            file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data.npz"
            np.savez(file, **data)
            settings = {
                "data": str(file),
                "batch": recipe.training.batch_size,
                "sizes": {**sizes(recipe), "features": data["features"].shape[-1]},
                "rate": RATE,
                "threads": arguments.threads,
            }
            worker = Worker(arguments.torch_python, "torch_training.py", settings)
            contenders += pytorch(stack.enter_context(worker), compiled=arguments.compile)
        contenders = [one for one in contenders if one.precision in arguments.precisions]
        seconds, losses = measured(contenders, arguments.rounds)
    captions = arguments.steps * recipe.training.batch_size * recipe.training.captions
    report(contenders, seconds, losses, captions)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", type=Path, help="interpreter that has PyTorch")
    parser.add_argument("--compile", action="store_true", help="add torch.compile (minutes)")
    parser.add_argument(
        "--precisions",
        nargs="+",
        choices=("float32", "bfloat16"),
        default=("float32", "bfloat16"),
        help="bfloat16 takes minutes where the processor has no instructions for it",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="of a round")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def sizes(recipe: CaptionRecipe) -> dict[str, float]:
    """What every contender's network is built with."""
    decoder = recipe.decoder
    return {"vocabulary_size": WORDS, "units": decoder.units, "dropout": decoder.dropout}


def random_data(recipe: CaptionRecipe, photos: int) -> dict[str, NDArray[np.generic]]:
    """Regions, and captions `(photos, captions, longest + 2)`: start, words, end, padding."""
    rng = np.random.default_rng(0)
    regions, captions, longest = recipe.regions.count, recipe.training.captions, 20
    chances = np.array(LENGTHS) / sum(LENGTHS)
    lengths = rng.choice(np.arange(2, 2 + len(LENGTHS)), (photos, captions), p=chances)
    frequencies = 1 / np.arange(1, WORDS - len(SPECIAL) + 1)  # Zipf's law
    drawn = rng.choice(len(frequencies), (photos, captions, longest), p=_shares(frequencies))
    places = np.arange(longest + 2)
    words = np.pad(drawn + len(SPECIAL), ((0, 0), (0, 0), (1, 1))).astype(np.int32)
    words[..., 0] = SPECIAL.start
    words[places > lengths[..., None]] = SPECIAL.pad
    words[places == lengths[..., None] + 1] = SPECIAL.end
    corners = np.sort(rng.random((photos, regions, 2, 2)), axis=2)
    features = np.maximum(rng.standard_normal((photos, regions, 1280)), 0)
    return {
        "features": features.astype(np.float16),
        "boxes": corners.reshape(photos, regions, 4).astype(np.float32),
        "words": words,
    }


def _shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return weights / weights.sum()


def ours(recipe: CaptionRecipe, data: dict[str, NDArray[np.generic]]) -> Iterator[Contender]:
    """`TeachTrainer` under Keras' `fit`, fed by `TrainingSet` as the command line feeds it."""
    training = recipe.training
    vocabulary = Vocabulary((*SPECIAL_WORDS, *map(str, range(WORDS - len(SPECIAL)))))
    cache = RegionCache(np.empty((1, 0)), data["boxes"][None], data["features"][None])
    lesson = TrainingSet(cache, data["words"])
    for precision, policy in (("float32", "float32"), ("bfloat16", "mixed_bfloat16")):
        keras.utils.set_random_seed(1)
        keras.config.set_dtype_policy(policy)
        decoder = new_decoder(recipe.decoder, vocabulary, recipe.regions.count)
        keras.config.set_dtype_policy("float32")
        trainer = TeachTrainer(decoder, label_smoothing=training.label_smoothing)
        trainer.compile(FusedAdamW(RATE, weight_decay=0.01, global_clipnorm=5.0))

        def one_round(trainer: keras.Model = trainer) -> tuple[float, float]:
            watch = Stopwatch()
            trainer.fit(
                lesson.dataset("teach", training, [0]),
                steps_per_epoch=lesson.steps(training),
                shuffle=False,
                verbose=0,
                callbacks=[watch],
            )
            return watch.seconds, watch.loss

        yield Contender("Gatescope", precision, one_round)


def plain_keras(recipe: CaptionRecipe, data: dict[str, NDArray[np.generic]]) -> Iterator[Contender]:
    """`keras.Model.fit` of stock layers, on captions as samples and on photos as samples."""
    captions = recipe.training.captions
    features = data["features"].astype(np.float32)
    words = data["words"]
    by_photo = {"features": features, "boxes": data["boxes"], "words": words[:, :, :-1]}
    by_caption = {
        "features": np.repeat(features, captions, 0),
        "boxes": np.repeat(data["boxes"], captions, 0),
        "words": words.reshape(-1, 1, words.shape[-1])[:, :, :-1],
    }
    for name, inputs, batch in (
        ("Keras fit", by_caption, recipe.training.batch_size * captions),
        ("Keras fit, regions projected once a photo", by_photo, recipe.training.batch_size),
    ):
        targets = words.reshape(*inputs["words"].shape[:2], -1)[:, :, 1:]
        for precision, policy in (("float32", "float32"), ("bfloat16", "mixed_bfloat16")):
            keras.utils.set_random_seed(1)
            keras.config.set_dtype_policy(policy)
            model = PlainCaptioner(**sizes(recipe))
            keras.config.set_dtype_policy("float32")
            optimizer = keras.optimizers.AdamW(RATE, weight_decay=0.01, global_clipnorm=5.0)
            model.compile(optimizer, word_loss)

            def one_round(
                model: keras.Model = model,
                inputs: dict[str, NDArray[np.generic]] = inputs,
                targets: NDArray[np.generic] = targets,
                batch: int = batch,
            ) -> tuple[float, float]:
                watch = Stopwatch()
                model.fit(inputs, targets, batch_size=batch, verbose=0, callbacks=[watch])
                return watch.seconds, watch.loss

            yield Contender(name, precision, one_round)


def pytorch(worker: Worker, *, compiled: bool) -> Iterator[Contender]:
    """Rounds of the PyTorch process."""
    version = worker.about["version"]
    kinds = [("eager", False, False), ("eager, no words for padding", True, False)]
    for kind, skip, compile_it in kinds + [("torch.compile", False, True)] * compiled:
        for precision in ("float32", "bfloat16"):
            choice = {"precision": precision, "skip": skip, "compiled": compile_it}

            def one_round(choice: dict[str, object] = choice) -> tuple[float, float]:
                answer = worker.ask(choice)
                if "failure" in answer:
                    raise RuntimeError(answer["failure"])
                return answer["seconds"], answer["loss"]

            yield Contender(f"PyTorch {version}, {kind}", precision, one_round)


def measured(
    contenders: list[Contender], rounds: int
) -> tuple[dict[Contender, list[float]], dict[Contender, float]]:
    """Seconds of every round, and the last round's loss; the first round only warms up."""
    seconds: dict[Contender, list[float]] = {contender: [] for contender in contenders}
    losses: dict[Contender, float] = {}
    for number in range(rounds + 1):
        for contender in list(seconds):
            print(f"round {number}: {contender.name}, {contender.precision}", file=sys.stderr)
            try:
                time_taken, losses[contender] = contender.round()
            except RuntimeError as failure:
                print(f"left out: {contender.name}, {contender.precision}: {failure}")
                del seconds[contender]
                continue
            if number:
                seconds[contender].append(time_taken)
    return seconds, losses


def report(
    contenders: list[Contender],
    seconds: dict[Contender, list[float]],
    losses: dict[Contender, float],
    captions: int,
) -> None:
    """Prints a Markdown table; ratios are to ours at the same precision."""
    mine = {
        contender.precision: statistics.median(seconds[contender])
        for contender in contenders
        if contender.name == "Gatescope"
    }
    print("| | precision | captions/s | rounds | ours is faster by | loss |")
    print("|---|---|---:|---|---:|---:|")
    for contender in contenders:
        if contender not in seconds:
            continue
        times = seconds[contender]
        middle = statistics.median(times)
        spread = f"{captions / max(times):.0f} to {captions / min(times):.0f}"
        ratio = f"{middle / mine[contender.precision]:.2f}"
        print(
            f"| {contender.name} | {contender.precision} | {captions / middle:.0f} | {spread} "
            f"| {ratio} | {losses[contender]:.3f} |"
        )


if __name__ == "__main__":
    main()
