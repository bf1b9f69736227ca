"""What recipes say of themselves, read from their source."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatescope.errors import UsageError
from gatescope.recipes.kinds.lessons import ORDER, lesson, lessons, lines_of_code, read_lesson


def test_lessons_come_in_their_order_and_each_tells_its_data_and_minutes() -> None:
    found = lessons()
    places = [ORDER.index(one.name.replace("-", "_")) for one in found]
    assert places == sorted(places)
    for one in found:
        assert one.title and one.text and one.lines
        assert {"Data", "Minutes on two cores", "Expected", "Baseline"} <= set(one.facts), one.name


@pytest.mark.parametrize(
    ("name", "most"),
    [("gate", 37 / 4), ("logistic", 89 / 4), ("convolution", 128 / 4), ("recurrence", 185 / 4)],
)
def test_a_recipe_takes_a_quarter_of_what_cookbooks_need(name: str, most: float) -> None:
    assert lesson(name).lines <= most


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"there is no recipe 'gatse'[\s\S]*did you mean 'gate"):
        lesson("gatse")


def test_what_is_no_code_is_not_counted() -> None:
    source = '"""A\nlong\ndocstring."""\n\n# a comment\nx = [\n    1,\n]  # three lines\n'
    assert lines_of_code(source) == 3


def test_facts_end_where_the_next_begins(tmp_path: Path) -> None:
    file = tmp_path / "my_own.py"
    file.write_text(
        '"""Title.\n\nText, in two\nlines: so.\n\nPredict: what?\n\nData: mine. Minutes on two '
        'cores: 3. Expected on its\ntest split: 1 to 2. Baseline: none.\n"""\n'
    )
    found = read_lesson(file)
    assert (found.name, found.title, found.text) == ("my-own", "Title", "Text, in two\nlines: so.")
    assert found.facts == {
        "Predict": "what?", "Data": "mine.", "Minutes on two cores": "3.", "Expected": "1 to 2.",
        "Baseline": "none.",
    }  # fmt: skip
