"""Captioned photos on a page: each word with the region that made it, without any script.

The photo is embedded once and every small picture refers to it. Hovering, focusing or tapping a
word shows its region on the large photo, by style alone; the strip below shows all regions to
those who can do none of that, and a table holds every number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatescope.report.html import Html, element, escape, image_uri, paragraph, table

Box = tuple[float, float, float, float]

_LONGEST = 480  # pixels, and units of every drawing here, of the photo's longer side
_COLOURS = 8  # style.css has as many --region-n
_LETTER, _PADDING, _LINE = 9.5, 14, 27  # about a label's size on a phone, in the same units
_ROWS = ("top", "middle", "bottom")
_COLUMNS = ("left", "centre", "right")


@dataclass(frozen=True)
class WordView:
    """One word of a caption and what is known of how it came about.

    Args:
        text: The word.
        box: The region that made it, (y0, x0, y1, x1) relative to the photo's sides; None for
            a word that no region made.
        weight: The region's share of the attention, in [0, 1].
        probability: The model's probability of the word, in [0, 1].
        entropy: Entropy of the attention over all regions, in bits.
        hidden: The word's probability when its region is masked.
        hidden_random: The same when random regions are masked instead.
        note: Anything else worth a reader's eye.
    """

    text: str
    box: Box | None = None
    weight: float | None = None
    probability: float | None = None
    entropy: float | None = None
    hidden: float | None = None
    hidden_random: float | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class CaptionView:
    """A photo, its caption and its words.

    Args:
        photo: uint8 array of shape (height, width, 3), RGB.
        name: What to call the photo, such as its file name.
        words: The caption's words in order.
        sure: False puts "not sure" beside the caption.
        confidence: Calibrated confidence in the caption, in [0, 1].
        alternatives: Other captions, best first.
        note: Anything else worth a reader's eye, such as the true caption.
    """

    photo: NDArray[np.uint8]
    name: str
    words: tuple[WordView, ...]
    sure: bool = True
    confidence: float | None = None
    alternatives: tuple[str, ...] = ()
    note: str = ""

    @property
    def text(self) -> str:
        """The caption."""
        return " ".join(word.text for word in self.words)


def caption_gallery(views: Iterable[CaptionView], *, name: str) -> Html:
    """Draws captioned photos one below the other.

    Args:
        views: The photos; one that comes without words is shown as having no caption.
        name: A word that no other gallery of the page has, for the ids in it.

    Returns:
        Markup for inside a `section`.

    Example:
        >>> dog = WordView("dog", box=(0.2, 0.1, 0.9, 0.7), weight=0.6)
        >>> view = CaptionView(np.zeros((60, 90, 3), np.uint8), "dog.jpg", (dog,))
        >>> gallery = caption_gallery([view], name="photos")
    """
    articles = [_article(view, f"{name}-{place}") for place, view in enumerate(views)]
    return element("div", *articles, class_="gallery")


def _article(view: CaptionView, key: str) -> Html:
    regions = _regions(view.words)
    told = element(
        "div",
        element("h3", escape(view.name), id=f"{key}-name"),
        _sentence(view, regions),
        paragraph(view.note, class_="note"),
        _strip(view, regions, key),
        _alternatives(view),
        _numbers(view),
        class_="told",
    )
    photo = _photo(view, regions, key)
    return element("article", photo, told, class_="captioned", aria_labelledby=f"{key}-name")


def _regions(words: Sequence[WordView]) -> dict[Box, list[int]]:
    """The distinct boxes in the order of their first word, each with its words' indices."""
    regions: dict[Box, list[int]] = {}
    for index, word in enumerate(words):
        if word.box is not None:
            y0, x0, y1, x1 = (round(min(max(float(edge), 0.0), 1.0), 3) for edge in word.box)
            regions.setdefault((y0, x0, y1, x1), []).append(index)
    return regions


def _units(photo: NDArray[np.uint8]) -> tuple[float, float]:
    """Width and height of the photo's drawings."""
    height, width = photo.shape[:2]
    scale = _LONGEST / max(height, width)
    return round(width * scale, 1), round(height * scale, 1)


def _photo(view: CaptionView, regions: dict[Box, list[int]], key: str) -> Html:
    """The large photo under an outline and a label for each region."""
    width, height = _units(view.photo)
    source = image_uri(view.photo, longest=_LONGEST)
    said = f"Captioned: {view.text}." if view.words else "Without a caption."
    drawing = element(
        "svg",
        element("image", id=key, href=source, width=width, height=height),
        *(
            element("g", *_outline(box, width, height), class_=_classes("region", number))
            for number, box in enumerate(regions)
        ),
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=f"Photo {view.name}. {said}",
    )
    labels = _labels(view.words, regions, width, height)
    return element("div", drawing, *labels, class_="photo", style=f"--ratio:{width / height:.3f}")


def _classes(kind: str, number: int) -> str:
    return f"{kind} {kind}-{number} tint-{number % _COLOURS}"


def _outline(box: Box, width: float, height: float) -> list[Html]:
    """A veil over all but the region, and the region's edge."""
    y0, x0, y1, x1 = (
        round(edge * side, 1) for edge, side in zip(box, (height, width) * 2, strict=True)
    )
    veil = f"M0 0H{width}V{height}H0ZM{x0} {y0}V{y1}H{x1}V{y0}Z"
    edge = {"x": x0, "y": y0, "width": round(x1 - x0, 1), "height": round(y1 - y0, 1), "rx": 2}
    return [
        element("path", d=veil, class_="veil"),
        element("rect", class_="halo", **edge),
        element("rect", class_="edge", **edge),
    ]


def _labels(
    words: Sequence[WordView], regions: dict[Box, list[int]], width: float, height: float
) -> list[Html]:
    """Each region's words: above it where there is room, else in it, lower past other labels."""
    labels: list[Html] = []
    placed: list[tuple[float, float, float]] = []
    for number, ((top, left, _, _), indices) in enumerate(regions.items()):
        text = _spoken(words, indices)
        long = _LETTER * len(text) + _PADDING
        x, above = max(min(left * width, width - long), 0.0), top * height >= _LINE
        y = top * height - _LINE * above
        while any(
            x < right and low < x + long and abs(y - up) < _LINE for low, up, right in placed
        ):
            y, above = y + _LINE / 3, False
        y = min(y, height - _LINE)
        placed.append((x, y, x + long))
        edge = f"bottom:{100 * (1 - top):.1f}%" if above else f"top:{100 * y / height:.1f}%"
        labels.append(_label(text, number, f"left:{100 * x / width:.1f}%;{edge}"))
    return labels


def _label(text: str, number: int, style: str) -> Html:
    classes = f"{_classes('region', number)} label"
    return element("span", escape(text), class_=classes, style=style, aria_hidden="true")


def _spoken(words: Sequence[WordView], indices: list[int]) -> str:
    return " ".join(words[index].text for index in indices)


def _sentence(view: CaptionView, regions: dict[Box, list[int]]) -> Html:
    """The caption, its visual words marked in their regions' colours."""
    owner = {index: number for number, ids in enumerate(regions.values()) for index in ids}
    parts = [
        _marked(word, owner[index]) if index in owner else escape(word.text)
        for index, word in enumerate(view.words)
    ] or [element("i", escape("no caption"))]
    return element("p", Html(" ".join([*parts, _badge(view)])), class_="caption")


def _badge(view: CaptionView) -> Html:
    said = [] if view.sure else ["not sure"]
    if view.confidence is not None:
        said.append(f"confidence {_percent(view.confidence)}")
    kind = "badge" if view.sure else "badge doubtful"
    return element("span", escape(", ".join(said)), class_=kind) if said else Html("")


def _marked(word: WordView, number: int) -> Html:
    return element(
        "mark",
        escape(word.text),
        class_=_classes("word", number),
        tabindex=0,
        title=None if word.weight is None else f"{_percent(word.weight)} of the attention",
    )


def _strip(view: CaptionView, regions: dict[Box, list[int]], key: str) -> Html:
    """One small picture a region, with its words and their weights."""
    width, height = _units(view.photo)
    cards = [
        element(
            "li",
            element(
                "svg",
                element("use", href=f"#{key}"),
                *_outline(box, width, height),
                viewBox=f"0 0 {width} {height}",
                role="img",
                aria_label=f"Region of {_spoken(view.words, indices)}: {_where(box)}",
            ),
            *(_weighed(view.words[index]) for index in indices),
            class_=_classes("word", number),
        )
        for number, (box, indices) in enumerate(regions.items())
    ]
    return element("ul", *cards, class_="strip") if cards else Html("")


def _where(box: Box) -> str:
    """A region's place and size for those who do not see it."""
    y0, x0, y1, x1 = box
    row, column = (
        names[min(int(3 * (low + high) / 2), 2)]
        for names, low, high in ((_ROWS, y0, y1), (_COLUMNS, x0, x1))
    )
    return f"{row} {column}, {_percent((y1 - y0) * (x1 - x0))} of the photo"


def _weighed(word: WordView) -> Html:
    """A word over a bar of its weight."""
    share = 0.0 if word.weight is None else min(max(word.weight, 0.0), 1.0)
    label = "" if word.weight is None else _percent(word.weight)
    bar = element("span", class_="bar", style=f"--share:{share:.3f}")
    return element("div", element("b", escape(word.text)), element("span", escape(label)), bar)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _alternatives(view: CaptionView) -> Html:
    if not view.alternatives:
        return Html("")
    others = element("ol", *(element("li", escape(text)) for text in view.alternatives))
    return element("details", element("summary", escape("Other captions")), others)


def _numbers(view: CaptionView) -> Html:
    """Every number of every word, leaving out what no word has."""
    columns: dict[str, list[float | str | None]] = {
        "weight": [word.weight for word in view.words],
        "probability": [word.probability for word in view.words],
        "entropy (bits)": [word.entropy for word in view.words],
        "region hidden": [word.hidden for word in view.words],
        "others hidden": [word.hidden_random for word in view.words],
        "note": [word.note or None for word in view.words],
    }
    kept = {
        name: cells for name, cells in columns.items() if any(cell is not None for cell in cells)
    }
    if not kept:
        return Html("")
    rows = list(zip([word.text for word in view.words], *kept.values(), strict=True))
    drawn = table(rows, ("word", *kept), caption=f"Words of the caption of {view.name}")
    return element("details", element("summary", escape("All numbers")), drawn)
