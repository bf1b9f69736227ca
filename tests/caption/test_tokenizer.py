import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatescope.caption.tokenizer import tokenize
from gatescope.errors import UsageError

RECORDED = json.loads((Path(__file__).parent / "ptb_cases.json").read_text(encoding="utf-8"))
FLICKR8K = Path(__file__).parents[3] / "shared/data/flickr8k/Flickr8k.token.txt"
# Java's words of all captions there; benchmarks/tokenizer_agreement.py prints it.
FLICKR8K_CAPTIONS = 34_985
FLICKR8K_DIGEST = "6fc0a8d632b0dd323f925db9b54e319e026dfaf9e264d98c6b465caacfdd7917"
LINE_BREAKS = "\n\r\v\f\x85\u2028\u2029"


@pytest.mark.parametrize("caption", RECORDED)
def test_gives_the_words_that_java_gave(caption):
    assert tokenize(caption) == RECORDED[caption]


def test_gives_the_words_that_java_gave_for_every_flickr8k_caption():
    if not FLICKR8K.exists():
        pytest.skip("needs ../shared/data/flickr8k, which is not part of the project")
    lines = FLICKR8K.read_text(encoding="utf-8").split("\n")
    captions = [line.split("\t", 1)[1] for line in lines if line]
    words = "\n".join(" ".join(tokenize(caption)) for caption in captions)
    assert len(captions) == FLICKR8K_CAPTIONS
    assert hashlib.sha256(words.encode()).hexdigest() == FLICKR8K_DIGEST


@pytest.mark.parametrize("line_break", LINE_BREAKS)
@pytest.mark.parametrize("words", ["ptb", "unicode"])
def test_line_breaks_in_a_caption_separate_words_and_nothing_else(line_break, words):
    assert tokenize(f"a dog{line_break}runs", words=words) == ["a", "dog", "runs"]


@settings(deadline=None)
@given(st.text(), st.sampled_from(["ptb", "unicode"]))
def test_any_text_becomes_words_without_spaces_or_line_breaks(text, words):
    for word in tokenize(text, words=words):
        assert word
        assert not set(word) & {" ", *LINE_BREAKS}


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["a", "dog", "man's", "T-shirt", "can't", "5:30", "(", "No.", "3"]))
)
def test_cutting_at_white_space_first_gives_what_one_scan_of_the_caption_gives(words):
    caption = " ".join(words)
    assert tokenize(f"{caption} <b>")[:-1] == tokenize(caption)  # a tag forces one scan


def test_a_word_that_spans_spaces_is_one_word_with_no_break_spaces():
    assert tokenize("2 1/2 dogs") == ["2\xa01/2", "dogs"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Deux chiens, un os !", ["deux", "chiens", "un", "os"]),
        ("L'homme aujourd’hui — « été »", ["l'homme", "aujourd'hui", "été"]),
        ("Ein Hund läuft über die Straße.", ["ein", "hund", "läuft", "über", "die", "straße"]),
        ("Собака бежит…", ["собака", "бежит"]),
        ("दो कुत्ते घास पर दौड़ते हैं।", ["दो", "कुत्ते", "घास", "पर", "दौड़ते", "हैं"]),
        ("كلب يركض في الحديقة.", ["كلب", "يركض", "في", "الحديقة"]),
        ("一只狗在跑。", ["一", "只", "狗", "在", "跑"]),
        ("犬がRedボールを", ["犬", "が", "red", "ボ", "ー", "ル", "を"]),
        ("개가 달린다", ["개가", "달린다"]),
        ("'single' snake_case -5° 😀 ❤️", ["single", "snake", "case", "5"]),
        ("!?… ' ’", []),
    ],
)
def test_unicode_words_of_other_languages(text, words):
    assert tokenize(text, words="unicode") == words


def test_unicode_words_do_not_depend_on_how_letters_are_composed():
    assert tokenize("cafe\u0301", words="unicode") == tokenize("caf\xe9", words="unicode")


def test_an_unknown_way_to_split_words_is_refused():
    with pytest.raises(UsageError, match="no way to split words is called 'bpe'"):
        tokenize("a dog", words="bpe")
