"""Networks unit by unit, samples on a plane, and the colours of both."""

from __future__ import annotations

import base64
import io
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from gatescope.report.heat import (
    BY_SIGN,
    by_class,
    by_sign,
    class_colour,
    picture_uri,
    shaded,
)
from gatescope.report.layered import Column, Unit, Weights, layered
from gatescope.report.plane import Samples, plane

PICTURE = picture_uri(np.zeros((2, 2, 3), np.uint8))


def opened(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_a_picture_shows_its_first_row_below():
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    np.testing.assert_array_equal(opened(picture_uri(pixels)), pixels[::-1])


def test_signs_have_colours_and_nothing_has_none():
    low, middle, high = by_sign(np.array([-2.0, 0.0, 2.0]))
    assert ["#" + colour.tobytes().hex() for colour in (low, middle, high)] == list(BY_SIGN)
    np.testing.assert_array_equal(by_sign(np.zeros(1))[0], middle)
    assert by_sign(np.array([np.nan, 1.0]))[0].tolist() == [128, 128, 128]
    assert by_sign(np.array([np.nan])).tolist() == [[128, 128, 128]]


def test_shades_stop_at_their_ends():
    colours = shaded(np.array([-9.0, 9.0]), ("#000000", "#ffffff"), 0, 1)
    assert colours.tolist() == [[0, 0, 0], [255, 255, 255]]


def test_the_surer_the_stronger():
    sure, unsure = by_class(np.array([[0.98, 0.01, 0.01], [0.34, 0.33, 0.33]]))
    assert sure.min() < unsure.min()
    assert len({class_colour(place, 10) for place in range(10)}) == 10


def parsed(svg):
    return ElementTree.fromstring(svg)  # noqa: S314


def drawn(kernel, *, signed=True, mark=""):
    columns = [
        Column("<in>", "x", [Unit(PICTURE, "x"), Unit(PICTURE, "y")]),
        Column("out", "tanh", [Unit(PICTURE, "unit 1", mark)]),
    ]
    return parsed(layered(columns, [Weights(np.array(kernel), signed)], "a net"))


def test_lines_are_as_thick_as_weights_and_coloured_by_sign():
    thick, thin = drawn([[-2.0], [1.0]]).findall("path")
    assert float(thick.get("stroke-width")) == 2 * float(thin.get("stroke-width"))
    assert (thick.get("stroke"), thin.get("stroke")) == (BY_SIGN[0], BY_SIGN[2])
    assert thick.find("title").text == "weight -2"
    (only,) = drawn([[1.0], [0.0]], signed=False).findall("path")
    assert only.get("stroke") not in BY_SIGN


def test_units_are_marked_and_text_is_escaped():
    svg = drawn([[1.0], [1.0]], mark="dead")
    assert svg.find(".//rect[@class='gs-dead']") is not None
    assert next(each.text for each in svg.iter("text")) == "<in>"


def test_weights_that_are_no_numbers_are_not_drawn():
    assert drawn([[np.nan], [np.inf]]).findall("path")[0].get("d")


def test_samples_stand_where_they_are():
    places = np.array([[0.0, 0.0], [2.0, 2.0]])
    samples = [Samples(places, ["#111111", "#222222"], False), Samples(places[:1], ["#333"], True)]
    svg = parsed(plane(PICTURE, samples, 2.0, ("a", "b"), "samples"))
    middle, corner, ring = svg.findall("circle")
    frame = svg.find("rect")
    left, width = float(frame.get("x")), float(frame.get("width"))
    assert float(middle.get("cx")) == left + width / 2 and float(corner.get("cx")) == left + width
    assert float(corner.get("cy")) == float(frame.get("y"))
    assert ring.get("fill") == "#fff" and ring.get("stroke") == "#333"
    assert svg.find("image").get("href") == PICTURE
