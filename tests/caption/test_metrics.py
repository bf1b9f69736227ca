from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from gatescope.caption.metrics import (
    CiderD,
    bad_ending,
    bleu,
    cider_d,
    distinct_share,
    rouge_l,
    score,
)
from gatescope.caption.tokenizer import tokenize
from gatescope.errors import UsageError

FLICKR8K = Path(__file__).parents[3] / "shared/data/flickr8k/Flickr8k.token.txt"

# Few words, so that captions share n-grams.
captions = st.lists(st.sampled_from("abcdef"), max_size=9)
some_photos = st.lists(
    st.tuples(captions, st.lists(captions, min_size=1, max_size=4)), min_size=2, max_size=8
)
# The original's CIDEr crashes where no reference has a word.
photos = some_photos.filter(lambda pairs: any(any(references) for _, references in pairs))


def original(scorer, hypotheses, references, **options):
    """What pycocoevalcap makes of tokens: the corpus score and those of the captions."""
    said = {index: [" ".join(tokens)] for index, tokens in enumerate(hypotheses)}
    wrote = {index: [" ".join(tokens) for tokens in r] for index, r in enumerate(references)}
    return scorer.compute_score(wrote, said, **options)


def assert_equal_to_the_original(hypotheses, references):
    corpus, each = original(Bleu(), hypotheses, references, verbose=0)
    found = bleu(hypotheses, references)
    assert found.corpus == tuple(corpus)
    assert found.each == tuple(zip(*each, strict=True))
    for ours, scorer in ((rouge_l, Rouge()), (cider_d, Cider())):
        corpus, each = original(scorer, hypotheses, references)
        found = ours(hypotheses, references)
        assert found.corpus == corpus
        assert found.each == tuple(each)


@settings(deadline=None)
@given(photos)
def test_scores_equal_the_original_to_the_last_bit(pairs):
    hypotheses, references = zip(*pairs, strict=True)
    assert_equal_to_the_original(hypotheses, references)


@pytest.mark.parametrize(
    ("hypotheses", "references"),
    [
        pytest.param(["a b", ""], [["a b c"], ["a b"]], id="empty hypothesis"),
        pytest.param(["", ""], [["a"], ["b"]], id="only empty hypotheses"),
        pytest.param(["a b", ""], [["", "a"], [""]], id="empty references"),
        pytest.param(["a b c d e"] * 3, [["a b c d e"] * 5] * 3, id="all identical"),
        pytest.param(["a b c d", "a"], [["a b c", "a b c d e"], ["b"]], id="lengths tie"),
        pytest.param(["a a a a", "b"], [["a a", "a"], ["a b"]], id="clipped counts"),
        pytest.param(["a b c d", "e"], [["d c b a"], ["f"]], id="no common n-gram"),
        pytest.param(["a b", "c d"], [["a b"], ["c d e f g h i j"]], id="short hypothesis"),
    ],
)
def test_scores_of_odd_captions_equal_the_original(hypotheses, references):
    assert_equal_to_the_original(
        [caption.split() for caption in hypotheses],
        [[caption.split() for caption in photo] for photo in references],
    )


def test_captions_score_nothing_where_no_reference_has_a_word():
    for metric in (bleu, rouge_l, cider_d):
        assert np.all(np.asarray(metric([["a"], ["b"]], [[[]], [[]]]).corpus) < 1e-3)


@pytest.fixture(scope="module")
def flickr8k():
    if not FLICKR8K.exists():
        pytest.skip("needs ../shared/data/flickr8k, which is not part of the project")
    lines = FLICKR8K.read_text(encoding="utf-8").split("\n")[:1000]
    texts = [line.split("\t", 1)[1] for line in lines]
    return [texts[start : start + 5] for start in range(0, len(texts), 5)]


def test_scores_of_real_captions_equal_the_original(flickr8k):
    tokens = [[tokenize(caption) for caption in photo] for photo in flickr8k]
    assert_equal_to_the_original([p[0] for p in tokens], [p[1:] for p in tokens])
    others = [photo[0] for photo in tokens[1:] + tokens[:1]]
    assert_equal_to_the_original(others, [photo[1:] for photo in tokens])


def test_score_gives_the_corpus_scores_of_tokenized_captions():
    hypotheses = ["A dog's toy.", "He adds 3 1/2 cups of", "A dog's toy."]
    references = [["A dog's new toy!", "the toy"], ["She adds 3 1/2 cups."], ["A cat"]]
    scores = score(hypotheses, references)
    said = [tokenize(caption) for caption in hypotheses]
    wrote = [[tokenize(caption) for caption in photo] for photo in references]
    assert astuple(scores) == (
        *original(Bleu(), said, wrote, verbose=0)[0],
        original(Rouge(), said, wrote)[0],
        original(Cider(), said, wrote)[0],
        1 / 3,
        2 / 3,
    )
    assert list(scores.to_dict().values()) == list(astuple(scores))


def test_score_splits_other_languages_when_asked():
    said, wrote = ["一只狗", "一只猫"], [["一只狗"], ["一只猫"]]
    assert score(said, wrote, words="unicode").bleu3 == pytest.approx(1)
    assert score(said, wrote).bleu3 < 0.01  # for Penn Treebank each is one long word


@settings(deadline=None)
@given(photos)
def test_a_fitted_scorer_scores_like_cider_d_in_any_order(pairs):
    hypotheses, references = zip(*pairs, strict=True)
    scorer, each = CiderD.fit(references), cider_d(hypotheses, references).each
    order = list(range(len(pairs)))[::-1] * 2
    backwards = scorer.score_many([hypotheses[index] for index in order], order)
    assert backwards == [each[index] for index in order]
    first = scorer.score(hypotheses[0], references[0])
    assert first == scorer.score_many(hypotheses[:1], [0])[0]


@settings(deadline=None)
@given(photos)
def test_scores_do_not_depend_on_what_tokens_are(pairs):
    hypotheses, references = zip(*pairs, strict=True)
    numbers = [np.array([*map(ord, h)]).tolist() for h in hypotheses]
    numbered = [[tuple(map(ord, reference)) for reference in photo] for photo in references]
    assert cider_d(numbers, numbered) == cider_d(hypotheses, references)
    assert bleu(numbers, numbered) == bleu(hypotheses, references)
    assert rouge_l(numbers, numbered) == rouge_l(hypotheses, references)


def test_an_end_token_costs_a_caption_that_breaks_off():
    end = 0
    scorer = CiderD.fit([[[5, 6, 7, 8, end]], [[9, 6, 5, end]]])
    whole, broken = scorer.score_many([[5, 6, 7, 8, end], [5, 6, 7, 8]], [0, 0])
    assert broken < whole


def test_rarity_comes_from_the_fitted_captions():
    scorer = CiderD.fit([[["a", "dog"]], [["a", "cat"]], [["a", "cat"]]])
    assert scorer.score(["a"], [["a"]]) == 0  # in every photo
    assert scorer.score(["bird", "a"], [["bird", "b"]]) > scorer.score(["cat", "a"], [["cat", "b"]])


@pytest.mark.parametrize(
    ("caption", "bad"),
    [
        ("a man with a", True),
        ("a dog runs through the", True),
        ("a man in a", True),
        ("two dogs and", True),
        ("a group of", True),
        ("a woman is", True),
        ("a man sits on", True),
        ("a boy runs to", True),
        ("a man holds his", True),
        ("a crowd looks on", False),
        ("a man looking on", False),
        ("a dog lies down", False),
        ("a dog", False),
        ("", False),
    ],
)
def test_bad_endings_are_those_that_break_off(caption, bad):
    assert bad_ending(caption.split()) is bad


def test_people_rarely_write_bad_endings(flickr8k):
    endings = [bad_ending(tokenize(caption)) for photo in flickr8k for caption in photo]
    assert sum(endings) / len(endings) < 0.01


def test_distinct_share_counts_each_caption_once():
    assert distinct_share([["a"], ["a"], ["b"], ["a"]]) == 0.5
    assert distinct_share([[1], (1,), [2]]) == 2 / 3


@pytest.mark.parametrize("metric", [bleu, rouge_l, cider_d])
def test_metrics_refuse_what_cannot_be_scored(metric):
    with pytest.raises(UsageError, match="1 captions for 2 photos"):
        metric([["a"]], [[["a"]], [["b"]]])
    with pytest.raises(UsageError, match="there is no caption to score"):
        metric([], [])
    with pytest.raises(UsageError, match=r"photo 1 \(counted from 0\) has no reference caption"):
        metric([["a"], ["b"]], [[["a"]], []])
    with pytest.raises(UsageError, match="the caption 'a dog' is text, not tokens"):
        metric(["a dog", "a cat"], [[["a"]], [["b"]]])
    with pytest.raises(UsageError, match="the caption 'a dog' is text, not tokens"):
        metric([["a"], ["b"]], [["a dog"], ["a cat"]])


def test_cider_of_one_photo_is_refused_with_the_reason():
    for call in (
        lambda: cider_d([["a"]], [[["a"]]]),
        lambda: CiderD.fit([[["a"]]]),
        lambda: score(["a dog"], [["a dog"]]),
    ):
        with pytest.raises(UsageError, match="CIDEr cannot score a single photo") as raised:
            call()
        assert "log(1 / 1) = 0, every word weighs nothing" in str(raised.value)
        assert raised.value.exit_code == 2


def test_cider_d_refuses_wrong_lengths_and_missing_references():
    scorer = CiderD.fit([[["a"]], [["b"]]])
    with pytest.raises(UsageError, match="2 captions for 1 photos"):
        scorer.score_many([["a"], ["b"]], [0])
    with pytest.raises(UsageError, match="has no reference caption"):
        scorer.score(["a"], [])


def test_no_captions_are_refused():
    with pytest.raises(UsageError, match="there is no caption to score"):
        distinct_share([])
    with pytest.raises(UsageError, match="there is no caption to score"):
        score([], [])
