from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatescope.caption.vocabulary import SPECIAL, SPECIAL_WORDS, Vocabulary
from gatescope.errors import DataError

CAPTIONS = ["A dog runs.", "A dog sleeps.", "A cat sleeps."]


def test_special_tokens_come_first_and_words_follow_in_order():
    vocabulary = Vocabulary.from_captions(CAPTIONS)
    assert vocabulary.words == (*SPECIAL_WORDS, "a", "cat", "dog", "runs", "sleeps")
    assert len(vocabulary) == 9
    assert [SPECIAL_WORDS[place] for place in SPECIAL] == list(SPECIAL_WORDS)


def test_a_word_seen_too_rarely_is_unknown():
    vocabulary = Vocabulary.from_captions(CAPTIONS, threshold=2)
    assert vocabulary.words[4:] == ("a", "dog", "sleeps")
    assert vocabulary.encode("a cat sleeps") == [4, SPECIAL.unknown, 6]


@pytest.mark.parametrize(
    ("captions", "least"), [(999, 1), (1_000, 2), (5_000, 3), (19_999, 3), (20_000, 5)]
)
def test_the_automatic_threshold_grows_with_the_captions(captions, least):
    rows = ["common"] * captions
    for count in range(1, 6):
        for place in range(count):
            rows[place] += f" seen{count}"
    vocabulary = Vocabulary.from_captions(rows)
    assert vocabulary.words[4:] == ("common", *(f"seen{count}" for count in range(least, 6)))


@given(st.lists(st.sampled_from(["dog", "cat", "a", "runs"]), min_size=1, max_size=12))
def test_known_words_survive_the_way_to_ids_and_back(words):
    vocabulary = Vocabulary.from_captions(["a dog runs", "a cat"])
    ids = vocabulary.encode(" ".join(words))
    assert vocabulary.decode([SPECIAL.start, *ids, SPECIAL.end, 4, SPECIAL.pad]) == " ".join(words)
    assert vocabulary.spell(ids) == words


def test_a_caption_that_spells_a_special_token_has_said_an_unknown_word():
    vocabulary = Vocabulary.from_captions(["a <end> dog <pad> <start>"], splitting="ptb")
    assert set(vocabulary.words) == {*SPECIAL_WORDS, "a", "dog"}
    assert vocabulary.encode("a <end> dog <pad>") == [4, SPECIAL.unknown, 5, SPECIAL.unknown]


def test_words_of_another_vocabulary_keep_their_ids():
    old = Vocabulary.from_captions(["zebra dog"])
    new = Vocabulary.from_captions(["a dog", "a cat"], known=old.words)
    assert new.words == (*SPECIAL_WORDS, "dog", "zebra", "a", "cat")


def test_unicode_splitting_knows_words_of_other_languages():
    vocabulary = Vocabulary.from_captions(["Ein großer Hund", "大きな犬"], splitting="unicode")
    assert vocabulary.decode(vocabulary.encode("ein GROSSER hund 犬")).split()[0] == "ein"
    assert {"großer", "hund", "犬"} <= set(vocabulary.words)


@pytest.mark.parametrize("captions", [[], [""], ["...", "!"]])
def test_captions_without_a_word_are_told(captions):
    with pytest.raises(DataError) as told:
        Vocabulary.from_captions(captions, splitting="unicode")
    assert str(told.value) == (
        "the training captions hold no word\n"
        "  expected: captions with words that the splitting knows\n"
        "  fix: check the captions' file; for a language other than English add "
        "--set words=unicode"
    )


def test_a_threshold_that_leaves_no_word_is_told():
    with pytest.raises(DataError) as told:
        Vocabulary.from_captions(CAPTIONS, threshold=4)
    assert str(told.value) == (
        "no word is used 4 times in the training captions\n"
        "  expected: words that are; the commonest is used 3 times\n"
        "  fix: lower it with --set threshold=1"
    )
