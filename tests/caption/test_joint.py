import keras
import numpy as np
import pytest
import tensorflow as tf

from gatescope.caption.decoder import CaptionDecoder, DecoderConfig
from gatescope.caption.joint import JointTrainer
from gatescope.caption.vocabulary import SPECIAL
from gatescope.models.regions import RegionConfig, RegionDetector, proposal_network
from gatescope.models.small_cnn import small_top, small_trunk
from gatescope.training.regions import RegionTraining

WORDS = 12
CONFIG = RegionConfig(
    photo_size=64, input_size=64, stride=16, proposals=3, grid=0, scales=(0.4,), ratios=(1.0,)
)


def joint(photo_dropout=0.0, word_noise=0.0):
    keras.utils.set_random_seed(0)
    detector = RegionDetector(
        CONFIG, small_trunk(64, (4, 4, 4, 4)), proposal_network(CONFIG, 4), small_top(4, 5), bins=2
    )
    decoder = CaptionDecoder(DecoderConfig(units=8, dropout=0.0), WORDS)
    decoder.build((1, 1, 5 * 2**2))
    sampling = RegionTraining(sampled=8, seed=0)
    return JointTrainer(
        detector,
        decoder,
        sampling,
        label_smoothing=0.1,
        photo_dropout=photo_dropout,
        word_noise=word_noise,
    )


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    words = rng.integers(len(SPECIAL), WORDS, (2, 1, 6)).astype(np.int32)
    words[:, :, 0] = SPECIAL.start
    words[1, :, 4:] = SPECIAL.pad
    boxes = np.array([[[0.1, 0.1, 0.5, 0.5]], [[0.4, 0.4, 0.9, 0.9]]], np.float32)
    photos = rng.integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    inputs = {"photos": photos, "words": words[:, :, :-1]}
    return inputs, {"boxes": boxes, "words": words[:, :, 1:]}


def test_captions_train_all_but_the_proposals_and_boxes_train_the_proposals(batch):
    trainer = joint()
    with tf.GradientTape(persistent=True) as tape:
        (objectness, deltas), logits = trainer(batch[0], training=True)
        said, found = tf.reduce_sum(logits**2), tf.reduce_sum(objectness**2 + deltas[..., 0])
    network = trainer.detector.network.trainable_variables
    kernels = [trainer.top.layers[0].kernel, trainer.trunk.trainable_variables[0]]
    assert all(grad is None for grad in tape.gradient(said, network))
    assert all(tf.reduce_any(grad != 0) for grad in tape.gradient(said, kernels))
    assert all(grad is not None for grad in tape.gradient(found, network))
    assert tape.gradient(found, kernels[0]) is None


def test_it_reports_both_losses_and_minimizes_their_sum(batch):
    trainer = joint()
    trainer(batch[0])
    optimizer = keras.optimizers.Adam(0.01)
    trainer.compile(optimizer)
    optimizer.build(trainer.trainable_variables)
    told = trainer.fit(tf.data.Dataset.from_tensors(batch).repeat(30), verbose=0).history
    assert told["loss"][0] == pytest.approx(told["proposals"][0] + told["captions"][0], rel=1e-4)
    again = trainer.evaluate(tf.data.Dataset.from_tensors(batch), verbose=0, return_dict=True)
    assert again["captions"] < told["captions"][0]


def test_every_weight_of_all_parts_is_trained_and_saved(batch):
    trainer = joint()
    trainer(batch[0])
    parts = (trainer.detector.trunk, trainer.detector.network, trainer.detector.top)
    wanted = [weight for part in (*parts, trainer.decoder) for weight in part.weights]
    held = {id(weight) for weight in trainer.weights}
    assert all(id(weight) in held for weight in wanted)
    assert len(held) == len(trainer.weights)


def test_some_photos_are_learned_without_their_mean_and_the_others_with_all_of_it(batch):
    trainer = joint(photo_dropout=0.3)
    memory = trainer.decoder.remember(tf.ones((400, 4, 20)), tf.ones((400, 4, 4)))
    memory = memory._replace(photo=tf.ones((400, 32)), states=(tf.ones((400, 8)),) * 2)
    thinned = trainer._without_photo(memory)
    kept = thinned.photo.numpy()[:, 0]
    assert set(kept) == {0, 1}
    assert kept.mean() == pytest.approx(0.7, abs=0.07)
    for part in (thinned.photo, *thinned.states):
        np.testing.assert_array_equal(part, np.broadcast_to(kept[:, None], part.shape))
    assert thinned.values is memory.values
    assert thinned.keys is memory.keys


def test_noise_replaces_its_share_of_words_and_no_special_token():
    words = np.full((50, 2, 20), len(SPECIAL), np.int32)
    words[:, :, 0], words[:, :, 15:] = SPECIAL.start, SPECIAL.pad
    noisy = joint(word_noise=0.4)._noisy(tf.constant(words)).numpy()
    assert (noisy[:, :, 0] == SPECIAL.start).all()
    assert (noisy[:, :, 15:] == SPECIAL.pad).all()
    inside = noisy[:, :, 1:15]
    assert inside.min() == len(SPECIAL)
    assert inside.max() == WORDS - 1
    # One draw in eight is the word that was there.
    assert (inside != len(SPECIAL)).mean() == pytest.approx(0.4 * 7 / 8, abs=0.04)


def test_outside_training_the_decoder_alone_says_the_same(batch):
    trainer = joint(photo_dropout=0.9, word_noise=0.9)
    inputs = batch[0]
    _, logits = trainer(inputs)
    regions = trainer.detector.regions(inputs["photos"])
    alone = trainer.decoder(regions.features, regions.boxes, inputs["words"])
    np.testing.assert_allclose(logits, alone, atol=1e-5)
