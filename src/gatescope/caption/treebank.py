"""Penn Treebank words of captions, as `pycocoevalcap` has them from Java, in Python.

`pycocoevalcap` 1.2 starts Stanford CoreNLP 3.4.1's `PTBTokenizer` with `-preserveLines
-lowerCase` and drops a list of punctuation. The rules below were written from what that program
does to captions, not from its source; `benchmarks/tokenizer_agreement.py` compares the two.

At every position each rule is tried, the longest match wins, and among equals the first. A match
may reach beyond the word, where a rule depends on what follows: the word is its first group.

Oddities of the original are kept, for they are part of published scores: parentheses remain as
`-lrb-` and `-rrb-` (its list of punctuation is in capitals, its words are not), `£5` is `# 5`,
`!!` and `/` count as words, and `3 1/2` is one word with a no-break space in it.

Known differences, none of which a caption is likely to meet: letters that Unicode gained after
2012 are letters here and nothing there; signs and emoji inside web and mail addresses end the
address here; `&QUOT;` and `&APOS;` in capitals are no entities here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Final

_APOSTROPHE: Final = r"(?:['\u2019\x92]|&apos;)"
_TICK: Final = rf"(?:{_APOSTROPHE}|[`\u2018\u201b\x91])"  # also stands for an apostrophe
_CLITIC: Final = rf"(?i:{_APOSTROPHE}(?:[dms]|ll|re|ve))"
_HYPHEN: Final = r"[-\u058a\u2010\u2011]"
# Marks and signs that are letters of a word but cannot follow a digit.
_MARKS: Final = (
    r"\u02c2-\u02c5\u02d2-\u02df\u02e5-\u02eb\u02ed\u02ef-\u036f\u0375\u0378\u0379\u0384\u0385"
    r"\u03f6\u0483-\u0487\u055a-\u055f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    r"\u0615-\u061a\u064b-\u065e\u0670\u06d6-\u06e4\u06e7-\u06ed\u06fd\u06fe\u070f\u0711"
    r"\u0730-\u074c\u07a6-\u07b0\u07eb-\u07f3\u0900-\u0903\u093c\u093e-\u094e\u0951-\u0955"
    r"\u0962\u0963\u0981-\u0983\u09bc\u09be-\u09c4\u09c7\u09c8\u09cb-\u09cd\u09d7\u09e2\u09e3"
    r"\u0a01-\u0a03\u0a3c\u0a3e-\u0a4f\u0a81-\u0a83\u0abc\u0abe-\u0acf\u0b82\u0bbe-\u0bc2"
    r"\u0bc6-\u0bc8\u0bca-\u0bcd\u0c01-\u0c03\u0c3e-\u0c56\u0d3e-\u0d44\u0d46-\u0d48\u0e31"
    r"\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd"
)
# Signs that are a word of their own wherever they stand.
_SIGNS: Final = (
    r"\xa1\xa5-\xa9\xac\xae-\xb4\xb6-\xb9\xbf\xd7\xf7\u037e\u0387\u0589\u05be\u05c0\u05c3\u05c6"
    r"\u05f3\u05f4\u0600-\u0603\u0606-\u060c\u0614\u061b\u061e\u061f\u066a\u066d\u06d4"
    r"\u0700-\u070d\u07f6-\u07f8\u0964\u0965\u0e3f\u0e4f\u1fbd\u2016\u2017\u201a\u201e-\u2023"
    r"\u2030-\u2038\u203b\u203e-\u2042\u2044\u2070\u2074-\u207e\u2080-\u208e\u20a4\u2100\u2101"
    r"\u2103-\u2106\u2108\u2109\u2114\u2116-\u2118\u211e-\u2123\u2125\u2127\u2129\u212e\u213a"
    r"\u213b\u2140-\u2144\u214a-\u214d\u214f\u2155-\u215e\u2190-\u2bff\u3001\u3002\u3012\u30fb"
    r"\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0\uffe1\uffe5\uffe6"
)
# What the rules read otherwise than it stands. All else that they do not know parts words.
_READ_AS: Final = {
    "\xad": "", "\xa2": "\0cents\0", "\xa3": "\0#\0", "\xa4": "\0$\0", "\x80": "\0$\0",
    "\u20a0": "\0$\0", "\u20ac": "\0$\0", "\xbc": "\0001/4\0", "\xbd": "\0001/2\0",
    "\xbe": "\0003/4\0", "\u2153": "\0001/3\0", "\u2154": "\0002/3\0",
    "&amp;": "&", "&lt;": "\0<\0", "&gt;": "\0>\0",
}  # fmt: skip
_WRITTEN_AS: Final = {
    "(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-",
}  # fmt: skip
_QUOTES: Final = r"\x91-\x94\xab\xbb\u2018-\u201f\u2039\u203a"
_STOPS: Final = r"\x85\x96\x97\u2013-\u2015\u2026"  # dashes and ellipses
_STRAIGHT: Final = str.maketrans(
    dict.fromkeys("\x91\u2018\u201b\u2039", "`")
    | dict.fromkeys("\x92\u2019\u203a", "'")
    | dict.fromkeys("\x93\xab\u201c", "``")
    | dict.fromkeys("\x94\xbb\u201d", "''")
)
_STRANGE: Final = re.compile(
    rf"&(?:quot|(?i:amp|lt|gt|nbsp|md|[mn]dash));"
    rf"|[^\x00-\x7f{_MARKS}{_SIGNS}{_QUOTES}{_STOPS}\u058a\u066b\u066c\u2010\u2011]"
)
_GAP: Final = re.compile(r"[\s\0-\x1f\x7f\u058a\u066b\u066c\u2010\u2011]*")
_LINE_BREAK: Final = re.compile(r"[\n-\r\x85\u2028\u2029]")
# Words with a space in them: tags, 3 1/2, (555) 123 4567, no. 5 and . . .
_SPANNING: Final = re.compile(r"<[!?/A-Za-z]|[\d).]\s+[\d(.+]|\b[A-Za-z]\.\s+[A-Z]")
# Words with an apostrophe of their own; ' stands for any apostrophe.
_ONE_WORD: Final = (
    "'n'?|'em|'cause|'till?|'[2-9]0s|[dlj]'|dunkin'|somethin'|ol'|c'mon|c'est|cap'n|cont'd[.]|"
    "ev'ry|n?e'er|li'l|ma'am|nat'l|nor'easter|o'clock|o'o|s'mores"
).replace("'", _APOSTROPHE)
_LETTER: Final = rf"(?:[^\W\d_{_SIGNS}]|[{_MARKS}]|&[aeiouAEIOU](?i:acute|grave|uml);)"
_ALNUM: Final = rf"[^\W_{_SIGNS}]"
_WORD: Final = rf"{_LETTER}(?:{_LETTER}|\d)*(?:[.!?]{_LETTER}(?:{_LETTER}|\d)*)*"  # also dog.cat
_INITIALS: Final = r"[A-Za-z](?:\.[A-Za-z])+"
_PART: Final = rf"(?:[dDlLoO]{_APOSTROPHE}(?:{_LETTER}|\d))?{_ALNUM}+"  # d'oeuvre
_COMPOUND: Final = rf"{_PART}(?:(?:_|{_HYPHEN}){_PART})*"
_NUMBERED: Final = rf"[A-Za-z0-9][A-Za-z0-9.,]*(?:-(?:{_INITIALS}\.|[A-Za-z0-9]+))+"  # 1,000-foot
_NUMBER: Final = r"(?:\d+(?:[.,:\u066b\u066c]\d+)*|(?:[.,:\u066b\u066c]\d+)+)"
_HOST: Final = r"[^\0 \t\n\r\f\"<>|.!?(){},"
_PATH: Final = r"(?:/[^\0 \t\n\r\f\"<>|()]+[^\0 \t\n\r\f\"<>|.!?(){},-])?"
_MAIL: Final = r"[^\0 \t\n\r\f\"<>|(){}\xa0"
# Abbreviations that keep their full stop before anything, ...
_TITLES: Final = (
    "adj|adm|adv|alex|assoc|asst|attys?|ave|brig|capt|cf|cie|cmdr|col|comdr|cpl|dept|det|drs?|"
    "elec|ens|ft|gen|govs?|hon|insp|invt|jos|lieut|lt|maj|messrs|mlle|mme|mrs?|ms|msgr|mt|natl|"
    "pfc|ph|pres|profs?|pvt|reps?|rev|sens?|sfc|sgt|spc|ste?|supts?|treas|vs|wm|[a-z]"
)
# ... unless a longer word begins with them, ...
_SHORT_FORMS: Final = (
    "ala?|apr|ariz|assn|aug|bancorp|bhd|bldg|blvd|bros|calif|colo?|conn|corp|cos?|ct|dak|dec|"
    "esq|est|etc|ext|feb|fla|fri|ga|inc|ind|intl|jan|jr|jul|jun|kans?|ky|ltd|mar|md|mich|minn|"
    "mon?|mont|neb|nev|nov|oct|okla|penn|plc|rd|rt|sept?|seq|sq|sr|sys|tel|tenn|thu|thurs|tues?|"
    "univ|va|vt|wed|wisc?|wyo|"
    r"(?:ed|ph)\.d"
)
_CAPITALIZED: Final = (
    "A(?i:rk|z)|D(?i:el)|I(?i:ll)|L(?i:a)|M(?i:ass|iss)|O(?i:re)|P(?i:a)|T(?i:ex)|W(?i:ash)"
)
# ... only before a number.
_NUMERATIONS: Final = "art|ca|figs?|nos?|op|pp|prop"
# After a single letter with a full stop these open a sentence: "vitamin c. The".
_OPENINGS: Final = (
    "A(?i:n|s|t|bout|ccording|dditionally|fter)?|B(?i:ut)|E(?i:arlier)|H(?i:er?|ere|owever)|"
    "I(?i:f|n|t)|L(?i:ast)|M(?i:any|ore)|N(?i:ow)|O(?i:nce|ne|ther|ur)|"
    "S(?i:he|ince|o|ome|uch)|T(?i:he|hat|heir|hen|here|hese|hey|his)|W(?i:e|hat|hen|hile)|"
    "Y(?i:et|ou)"
)
_FILE_TYPES: Final = (
    "bat|bmp|c|cgi|class|cpp|dll|doc|exe|gif|gz|h|html?|jar|java|jpe?g|mov|mp3|pdf|php|pl|png|"
    "ppt|ps|py|sql|tar|txt|wav|x|xml|zip"
)
_SLASHED: Final = r"[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}"
_NAME: Final = r"[A-Za-z][A-Za-z0-9:._-]*"
_ATTRIBUTE: Final = rf"""{_NAME}(?: *= *(?:"[^"]*"|'[^']*'))?"""
_TAG: Final = rf"(<(?:[!?][A-Za-z-][^>]*|/{_NAME} *|{_NAME}(?: +{_ATTRIBUTE})* */? *)>)"

# The rules. A group named `dropped` is punctuation, `clitic` gets a straight apostrophe, `round`
# has its parentheses written out, `quotes` become Treebank quotes and are dropped if a single one.
_PATTERNS: Final = (
    # tags: <b>, </b>, <img src="x" />, <!-- x -->
    _TAG,
    # two words in one: can|not, gon|na, 't|is
    r"((?i:can(?=not)|gon(?=na)|got(?=ta)|lem(?=me)|gim(?=me)|wan(?=na)|'t(?=is|was)))"
    r"(?i:not|na|ta|me|is|was)",
    rf"({_WORD}){_CLITIC}?",
    # do|n't, it|'s
    rf"([A-Za-z]*[A-MO-Za-mo-z])[nN]{_TICK}[tT]",
    rf"(?P<clitic>{_CLITIC})[^A-Za-z]",
    # words with an apostrophe of their own: rock 'n' roll, '90s, o'clock, O'Brien, Xi'an
    rf"((?i:{_ONE_WORD}))",
    rf"([yY]{_APOSTROPHE}){_LETTER}",
    rf"([A-HJ-XZn]{_TICK}{_LETTER}{{2,}})",
    rf"({_LETTER}+[aeiouyAEIOUY]{_TICK}[aeiouA-Z]{_LETTER}*)",
    rf"({_APOSTROPHE}\d\d)\s",
    rf"(?P<clitic>(?i:n{_TICK}t))[^A-Za-z]",
    # numbers, dates, fractions, telephone numbers
    rf"([-+]?{_NUMBER})",
    r"(\d{1,2}[-/]\d{1,2}[-/]\d{2,4})",
    r"((?:\d{1,4}[- \xa0])?\d{1,4}(?:\\?/|\u2044)\d{1,4})",
    r"([\u207a\u207b\u208a\u208b]?(?:[\xb2\xb3\xb9\u2070\u2074-\u2079]+|[\u2080-\u2089]+))",
    r"(?P<round>(?:\([0-9]{2,3}\)[ \xa0]?|(?:\+\+?)?(?:[0-9]{2,4}[- \xa0])?[0-9]{2,4}[- \xa0])"
    r"[0-9]{3,4}[- \xa0]?[0-9]{3,5})",
    # compounds: t-shirt, 1,000-foot, snow_board, and/or, AT&T
    rf"({_COMPOUND})",
    r"((?i:anti|pro)-)",
    rf"({_SLASHED}(?:\\?/{_SLASHED}){{1,2}})",
    r"([A-Z]+(?:[+&][A-Z]+)+)",
    # abbreviations and what else keeps its full stop
    rf"({_INITIALS}\.)",
    rf"((?:(?i:{_TITLES})|[Mm][ft][Gg])\.)",
    rf"((?:(?i:{_SHORT_FORMS})|{_CAPITALIZED}|[Pp]{{1,2}}t[ey][sS]?)\.)(?s:..)",
    rf"({_NUMBERED})",
    rf"([A-Za-z])\.\s+(?:{_OPENINGS}|{_TAG})\s",
    rf"((?i:{_NUMERATIONS})\.)\s?\d",
    *(rf"({word}\.)[,;:\u3001]" for word in (_WORD, _COMPOUND, _NUMBERED)),
    # addresses and names of the web
    r"((?i:https?)://[^\0 \t\n\r\f\"<>|(){}]+[^\0 \t\n\r\f\"<>|.!?(){},-])",
    rf"((?i:www)\.(?:{_HOST}]+\.)+[a-zA-Z]{{2,4}}{_PATH})",
    rf"((?:{_HOST}-_$'`]+\.)+(?i:com|net|org|edu){_PATH})",
    rf"({_ALNUM}+(?:\.{_ALNUM}+)*\.(?i:{_FILE_TYPES}))(?:\s|[.?!,])",
    rf"(<?[a-zA-Z0-9]{_MAIL}]*@{_MAIL}.]+(?:\.{_MAIL}.]+)*>?)",
    rf"(@[A-Za-z_][A-Za-z_0-9]*|#{_LETTER}+)",
    # punctuation, which is dropped; pairs of curly quotation marks may remain
    r"(?P<dropped>')[A-Za-z]\S",  # opens a quotation: 'next is not 'n
    rf"(?P<clitic>{_CLITIC})",
    rf"(?P<dropped>''|``?|{_APOSTROPHE}|-{{1,4}}|\.{{3,5}}|(?:\.[ \xa0]){{2,4}}\.)",
    rf"(?P<dropped>[\".?!,:;{_STOPS}])",
    rf"(?P<quotes>[`{_QUOTES}]{{1,2}})",
    # runs of signs, faces, currencies, entities, and what is left
    r"([!?]+|-+|_+|@+|#+|\*+|(?:\\\*)+|<<|>>)",
    r"(?P<round>[<>]?[:;=][-o*']?[()DPdpO\\{@|\[\]])[^A-Za-z0-9]",
    r"(?P<round>[-^x=~<>']_[-^x=~<>']|\([-^x=~<>'][_.]?[-^x=~<>']\))",
    r"(?P<round>\([\^x=~<>']-[\^x=~<>'`]\))",
    r"([A-Z]+\$|[cfCF]#|[cC]\+\+|&#\d+;|&(?i:ht|tl|ur|lr|qc|ql|qr|odq|cdq);)",
    r"((?s:.))",
)


@cache
def _rules() -> tuple[re.Pattern[str], ...]:
    return tuple(map(re.compile, _PATTERNS))


def treebank_words(text: str) -> list[str]:
    """The Penn Treebank words of one caption, without punctuation.

    The caption is cut at white space first, unless a word in it may span some.

    Args:
        text: One caption. Line breaks in it count as spaces.

    Example:
        >>> treebank_words("Mr. Lee isn't (yet) in the U.S., is he?")
        ['mr.', 'lee', 'is', "n't", '-lrb-', 'yet', '-rrb-', 'in', 'the', 'u.s.', 'is', 'he']
    """
    if _SPANNING.search(text):
        return list(_scanned(_LINE_BREAK.sub(" ", text)))
    return [word for chunk in text.split() for word in _chunk_words(chunk)]


@lru_cache(maxsize=1 << 16)
def _chunk_words(chunk: str) -> tuple[str, ...]:
    return tuple(_scanned(chunk))


def _scanned(text: str) -> Iterator[str]:
    """Yields the words of `text`, the longest match of the rules at each position."""
    text = _read(text) + " \n"
    position = 0
    while gap := _GAP.match(text, position):
        position = gap.end()
        matches = [match for rule in _rules() if (match := rule.match(text, position))]
        if not matches:
            return
        longest = max(matches, key=re.Match.end)  # the first of equals
        position = longest.end(1)
        if word := _written(longest):
            yield word


def _written(match: re.Match[str]) -> str:
    """The word of `match` as the original writes it; "" for punctuation."""
    word = match[1]
    match match.lastgroup:
        case "dropped":
            return ""
        case "clitic":
            word = word.replace("&apos;", "'").translate(_STRAIGHT)
        case "round":
            word = word.replace("(", "-lrb-").replace(")", "-rrb-")
        case "quotes":
            word = word.translate(_STRAIGHT)
            return "" if word in {"'", "`", "''", "``"} else word
    return _WRITTEN_AS.get(word, word).replace(" ", "\xa0").lower()


def _read(text: str) -> str:
    """`text` as the rules read it: entities and signs resolved, unknown characters a gap."""
    if text.isascii() and "&" not in text:
        return text
    return _STRANGE.sub(_reading, text)


def _reading(match: re.Match[str]) -> str:
    character = match[0]
    if character.isspace():
        return " "
    if character <= "\uffff" and (character.isalpha() or character.isdecimal()):
        return character
    return _READ_AS.get(character.lower(), "\0")
