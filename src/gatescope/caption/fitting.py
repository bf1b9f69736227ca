"""Trains a captioner from photos with captions to a bundle, and resumes where it was stopped.

A run's folder holds

- `recipe.json`: what was asked, and whether it is finished;
- `bundle/`: the best captioner of the stages that are done, usable while training goes on;
- `history.json`: loss, scores and alarms of every epoch;
- `teach.best`, `teach.last` and so on: checkpoints of each stage in full precision;
- `cache/`: regions, gigabytes that can be made again. Those that a new top made useless go at
  the end of the `tune` stage, all of them at the end of the run.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveInt, TypeAdapter
from rich.console import Console
from rich.progress import TaskID

from gatescope.caption.alarms import alarms
from gatescope.caption.bundle import (
    SHIPPED,
    Bundle,
    Description,
    load_bundle,
    new_decoder,
    save_bundle,
)
from gatescope.caption.calibration import calibrate
from gatescope.caption.decoder import CaptionDecoder, DecoderConfig
from gatescope.caption.decoding import Decoding
from gatescope.caption.examination import Examiner
from gatescope.caption.features import BATCH, RegionCache, cache_regions
from gatescope.caption.metrics import Scores
from gatescope.caption.selection import select
from gatescope.caption.tokenizer import Words
from gatescope.caption.training import (
    CaptionTraining,
    RewardTrainer,
    Stage,
    TeachTrainer,
    TrainingSet,
    cider_reward,
    encode_captions,
)
from gatescope.caption.vocabulary import SPECIAL
from gatescope.data.captions import CaptionedPhoto
from gatescope.errors import ConfigurationError
from gatescope.models.regions import RegionConfig, RegionDetector
from gatescope.report.terminal import progress
from gatescope.runs.asked import Asked, open_run, write_asked
from gatescope.runs.files import atomic_write
from gatescope.training.checkpoints import load_checkpoint, save_checkpoint
from gatescope.training.determinism import repeat_exactly
from gatescope.training.optimizers import FusedAdamW, averaged
from gatescope.training.precision import dtype_policy
from gatescope.training.progress import TrainingProgress
from gatescope.training.regions import load_proposals

RECIPE, HISTORY, CACHE, BUNDLE = "recipe.json", "history.json", "cache", "bundle"


class CaptionRecipe(BaseModel):
    """Everything that decides what captioner a data set becomes.

    Args:
        regions: Which regions a photo has.
        proposals: Folder that `gatescope train regions` wrote, or `shipped`. A training that
            starts from a bundle keeps the bundle's.
        decoder: The recurrent network.
        decoding: How captions are searched, on dev and later.
        training: Stages, rates, regularization.
        words: How text is split: `ptb` for English, `unicode` for any language.
        threshold: Least count of a word; `auto` grows with the number of captions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    regions: RegionConfig = RegionConfig()
    proposals: str = "shipped"
    decoder: DecoderConfig = DecoderConfig()
    decoding: Decoding = Decoding()
    training: CaptionTraining = CaptionTraining()
    words: Words = "ptb"
    threshold: PositiveInt | Literal["auto"] = "auto"


@dataclass(frozen=True)
class Epoch:
    """One line of a run's history.

    Args:
        stage: `teach`, `tune` or `reward`; `start` is the bundle that a run starts from.
        epoch: Of the stage, from 0.
        loss: Mean over the epoch; None at the start.
        scores: On dev.
        alarms: What looks wrong, in plain words.
    """

    stage: Stage | Literal["start"]
    epoch: int
    loss: float | None
    scores: Scores
    alarms: tuple[str, ...]


class CaptionRun(Asked):
    """What `recipe.json` holds."""

    recipe: CaptionRecipe
    data: str
    start: str | None


def fit(
    recipe: CaptionRecipe,
    data: Path,
    run: Path,
    *,
    resume: bool = False,
    start: Path | None = None,
    console: Console | None = None,
) -> Bundle:
    """Trains a captioner and leaves the best one in `run/bundle`.

    Args:
        recipe: What to train.
        data: Photos with captions, in any format that `load_captions` knows.
        run: Folder for everything that is written.
        resume: Goes on where the run of that folder was stopped; its losses are those of an
            uninterrupted run, to the bit on the same machine.
        start: Bundle whose weights and words to start from.
        console: Where progress is shown; None is silent.

    Returns:
        The bundle, as it will be read from its folder.

    Raises:
        DataError: The data cannot be used.
        UsageError: The folder holds another run, or `resume` finds none.
        ConfigurationError: The recipe is another one than the run's, does not fit the bundle to
            start from, or makes the loss infinite.
        CheckpointError: A checkpoint does not fit or cannot be written.
        OSError: The disk is full; what was finished before stays, and `resume` goes on.

    Example:
        >>> bundle = fit(CaptionRecipe(), Path("flickr8k"), Path("runs/f8k"))  # doctest: +SKIP
        >>> bundle.description.scores["cider"]  # doctest: +SKIP
    """
    repeat_exactly()
    console = console or Console(quiet=True)
    origin = str(start.resolve()) if start else None
    asked = CaptionRun(recipe=recipe, data=str(data.resolve()), start=origin)
    if not open_run(asked, run / RECIPE, resume=resume).finished:
        _prepare(recipe, data, run, start, console).complete()
        write_asked(asked.model_copy(update={"finished": True}), run / RECIPE)
    shutil.rmtree(run / CACHE, ignore_errors=True)
    return load_bundle(run / BUNDLE)


@dataclass
class Course:
    """A training on its way: its data, its parts, and what became of every epoch.

    `goes_on` says whether its weights come from a bundle, which then is the one to beat.
    """

    recipe: CaptionRecipe
    run: Path
    train: tuple[CaptionedPhoto, ...]
    dev: tuple[CaptionedPhoto, ...]
    bundle: Bundle
    console: Console
    goes_on: bool
    history: list[Epoch] = field(default_factory=list)

    def complete(self) -> None:
        """Runs what is left of every stage."""
        training = self.recipe.training
        stages = [stage for stage in get_args(Stage) if training.stage(stage).epochs]
        for stage, following in pairwise((*stages, None)):
            if following and self._file(following, "last").exists():
                self._take_over(stage)
            else:
                self._run(stage)

    def _run(self, stage: Stage) -> None:
        """Runs what is left of one stage, goes on with its best weights and bundles them."""
        training = self.recipe.training
        plan = training.stage(stage)
        lesson = TrainingSet(self._cache(self.train, views=training.views), self.words)
        dev = self._cache(self.dev)
        trainer = self._trainer(stage)
        first = self._resumed(stage, trainer, dev)
        self.console.print(f"{stage}: {plan.epochs} epochs", style="bold")
        texts = training.samples if stage == "reward" else training.captions
        with TrainingProgress(
            self.console, unit="captions", per_step=training.batch_size * texts
        ) as bar:
            after = keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: self._after_epoch(
                    stage, epoch, logs["loss"], trainer, dev
                )
            )
            last = first if self._is_stale(stage) else plan.epochs
            trainer.fit(
                lesson.dataset(stage, training, range(first, last)),
                epochs=last,
                initial_epoch=first,
                steps_per_epoch=lesson.steps(training),
                shuffle=False,
                verbose=0,
                callbacks=[bar, after],
            )
        load_checkpoint(self._file(stage, "best"), trainer, trainer.optimizer)
        self._settle(stage)
        self._save(dev)
        if stage == "tune":
            _discard_regions(self.run / CACHE)

    def _take_over(self, stage: Stage) -> None:
        """Goes on from a stage that is done, whose regions may be gone."""
        trainer = self._trainer(stage)
        load_checkpoint(self._file(stage, "best"), trainer, trainer.optimizer)
        self._settle(stage)

    def _settle(self, stage: Stage) -> None:
        """Rounds what is frozen from now on, so that later stages see the bundle's regions."""
        description, detector = self.bundle.description, self.bundle.detector
        tuned = description.tuned or stage == "tune"
        for model in (detector.network, detector.top) if tuned else (detector.network,):
            model.set_weights(_rounded(model))
        description = description.model_copy(update={"tuned": tuned})
        self.bundle = replace(self.bundle, description=description)

    def _cache(self, photos: Sequence[CaptionedPhoto], *, views: int = 1) -> RegionCache:
        with progress(self.console) as bar:
            tasks: dict[str, TaskID] = {}

            def show(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = bar.add_task(what, total=total)
                bar.update(tasks[what], completed=done)

            return cache_regions(
                [photo.path for photo in photos],
                self.bundle.detector,
                self.run / CACHE,
                views=views,
                mirror=self.recipe.training.mirror,
                seed=self.recipe.training.seed,
                progress=show,
            )

    @cached_property
    def words(self) -> NDArray[np.int32]:
        """Ids of the training captions, `(photos, captions, longest + 2)`."""
        return encode_captions(
            [photo.captions for photo in self.train],
            self.bundle.vocabulary,
            count=self.recipe.training.captions,
            longest=self.recipe.decoding.longest,
        )

    @cached_property
    def _examiner(self) -> Examiner:
        return self._examiner_of(self.bundle.decoder)

    def _examiner_of(self, decoder: CaptionDecoder) -> Examiner:
        wrote = [photo.captions for photo in self.dev]
        return Examiner(decoder, self.bundle.vocabulary, self.recipe.decoding, wrote)

    def _trainer(self, stage: Stage) -> keras.Model:
        training, bundle = self.recipe.training, self.bundle
        plan = training.stage(stage)
        trainer: keras.Model
        if stage == "reward":
            trainer = RewardTrainer(
                bundle.decoder,
                cider_reward([photo.captions for photo in self.train], bundle.vocabulary),
                samples=training.samples,
                longest=self.recipe.decoding.longest,
                temperature=training.temperature,
                seed=training.seed,
            )
        else:
            top = bundle.detector.top if stage == "tune" else None
            trainer = TeachTrainer(bundle.decoder, top, training.label_smoothing)
        steps = plan.epochs * math.ceil(len(self.train) / training.batch_size)
        # XLA, Keras' choice on a GPU, would compile anew for every length of captions.
        optimizer = _optimizer(training, plan.learning_rate, steps)
        trainer.compile(optimizer=optimizer, jit_compile=False)
        optimizer.build(trainer.trainable_variables)
        if stage == "tune":
            optimizer.slow_down(bundle.detector.top.trainable_variables, training.cnn_rate)
        return trainer

    def _resumed(self, stage: Stage, trainer: keras.Model, dev: RegionCache) -> int:
        """Restores the stage's last epoch, if there is one, and returns how many are done."""
        file = self._file(stage, "last")
        if not file.exists():
            if self.goes_on and not self.history:
                self._examine("start", 0, None, dev)
            # What earlier stages, or the start, reached stays unless this one does better.
            self._checkpoint(stage, "best", trainer)
            return 0
        checkpoint = load_checkpoint(file, trainer, trainer.optimizer)
        lines = checkpoint.metadata["history"]
        self.history = TypeAdapter(list[Epoch]).validate_python(lines)
        return checkpoint.epoch

    def _after_epoch(
        self, stage: Stage, epoch: int, loss: float, trainer: keras.Model, dev: RegionCache
    ) -> None:
        if not math.isfinite(loss):
            raise ConfigurationError(
                f"the loss of epoch {epoch + 1} of the {stage} stage is {loss}",
                "a finite number",
                f"start a new run with a lower rate than the stage's "
                f"{self.recipe.training.stage(stage).learning_rate:g}",
            )
        with averaged(trainer.optimizer, trainer.trainable_variables):
            self._examine(stage, epoch, loss, dev)
            if max(self.history, key=_cider) is self.history[-1]:
                self._checkpoint(stage, "best", trainer)
        lines = [asdict(line) for line in self.history]
        atomic_write(self.run / HISTORY, json.dumps(lines, indent=1).encode())
        self._checkpoint(stage, "last", trainer)
        trainer.stop_training = self._is_stale(stage)

    def _examine(
        self, stage: Stage | Literal["start"], epoch: int, loss: float | None, dev: RegionCache
    ) -> None:
        found = self._examiner.examine(self._dev_regions(dev))
        scores, told = found.scores, alarms(found.scores, found.accuracy, found.shuffled)
        self.history.append(Epoch(stage, epoch, loss, scores, told))
        name = stage if stage == "start" else f"{stage} {epoch + 1}"
        self.console.print(
            f"{name}: dev CIDEr-D {scores.cider:.3f}, BLEU-4 {scores.bleu4:.3f}, "
            f"bad endings {scores.bad_endings:.1%}"
        )
        for alarm in told:
            self.console.print(f"  look: {alarm}", style="yellow", markup=False)

    def _dev_regions(self, dev: RegionCache) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Features and boxes by the present top; the cache may be of the one before."""
        for start in range(0, len(self.dev), BATCH):
            part = slice(start, start + BATCH)
            maps = tf.constant(dev.maps[0, part], tf.float32)
            boxes = tf.constant(dev.boxes[0, part])
            yield self.bundle.detector.features(maps, boxes), boxes

    def _is_stale(self, stage: Stage) -> bool:
        epochs = self._epochs(stage)
        if not epochs:
            return False
        best = max(epochs, key=_cider)
        return epochs[-1].epoch - best.epoch >= self.recipe.training.patience

    def _epochs(self, stage: Stage) -> list[Epoch]:
        return [line for line in self.history if line.stage == stage]

    def _file(self, stage: Stage, which: Literal["best", "last"]) -> Path:
        return self.run / f"{stage}.{which}"

    def _checkpoint(
        self, stage: Stage, which: Literal["best", "last"], trainer: keras.Model
    ) -> None:
        save_checkpoint(
            self._file(stage, which),
            trainer,
            trainer.optimizer,
            epoch=len(self._epochs(stage)),
            metadata={"history": [asdict(line) for line in self.history]},
        )

    def _save(self, dev: RegionCache) -> None:
        """Writes the bundle and scores it as it is written: rounded, in single precision."""
        recipe, vocabulary = self.recipe, self.bundle.vocabulary
        decoder = new_decoder(recipe.decoder, vocabulary, recipe.regions.count)
        decoder.set_weights(_rounded(self.bundle.decoder))
        examiner = self._examiner_of(decoder)
        found = examiner.examine(self._dev_regions(dev))
        scores = {"split": "dev", "photos": len(self.dev), "beam": recipe.decoding.beam}
        description = self.bundle.description.model_copy(
            update={
                "calibration": calibrate(found.logprobs, examiner.quality(found)),
                "scores": {**scores, **asdict(found.scores)},
            }
        )
        bundle = replace(self.bundle, decoder=decoder, description=description)
        save_bundle(bundle, self.run / BUNDLE)


def _cider(line: Epoch) -> float:
    return line.scores.cider


def _rounded(model: keras.Model) -> list[NDArray[np.float32]]:
    """Weights as a bundle keeps them, in half precision."""
    return [weight.astype(np.float16).astype(np.float32) for weight in model.get_weights()]


def _discard_regions(cache: Path) -> None:
    for folder in cache.glob("regions-*"):
        # Renamed first: a half-deleted folder must not pass for a cache.
        shutil.rmtree(folder.rename(folder.with_suffix(".unfinished")))


def _prepare(
    recipe: CaptionRecipe, data: Path, run: Path, start: Path | None, console: Console
) -> Course:
    keras.utils.set_random_seed(recipe.training.seed)
    base = load_bundle(start) if start else None
    if base:
        _check_fit(base.description, recipe)
    chosen = select(
        data,
        threshold=recipe.threshold,
        splitting=recipe.words,
        known=base.vocabulary.words if base else (),
        console=console,
    )
    detector = base.detector if base else _detector(recipe)
    with dtype_policy(recipe.training.precision):
        decoder = new_decoder(recipe.decoder, chosen.vocabulary, recipe.regions.count)
    description = Description(
        regions=recipe.regions,
        decoder=recipe.decoder,
        decoding=recipe.decoding,
        splitting=recipe.words,
        tuned=base.description.tuned if base else False,
    )
    console.print(
        f"{len(chosen.train):,} photos to train on, {len(chosen.dev):,} to choose on, "
        f"{len(chosen.vocabulary):,} words"
    )
    bundle = Bundle(description, chosen.vocabulary, detector, decoder)
    course = Course(recipe, run, chosen.train, chosen.dev, bundle, console, base is not None)
    decoder.word_bias.assign(_log_frequencies(course.words, len(chosen.vocabulary)))
    if base:
        _continue_from(base.decoder, decoder)
    return course


def _log_frequencies(words: NDArray[np.int32], size: int) -> NDArray[np.float64]:
    """Of words in captions, one added to each count: scores with which to say what is common.

    A decoder that starts from them need not spend its first epoch on learning them.
    """
    counts = np.bincount(words[words >= SPECIAL.end], minlength=size) + 1
    return np.log(counts / counts.sum())


def _detector(recipe: CaptionRecipe) -> RegionDetector:
    detector = RegionDetector.imagenet(recipe.regions)
    if recipe.regions.proposals and recipe.proposals == "shipped":
        shipped = load_bundle(SHIPPED).detector.network
        detector.network.set_weights(shipped.get_weights())
    elif recipe.regions.proposals:
        load_proposals(Path(recipe.proposals), detector)
        # As a bundle keeps it: rounded later, it would make every region anew.
        detector.network.set_weights(_rounded(detector.network))
    return detector


def _check_fit(base: Description, recipe: CaptionRecipe) -> None:
    """Refuses a recipe whose weights have other shapes than the bundle's to start from."""
    if (base.regions, base.decoder.units, base.decoder.cell) != (
        recipe.regions,
        recipe.decoder.units,
        recipe.decoder.cell,
    ):
        raise ConfigurationError(
            "the recipe's regions or decoder differ from the bundle's that it starts from",
            f"regions {base.regions!r} and decoder {base.decoder!r}",
            "leave those settings out of --set, or train without --from",
        )


def _continue_from(base: CaptionDecoder, decoder: CaptionDecoder) -> None:
    """Copies a bundle's weights; words that it lacks keep their fresh vectors and frequency."""
    for old, new in zip(base.weights, decoder.weights, strict=True):
        value = new.numpy()
        # Only the word matrix and its bias may have grown, along their first axis.
        value[: old.shape[0]] = old.numpy()
        new.assign(value)


def _optimizer(training: CaptionTraining, rate: float, steps: int) -> FusedAdamW:
    warmup = min(training.warmup, steps // 2)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, alpha=0.02, warmup_target=rate, warmup_steps=warmup
    )
    return FusedAdamW(
        schedule,
        weight_decay=training.weight_decay,
        global_clipnorm=training.clip_norm,
        use_ema=True,
        ema_momentum=training.average,
    )
