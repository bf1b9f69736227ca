"""Networks that write: bits, n-grams, samples."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest

from gatescope.recipes import language
from gatescope.recipes.kinds.lessons import lesson
from gatescope.recipes.kinds.ngrams import ngram_bits
from gatescope.recipes.kinds.results import write_results
from gatescope.recipes.kinds.settings import override
from gatescope.recipes.kinds.writing import bits_per_character, built, windows, written

RNG = np.random.default_rng(0)


def test_a_unigram_costs_the_entropy_of_its_characters() -> None:
    text = RNG.choice(4, 20_000, p=(0.5, 0.25, 0.125, 0.125)).astype(np.int32)
    bits = ngram_bits(text[:10_000], text[10_000:15_000], text[15_000:], symbols=4, order=1)
    assert bits == pytest.approx(1.75, abs=0.02)


def test_a_trigram_knows_what_follows_two_others() -> None:
    # The third of three is the sum of those before it: a bigram cannot know that.
    text = RNG.integers(0, 3, 9_000).astype(np.int32)
    for place in range(2, len(text), 3):
        text[place] = (text[place - 1] + text[place - 2]) % 3
    parts = text[:5_000], text[5_000:7_000], text[7_000:]
    bits = [ngram_bits(*parts, symbols=3, order=order) for order in (1, 2, 3)]
    assert min(bits[:2]) > 1.55 and bits[2] < 1.47


def test_a_context_that_was_never_seen_costs_no_more_than_chance_allows() -> None:
    seen, unseen = np.zeros(500, np.int32), np.ones(500, np.int32)
    assert ngram_bits(seen, unseen, unseen, symbols=2, order=3) == pytest.approx(1, abs=0.05)


def test_windows_are_the_text_and_what_comes_next() -> None:
    text = np.arange(25, dtype=np.int32)
    x, y = windows(text, 8)
    assert x.shape == (3, 8)
    np.testing.assert_array_equal(x + 1, y)
    np.testing.assert_array_equal(x.ravel(), text[:24])


def recipe(*settings: str):
    return override(language.recipe(), ["units=[8]", "embedding=4", "window=20", *settings])


def test_bits_are_those_of_what_the_network_says() -> None:
    model = built(recipe(), 5)
    text = RNG.integers(0, 5, 400).astype(np.int32)
    bits = bits_per_character(model, text, 20)
    x, y = windows(text, 40)
    loss = keras.losses.SparseCategoricalCrossentropy()
    about = float(loss(y, model(x))) / np.log(2)
    assert bits == pytest.approx(about, abs=0.1)


@pytest.mark.parametrize("cell", ["lstm", "gru", "simple"])
def test_writing_step_by_step_says_what_the_whole_network_does(cell: str) -> None:
    model = built(recipe(f"cell={cell}", "units=[8, 6]"), 5)
    # At next to no temperature the likeliest character is written.
    start = np.array([1, 2, 3], np.int32)
    said = written(model, start, (1e-6,), 4, seed=0)[0]
    text = start.tolist()
    for symbol in said:
        assert int(np.asarray(model(np.array([text])))[0, -1].argmax()) == symbol
        text.append(int(symbol))


def test_a_higher_temperature_writes_more_kinds_of_characters() -> None:
    model = built(recipe(), 30)
    model.layers[-1].set_weights([np.zeros((8, 30)), np.linspace(0, 5, 30)])
    cold, hot = written(model, np.zeros(1, np.int32), (0.2, 3.0), 200, seed=0)
    assert len(Counter(cold.tolist())) < len(Counter(hot.tolist()))


def test_the_recipe_trains_on_any_text_and_its_page_shows_samples(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("<b>to be</b> or not to be, " * 800)
    tiny = ["units=[8]", "training.epochs=2", "written=30"]
    results = override(language.recipe(file), tiny).run(
        language, tmp_path, resume=False, console=None
    )
    assert results.expected == {}
    assert 0 < results.scores["bits per character"] < 8
    (unigram, trigram) = results.baselines.values()
    assert trigram < unigram
    page = write_results(results, lesson("language"), tmp_path).read_text()
    assert "Temperature 0.3" in page and "<b>to be</b>" not in page
