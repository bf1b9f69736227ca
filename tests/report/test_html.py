import base64
import hashlib
import io
import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gatescope.report.captions import CaptionView, WordView, caption_gallery
from gatescope.report.html import (
    element,
    escape,
    facts,
    figure,
    image_uri,
    page,
    paragraph,
    section,
    side_by_side,
    table,
)
from gatescope.report.plots import line_chart
from gatescope.report.series import Series

HOSTILE = "</style></title><script>alert('x')</script><img src=x onerror=\"y\">&amp;\x00\ud800"
PHOTO = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


class Outline(HTMLParser):
    """Checks that tags close in order; keeps tags, attributes and text."""

    def __init__(self, markup):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.texts, self.ids = [], [], [], []
        self.feed(markup)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def whole_page(text="dog"):
    words = (WordView(text, (0.1, 0.2, 0.8, 0.9), 0.5, 0.4, 1.2, 0.1, 0.3, text), WordView("a"))
    view = CaptionView(PHOTO, text, words, False, 0.3, (text, text), text)
    chart = line_chart([Series(text, [1, 2], [1, 2])], title=text, x_label=text, y_label=text)
    return page(
        text,
        section(text, paragraph(text), facts([(text, text)])),
        section("photos", caption_gallery([view, view], name="photos")),
        section("more", caption_gallery([view], name="more")),
        section("charts", side_by_side(chart, chart), figure(PHOTO, alt=text, caption=text)),
        section("table", table([(text, 1.0)], (text, "n"), caption=text)),
        lead=text,
    )


@pytest.mark.parametrize("text", ["dog", HOSTILE], ids=["plain", "hostile"])
def test_a_page_is_balanced_html_with_unique_ids(text):
    outline = Outline(whole_page(text))
    assert len(outline.ids) == len(set(outline.ids))


def test_a_page_holds_everything_it_shows():
    markup = whole_page()
    without_images = re.sub(r"data:image/\w+;base64,[A-Za-z0-9+/=]+", "", markup)
    assert not re.search(r"https?:|//|url\(|@import|<script|<link|<iframe", without_images)
    for _, attributes in Outline(markup).tags:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/"))


def test_the_policy_forbids_scripts_and_requests():
    metas = Outline(whole_page()).all("meta")
    policy = next(meta["content"] for meta in metas if "http-equiv" in meta)
    for rule in ("default-src 'none'", "img-src data:", "style-src 'unsafe-inline'"):
        assert rule in policy
    assert "script-src" not in policy


def test_hostile_text_is_shown_and_adds_no_element():
    plain, hostile = Outline(whole_page()), Outline(whole_page(HOSTILE))
    assert [tag for tag, _ in plain.tags] == [tag for tag, _ in hostile.tags]
    assert [set(names) for _, names in plain.tags] == [set(names) for _, names in hostile.tags]
    assert "<script>alert('x')</script>" in "".join(hostile.texts)


@given(st.text(st.characters()))
@settings(max_examples=200, deadline=None)
def test_any_text_comes_back_from_element_and_attribute(text):
    outline = Outline(element("p", escape(text), title=text))
    printable = "".join(
        "\ufffd" if (ord(c) < 32 and c not in "\t\n\r") or 127 <= ord(c) < 160 else c for c in text
    )
    expected = printable.encode("utf-8", "replace").decode("utf-8")
    assert "".join(outline.texts) == expected
    assert outline.tags[0][1]["title"] == expected


def test_a_page_can_be_written_as_utf8_whatever_the_text():
    assert whole_page(HOSTILE).encode("utf-8")


def test_attributes_are_hyphenated_left_out_or_bare():
    assert (
        element("p", class_="a", aria_label="b", title=None) == '<p class="a" aria-label="b"></p>'
    )
    assert element("details", open=True) == "<details open></details>"


def test_headings_descend_without_a_jump_from_one_h1():
    levels = [int(tag[1]) for tag, _ in Outline(whole_page()).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_pictures_and_language_are_told_to_screen_readers():
    outline = Outline(whole_page())
    assert outline.all("html")[0]["lang"] == "en"
    assert all(image["alt"] for image in outline.all("img"))
    for drawing in outline.all("svg"):
        assert drawing.get("aria-hidden") == "true" or drawing["aria-label"]
    assert 'lang="de"' in page("Bericht", lang="de")


def test_a_table_heads_its_columns_and_rows():
    outline = Outline(table([("dev", 0.5), ("test", None)], ("split", "CIDEr"), caption="Scores"))
    assert [head["scope"] for head in outline.all("th")] == ["col", "col", "row", "row"]
    assert [cell["class"] for cell in outline.all("td")] == ["number", "number"]
    assert "0.500" in outline.texts and "–" in outline.texts


def test_a_table_of_no_rows_still_has_its_columns():
    assert "CIDEr" in Outline(table([], ("split", "CIDEr"), caption="None yet")).texts


def decode(uri):
    head, packed = uri.split(",", 1)
    return head, np.asarray(Image.open(io.BytesIO(base64.b64decode(packed))))


def test_a_lossless_image_comes_back_to_the_bit():
    head, image = decode(image_uri(PHOTO, lossless=True))
    assert head == "data:image/png;base64"
    assert np.array_equal(image, PHOTO)


def test_a_large_photo_is_shrunk_and_keeps_its_shape():
    tall = np.full((800, 400, 3), (200, 100, 50), np.uint8)
    head, image = decode(image_uri(tall, longest=480))
    assert head == "data:image/jpeg;base64"
    assert image.shape == (480, 240, 3)
    assert np.abs(image.astype(int) - tall[0, 0]).max() <= 3


def test_a_small_photo_is_not_enlarged():
    assert decode(image_uri(PHOTO, longest=480))[1].shape == PHOTO.shape


def luminance(colour):
    channels = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one, other):
    """WCAG 2 contrast ratio."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_text_and_lines_stand_out_in_light_and_dark():
    style = page("colours")
    light, dark = re.findall(r":root \{(.*?--series-5: #\w+;)", style, re.S)
    for mode in (light, dark):
        colours = dict(re.findall(r"--([\w-]+): (#\w{6})", mode))
        for paper in (colours["card"], colours["paper"]):
            for text in ("ink", "faint", "accent"):
                assert contrast(colours[text], paper) >= 4.5, text
        for number in range(6):
            assert contrast(colours[f"series-{number}"], colours["card"]) >= 3, number
        assert contrast(colours["doubt"], colours["doubt-paper"]) >= 4.5
    tints = re.findall(r"--tint: (#\w{6})", style)
    assert len(tints) == 8 and all(contrast(tint, "#111111") >= 7 for tint in tints)


def test_a_script_of_ours_runs_and_no_other() -> None:
    code = 'document.title = "</script>"'
    made = page("Title", scripts=(code,), style=".x { color: red }")
    inside = re.search(r'<script type="module">(.*?)</script>', made)[1]
    assert inside == 'document.title = "<\\/script>"'
    digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in made
    assert ".x { color: red }" in made
    assert "script-src" not in page("Title")
