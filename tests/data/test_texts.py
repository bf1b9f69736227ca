"""Texts by class: labels, splits, token ids, and what is refused."""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from gatescope.data.splits import SPLITS, SplitConfig
from gatescope.data.texts import TextsConfig, load_texts
from gatescope.data.words import Vocabulary, VocabularyFit
from gatescope.errors import DataError, UsageError

SHARED = Path(__file__).parents[3] / "shared" / "data" / "sentence_polarity.zip"
GOOD = [f"a good, warm film number {n} ." for n in range(50)]
BAD = [f"a bad film number {n} !" for n in range(50)]


def config(**more):
    split = SplitConfig(dev=0.1, test=0.2, seed=0)
    return TextsConfig(**{"classes": {"bad": "*.neg", "good": "*.pos"}, "split": split, **more})


def zipped(folder, good=GOOD, bad=BAD, encoding="utf-8"):
    path = folder / "texts.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("texts/README.txt", "read me")
        packed.writestr("texts/all.pos", "\r\n".join(good).encode(encoding))
        packed.writestr("texts/all.neg", "\n\n".join(bad).encode(encoding))
    return path


def refusal(path, settings):
    with pytest.raises(DataError) as caught:
        load_texts(path, settings)
    assert caught.value.expected
    return caught.value


def test_texts_are_labelled_by_their_files_and_split(tmp_path):
    texts = load_texts(zipped(tmp_path), config())
    assert texts.classes == ("bad", "good")
    assert texts.splits.counts.tolist() == [[35, 35], [5, 5], [10, 10]]
    assert set(texts.texts) == {*GOOD, *BAD}
    for text, label in zip(texts.texts, texts.labels, strict=True):
        assert texts.classes[label] in text
    assert texts.notes == ()


def test_arrays_are_ids_of_a_fixed_length(tmp_path):
    texts = load_texts(zipped(tmp_path), config())
    ids, labels = texts.arrays("train")
    assert (ids.shape, ids.dtype) == ((70, 7), np.int32)
    assert (labels.shape, labels.dtype) == ((70,), np.int32)
    words = [texts.vocabulary.words[token] for token in ids[0] if token]
    written = texts.texts[texts.splits.rows("train")[0]]
    assert words == [word for word in written.replace(",", "").split() if word.isalnum()]
    assert load_texts(zipped(tmp_path), config(length=3)).arrays("dev")[0].shape == (10, 3)


def test_the_vocabulary_knows_training_texts_alone(tmp_path):
    texts = load_texts(zipped(tmp_path), config())
    trained = " ".join(texts.texts[row] for row in texts.splits.rows("train"))
    known = set(texts.vocabulary.words) - {"", "[UNK]"}
    assert known == {word for word in trained.replace(",", "").split() if word.isalnum()}
    assert 1 in texts.arrays("test")[0]  # numbers that training never saw
    assert len(load_texts(zipped(tmp_path), config(tokens=5)).vocabulary.words) == 5


def test_streams_and_epochs_have_the_rows_of_the_arrays(tmp_path):
    texts = load_texts(zipped(tmp_path), config())
    ids, labels = texts.arrays("train")
    stream = texts.stream("train", 32)
    assert stream.cardinality() == 3
    streamed = list(stream.as_numpy_iterator())
    np.testing.assert_array_equal(np.concatenate([x for x, _ in streamed]), ids)
    np.testing.assert_array_equal(np.concatenate([y for _, y in streamed]), labels)

    def epoch(number):
        made = texts.epochs(32, seed=1)(number).as_numpy_iterator()
        return np.concatenate([x for x, _ in made])

    np.testing.assert_array_equal(epoch(0), epoch(0))
    assert (epoch(0) != epoch(1)).any()
    assert sorted(epoch(1).tolist()) == sorted(ids.tolist())


def test_keras_trains_on_texts(tmp_path):
    texts = load_texts(zipped(tmp_path), config())
    model = keras.Sequential(
        [
            keras.Input((texts.vocabulary.length,), dtype="int32"),
            keras.layers.Embedding(len(texts.vocabulary.words), 4),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    model.fit(texts.stream("train", 16), epochs=8, shuffle=False, verbose=0)
    assert model.evaluate(*texts.arrays("test"), verbose=0)[1] == 1


def test_texts_that_stand_twice_are_in_one_split_and_contradictions_in_none(tmp_path):
    path = zipped(tmp_path, good=[*GOOD, *GOOD[:5], "so so"], bad=[*BAD, "so so", BAD[0]])
    texts = load_texts(path, config())
    assert len(texts.texts) == len(set(texts.texts)) == 100
    assert texts.notes == (
        "6 of 108 texts are there more than once and were kept once",
        "1 texts stand under several classes and were left out: 'so so'",
    )


def test_another_encoding_is_refused_until_it_is_named(tmp_path):
    path = zipped(tmp_path, bad=[*BAD, "déjà vu"], encoding="latin-1")
    error = refusal(path, config())
    assert error.happened.startswith("'texts/all.neg' in ")
    assert error.happened.endswith("is not utf-8: line 101 has the byte 0xe9")
    assert error.fix == "name it: encoding='latin-1', say"
    assert "déjà vu" in load_texts(path, config(encoding="latin-1")).texts
    assert refusal(path, config(encoding="latin-99")).happened == "there is no encoding 'latin-99'"


def test_classes_without_files_or_texts_are_refused(tmp_path):
    error = refusal(zipped(tmp_path), config(classes={"bad": "*.neg", "fine": "*.fin"}))
    assert "is like '*.fin', which the class 'fine' has" in error.happened
    assert "'texts/README.txt', 'texts/all.neg'" in error.expected
    assert "the class 'bad' of" in refusal(zipped(tmp_path, bad=["", " "]), config()).happened


def test_a_split_without_texts_is_refused(tmp_path):
    texts = load_texts(zipped(tmp_path), config(split=SplitConfig(dev=0.1, test=0, seed=0)))
    with pytest.raises(UsageError, match="the split 'test' has no texts"):
        texts.arrays("test")


def test_a_vocabulary_grows_with_its_texts_and_stays_within_its_bounds():
    fit = VocabularyFit(4)
    fit.add(["good good bad", "good bad ugly"])
    fit.add([])
    fit.add(["bad bad good"])
    vocabulary = fit.done()
    assert vocabulary.words[:2] == ("", "[UNK]")
    assert set(vocabulary.words[2:]) == {"good", "bad"}
    assert vocabulary.length == 3
    assert vocabulary.encode([]).shape == (0, 3)
    again = Vocabulary(vocabulary.words, 3)
    np.testing.assert_array_equal(again.encode(["Good, ugly"]), vocabulary.encode(["good ugly"]))


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not here")
def test_film_reviews():
    reviews = load_texts(SHARED, config())
    assert len(reviews.texts) > 10_600
    assert reviews.splits.counts.sum() == len(reviews.texts)
    assert 20 < reviews.vocabulary.length < 60
    assert all(len(reviews.arrays(split)[0]) > 1000 for split in SPLITS)
