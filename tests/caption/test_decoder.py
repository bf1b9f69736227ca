"""The recurrent network: reading at once equals reading word by word; regions are a set."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from gatescope.caption.decoder import CaptionDecoder, DecoderConfig
from gatescope.caption.decoding import Decoding, beam_search
from gatescope.caption.training import step_function
from gatescope.caption.vocabulary import SPECIAL

PHOTOS, REGIONS, FEATURES, WORDS, CAPTIONS, STEPS = 3, 4, 6, 11, 2, 5


def built(cell: str, **settings: object) -> CaptionDecoder:
    keras.utils.set_random_seed(3)
    decoder = CaptionDecoder(DecoderConfig(cell=cell, units=8, **settings), WORDS)
    decoder(*inputs())
    rng = np.random.default_rng(4)
    for weight in decoder.trainable_weights:  # none at zero, or nothing would depend on it
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return decoder


@pytest.fixture(scope="module", params=["lstm", "gru"])
def decoder(request: pytest.FixtureRequest) -> CaptionDecoder:
    return built(request.param)


def inputs(seed: int = 0) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (PHOTOS, REGIONS, FEATURES)).astype(np.float32)
    corners = np.sort(rng.uniform(0, 1, (PHOTOS, REGIONS, 2, 2)), 2).astype(np.float32)
    words = rng.integers(2, WORDS, (PHOTOS, CAPTIONS, STEPS)).astype(np.int32)
    words[..., 0] = SPECIAL.start
    return tf.constant(features), tf.reshape(corners, (PHOTOS, REGIONS, 4)), tf.constant(words)


def read_word_by_word(decoder, memory, words):
    """Logits, weights and last states of `step` repeated."""
    states = tuple(tf.repeat(state[:, None], CAPTIONS, 1) for state in memory.states)
    logits, weights = [], []
    for t in range(STEPS):
        said = decoder.step(memory, words[..., t], states)
        states = said.states
        logits.append(said.logits)
        weights.append(said.weights)
    return tf.stack(logits, 2), tf.stack(weights, 2), states


def test_reading_at_once_equals_reading_word_by_word(decoder):
    features, boxes, words = inputs()
    memory = decoder.remember(features, boxes)
    taught = decoder.teach(memory, words)
    logits, weights, states = read_word_by_word(decoder, memory, words)
    assert taught.logits.shape == (PHOTOS, CAPTIONS, STEPS, WORDS)
    np.testing.assert_allclose(taught.logits, logits, atol=1e-5)
    np.testing.assert_allclose(taught.weights, weights, atol=1e-5)
    assert len(taught.states) == len(states) == decoder.cell.STATES
    for last, stepped in zip(taught.states, states, strict=True):
        np.testing.assert_allclose(last, stepped, atol=1e-5)


def test_words_read_without_their_padding_score_as_they_do_with_it(decoder):
    features, boxes, words = inputs()
    lengths = np.array([[2, 5], [1, 3], [4, 4]])
    read = np.arange(STEPS) < lengths[..., None]
    memory = decoder.remember(features, boxes)
    found, whole = decoder.teach_words(memory, words, read), decoder.teach(memory, words)
    np.testing.assert_allclose(found.logits, whole.logits[read], atol=1e-5)
    np.testing.assert_allclose(found.weights, whole.weights[read], atol=1e-5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_one_word_equals_the_formulas_of_the_papers(decoder):
    """The same sums in NumPy, for one photo and one word, from the papers' formulas."""
    features, boxes, words = (part.numpy()[0].astype(float) for part in inputs())
    word = int(words[0, 0])
    weights = {
        "/".join(weight.path.split("/")[1:]): weight.numpy().astype(float)
        for weight in decoder.weights
    }

    def dense(name, x):
        return x @ weights[f"{name}/kernel"] + weights.get(f"{name}/bias", 0.0)

    centred = features - features.mean(-1, keepdims=True)
    normal = centred / np.sqrt(features.var(-1, keepdims=True) + 1e-3)
    normal = normal * weights["normalize/gamma"] + weights["normalize/beta"]
    sides = boxes[:, 2:] - boxes[:, :2]
    place = np.concatenate([boxes, sides, sides.prod(-1, keepdims=True)], -1)
    regions = np.maximum(dense("project", np.concatenate([normal, place], -1)), 0)
    mean = regions.mean(0)
    first = np.tanh(dense("first_states", mean)).reshape(-1, 8)
    given = dense("word_input", weights["words/embeddings"][word]) + dense("photo_input", mean)
    recurrent = first[0] @ weights["cell/recurrent_kernel"] + weights["cell/bias"]
    if decoder.config.cell == "lstm":  # Hochreiter & Schmidhuber 1997
        enter, keep, new, leave = (given + recurrent).reshape(4, 8)
        memory = sigmoid(keep) * first[1] + sigmoid(enter) * np.tanh(new)
        output = sigmoid(leave) * np.tanh(memory)
    else:  # Cho et al. 2014, reset after the product
        (update, reset, new), (update_r, reset_r, new_r) = (
            given.reshape(3, 8),
            recurrent.reshape(3, 8),
        )
        kept = sigmoid(update + update_r)
        output = kept * first[0] + (1 - kept) * np.tanh(new + sigmoid(reset + reset_r) * new_r)
        memory = output
    # Lu et al. 2017: the sentinel is what the memory lets through.
    sentinel = sigmoid(dense("sentinel_gate", output)) * np.tanh(memory)
    keys = np.concatenate([dense("key", regions), dense("sentinel_key", sentinel[None])])
    scores = keys @ dense("query", output) / np.sqrt(8)
    looked = np.exp(scores) / np.exp(scores).sum()
    context = looked @ np.concatenate([regions, sentinel[None]])
    state = np.tanh(dense("output_state", np.concatenate([output, context])))
    logits = weights["words/embeddings"] @ state + weights["word_bias"]  # Press & Wolf 2017

    taught = decoder.teach(decoder.remember(*inputs()[:2]), inputs()[2])
    np.testing.assert_allclose(taught.weights[0, 0, 0], looked, atol=1e-5)
    np.testing.assert_allclose(taught.logits[0, 0, 0], logits, atol=1e-4)


def test_later_words_do_not_change_earlier_scores(decoder):
    features, boxes, words = inputs()
    changed = tf.concat([words[..., :3], (words[..., 3:] + 1) % WORDS], -1)
    before, after = decoder(features, boxes, words), decoder(features, boxes, changed)
    np.testing.assert_allclose(before[:, :, :3], after[:, :, :3], atol=1e-6)
    assert np.abs(before[:, :, 3:] - after[:, :, 3:]).min(axis=-1).max() > 1e-3


def test_photos_of_a_batch_do_not_see_each_other(decoder):
    features, boxes, words = inputs()
    together = decoder(features, boxes, words)
    for photo in range(PHOTOS):
        part = slice(photo, photo + 1)
        alone = decoder(features[part], boxes[part], words[part])
        np.testing.assert_allclose(alone[0], together[photo], atol=1e-5)


def test_a_photo_and_its_boxes_change_the_scores(decoder):
    features, boxes, words = inputs()
    other_features, other_boxes, _ = inputs(1)
    plain = decoder(features, boxes, words)
    for changed in (decoder(other_features, boxes, words), decoder(features, other_boxes, words)):
        assert np.abs(changed - plain).max() > 1e-3


def test_the_order_of_regions_does_not_matter(decoder):
    features, boxes, words = inputs()
    order = [2, 0, 3, 1]
    memory = decoder.remember(features, boxes)
    shuffled = decoder.remember(tf.gather(features, order, axis=1), tf.gather(boxes, order, axis=1))
    plain, moved = decoder.teach(memory, words), decoder.teach(shuffled, words)
    np.testing.assert_allclose(plain.logits, moved.logits, atol=1e-5)
    weights = tf.gather(plain.weights, [*order, REGIONS], axis=-1)
    np.testing.assert_allclose(weights, moved.weights, atol=1e-5)


def test_weights_of_regions_and_sentinel_sum_to_one(decoder):
    features, boxes, words = inputs()
    weights = decoder.teach(decoder.remember(features, boxes), words).weights.numpy()
    assert weights.shape == (PHOTOS, CAPTIONS, STEPS, REGIONS + 1)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    assert (weights > 0).all()
    assert weights.std(axis=-1).max() > 0.05


def test_a_gradient_reaches_every_weight(decoder):
    features, boxes, words = inputs()
    with tf.GradientTape() as tape:
        logits = decoder(features, boxes, words, training=True)
        loss = tf.reduce_mean(tf.nn.log_softmax(logits)[..., 4])
    gradients = tape.gradient(loss, decoder.trainable_variables)
    for weight, gradient in zip(decoder.trainable_variables, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, weight.path


def test_dropout_acts_in_training_alone():
    decoder = built("lstm", dropout=0.5)
    still = [decoder(*inputs()).numpy() for _ in range(2)]
    np.testing.assert_array_equal(*still)
    moving = [decoder(*inputs(), training=True).numpy() for _ in range(2)]
    assert np.abs(moving[0] - moving[1]).max() > 1e-3


def test_the_configuration_makes_the_same_network_again(decoder):
    again = CaptionDecoder.from_config(decoder.get_config())
    again(*inputs())
    assert again.config == decoder.config
    again.set_weights(decoder.get_weights())
    np.testing.assert_array_equal(again(*inputs()), decoder(*inputs()))


def test_a_saved_network_comes_back_from_a_keras_file(decoder, tmp_path: Path):
    decoder.save(tmp_path / "decoder.keras")
    again = keras.saving.load_model(tmp_path / "decoder.keras")
    np.testing.assert_array_equal(again(*inputs()), decoder(*inputs()))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
def test_scores_and_weights_are_single_precision_under_every_policy(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        decoder = built("lstm")
    finally:
        keras.config.set_dtype_policy(before)
    exact = built("lstm")
    exact.set_weights(decoder.get_weights())
    features, boxes, words = inputs()
    taught = decoder.teach(decoder.remember(features, boxes), words)
    assert taught.logits.dtype == taught.weights.dtype == tf.float32
    np.testing.assert_allclose(taught.weights.numpy().sum(-1), 1, atol=1e-5)
    assert np.abs(taught.logits - exact(features, boxes, words)).max() < 0.3


@pytest.mark.parametrize("beam", [1, 4])
def test_what_the_search_tells_is_what_teaching_gives(decoder, beam):
    """Log probabilities and weights belong to the caption beside them."""
    features, boxes, _ = inputs()
    memory = decoder.remember(features, boxes)
    found = beam_search(
        step_function(decoder, memory),
        memory.states,
        REGIONS + 1,
        Decoding(beam=beam, longest=6),
        SPECIAL,
    )
    read = tf.pad(found.words[:, :, :-1], [[0, 0], [0, 0], [1, 0]], constant_values=SPECIAL.start)
    taught = decoder.teach(memory, read)
    logprobs = tf.gather(tf.nn.log_softmax(taught.logits), found.words, batch_dims=3)
    said = (found.words != SPECIAL.pad).numpy()
    assert said.sum(-1).min() >= 2
    np.testing.assert_allclose(found.logprobs.numpy()[said], logprobs.numpy()[said], atol=1e-5)
    np.testing.assert_allclose(found.weights.numpy()[said], taught.weights.numpy()[said], atol=1e-5)
