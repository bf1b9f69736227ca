import re

import numpy as np
import pytest

from gatescope.report.captions import CaptionView, WordView, caption_gallery

WIDE = np.zeros((300, 600, 3), np.uint8)
TALL = np.zeros((1000, 500, 3), np.uint8)


def gallery(*words, photo=WIDE, **more):
    return caption_gallery([CaptionView(photo, "photo.jpg", words, **more)], name="photos")


def edges(markup):
    """(x0, y0, x1, y1) of each drawn region, in the drawing's units."""
    found = re.findall(
        r'<rect class="edge" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', markup
    )
    boxes = [tuple(map(float, box)) for box in found]
    return [(x, y, x + width, y + height) for x, y, width, height in boxes]


@pytest.mark.parametrize(
    ("photo", "view_box", "expected"),
    [
        (WIDE, "0 0 480.0 240.0", (96, 24, 384, 180)),
        (TALL, "0 0 240.0 480.0", (48, 48, 192, 360)),
    ],
    ids=["wide", "tall"],
)
def test_a_box_lands_on_its_pixels(photo, view_box, expected):
    markup = gallery(WordView("dog", (0.1, 0.2, 0.75, 0.8), 0.5), photo=photo)
    assert f'viewBox="{view_box}"' in markup
    large, small = edges(markup)
    assert large == small == pytest.approx(expected, abs=0.1)
    x0, y0, x1, y1 = (f"{edge:.1f}" for edge in large)
    assert markup.count(f"M{x0} {y0}V{y1}H{x1}V{y0}Z") == 2  # the holes in the two veils


def test_a_box_beyond_the_photo_is_cut_at_its_edge():
    assert edges(gallery(WordView("sky", (-1.0, -0.5, 2.0, 1.5))))[0] == (0, 0, 480, 240)


def test_the_photo_is_embedded_once_however_many_words_show_it():
    words = [WordView(f"w{n}", (n / 10, 0, 1, 1), 0.1) for n in range(8)]
    markup = gallery(*words)
    assert markup.count("data:image/") == 1
    assert markup.count('href="#photos-0"') == 8
    assert markup.count('id="photos-0"') == 1


def test_words_of_one_region_share_its_picture_and_keep_their_weights():
    box = (0.1, 0.1, 0.5, 0.5)
    markup = gallery(
        WordView("a"), WordView("red", box, 0.25), WordView("dog", box, 0.75), WordView("runs")
    )
    assert len(edges(markup)) == 2  # once large, once small
    assert ">red dog</span>" in markup
    assert "25 %" in markup and "75 %" in markup
    assert "--share:0.250" in markup and "--share:0.750" in markup
    assert markup.count("<mark") == 2


def test_marks_pictures_and_regions_of_a_word_share_number_and_colour():
    words = [WordView(f"w{n}", (n / 10, 0, 1, 1), 0.1) for n in range(9)]
    markup = gallery(*words)
    for number in range(9):
        tint = f"tint-{number % 8}"
        assert markup.count(f'class="word word-{number} {tint}"') == 2
        assert f'class="region region-{number} {tint}"' in markup
        assert f'class="region region-{number} {tint} label"' in markup


def test_marked_words_can_be_focused():
    assert re.search(r'<mark class="word[^>]* tabindex="0"', gallery(WordView("dog", (0, 0, 1, 1))))


def test_the_caption_reads_as_its_words():
    view = CaptionView(WIDE, "p", (WordView("a"), WordView("dog", (0, 0, 1, 1))))
    assert view.text == "a dog"
    assert "Photo p. Captioned: a dog." in caption_gallery([view], name="photos")


@pytest.mark.parametrize(
    ("more", "badge"),
    [
        ({"sure": False}, '<span class="badge doubtful">not sure</span>'),
        (
            {"sure": False, "confidence": 0.22},
            '<span class="badge doubtful">not sure, confidence 22 %</span>',
        ),
        ({"confidence": 0.81}, '<span class="badge">confidence 81 %</span>'),
    ],
)
def test_doubt_and_confidence_stand_beside_the_caption(more, badge):
    assert badge in gallery(WordView("dog"), **more)


def test_no_badge_without_doubt_or_confidence():
    assert "badge" not in gallery(WordView("dog"))


def test_a_photo_without_a_caption_is_shown_as_such():
    markup = gallery(sure=False)
    assert "no caption" in markup and "Without a caption." in markup and "not sure" in markup


def test_the_table_leaves_out_what_no_word_has():
    markup = gallery(WordView("dog", probability=0.4, hidden=0.1), WordView("runs"))
    heads = re.findall(r'<th scope="col"[^>]*>([^<]+)', markup)
    assert heads == ["word", "probability", "region hidden"]
    assert "<table" not in gallery(WordView("dog"))


def test_alternatives_are_listed_only_where_there_are_any():
    assert "<li>a cat</li>" in gallery(WordView("dog"), alternatives=("a cat",))
    assert "Other captions" not in gallery(WordView("dog"))


def test_a_region_is_described_to_those_who_do_not_see_it():
    markup = gallery(WordView("dog", (0.5, 0.0, 1.0, 0.5)))
    assert 'aria-label="Region of dog: bottom left, 25 % of the photo"' in markup


def labels(markup):
    """(left, top) of each label in units of a photo 480 wide and 240 high."""
    found = re.findall(r'style="left:([\d.]+)%;(top|bottom):([\d.]+)%"', markup)
    height = 240.0
    return [
        (
            float(x) * 4.8,
            height * float(y) / 100 if edge == "top" else height * (1 - float(y) / 100),
        )
        for x, edge, y in found
    ]


def test_labels_of_equal_corners_do_not_cover_each_other():
    words = [WordView("word", (0.0, 0.3, 0.5 + n / 10, 0.9), 0.2) for n in range(3)]
    heights = sorted(y for _, y in labels(gallery(*words)))
    assert min(np.diff(heights)) >= 20


def test_a_label_sits_above_its_region_or_inside_where_there_is_no_room():
    assert labels(gallery(WordView("dog", (0.5, 0.25, 1, 1)))) == [pytest.approx((120, 120))]
    assert "bottom:50.0%" in gallery(WordView("dog", (0.5, 0.25, 1, 1)))
    assert "top:0.0%" in gallery(WordView("sky", (0, 0, 1, 1)))


def test_a_label_at_the_right_edge_stays_on_the_photo():
    ((x, _),) = labels(gallery(WordView("lighthouse", (0.5, 0.95, 1, 1))))
    assert x < 400


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 900, 3), (900, 3, 3)])
def test_photos_of_extreme_shape_are_drawn(shape):
    markup = gallery(WordView("dog", (0.2, 0.2, 0.8, 0.8), 0.5), photo=np.zeros(shape, np.uint8))
    assert len(edges(markup)) == 2
