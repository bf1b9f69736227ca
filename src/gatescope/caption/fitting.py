"""Trains a captioner from photos with captions to a bundle, and resumes where it was stopped.

A run's folder holds `recipe.json` (what was asked), `cache/` (regions), a checkpoint and the best
weights of every stage, `history.json`, and `bundle/`: the best captioner so far, usable while
training goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveInt
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
from gatescope.caption.evaluation import compiled_search
from gatescope.caption.features import BATCH, RegionCache, cache_regions
from gatescope.caption.metrics import CiderD, Scores, cider_d, score
from gatescope.caption.tokenizer import Words, tokenize
from gatescope.caption.training import (
    CaptionTraining,
    Reward,
    RewardTrainer,
    Stage,
    StageTraining,
    TeachTrainer,
    TrainingSet,
    encode_captions,
)
from gatescope.caption.vocabulary import SPECIAL, Vocabulary
from gatescope.data.captions import CaptionedPhoto, load_captions
from gatescope.data.photos import read_photo
from gatescope.errors import ConfigurationError, DataError, PhotoError, UsageError
from gatescope.models.regions import RegionConfig, RegionDetector
from gatescope.report.terminal import progress
from gatescope.runs.files import atomic_write
from gatescope.training.checkpoints import load_checkpoint, save_checkpoint
from gatescope.training.progress import TrainingProgress
from gatescope.training.regions import load_proposals

RECIPE, HISTORY, CACHE, BUNDLE = "recipe.json", "history.json", "cache", "bundle"


class CaptionRecipe(BaseModel):
    """Everything that decides what captioner a data set becomes.

    Args:
        regions: Which regions a photo has.
        proposals: Folder that `gatescope train regions` wrote, or `shipped`.
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
        stage: `teach`, `tune` or `reward`.
        epoch: Of the stage, from 0.
        loss: Mean over the epoch.
        scores: On dev.
        alarms: What looks wrong, in plain words.
    """

    stage: Stage
    epoch: int
    loss: float
    scores: Scores
    alarms: tuple[str, ...]


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

    Raises:
        DataError: The data cannot be used.
        UsageError: The folder holds another run, or `resume` finds none.
        CheckpointError: The run's checkpoint does not fit or cannot be written.
    """
    console = console or Console(quiet=True)
    _open_run(recipe, data, run, start, resume)
    course = _prepare(recipe, data, run, start, console)
    for stage in get_args(Stage):
        if getattr(recipe.training, stage).epochs:
            course.stage(stage)
    return course.bundle


@dataclass
class Course:
    """A training on its way: its data, its parts, and what became of every epoch."""

    recipe: CaptionRecipe
    run: Path
    train: tuple[CaptionedPhoto, ...]
    dev: tuple[CaptionedPhoto, ...]
    bundle: Bundle
    console: Console
    history: list[Epoch] = field(default_factory=list)

    def stage(self, stage: Stage) -> None:
        """Runs what is left of one stage and goes on with its best weights."""
        training = self.recipe.training
        plan: StageTraining = getattr(training, stage)
        lesson = self._lesson()
        steps = lesson.steps(training)
        trainer = self._trainer(stage)
        trainer.compile(optimizer=_optimizer(training, plan.learning_rate, plan.epochs * steps))
        trainer.optimizer.build(trainer.trainable_variables)
        for epoch in range(self._resumed(stage, trainer), plan.epochs):
            if self._is_stale(stage):
                break
            told = trainer.fit(
                lesson.dataset(stage, training, epoch),
                epochs=epoch + 1,
                initial_epoch=epoch,
                steps_per_epoch=steps,
                shuffle=False,
                verbose=0,
                callbacks=[TrainingProgress(self.console, name=f"{stage}, epoch {epoch + 1}")],
            )
            self._examine(stage, epoch, told.history["loss"][-1], lesson.cache)
            if self._is_best(stage):
                self._checkpoint(stage, "best", trainer, epoch)
            self._checkpoint(stage, "last", trainer, epoch)
        load_checkpoint(self._file(stage, "best"), trainer, trainer.optimizer)
        self._save(stage, lesson.cache)

    def _cache(self) -> RegionCache:
        with progress(self.console) as bar:
            tasks: dict[str, TaskID] = {}

            def show(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = bar.add_task(what, total=total)
                bar.update(tasks[what], completed=done)

            return cache_regions(
                [photo.path for photo in (*self.train, *self.dev)],
                self.bundle.detector,
                self.run / CACHE,
                mirrored=self.recipe.training.mirror,
                progress=show,
            )

    def _lesson(self) -> TrainingSet:
        words = encode_captions(
            [photo.captions for photo in self.train],
            self.bundle.vocabulary,
            count=self.recipe.training.captions,
            longest=self.recipe.decoding.longest,
        )
        return TrainingSet(self._cache(), words)

    def _trainer(self, stage: Stage) -> keras.Model:
        training, decoder = self.recipe.training, self.bundle.decoder
        if stage == "reward":
            return RewardTrainer(
                decoder,
                self._reward(),
                samples=training.samples,
                longest=self.recipe.decoding.longest,
                seed=training.seed,
            )
        top = self.bundle.detector.top if stage == "tune" else None
        return TeachTrainer(decoder, top, training.label_smoothing)

    def _reward(self) -> Reward:
        """CIDEr-D on ids; the end token counts as a word on both sides."""
        vocabulary = self.bundle.vocabulary
        references = [
            [(*vocabulary.encode(caption), SPECIAL.end) for caption in photo.captions]
            for photo in self.train
        ]
        scorer = CiderD.fit(references)

        def reward(photos: NDArray[np.int32], drawn_BGT: NDArray[np.int32]) -> NDArray[np.float32]:
            said = [
                tuple(int(word) for word in ids if word != SPECIAL.pad)
                for captions in drawn_BGT
                for ids in captions
            ]
            places = np.repeat(photos, drawn_BGT.shape[1])
            scores = scorer.score_many(said, places.tolist())
            return np.asarray(scores, np.float32).reshape(drawn_BGT.shape[:2])

        return reward

    def _examine(self, stage: Stage, epoch: int, loss: float, cache: RegionCache) -> None:
        captions, _ = self._dev_captions(cache)
        references = [photo.captions for photo in self.dev]
        scores = score(captions, references, words=self.bundle.vocabulary.splitting)
        told = alarms(scores, *self._accuracies(cache))
        self.history.append(Epoch(stage, epoch, float(loss), scores, told))
        self.console.print(
            f"{stage} {epoch + 1}: loss {loss:.3f}, dev CIDEr-D {scores.cider:.3f}, "
            f"BLEU-4 {scores.bleu4:.3f}, bad endings {scores.bad_endings:.1%}"
        )
        for alarm in told:
            self.console.print(f"  [bold]look:[/] {alarm}")

    def _dev_captions(self, cache: RegionCache) -> tuple[list[str], NDArray[np.float64]]:
        """Captions of the dev photos, and the mean log probability a word of each."""
        search = compiled_search(self.bundle.decoder, self.recipe.decoding)
        found = [search(*batch) for batch in self._dev_regions(cache)]
        words = np.concatenate([part.words[:, 0].numpy() for part in found])
        logprobs = np.concatenate([part.logprobs[:, 0].numpy() for part in found])
        means = logprobs.sum(-1) / (words != SPECIAL.pad).sum(-1)
        return [self.bundle.vocabulary.decode(ids) for ids in words], means

    def _dev_regions(self, cache: RegionCache) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Features and boxes by the present top; the cache may be of the one before."""
        for start in range(len(self.train), len(self.train) + len(self.dev), BATCH):
            part = slice(start, start + BATCH)
            maps = tf.constant(cache.maps[0, part], tf.float32)
            boxes = tf.constant(cache.boxes[0, part])
            yield self.bundle.detector.features(maps, boxes), boxes

    def _accuracies(self, cache: RegionCache) -> tuple[float, float]:
        """Share of next words guessed right, beside the right photos and beside others."""
        words = encode_captions(
            [photo.captions for photo in self.dev],
            self.bundle.vocabulary,
            count=1,
            longest=self.recipe.decoding.longest,
        )
        batches = list(self._dev_regions(cache))
        features = tf.concat([batch[0] for batch in batches], 0)
        boxes = tf.concat([batch[1] for batch in batches], 0)
        # A shift by one gives every photo another one's regions.
        return tuple(
            _accuracy(self.bundle.decoder, tf.roll(features, by, 0), tf.roll(boxes, by, 0), words)
            for by in (0, 1)
        )

    def _best(self, stage: Stage) -> Epoch:
        return max(self._epochs(stage), key=lambda line: line.scores.cider)

    def _epochs(self, stage: Stage) -> list[Epoch]:
        return [line for line in self.history if line.stage == stage]

    def _is_best(self, stage: Stage) -> bool:
        return self._best(stage) is self.history[-1]

    def _is_stale(self, stage: Stage) -> bool:
        epochs = self._epochs(stage)
        patience = self.recipe.training.patience
        return bool(epochs) and epochs[-1].epoch - self._best(stage).epoch >= patience

    def _file(self, stage: Stage, which: str) -> Path:
        return self.run / f"{stage}.{which}"

    def _checkpoint(self, stage: Stage, which: str, trainer: keras.Model, epoch: int) -> None:
        history = [asdict(line) for line in self.history]
        atomic_write(self.run / HISTORY, json.dumps(history, indent=1).encode())
        save_checkpoint(
            self._file(stage, which),
            trainer,
            trainer.optimizer,
            epoch=epoch + 1,
            metadata={"history": history},
        )

    def _resumed(self, stage: Stage, trainer: keras.Model) -> int:
        """Loads the stage's last checkpoint, if there is one, and returns the next epoch."""
        file = self._file(stage, "last")
        if not file.exists():
            return 0
        checkpoint = load_checkpoint(file, trainer, trainer.optimizer)
        self.history = [_epoch(line) for line in checkpoint.metadata["history"]]
        return checkpoint.epoch

    def _save(self, stage: Stage, cache: RegionCache) -> None:
        """Writes the bundle with the stage's best weights.

        Frozen parts are rounded to half precision in place, so that later stages see the
        regions that the bundle will make.
        """
        captions, logprobs = self._dev_captions(cache)
        tokens = [tokenize(caption, words=self.recipe.words) for caption in captions]
        references = [
            [tokenize(caption, words=self.recipe.words) for caption in photo.captions]
            for photo in self.dev
        ]
        scores = asdict(self._best(stage).scores)
        old = self.bundle.description
        description = old.model_copy(
            update={
                "tuned": old.tuned or stage == "tune",
                "calibration": calibrate(logprobs, cider_d(tokens, references).each),
                "scores": {"split": "dev", "photos": len(self.dev), **scores},
            }
        )
        self.bundle = replace(self.bundle, description=description)
        plain = new_decoder(self.recipe.decoder, self.bundle.vocabulary, self.recipe.regions.count)
        plain.set_weights(self.bundle.decoder.get_weights())
        save_bundle(replace(self.bundle, decoder=plain), self.run / BUNDLE)


def _open_run(
    recipe: CaptionRecipe, data: Path, run: Path, start: Path | None, resume: bool
) -> None:
    asked = {
        "recipe": recipe.model_dump(mode="json"),
        "data": str(data.resolve()),
        "start": str(start.resolve()) if start else None,
    }
    file = run / RECIPE
    if not resume and file.exists():
        raise UsageError(
            f"{run} holds a training already",
            "a new folder, or --resume",
            f"add --resume to go on with it, or choose another --run than {run}",
        )
    if resume and not file.exists():
        raise UsageError(
            f"{run} holds no training to resume",
            f"a folder with {RECIPE}",
            "leave --resume out to start one there",
        )
    if resume and json.loads(file.read_text()) != asked:
        raise ConfigurationError(
            f"{run} was started with another recipe, other data or another start",
            f"the same as in {file}",
            "repeat the --data, --from and --set of the first command, or start a new run",
        )
    run.mkdir(parents=True, exist_ok=True)
    atomic_write(file, json.dumps(asked, indent=2).encode())


def _prepare(
    recipe: CaptionRecipe, data: Path, run: Path, start: Path | None, console: Console
) -> Course:
    keras.utils.set_random_seed(recipe.training.seed)
    dataset = load_captions(data)
    train, dev = (_readable(dataset.split(split), console) for split in ("train", "dev"))
    if not train or not dev:
        raise DataError(
            f"{data} has {len(train)} photos to train on and {len(dev)} to choose on",
            "at least one of each",
            "add photos, or give the captions' file a split column with train and dev",
        )
    base = load_bundle(start) if start else None
    vocabulary = Vocabulary.from_captions(
        (caption for photo in train for caption in photo.captions),
        threshold=recipe.threshold,
        splitting=recipe.words,
        known=base.vocabulary.words if base else (),
    )
    detector = base.detector if base else _detector(recipe)
    with _precision(recipe.training.precision):
        decoder = new_decoder(recipe.decoder, vocabulary, recipe.regions.count)
    if base:
        _continue_from(base, decoder, recipe)
    description = Description(
        regions=recipe.regions,
        decoder=recipe.decoder,
        decoding=recipe.decoding,
        splitting=recipe.words,
        tuned=base.description.tuned if base else False,
    )
    bundle = Bundle(description, vocabulary, detector, decoder)
    console.print(
        f"{len(train):,} photos to train on, {len(dev):,} to choose on, {len(vocabulary):,} words"
    )
    return Course(recipe, run, train, dev, bundle, console)


def _readable(photos: Sequence[CaptionedPhoto], console: Console) -> tuple[CaptionedPhoto, ...]:
    """Drops photos that cannot be read, each with a line that says so."""
    with ThreadPoolExecutor(2) as pool:
        errors = list(pool.map(_read_error, photos))
    for error in errors:
        if error:
            console.print(f"left out: {error.happened}", style="yellow", markup=False)
    return tuple(photo for photo, error in zip(photos, errors, strict=True) if not error)


def _read_error(photo: CaptionedPhoto) -> PhotoError | None:
    try:
        read_photo(photo.path, size=32)
    except PhotoError as error:
        return error
    return None


def _detector(recipe: CaptionRecipe) -> RegionDetector:
    detector = RegionDetector.imagenet(recipe.regions)
    if recipe.regions.proposals and recipe.proposals == "shipped":
        shipped = load_bundle(SHIPPED).detector.network
        detector.network.set_weights(shipped.get_weights())
    elif recipe.regions.proposals:
        load_proposals(Path(recipe.proposals), detector)
    return detector


def _continue_from(base: Bundle, decoder: CaptionDecoder, recipe: CaptionRecipe) -> None:
    """Copies a bundle's weights; words that it lacks keep their fresh vectors."""
    if (
        base.description.regions,
        base.description.decoder.units,
        base.description.decoder.cell,
    ) != (recipe.regions, recipe.decoder.units, recipe.decoder.cell):
        raise ConfigurationError(
            "the recipe's regions or decoder differ from the bundle's that it starts from",
            f"regions {base.description.regions!r} and decoder {base.description.decoder!r}",
            "leave those settings out of --set, or train without --from",
        )
    for old, new in zip(base.decoder.weights, decoder.weights, strict=True):
        if old.dtype != "float32":
            continue
        value = new.numpy()
        # Only the word matrix and its bias may have grown, along their first axis.
        value[: len(old)] = old.numpy()
        new.assign(value)


def _epoch(line: dict[str, Any]) -> Epoch:
    scores = Scores(**line["scores"])
    return Epoch(**{**line, "scores": scores, "alarms": tuple(line["alarms"])})


def _accuracy(
    decoder: CaptionDecoder, features: tf.Tensor, boxes: tf.Tensor, words_BGT: NDArray[np.int32]
) -> float:
    right = said = 0
    for start in range(0, len(words_BGT), BATCH):
        part = slice(start, start + BATCH)
        read, asked = words_BGT[part, :, :-1], words_BGT[part, :, 1:]
        guessed = tf.argmax(decoder(features[part], boxes[part], read), -1).numpy()
        right += int(((guessed == asked) & (asked != SPECIAL.pad)).sum())
        said += int((asked != SPECIAL.pad).sum())
    return right / said


def _optimizer(training: CaptionTraining, rate: float, steps: int) -> keras.Optimizer:
    warmup = min(training.warmup, steps // 2)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, alpha=0.02, warmup_target=rate, warmup_steps=warmup
    )
    return keras.optimizers.AdamW(
        schedule, weight_decay=training.weight_decay, global_clipnorm=training.clip_norm
    )


@contextmanager
def _precision(name: str) -> Iterator[None]:
    """Builds layers under a dtype policy, which Keras knows only as a global setting."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if name == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
