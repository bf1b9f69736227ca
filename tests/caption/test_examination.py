"""What an examination finds, against the slow way."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from gatescope.caption.bundle import new_decoder
from gatescope.caption.decoder import CaptionDecoder, DecoderConfig
from gatescope.caption.decoding import Decoding
from gatescope.caption.examination import Examination, Examiner
from gatescope.caption.metrics import cider_d, score
from gatescope.caption.search import compiled_search
from gatescope.caption.vocabulary import SPECIAL, SPECIAL_WORDS, Vocabulary

VOCABULARY = Vocabulary((*SPECIAL_WORDS, "a", "dog", "cat", "runs", "sits"))
DECODING = Decoding(beam=2, longest=4)
ARRAYS = (
    np.random.default_rng(1).normal(size=(5, 3, 1280)).astype(np.float32),
    np.tile(np.float32([0, 0, 1, 1]), (5, 3, 1)),
)


@pytest.fixture(scope="module")
def decoder() -> CaptionDecoder:
    keras.utils.set_random_seed(2)
    decoder = new_decoder(DecoderConfig(units=8), VOCABULARY, 3)
    for weight in decoder.trainable_weights:
        weight.assign(weight * 3)  # sharp enough to tell photos apart
    decoder.word_bias.assign([-50, -50, 0, -50, 0, 0, 0, 0, 0])  # like one that was taught
    return decoder


@pytest.fixture(scope="module")
def captions(decoder: CaptionDecoder) -> list[tuple[str, ...]]:
    """What the decoder itself says, so that some guesses are right, and one caption more."""
    greedy = compiled_search(decoder, Decoding(beam=1, longest=4))(*ARRAYS).words[:, 0].numpy()
    return [(VOCABULARY.decode(ids), "a dog runs") for ids in greedy]


@pytest.fixture(scope="module")
def examiner(decoder: CaptionDecoder, captions: list[tuple[str, ...]]) -> Examiner:
    return Examiner(decoder, VOCABULARY, DECODING, captions)


@pytest.fixture(scope="module")
def examination(examiner: Examiner) -> Examination:
    batches = [[array[part] for array in ARRAYS] for part in (slice(2), slice(2, 4), slice(4, 5))]
    return examiner.examine(batches)


def test_captions_are_those_of_beam_search(
    decoder: CaptionDecoder, examination: Examination
) -> None:
    found = compiled_search(decoder, DECODING)(*ARRAYS)
    for place, caption in enumerate(examination.captions):
        ids = found.words[place, 0].numpy()
        assert caption == VOCABULARY.decode(ids)
        mean = found.logprobs[place, 0].numpy()[ids != SPECIAL.pad].mean()
        assert examination.logprobs[place] == pytest.approx(mean, rel=1e-4)


def test_scores_are_of_these_captions(
    examiner: Examiner, examination: Examination, captions: list[tuple[str, ...]]
) -> None:
    assert examination.scores == score(examination.captions, captions)
    each = cider_d(
        [caption.split() for caption in examination.captions],
        [[caption.split() for caption in photo] for photo in captions],
    ).each
    assert examiner.quality(examination) == each


@pytest.mark.parametrize("shift", [0, 1])
def test_next_words_are_guessed_beside_the_right_photo_and_another(
    decoder: CaptionDecoder,
    examination: Examination,
    captions: list[tuple[str, ...]],
    shift: int,
) -> None:
    assert examination.accuracy > examination.shuffled > 0
    right = asked = 0
    for place, (first, *_) in enumerate(captions):
        photo = place - shift
        words = [SPECIAL.start, *VOCABULARY.encode(first), SPECIAL.end]
        features, boxes = (array[photo][None] for array in ARRAYS)
        logits = decoder(features, boxes, np.array([[words[:-1]]], np.int32)).numpy()[0, 0]
        right += int((logits.argmax(-1) == words[1:]).sum())
        asked += len(words) - 1
    found = (examination.accuracy, examination.shuffled)[shift]
    assert found == pytest.approx(right / asked)


def test_the_next_examination_sees_new_weights(
    decoder: CaptionDecoder, examiner: Examiner, examination: Examination
) -> None:
    before = decoder.word_bias.numpy()
    decoder.word_bias.assign(before + 100 * np.eye(len(VOCABULARY), dtype=np.float32)[6])
    changed = examiner.examine([ARRAYS])
    decoder.word_bias.assign(before)
    assert all("cat cat" in caption for caption in changed.captions)
    assert changed.accuracy != examination.accuracy
