"""EfficientNet-Lite0 on photos whose ImageNet class is plain."""

import keras
import numpy as np
import pytest

from gatescope.data.samples import sample_photos
from gatescope.models import efficientnet_lite

# ImageNet's classes, by their place in its order.
TABBY, TIGER_CAT, EGYPTIAN_CAT, ESPRESSO, TRIPOD = 281, 282, 285, 967, 872
MISSILE, MOPED, SCOOTER = 657, 665, 670


@pytest.fixture(scope="module")
def weights():
    return efficientnet_lite.imagenet_weights()


@pytest.fixture(scope="module")
def classifier():
    return efficientnet_lite.classifier(224)


@pytest.fixture(scope="module")
def probabilities(classifier):
    photos = sample_photos()
    squashed = np.stack([keras.ops.image.resize(photo, (224, 224)) for photo in photos.values()])
    logits = classifier(squashed, training=False)
    return dict(zip(photos, keras.ops.convert_to_numpy(keras.ops.softmax(logits)), strict=True))


def test_parameters_are_as_many_as_published(classifier, weights):
    assert classifier.count_params() == efficientnet_lite.PARAMETERS == 4_694_024
    counters = sum(name.endswith("num_batches_tracked") for name in weights)
    assert sum(value.size for value in weights.values()) - counters == 4_694_024


@pytest.mark.parametrize(
    ("photo", "classes", "least"),
    [
        ("cat", (TABBY, TIGER_CAT, EGYPTIAN_CAT), 0.8),
        ("coffee", (ESPRESSO,), 0.8),
        ("photographer", (TRIPOD,), 0.8),
        ("motorcycle", (MOPED, SCOOTER), 0.7),
    ],
)
def test_photos_of_plain_things_are_recognized(probabilities, photo, classes, least):
    assert probabilities[photo].argmax() in classes
    assert probabilities[photo][list(classes)].sum() > least


def test_the_rocket_is_among_the_first_two_guesses(probabilities):
    assert MISSILE in np.argsort(-probabilities["rocket"])[:2]


def test_trunk_and_top_are_the_classifier_cut_in_two(classifier, weights):
    trunk, top = efficientnet_lite.trunk(224), efficientnet_lite.top()
    efficientnet_lite.load_imagenet(trunk, weights)
    efficientnet_lite.load_imagenet(top, weights)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 224, 224, 3)).astype(np.float32)
    maps = trunk(pixels, training=False)
    features = top(maps, training=False)
    assert maps.shape == (2, 14, 14, efficientnet_lite.STRIDE_16_CHANNELS)
    assert features.shape == (2, 7, 7, efficientnet_lite.HEAD_CHANNELS)
    logits = features.numpy().mean((1, 2)) @ weights["_fc.weight"].T + weights["_fc.bias"]
    np.testing.assert_allclose(logits, classifier(pixels, training=False), atol=1e-3)


def test_even_inputs_are_padded_below_and_on_the_right_alone(classifier, weights):
    """TensorFlow's `same`; PyTorch's padding of 1 would shift the stem by a pixel."""
    stem = keras.Model(classifier.input, classifier.get_layer("stem_bn").output)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3))
    padded = np.pad((pixels[0] - 127) / 128, ((0, 1), (0, 1), (0, 0)))
    kernel = weights["_conv_stem.weight"].transpose(2, 3, 1, 0)
    scale = weights["_bn0.weight"] / np.sqrt(weights["_bn0.running_var"] + 1e-3)
    found = stem(pixels.astype(np.float32), training=False)[0]
    assert found.shape == (112, 112, 32)
    for row, column in ((0, 0), (0, 111), (111, 0), (111, 111), (40, 70)):
        window = padded[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        sums = np.einsum("yxc,yxcf->f", window, kernel) - weights["_bn0.running_mean"]
        np.testing.assert_allclose(
            found[row, column], sums * scale + weights["_bn0.bias"], rtol=1e-3, atol=1e-3
        )
