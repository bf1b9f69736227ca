"""The score of a word opens as a circuit, from the logit down to the photo's pixels."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from gatescope.caption.caption import Word
from gatescope.errors import UsageError

SAME = 1e-4  # a compiled search and the opened network add up in another order


@pytest.fixture(scope="module")
def caption(tiny_captioner, photos):
    return max(map(tiny_captioner.caption, photos), key=lambda caption: len(caption.words))


def test_the_circuit_computes_the_words_logit(tiny_bundle, caption):
    vocabulary = list(tiny_bundle.vocabulary.words)
    for place, word in enumerate(caption.words):
        neuron = word.neuron(terms=1000)
        assert neuron.forward() == pytest.approx(neuron.element.number, rel=1e-5)
        *_, position, id_ = neuron.element.place
        assert (position, vocabulary[id_]) == (place, word.text)
        # All logits of the place, from the same output, give the probability that was told.
        logits = neuron.element.value.array.reshape(-1, len(vocabulary))[place]
        logprob = float(tf.nn.log_softmax(logits)[id_])
        assert logprob == pytest.approx(word.logprob, abs=SAME)


def test_following_the_photo_leads_to_its_pixels(caption):
    path = caption.words[0].neuron().path(to="photo")
    layers = [neuron.name.partition("[")[0] for neuron in path]
    assert any(layer.startswith("ro_i_align") for layer in layers)
    assert "stem" in layers
    assert any(name.startswith("photo[0, ") for name in path[-1].inputs)
    for neuron in path:
        assert neuron.outputs[0].value == neuron.element.number


def test_nothing_of_it_is_in_the_json_line(caption):
    assert "opened" not in caption.to_dict()["words"][0]
    assert "opened" not in repr(caption.words[0])


def test_a_word_made_by_hand_cannot_be_opened():
    word = Word("dog", (0.0, 0.0, 1.0, 1.0), 0.5, -0.1, 1.0, True)
    with pytest.raises(UsageError, match=r"'dog' was not made by a captioner(.|\n)*caption\(photo"):
        word.neuron()


def test_words_are_equal_whatever_opens_them(caption, tiny_captioner):
    again = tiny_captioner.caption(caption.source)
    assert np.all([one == other for one, other in zip(again.words, caption.words, strict=True)])
