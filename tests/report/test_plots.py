import math
import re

import numpy as np
import pytest

from gatescope.report.plots import line_chart
from gatescope.report.series import Series


def chart(*series):
    return line_chart(series, title="Loss", x_label="step", y_label="nats")


def points(markup):
    """Each drawn line's subpaths as lists of (x, y), the legend's swatches left out."""
    paths = re.findall(r'd="(M[^"]+)" class="series', markup[markup.index('viewBox="0 0 440') :])
    number = r"(-?[\d.]+) (-?[\d.]+)"
    return [
        [
            [tuple(map(float, pair)) for pair in re.findall(number, part)]
            for part in path.split("M")[1:]
        ]
        for path in paths
    ]


def ticks(markup, anchor):
    """Positions and values of the tick labels of one axis."""
    axis = re.findall(
        rf'<text x="([\d.]+)" y="([\d.]+)" text-anchor="{anchor}">([\d.,e−-]+)<', markup
    )
    return [(float(x), float(y), float(value.replace(",", ""))) for x, y, value in axis]


def test_points_land_where_the_ticks_say():
    markup = chart(Series("train", [0, 5, 10], [4.0, 1.0, 3.0]))
    across, up = ticks(markup, "middle"), ticks(markup, "end")
    to_x = np.polyfit([value for *_, value in across], [x for x, _, _ in across], 1)
    to_y = np.polyfit([value for *_, value in up], [y - 4 for _, y, _ in up], 1)
    ((line,),) = points(markup)
    for (x, y), (step, loss) in zip(line, [(0, 4), (5, 1), (10, 3)], strict=True):
        assert x == pytest.approx(np.polyval(to_x, step), abs=0.2)
        assert y == pytest.approx(np.polyval(to_y, loss), abs=0.2)


def test_every_point_is_inside_the_drawing():
    rng = np.random.default_rng(0)
    markup = chart(Series("a", range(50), rng.normal(0, 1e6, 50)), Series("b", [3], [1e-3]))
    for line in points(markup):
        for x, y in (point for part in line for point in part):
            assert 0 <= x <= 440 and 0 <= y <= 250


def test_values_that_are_not_finite_leave_a_gap():
    markup = chart(Series("a", range(6), [1, 2, math.nan, 2, math.inf, 3]))
    ((first, second, third),) = points(markup)
    assert [len(first), len(second), len(third)] == [2, 1, 1]


def test_a_long_series_is_thinned_and_keeps_its_spike():
    loss = np.ones(100_000)
    loss[61_803] = 9.0
    markup = chart(Series("train", range(100_000), loss))
    ((line,),) = points(markup)
    assert len(line) <= 1000 and len(markup) < 30_000
    base = max(y for _, y in line)
    assert sum(y < base - 100 for _, y in line) == 1
    assert line == sorted(line, key=lambda point: point[0])


def test_a_long_series_keeps_its_gap():
    loss = np.ones(10_000)
    loss[5_000] = math.nan
    ((before, after),) = points(chart(Series("train", range(10_000), loss)))
    assert before and after


@pytest.mark.parametrize("y", [[], [math.nan]], ids=["none", "only NaN"])
def test_a_chart_of_nothing_says_so(y):
    assert "No values yet." in chart(Series("train", range(len(y)), y))


@pytest.mark.parametrize("y", [[2.0], [0.0, 0.0], [5.0, 5.0, 5.0]])
def test_one_point_and_flat_lines_are_drawn(y):
    ((line,),) = points(chart(Series("train", range(len(y)), y)))
    assert len(line) == len(y)
    assert all(math.isfinite(edge) for point in line for edge in point)


def test_whole_positions_get_whole_ticks():
    across = ticks(chart(Series("dev", [1, 2, 3], [1, 2, 3])), "middle")
    assert across and all(value == round(value) for *_, value in across)


def test_the_legend_gives_last_values_and_the_label_tells_the_story():
    markup = chart(Series("train", [1, 2], [4, 0.5]), Series("dev", [1, 2], [3, 0.75]))
    assert "<b>0.5</b>" in markup and "<b>0.75</b>" in markup
    assert "Loss. nats over step. train: from 4 to 0.5. dev: from 3 to 0.75." in markup


def test_lines_differ_by_class_and_the_seventh_takes_the_first_again():
    markup = chart(*(Series(str(place), [0, 1], [place, 1]) for place in range(7)))
    drawn = re.findall(r'class="series (series-\d)"', markup[markup.index('viewBox="0 0 440') :])
    assert drawn == [f"series-{place % 6}" for place in range(7)]


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="series 'dev' has 2 x but 1 y"):
        Series("dev", [1, 2], [1])


def test_a_vertical_axis_of_powers_shows_large_and_small_and_leaves_gaps() -> None:
    line = Series("loss", [1, 2, 3, 4], [1e-3, 0.0, 1.0, 1e3])
    drawn = line_chart([line], title="Loss", x_label="epoch", y_label="loss", log_y=True)
    for tick in (">0.01<", ">1<", ">100<"):
        assert tick in drawn
    path = re.findall(r'd="(M[^"]*)" class="series series-0"', drawn)[-1]
    assert path.count("M") == 2  # the 0 is a gap
    assert "from 0.001 to 1000" in drawn


def test_lines_behind_are_faint_and_not_in_the_legend() -> None:
    line = Series("best", [1, 2], [0.5, 0.2])
    chart = line_chart(
        [line], behind=[Series("other", [1, 2], [0.9, 0.8])],
        title="Loss", x_label="epoch", y_label="loss",
    )  # fmt: skip
    assert chart.count('"series behind"') == 1 and "other" not in chart
