"""The two lessons: their losses, their gradients, and that they teach."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import ValidationError

from gatescope.caption.decoder import CaptionDecoder, DecoderConfig
from gatescope.caption.features import RegionCache
from gatescope.caption.metrics import CiderD
from gatescope.caption.training import (
    CaptionTraining,
    RewardTrainer,
    StageTraining,
    TeachTrainer,
    TrainingSet,
    cider_reward,
    encode_captions,
    smoothed_cross_entropy,
    trimmed,
)
from gatescope.caption.vocabulary import SPECIAL, SPECIAL_WORDS, Vocabulary

WORDS = 9
VOCABULARY = Vocabulary((*SPECIAL_WORDS, "a", "dog", "cat", "runs", "sits"))
PHOTOS, REGIONS, FEATURES, CHANNELS = 7, 3, 8, 6


@pytest.fixture
def cache() -> RegionCache:
    """Random maps, boxes and features in two views."""
    rng = np.random.default_rng(0)
    corners = rng.random((2, PHOTOS, REGIONS, 2, 2)).astype(np.float32)
    return RegionCache(
        maps=rng.normal(size=(2, PHOTOS, 4, 4, CHANNELS)).astype(np.float16),
        boxes=np.concatenate([corners.min(-1), corners.max(-1)], -1),
        features=rng.normal(size=(2, PHOTOS, REGIONS, FEATURES)).astype(np.float16),
    )


@pytest.fixture
def lesson(cache: RegionCache) -> TrainingSet:
    """Every photo has captions of its own that its regions tell apart."""
    captions = [
        (f"a {animal} {does}", f"{animal} {does}")
        for animal, does in zip(
            ("dog", "cat", "dog", "cat", "dog", "cat", "dog"),
            ("runs", "sits", "sits", "runs", "runs", "runs", "sits"),
            strict=True,
        )
    ]
    return TrainingSet(cache, encode_captions(captions, VOCABULARY, count=2, longest=4))


def _decoder(cell: str = "lstm", dropout: float = 0.0, policy: str = "float32") -> CaptionDecoder:
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(policy)
    decoder = CaptionDecoder(DecoderConfig(cell=cell, units=16, dropout=dropout), WORDS)
    decoder(
        np.zeros((1, REGIONS, FEATURES), np.float32),
        np.zeros((1, REGIONS, 4), np.float32),
        np.ones((1, 1, 1), np.int32),
    )
    keras.config.set_dtype_policy("float32")
    return decoder


def _top() -> keras.Model:
    maps = keras.Input((None, None, CHANNELS))
    x = keras.layers.Conv2D(FEATURES, 1, 2)(maps)
    return keras.Model(maps, keras.layers.BatchNormalization()(x))


def _settings(**changes: object) -> CaptionTraining:
    return CaptionTraining(**{"batch_size": 3, "captions": 2} | changes)


def _fit(trainer: keras.Model, lesson: TrainingSet, stage: str, epochs: int) -> list[float]:
    settings = _settings()
    optimizer = keras.optimizers.Adam(0.01)
    trainer.compile(optimizer)
    optimizer.build(trainer.trainable_variables)
    history = trainer.fit(
        lesson.dataset(stage, settings, range(epochs)),
        epochs=epochs,
        steps_per_epoch=lesson.steps(settings),
        shuffle=False,
        verbose=0,
    )
    return history.history["reward" if stage == "reward" else "loss"]


# Cross-entropy.


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy_is_that_of_keras_over_words(smoothing: float) -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 3, (2, 3, 5, WORDS)).astype(np.float32)
    targets = rng.integers(0, WORDS, (2, 3, 5)).astype(np.int32)
    said = targets != SPECIAL.pad
    each = keras.losses.categorical_crossentropy(
        keras.ops.one_hot(targets, WORDS), logits, from_logits=True, label_smoothing=smoothing
    )
    found = smoothed_cross_entropy(targets, logits, smoothing)
    assert float(found) == pytest.approx(float(np.asarray(each)[said].mean()), rel=1e-5)


def test_padding_has_no_gradient() -> None:
    logits = tf.Variable(np.random.default_rng(4).normal(size=(1, 1, 3, WORDS)), dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss = smoothed_cross_entropy(tf.constant([[[5, SPECIAL.end, SPECIAL.pad]]]), logits, 0.1)
    each = np.abs(tape.gradient(loss, logits).numpy()).sum(-1)[0, 0]
    assert each[0] > 0 and each[1] > 0 and each[2] == 0


# Captions as ids.


def test_photos_with_fewer_captions_repeat_theirs() -> None:
    words = encode_captions([["a dog", "a cat"], ["dog"]], VOCABULARY, count=3, longest=3)
    assert words.tolist() == [
        [[1, 4, 5, 2, 0], [1, 4, 6, 2, 0], [1, 4, 5, 2, 0]],
        [[1, 5, 2, 0, 0], [1, 5, 2, 0, 0], [1, 5, 2, 0, 0]],
    ]


def test_long_captions_are_cut_and_still_end() -> None:
    words = encode_captions([["a dog runs a dog sits"]], VOCABULARY, count=1, longest=3)
    assert words.tolist() == [[[1, 4, 5, 7, 2]]]


def test_columns_that_all_captions_pad_are_cut() -> None:
    words = np.array([[[1, 4, 2, 0, 0]], [[1, 4, 5, 2, 0]]], np.int32)
    assert trimmed(words).tolist() == [[[1, 4, 2, 0]], [[1, 4, 5, 2]]]


# Batches.


def _photos(lesson: TrainingSet, epoch: int = 0, **changes: object) -> list[list[int]]:
    batches = lesson.batches("teach", _settings(**changes), epoch)
    return [inputs["photos"].tolist() for inputs, _ in batches]


def test_an_epoch_reads_every_photo_once(lesson: TrainingSet) -> None:
    photos = _photos(lesson)
    assert sorted(chain.from_iterable(photos)) == list(range(PHOTOS))
    assert len(photos) == lesson.steps(_settings()) == 3


def test_order_is_a_function_of_seed_and_epoch(lesson: TrainingSet) -> None:
    orders = [_photos(lesson, epoch, seed=seed) for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0))]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2] and orders[0] != orders[3] and orders[2] != orders[3]


def test_a_batch_holds_what_belongs_together(lesson: TrainingSet) -> None:
    for inputs, targets in lesson.batches("teach", _settings(), epoch=0):
        photos = inputs["photos"]
        views = [_view(lesson.cache, *place) for place in zip(photos, inputs["boxes"], strict=True)]
        assert np.array_equal(inputs["features"], lesson.cache.features[views, photos])
        words = trimmed(lesson.words[photos])
        assert np.array_equal(inputs["words"], words[:, :, :-1])
        assert np.array_equal(targets, words[:, :, 1:])


def test_the_tune_stage_reads_maps(lesson: TrainingSet) -> None:
    for inputs, _ in lesson.batches("tune", _settings(), epoch=0):
        photos = inputs["photos"]
        views = [_view(lesson.cache, *place) for place in zip(photos, inputs["boxes"], strict=True)]
        assert np.array_equal(inputs["features"], lesson.cache.maps[views, photos])


def _view(cache: RegionCache, photo: int, boxes: NDArray[np.float32]) -> int:
    """The view of a photo that has these boxes."""
    (view,) = (
        place for place, every in enumerate(cache.boxes) if np.array_equal(every[photo], boxes)
    )
    return view


def test_every_photo_is_seen_in_every_view(lesson: TrainingSet) -> None:
    seen = {
        (photo, _view(lesson.cache, photo, boxes))
        for epoch in range(12)
        for inputs, _ in lesson.batches("teach", _settings(), epoch)
        for photo, boxes in zip(inputs["photos"].tolist(), inputs["boxes"], strict=True)
    }
    assert seen == {(photo, view) for photo in range(PHOTOS) for view in (0, 1)}


def test_the_dataset_gives_the_batches_of_its_epochs(lesson: TrainingSet) -> None:
    settings = _settings()
    wanted = [batch for epoch in (2, 3) for batch in lesson.batches("teach", settings, epoch)]
    found = list(lesson.dataset("teach", settings, range(2, 4)).as_numpy_iterator())
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)


# The teach and tune stages.


@pytest.mark.parametrize(("cell", "policy"), [("lstm", "float32"), ("gru", "mixed_bfloat16")])
def test_teaching_lowers_the_loss_and_then_reward_training_raises_the_reward(
    lesson: TrainingSet, cell: str, policy: str
) -> None:
    decoder = _decoder(cell, policy=policy)
    losses = _fit(TeachTrainer(decoder), lesson, "teach", epochs=8)
    assert losses[-1] < losses[0] / 1.5
    assert {weight.dtype for weight in decoder.weights} == {"float32"}
    texts = [[VOCABULARY.decode(ids[1:]) for ids in photo] for photo in lesson.words]
    trainer = _reward_trainer(decoder, cider_reward(texts, VOCABULARY), samples=5)
    rewards = _fit(trainer, lesson, "reward", epochs=30)
    assert np.mean(rewards[-5:]) > 1.3 * np.mean(rewards[:5])


def test_tuning_trains_the_top_and_keeps_its_statistics(lesson: TrainingSet) -> None:
    top = _top()
    before = {weight.path: weight.numpy() for weight in top.weights}
    losses = _fit(TeachTrainer(_decoder(), top), lesson, "tune", epochs=20)
    assert losses[-1] < losses[0] / 2
    for weight in top.weights:
        assert np.array_equal(weight, before[weight.path]) == ("moving" in weight.path)


def test_teaching_leaves_the_top_alone(lesson: TrainingSet) -> None:
    trainer = TeachTrainer(_decoder())
    assert {weight.path.split("/")[0] for weight in trainer.trainable_variables} == {
        trainer.decoder.name
    }


# The reward stage.

TEMPERATURE = 0.5


def _reward(captions: Sequence[Sequence[float]]) -> object:
    return lambda photos, drawn: np.asarray(captions, np.float32)


def _reward_trainer(
    decoder: CaptionDecoder, reward: object, samples: int, seed: int = 0
) -> RewardTrainer:
    return RewardTrainer(
        decoder, reward, samples=samples, longest=4, temperature=TEMPERATURE, seed=seed
    )


def _step_on(
    trainer: RewardTrainer, drawn: NDArray[np.int32], cache: RegionCache
) -> dict[str, NDArray[np.float32]]:
    """One step of plain gradient descent at rate 1 on given samples; returns the gradient."""
    trainer.draw = lambda features, boxes: tf.constant(drawn)
    trainer.compile(keras.optimizers.SGD(1.0))
    before = {weight.path: weight.numpy() for weight in trainer.trainable_variables}
    inputs = {
        "features": cache.features[0, : len(drawn)].astype(np.float32),
        "boxes": cache.boxes[0, : len(drawn)],
        "words": np.ones((len(drawn), 1, 1), np.int32),
        "photos": np.arange(len(drawn), dtype=np.int32),
    }
    trainer.train_step((inputs, None))
    return {
        weight.path: before[weight.path] - weight.numpy() for weight in trainer.trainable_variables
    }


DRAWN = np.array(
    [[[4, 5, 2, 0], [4, 6, 7, 2], [5, 2, 0, 0]], [[4, 5, 7, 2], [6, 2, 0, 0], [6, 8, 2, 0]]],
    np.int32,
)
REWARDS = [[1.0, 0.25, 0.0], [0.5, 2.0, 0.5]]


def test_the_gradient_raises_samples_by_their_gain_over_their_siblings(cache: RegionCache) -> None:
    decoder = _decoder(dropout=0.5)
    read = np.pad(DRAWN, [(0, 0), (0, 0), (1, 0)], constant_values=SPECIAL.start)[:, :, :-1]
    features, boxes = cache.features[0, :2].astype(np.float32), cache.boxes[0, :2]
    logits = decoder(features, boxes, read).numpy()
    logits[..., [SPECIAL.pad, SPECIAL.start, SPECIAL.unknown]] = -np.inf  # never drawn
    probabilities = tf.nn.softmax(logits / TEMPERATURE).numpy()
    # By hand: the logits' own bias has the gradient of softmax, p - 1 for the word that was
    # said and p for every other, over the temperature; a sample counts by its reward less the
    # mean of the others'.
    wanted = np.zeros(WORDS)
    for photo, rewards in enumerate(REWARDS):
        for place, reward in enumerate(rewards):
            others = [other for index, other in enumerate(rewards) if index != place]
            for step, word in enumerate(DRAWN[photo, place]):
                if word != SPECIAL.pad:
                    surprise = probabilities[photo, place, step] - np.eye(WORDS)[word]
                    wanted += (reward - np.mean(others)) * surprise
    wanted /= TEMPERATURE * np.count_nonzero(DRAWN)  # padding is 0
    gradient = _step_on(_reward_trainer(decoder, _reward(REWARDS), 3), DRAWN, cache)
    np.testing.assert_allclose(gradient[decoder.word_bias.path], wanted, atol=1e-6)


def test_samples_of_equal_reward_change_nothing(cache: RegionCache) -> None:
    trainer = _reward_trainer(_decoder(), _reward([[1.0, 1.0, 1.0], [0.5, 0.5, 0.5]]), 3)
    for gradient in _step_on(trainer, DRAWN, cache).values():
        assert not gradient.any()


def test_samples_are_scored_by_the_model_that_drew_them(cache: RegionCache) -> None:
    trainer = _reward_trainer(_decoder(dropout=0.5), _reward(REWARDS), 3)
    inputs = {
        "features": cache.features[0].astype(np.float32),
        "boxes": cache.boxes[0],
        "words": np.ones((PHOTOS, 1, 2), np.int32),
    }
    assert np.array_equal(trainer(inputs, training=True), trainer(inputs, training=False))


def test_draws_are_a_function_of_the_seed_and_never_repeat(cache: RegionCache) -> None:
    decoder = _decoder()
    features, boxes = cache.features[0].astype(np.float32), cache.boxes[0]
    one, same, other = (_reward_trainer(decoder, _reward([]), 4, seed) for seed in (1, 1, 2))
    drawn = [trainer.draw(features, boxes).numpy() for trainer in (one, one, same, other)]
    assert drawn[0].shape == (PHOTOS, 4, 5)
    assert np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[3])


def test_captions_are_scored_by_the_distribution_that_they_are_drawn_from(
    cache: RegionCache,
) -> None:
    """Else "unknown", which is never drawn and so never punished, would take over."""
    trainer = _reward_trainer(_decoder(), _reward([]), 4)
    bias = np.zeros(WORDS, np.float32)
    bias[[SPECIAL.pad, SPECIAL.start, SPECIAL.unknown]] = 5
    trainer.decoder.word_bias.assign(bias)
    features, boxes = cache.features[0].astype(np.float32), cache.boxes[0]
    drawn = trainer.draw(features, boxes)
    read = tf.pad(drawn, [[0, 0], [0, 0], [1, 0]], constant_values=SPECIAL.start)[:, :, :-1]
    inputs = {"features": features, "boxes": boxes, "words": read}
    with tf.GradientTape() as tape:
        logits = trainer(inputs)
        worse = trainer.compute_loss(inputs, drawn, logits, -tf.ones(tf.shape(drawn)[:2]))
    chances = tf.nn.softmax(logits).numpy()
    special = [SPECIAL.pad, SPECIAL.start, SPECIAL.unknown]
    assert not chances[:, special].any()
    gradient = tape.gradient(worse, trainer.decoder.word_bias.value).numpy()
    assert not gradient[special].any() and gradient.any()


def test_no_two_steps_share_their_randomness(cache: RegionCache) -> None:
    decoder = _decoder()
    decoder.set_weights([weight * 0 for weight in decoder.get_weights()])  # all words as likely
    decoder.word_bias.assign(-50.0 * np.eye(WORDS, dtype=np.float32)[SPECIAL.end])
    trainer = _reward_trainer(decoder, _reward([]), 4)
    features, boxes = cache.features[0].astype(np.float32), cache.boxes[0]
    words = np.concatenate([trainer.draw(features, boxes).numpy() for _ in range(3)], -1)
    columns = {tuple(words[..., step].ravel()) for step in range(words.shape[-1])}
    assert len(columns) == words.shape[-1]


CAPTIONS = [["a dog runs", "a dog"], ["a cat sits", "cat sits", "a cat"], ["dog sits"]]


def test_the_reward_is_cider_with_the_end_as_a_word() -> None:
    def tokens(ids: list[int]) -> list[str]:
        return [VOCABULARY.words[index] for index in ids if index != SPECIAL.pad]

    scorer = CiderD.fit([[[*text.split(), "<end>"] for text in texts] for texts in CAPTIONS])
    drawn = np.array([[[4, 6, 2, 0], [6, 8, 2, 0]], [[4, 5, 7, 2], [4, 5, 4, 5]]], np.int32)
    found = cider_reward(CAPTIONS, VOCABULARY)(np.array([1, 0], np.int32), drawn)
    wanted = [
        [scorer.score_many([tokens(ids)], [photo])[0] for ids in texts]
        for photo, texts in zip((1, 0), drawn.tolist(), strict=True)
    ]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_caption_that_breaks_off_earns_less() -> None:
    ended, broken = [4, 5, 7, 2, 0], [4, 5, 7, 4, 5]
    drawn = np.array([[ended, broken]], np.int32)
    ((full, less),) = cider_reward(CAPTIONS, VOCABULARY)(np.array([0], np.int32), drawn)
    assert full > less > 0


# Settings.


def test_a_training_without_an_epoch_is_refused() -> None:
    none = StageTraining(epochs=0, learning_rate=1e-3)
    with pytest.raises(ValidationError, match="at least one stage with an epoch"):
        CaptionTraining(epochs=0, tune=none, reward=none)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_are_those_that_numpy_and_keras_take(seed: int) -> None:
    with pytest.raises(ValidationError, match="seed"):
        CaptionTraining(seed=seed)
