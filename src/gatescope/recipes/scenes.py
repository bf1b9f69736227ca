"""Scenes: a region captioner that learns to see and to speak from nothing, in minutes.

A scene shows one to three coloured shapes, and there is no doubt about what is right: "a small red
circle left of a large blue square". Five colour–shape pairs, such as a red star, never occur in
training; a captioner that says them of test scenes has learned what *red* and *star* mean apart
from each other, and has not learned captions by heart.

Pixels become a map (`models.small_cnn`), the map proposes regions (`models.regions`), RoIAlign
reads each of them, and a recurrent network looks at regions while it speaks (`caption.decoder`).
All of it is trained at once (`caption.joint`).

Data: made here. Minutes on two cores: 2 to 3. Expected, by seed: 98 to 99 % of captions exactly
right on test scenes, and 93 to 98 % where colour and shape never met; 95 to 97 % of words look at
their object, 90 to 95 % there. Baseline: the caption of the training scene whose map is most alike
on the average, found with the very CNN that was trained.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import keras
import numpy as np
import tensorflow as tf
from keras.optimizers.schedules import CosineDecay
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator
from rich.console import Console
from sklearn.neighbors import NearestNeighbors

from gatescope.caption.bundle import Bundle, Description
from gatescope.caption.captioner import Captioner
from gatescope.caption.decoder import CaptionDecoder, DecoderConfig
from gatescope.caption.decoding import Decoding
from gatescope.caption.grounding import SceneScores, score_scenes, top_regions
from gatescope.caption.joint import JointTrainer
from gatescope.caption.search import compiled_search
from gatescope.caption.training import encode_captions, trimmed
from gatescope.caption.view import caption_view
from gatescope.caption.vocabulary import Vocabulary
from gatescope.data.scenes import Scene, make_scenes
from gatescope.models.regions import RegionConfig, RegionDetector, proposal_network
from gatescope.models.small_cnn import small_top, small_trunk
from gatescope.report.captions import CaptionView
from gatescope.report.terminal import table
from gatescope.runs.asked import Asked, open_run
from gatescope.runs.files import atomic_write
from gatescope.training.checkpoints import load_checkpoint, save_checkpoint
from gatescope.training.optimizers import FusedAdamW
from gatescope.training.progress import TrainingProgress
from gatescope.training.regions import RegionTraining

RECIPE, CHECKPOINT, RESULTS = "recipe.json", "training.safetensors", "results.json"
BATCH = 100  # scenes at a time where nothing is learned

Arrays = tuple[dict[str, NDArray[np.generic]], dict[str, NDArray[np.generic]]]


class ScenesRecipe(BaseModel):
    """Everything that decides what the captioner of scenes becomes.

    Args:
        scenes: Training scenes.
        test_scenes: Scenes of each of the two test splits.
        examples: Scenes of each test split that are shown.
        regions: Size of the scenes and which regions they have.
        channels: Of the trunk's halving convolutions, as many as make its stride.
        features: Channels that RoIAlign reads.
        bins: Bins a side of each region.
        decoder: The recurrent network.
        decoding: How captions are searched.
        epochs: Passes over the training scenes.
        batch_size: Scenes a step.
        learning_rate: Peak, from which a cosine falls to 0.
        warmup: Share of the steps in which the rate rises to the peak.
        weight_decay: Of AdamW.
        clip_norm: Largest global norm of a gradient.
        sampled: Anchors of a scene that enter the proposals' loss.
        label_smoothing: Share of the target spread over all words.
        photo_dropout: Share of the scenes that are learned without the mean of all regions.
        word_noise: Share of the words read in training that are replaced by random ones.
        seed: Of scenes, weights, order and dropout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenes: PositiveInt
    test_scenes: PositiveInt
    examples: PositiveInt
    regions: RegionConfig
    channels: tuple[PositiveInt, ...]
    features: PositiveInt
    bins: PositiveInt
    decoder: DecoderConfig
    decoding: Decoding
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    warmup: float = Field(gt=0, lt=1)
    weight_decay: float = Field(ge=0)
    clip_norm: PositiveFloat
    sampled: PositiveInt
    label_smoothing: float = Field(ge=0, lt=1)
    photo_dropout: float = Field(ge=0, lt=1)
    word_noise: float = Field(ge=0, lt=1)
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _stride_fits(self) -> ScenesRecipe:
        if 2 ** len(self.channels) != self.regions.stride:
            raise ValueError(
                "each of the channels halves the map: regions.stride is 2 to their number"
            )
        return self


def recipe() -> ScenesRecipe:
    """The configuration whose scores stand in `benchmarks/RESULTS.md`."""
    return ScenesRecipe(
        scenes=6000,
        test_scenes=500,
        examples=3,
        # At stride 8 a small circle is two cells wide: its colour then helps to tell its shape, and
        # misleads where that pair is new. Objects never overlap, so suppression may be strict.
        regions=RegionConfig(
            photo_size=96,
            input_size=96,
            stride=4,
            proposals=6,
            grid=0,
            scales=(0.165, 0.31),
            ratios=(1.0,),
            width=16,
            iou_threshold=0.3,
        ),
        channels=(16, 32),
        features=16,
        bins=4,
        decoder=DecoderConfig(cell="lstm", units=128, dropout=0.0),
        # "left of a" comes twice in a row of three.
        decoding=Decoding(beam=3, longest=16, length_penalty=0.7, block_trigrams=False),
        epochs=6,
        batch_size=32,
        learning_rate=4e-3,
        warmup=0.05,
        weight_decay=0.1,
        clip_norm=1.0,
        sampled=32,
        label_smoothing=0.1,
        photo_dropout=0.7,
        word_noise=0.5,
        seed=0,
    )


class ScenesRun(Asked):
    """What `recipe.json` holds."""

    recipe: ScenesRecipe


@dataclass(frozen=True, eq=False)
class ScenesResult:
    """What a training came to.

    Args:
        exact: Share of captions exactly right on test scenes.
        exact_held_out: The same on scenes with a colour–shape pair never trained on.
        grounding: Share of words that look at the object they speak of, on test scenes.
        grounding_held_out: The same with pairs never trained on.
        baseline: Share of captions exactly right by the baseline on test scenes.
        baseline_held_out: The same with pairs never trained on: 0, as it cannot say them.
        losses: Mean training loss of each epoch.
        seconds: From the first scene to the last score.
        examples: Captioned scenes of both test splits, for a report.
    """

    exact: float
    exact_held_out: float
    grounding: float
    grounding_held_out: float
    baseline: float
    baseline_held_out: float
    losses: tuple[float, ...]
    seconds: float
    examples: tuple[CaptionView, ...]


def run(recipe: ScenesRecipe, run: Path, *, resume: bool, console: Console | None) -> ScenesResult:
    """Makes scenes, trains on them, and measures what was learned.

    Args:
        recipe: What to do.
        run: Folder for the request, the checkpoint and the results.
        resume: Goes on where the run of that folder was stopped; its losses are those of an
            uninterrupted run, to the bit on the same machine.
        console: Where progress and scores are shown; None is silent.

    Raises:
        UsageError: The folder holds another run, or `resume` finds none.
        ConfigurationError: The run to resume was started with another recipe.
        CheckpointError: The checkpoint is damaged or cannot be written.
    """
    console, started = console or Console(quiet=True), time.monotonic()
    open_run(ScenesRun(recipe=recipe), run / RECIPE, resume=resume)
    keras.utils.set_random_seed(recipe.seed)
    with console.status(f"Painting {recipe.scenes:,} scenes …"):
        train, test, held_out = _make_splits(recipe)
    bundle = _new_captioner(recipe, train)
    losses = _train(recipe, bundle, train, run / CHECKPOINT, console)
    with console.status("Captioning scenes never seen …"):
        ours, unheard = _scores(bundle, test, held_out)
        theirs, theirs_unheard = _baseline(bundle, train, test, held_out)
        shown = [*test[: recipe.examples], *held_out[: recipe.examples]]
        result = ScenesResult(
            exact=ours.exact,
            exact_held_out=unheard.exact,
            grounding=ours.grounding,
            grounding_held_out=unheard.grounding,
            baseline=theirs,
            baseline_held_out=theirs_unheard,
            losses=losses,
            examples=_examples(bundle, shown),
            seconds=time.monotonic() - started,
        )
    _tell(result, run / RESULTS, console)
    return result


def _make_splits(recipe: ScenesRecipe) -> tuple[list[Scene], list[Scene], list[Scene]]:
    """Training scenes, test scenes, and test scenes with pairs that training never shows."""
    size, seed = recipe.regions.photo_size, 3 * recipe.seed
    return (
        make_scenes(recipe.scenes, seed=seed, size=size),
        make_scenes(recipe.test_scenes, seed=seed + 1, size=size),
        make_scenes(recipe.test_scenes, seed=seed + 2, size=size, held_out=True),
    )


def _new_captioner(recipe: ScenesRecipe, scenes: Sequence[Scene]) -> Bundle:
    """All parts with fresh weights; they learn words from the scenes' first captions.

    A scene can be told from either end, and nothing in the picture says which. A network that
    learns both tellings has to look at both ends before its first word, so one is taught.
    """
    depth = recipe.channels[-1]
    detector = RegionDetector(
        recipe.regions,
        small_trunk(recipe.regions.input_size, recipe.channels),
        proposal_network(recipe.regions, depth),
        small_top(depth, recipe.features),
        recipe.bins,
    )
    vocabulary = Vocabulary.from_captions([scene.captions[0] for scene in scenes], threshold=1)
    description = Description(
        regions=recipe.regions,
        decoder=recipe.decoder,
        decoding=recipe.decoding,
        splitting=vocabulary.splitting,
        tuned=True,
    )
    decoder = CaptionDecoder(recipe.decoder, len(vocabulary))
    decoder.build((1, 1, recipe.features * recipe.bins**2))
    return Bundle(description, vocabulary, detector, decoder)


def _train(
    recipe: ScenesRecipe, bundle: Bundle, scenes: Sequence[Scene], file: Path, console: Console
) -> tuple[float, ...]:
    """Runs what is left of the training and returns the mean loss of every epoch."""
    trainer = JointTrainer(
        bundle.detector,
        bundle.decoder,
        RegionTraining(sampled=recipe.sampled, seed=recipe.seed),
        label_smoothing=recipe.label_smoothing,
        photo_dropout=recipe.photo_dropout,
        word_noise=recipe.word_noise,
    )
    arrays = _arrays(recipe, bundle.vocabulary, scenes)
    steps = math.ceil(len(scenes) / recipe.batch_size)
    optimizer = _optimizer(recipe, steps)
    trainer.compile(optimizer)
    # Else `fit` would build it, in a graph that has to be traced once more for it.
    optimizer.build(trainer.trainable_variables)
    losses: list[float] = []
    if file.exists():
        told = load_checkpoint(file, trainer, trainer.optimizer).metadata
        losses += cast("list[float]", told["losses"])

    def keep(epoch: int, logs: dict[str, float]) -> None:
        losses.append(float(logs["loss"]))
        metadata = {"losses": losses}
        save_checkpoint(file, trainer, trainer.optimizer, epoch=epoch + 1, metadata=metadata)

    with TrainingProgress(console, unit="scenes", per_step=recipe.batch_size) as bar:
        trainer.fit(
            _batches(recipe, arrays, first=len(losses)),
            initial_epoch=len(losses),
            epochs=recipe.epochs,
            steps_per_epoch=steps,
            shuffle=False,
            verbose=0,
            callbacks=[bar, keras.callbacks.LambdaCallback(on_epoch_end=keep)],
        )
    return tuple(losses)


def _optimizer(recipe: ScenesRecipe, steps: int) -> keras.Optimizer:
    total = recipe.epochs * steps
    rise = math.ceil(recipe.warmup * total)
    rate = CosineDecay(0.0, total - rise + 1, warmup_target=recipe.learning_rate, warmup_steps=rise)
    return FusedAdamW(rate, weight_decay=recipe.weight_decay, global_clipnorm=recipe.clip_norm)


def _arrays(recipe: ScenesRecipe, vocabulary: Vocabulary, scenes: Sequence[Scene]) -> Arrays:
    """What `JointTrainer` reads, and what it should say."""
    told = [scene.captions[:1] for scene in scenes]
    words = encode_captions(told, vocabulary, count=1, longest=recipe.decoding.longest)
    boxes = np.zeros((len(scenes), max(len(scene.objects) for scene in scenes), 4), np.float32)
    for padded, scene in zip(boxes, scenes, strict=True):
        padded[: len(scene.objects)] = scene.boxes
    photos = np.stack([scene.image for scene in scenes])
    words = trimmed(words)
    return {"photos": photos, "words": words[:, :, :-1]}, {"boxes": boxes, "words": words[:, :, 1:]}


def _batches(recipe: ScenesRecipe, arrays: Arrays, *, first: int) -> tf.data.Dataset:
    """Batches of all epochs from `first` on; an epoch's order depends on (seed, epoch) alone."""
    kept = tf.nest.map_structure(tf.constant, arrays)
    count = len(arrays[0]["photos"])

    def rows() -> Iterator[NDArray[np.int64]]:
        for epoch in range(first, recipe.epochs):
            order = np.random.default_rng((recipe.seed, epoch)).permutation(count)
            yield from np.split(order, range(recipe.batch_size, count, recipe.batch_size))

    def take(chosen: tf.Tensor) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        return tf.nest.map_structure(lambda array: tf.gather(array, chosen), kept)

    indices = tf.data.Dataset.from_generator(rows, output_signature=tf.TensorSpec([None], tf.int64))
    return indices.map(take).prefetch(2)


def _scores(bundle: Bundle, *splits: Sequence[Scene]) -> list[SceneScores]:
    """Captions every split and compares captions and regions with the truth."""
    search = compiled_search(bundle.decoder, bundle.description.decoding)
    scores = []
    for scenes in splits:
        captions, looked = [], []
        for photos in _photos(scenes):
            regions = bundle.detector.regions(photos)
            found = search(regions.features, regions.boxes)
            captions += [bundle.vocabulary.decode(ids) for ids in found.words[:, 0].numpy()]
            looked.append(top_regions(found, regions.boxes.numpy()))
        scores.append(score_scenes(scenes, captions, np.concatenate(looked)))
    return scores


def _baseline(bundle: Bundle, train: Sequence[Scene], *splits: Sequence[Scene]) -> list[float]:
    """Share of scenes for which the caption of the most similar training scene is right."""

    def mean_maps(scenes: Sequence[Scene]) -> NDArray[np.float32]:
        maps = [bundle.detector.maps(photos).numpy() for photos in _photos(scenes)]
        return np.concatenate(maps).mean((1, 2))

    alike = NearestNeighbors(n_neighbors=1).fit(mean_maps(train))
    shares = []
    for scenes in splits:
        nearest = alike.kneighbors(mean_maps(scenes), return_distance=False)[:, 0]
        right = [
            train[i].captions[0] in scene.captions for i, scene in zip(nearest, scenes, strict=True)
        ]
        shares.append(float(np.mean(right)))
    return shares


def _photos(scenes: Sequence[Scene]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(scenes), BATCH):
        yield np.stack([scene.image for scene in scenes[start : start + BATCH]])


def _examples(bundle: Bundle, scenes: Sequence[Scene]) -> tuple[CaptionView, ...]:
    """Captioned scenes, each with the truth beside it."""
    captioner = Captioner(bundle)
    views = []
    for number, scene in enumerate(scenes, 1):
        view = caption_view(captioner.caption(scene.image), f"scene {number}")
        right = view.text in scene.captions
        note = "Exactly right." if right else f"Right would be: {scene.captions[0]}."
        views.append(replace(view, confidence=None, note=note))
    return tuple(views)


def _tell(result: ScenesResult, file: Path, console: Console) -> None:
    """Writes the numbers and shows them beside the baseline's."""
    numbers = {name: value for name, value in vars(result).items() if name != "examples"}
    atomic_write(file, json.dumps(numbers, indent=2).encode())
    rows = [
        ("test", result.exact, result.grounding, result.baseline),
        (
            "pairs never trained on",
            result.exact_held_out,
            result.grounding_held_out,
            result.baseline_held_out,
        ),
    ]
    columns = ("scenes", "exactly right", "words looking right", "baseline exactly right")
    shown = [(name, *(f"{share:.1%}" for share in shares)) for name, *shares in rows]
    console.print(table(shown, columns))
