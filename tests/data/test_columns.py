"""Kinds of columns, each told from cells as people write them."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatescope.data.columns import MAX_CATEGORIES, ColumnSurvey, number_of, to_days, to_numbers
from gatescope.errors import DataError


def survey(*cells, name="x", decimal=".", chunk=7):
    column = ColumnSurvey(name, decimal)
    lines = range(2, 2 + len(cells))
    for at in range(0, len(cells), chunk):
        column.add(cells[at : at + chunk], lines[at : at + chunk])
    return column


SENTENCES = [f"this is sentence number {i} of many" for i in range(30)]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1.5", "2", "-3e4", "1.5"], "number"),
        (["3", "1", "3", "2"], "number"),
        (["1", "", "NA", "2", "2"], "number"),
        (["1,234", "12", "1,234,567.5", "12"], "number"),
        (["red", "blue", "red", ""], "category"),
        (["0", "1", "2", "3+"] * 10, "category"),
        (["yes"] * 5, "constant"),
        (["7"] * 5, "constant"),
        (["", "nan", "?"], "constant"),
        (["yes", "", "yes"], "category"),
        ([str(i) for i in range(30)], "id"),
        ([f"user{i}" for i in range(30)], "id"),
        (SENTENCES, "text"),
        (["2020-01-31", "2021-02-28T12:00", ""], "date"),
        (["31.12.2020", "01.02.2021"], "date"),
        (["12/31/2020", "01/02/2021"], "date"),
        (["31/12/2020", "01/02/2021"], "date"),
        (["2020-01-31", "31.12.2020", "2020-01-31"], "category"),
        ([f"k{i % 1100}" for i in range(4000)], "id"),
        (["1_2", "12", "3_4", "34"], "category"),
        (["1'234", "12", "1’234’567"], "number"),
        (["1 234", "1\u00a0234", "1\u202f234.5"], "number"),
        (["12 34", "1,23", "x"], "category"),
        (["−5", "3", "-2"], "number"),
        (["50.1%", "7 %", "", "-", "3%"], "number"),
        (["€1,034.50", "-€5", "€ 7"], "number"),
        (["5kg", "7 lb", "3kg"], "category"),
        (["50%", "7", "3%"], "category"),
        (["T1", "T2", "T3"], "category"),
        (["1", "-", ".", "--", "None", "#DIV/0!", "#N/A", "#VALUE!", "2", "2"], "number"),
        (["+", "-", "+", "-"], "category"),
        (["None", "mild", "None"], "category"),
        (["-", "-", "-"], "constant"),
        (["13-01-2020", "01-02-2020 13:05"], "date"),
        (["2020/01/31", "2020/1/5 1:05 PM"], "date"),
        (["1/2/20", "1/13/20"], "date"),
        (["3 Jan 2004", "12-May-2004", "-"], "date"),
        (["Jan 3, 2004", "September 12, 2004"], "date"),
        (["1/2/2020 13:05", "1/31/2020 25:05"], "category"),
        (["1/2/2020", "30/30/2020"], "category"),
    ],
)
def test_kinds(cells, kind):
    assert survey(*cells).kind == kind


def test_whole_numbers_that_never_repeat_are_ids_where_the_name_says_so():
    cells = [str(i * i) for i in range(30)]
    assert survey(*cells, name="patient_id").kind == "id"
    assert survey(*cells, name="area").kind == "number"
    assert survey(*cells, "4", name="patient_id").kind == "number"


def test_what_counts_up_is_an_id_only_from_0_or_1_and_if_it_is_no_time():
    assert survey(*map(str, range(1, 30))).kind == "id"
    assert survey(*map(str, range(1800, 1999))).kind == "number"
    assert survey(*map(str, range(30)), name="day").kind == "number"


def test_a_unit_is_what_nearly_all_have_and_others_are_refused():
    column = survey(*(f"{i} kg" for i in range(40)), "7")
    assert (column.unit, column.kind, column.numbers) == ("kg", "number", 40)
    assert refusal(column, "number").happened == (
        "the column 'x' of 't.csv' has text in line 42: '7'; 40 of its 41 values are numbers "
        "with 'kg'"
    )


@pytest.mark.parametrize(
    ("cell", "decimal", "unit", "number"),
    [
        ("−1 234,5 €", ",", "€", -1234.5),
        ("-$5,123.40", ".", "$", -5123.4),
        ("$ -5", ".", "$", -5),
        ("- $5", ".", "", None),
        ("20.4 °C", ".", "°C", 20.4),
        (".5 m", ".", "m", 0.5),
        ("5 lb", ".", "kg", None),
        ("1 2 kg", ".", "kg", None),
        ("1_2", ".", "", None),
        ("1.034", ",", "", 1034),
        ("1.5", ",", "", None),
        ("1,23", ".", "", None),
        ("1'234,567", ".", "", None),
    ],
)
def test_a_number_with_its_unit(cell, decimal, unit, number):
    if number is None:
        with pytest.raises(ValueError, match="could not convert"):
            number_of(cell, decimal, unit)
    else:
        assert number_of(cell, decimal, unit) == number


@pytest.mark.parametrize(
    ("cells", "form", "other"),
    [
        (["1/2/2020", "3/4/2020"], "month/day/year", "day/month/year"),
        (["1/2/2020", "3/14/2020"], "month/day/year", None),
        (["13/2/2020", "3/4/2020"], "day/month/year", None),
        (["1-2-2020", "3-4-2020"], "day-month-year", "month-day-year"),
        (["1-2-2020", "3-14-2020"], "month-day-year", None),
        (["1.2.2020"], "day.month.year", None),
    ],
)
def test_days_above_12_tell_the_form_of_dates(cells, form, other):
    column = survey(*cells)
    assert (column.date_form, column.other_date_form) == (form, other)


def test_dates_in_words_and_with_half_days():
    assert to_days(["2 Jan 1970", "2-january-70", "-"], "day month year")[:2].tolist() == [1, 1]
    assert to_days(["1/1/70 12:30 AM"], "month/day/year") == 0.5 / 24
    assert to_days(["1970/01/01 6:00 pm"], "year/month/day").tolist() == [0.75]


@given(
    st.lists(
        st.sampled_from(["1", "2.5", "", "red", "5%", "-", "7 kg", "2020-01-31", "a b c d e"]),
        max_size=40,
    )
)
def test_chunks_do_not_matter(cells):
    whole, parts = survey(*cells, chunk=100), survey(*cells, chunk=3)
    assert whole == parts
    assert whole.kind == parts.kind


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_written_out_is_read_back(number):
    assert to_numbers([repr(number)], ".")[0] == number
    assert number_of(repr(number).replace(".", ","), ",") == number


@given(st.dates())
def test_dates_are_days_since_1970(day):
    days = (day - date(1970, 1, 1)).days
    written = [day.isoformat(), f"{day.day:02}.{day.month:02}.{day.year:04}"]
    assert to_days(written[:1], "year-month-day") == days
    assert to_days(written[1:], "day.month.year") == days


def test_times_are_fractions_of_days_and_zones_count():
    cells = ["1970-01-02T12:00", "1970-01-01T01:00+01:00", ""]
    np.testing.assert_array_equal(to_days(cells, "year-month-day"), [1.5, 0, np.nan])


def refusal(column, kind):
    with pytest.raises(DataError) as caught:
        column.refuse(kind, "'t.csv'")
    return caught.value


def test_text_among_numbers_is_refused_with_its_line():
    column = survey(*map(str, range(40)), "about 7")
    assert column.kind == "number"
    error = refusal(column, "number")
    assert error.happened == (
        "the column 'x' of 't.csv' has text in line 42: 'about 7'; 40 of its 41 values are numbers"
    )
    assert "kinds={'x': 'category'}" in error.fix


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e999", "3.5e38"])
def test_infinite_numbers_are_refused_with_their_line(cell):
    error = refusal(survey("1", "2", cell, "2"), "number")
    assert error.happened == (f"the column 'x' of 't.csv' has an infinite number in line 4: {cell}")


def test_what_is_no_date_and_too_many_categories_are_refused():
    assert "is said to hold dates" in refusal(survey("red", "blue"), "date").happened
    many = survey(*(f"k{i}" for i in range(MAX_CATEGORIES + 1)))
    assert "has more than 1,000 categories" in refusal(many, "category").happened


def test_what_fits_is_not_refused():
    survey("1", "", "2").refuse("number", "'t.csv'")
    survey("red", "1").refuse("category", "'t.csv'")
    survey("2020-01-31").refuse("date", "'t.csv'")
