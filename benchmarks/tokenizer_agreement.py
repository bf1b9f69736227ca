"""Compares `tokenize` with the Java tokenizer it stands for, over real captions and own cases.

Needs Java and pycocoevalcap (the `dev` extra):

    python benchmarks/tokenizer_agreement.py [--captions FILE.token.txt] [--record CASES.json]

Prints the share of captions whose words agree and the digest that the tests expect. With
`--record` it writes what Java gives for the captions of CASES.json back into that file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import time
from pathlib import Path

from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from gatescope.caption.tokenizer import tokenize

LINE_BREAKS = re.compile("[\n-\r\x85\u2028\u2029]")


def java_words(captions: list[str]) -> list[str]:
    """The joined words of each caption, from Java.

    Line breaks become spaces, since they would shift every caption behind them, and each
    caption is followed by a lone full stop, since the original looks into the next caption.
    """
    images = {
        index: [{"caption": LINE_BREAKS.sub(" ", caption)}, {"caption": "."}]
        for index, caption in enumerate(captions)
    }
    return [joined for joined, _ in PTBTokenizer().tokenize(images).values()]


def read_captions(path: Path) -> list[str]:
    """The captions of a Flickr8k token file: `name.jpg#0<TAB>caption` a line."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [line.split("\t", 1)[1] for line in lines if line]


def compare(name: str, captions: list[str]) -> None:
    """Prints how many of `captions` agree, how fast ours was, and the first that differ."""
    start = time.perf_counter()
    ours = [" ".join(tokenize(caption)) for caption in captions]
    seconds = time.perf_counter() - start
    java = java_words(captions)
    differing = [index for index in range(len(captions)) if ours[index] != java[index]]
    agreeing = len(captions) - len(differing)
    print(f"{name}: {agreeing} of {len(captions)} captions agree ({agreeing / len(captions):.4%})")
    print(f"  ours took {seconds:.2f} s; sha256 {hashlib.sha256(joined(ours)).hexdigest()}")
    for index in differing[:10]:
        print(f"  {captions[index]!r}\n    java {java[index]!r}\n    ours {ours[index]!r}")


def joined(captions: list[str]) -> bytes:
    """What the digest is taken over."""
    return "\n".join(captions).encode()


def main() -> None:
    """Runs the comparison that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captions", type=Path, help="a Flickr8k token file")
    parser.add_argument("--record", type=Path, help="JSON object: caption -> words of Java")
    arguments = parser.parse_args()
    if arguments.captions:
        compare(arguments.captions.name, read_captions(arguments.captions))
    if arguments.record:
        captions = list(json.loads(arguments.record.read_text(encoding="utf-8")))
        compare(arguments.record.name, captions)
        words = [line.split(" ") if line else [] for line in java_words(captions)]
        lines = ",\n".join(
            f"{json.dumps(caption)}: {json.dumps(cut)}"
            for caption, cut in zip(captions, words, strict=True)
        )
        arguments.record.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
