"""`--set a.b=c`: settings of a recipe, changed by name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, create_model, model_validator

from gatescope.errors import ConfigurationError
from gatescope.recipes.kinds.settings import override


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Training(Frozen):
    epochs: PositiveInt = 8
    dropout: float = Field(default=0.5, ge=0, lt=1)
    patience: int | None = 2
    shuffle: bool = True
    threshold: int | Literal["auto"] = "auto"


class Span(Frozen):
    low: int = 0
    high: int = 9

    @model_validator(mode="after")
    def _in_order(self) -> Span:
        if self.low > self.high:
            raise ValueError("low at most high")
        return self


class Caption(Frozen):
    name: str = "caption"
    cell: Literal["lstm", "gru"] = "lstm"
    sizes: tuple[int, ...] = (7,)
    folder: Path = Path("runs")
    training: Training = Training()
    span: Span = Span()
    extra: Span | None = Span()


def changed(*assignments: str) -> Caption:
    return override(Caption(), assignments)


def failure(*assignments: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        changed(*assignments)
    return caught.value


def test_python_quotes_are_read_too() -> None:
    class Read(Frozen):
        kinds: dict[str, str] = {}
        sizes: tuple[str, ...] = ()

    found = override(Read(), ["kinds={'y': 'category'}", "sizes=['a', 'b']"])
    assert found == Read(kinds={"y": "category"}, sizes=("a", "b"))
    with pytest.raises(ConfigurationError, match=r"kinds=\{y: category\}"):
        override(Read(), ["kinds={y: category}"])


def test_nothing_set_changes_nothing() -> None:
    assert changed() == Caption()


def test_values_are_read_as_the_field_wants_them() -> None:
    recipe = changed(
        "name=12",
        "cell=gru",
        "sizes=[7, 14]",
        "folder=runs/a=b",
        "training.epochs=12",
        "training.dropout=.3",
        "training.patience=null",
        "training.shuffle=False",
        "training.threshold=5",
    )
    assert recipe == Caption(
        name="12",
        cell="gru",
        sizes=(7, 14),
        folder=Path("runs/a=b"),
        training=Training(epochs=12, dropout=0.3, patience=None, shuffle=False, threshold=5),
    )


@settings(deadline=None, max_examples=50)
@given(epochs=st.integers(1, 10**6), dropout=st.floats(0, 0.99), name=st.text())
def test_any_value_arrives_and_the_recipe_given_stays(
    epochs: int, dropout: float, name: str
) -> None:
    before = Caption()
    recipe = override(
        before, [f"training.epochs={epochs}", f"training.dropout={dropout!r}", f"name={name}"]
    )
    assert (recipe.training.epochs, recipe.training.dropout) == (epochs, dropout)
    assert recipe.name == name.strip()
    assert before == Caption()


def test_the_later_of_two_counts() -> None:
    assert changed("training.epochs=1", "training.epochs=2").training.epochs == 2
    assert changed("training.epochs=1", 'training={"dropout": 0.1}').training == Training(
        dropout=0.1
    )
    assert changed('training={"dropout": 0.1}', "training.epochs=1").training == Training(
        dropout=0.1, epochs=1
    )


def test_changes_that_only_hold_together_are_accepted_in_any_order() -> None:
    for assignments in (["span.low=20", "span.high=30"], ["span.high=30", "span.low=20"]):
        assert changed(*assignments).span == Span(low=20, high=30)


def test_changes_that_contradict_the_recipe_are_told() -> None:
    error = failure("span.low=20")
    assert str(error).splitlines() == [
        "span.low=20 does not go with the rest of the recipe",
        "  expected: low at most high",
        "  fix: change or leave out one of them",
    ]


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("training.epoch", "training.epochs"),
        ("epochs", "training.epochs"),
        ("training.low", "span.low' or 'extra.low"),
        ("trainning.dropout", "training.dropout"),
        ("training.epochs.more", "training.epochs"),
        ("sell", "cell"),
    ],
)
def test_an_unknown_name_is_answered_by_the_nearest(wrong: str, near: str) -> None:
    error = failure(f"{wrong}=1")
    assert error.happened == f"there is no setting {wrong!r}"
    assert "training.dropout" in error.expected
    assert error.fix.startswith(f"did you mean '{near}'")


def test_of_many_settings_the_likely_ones_are_listed_first() -> None:
    wide = create_model("Wide", **{f"field_{place:02}": (int, 1) for place in range(40)})()
    with pytest.raises(ConfigurationError, match=r"one of field_37, .* and 24 more\n"):
        override(wide, ["fild_37=1"])


@pytest.mark.parametrize("name", ["zzzzzz", "", ".", "training..epochs.", "__class__"])
def test_a_name_like_no_other_is_answered_by_all_names(name: str) -> None:
    error = failure(f"{name}=1")
    assert error.expected.startswith("one of name, cell, sizes")


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("training.epochs=many", "a valid integer"),
        ("training.epochs=0", "greater than 0"),
        ("training.epochs=1.5", "a valid integer"),
        ("training.dropout=1", "less than 1"),
        ("training.dropout=", "a valid number"),
        ("training.patience=soon", "or null"),
        ("training.shuffle=perhaps", "a valid boolean"),
        ("training.threshold=all", "'auto'"),
        ("cell=rnn", "'lstm' or 'gru'"),
        ("sizes=7", "a valid tuple"),
        ("training=5", "a valid dictionary"),
        ('training={"epoch": 5}', "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_value_is_answered_by_the_type(assignment: str, expected: str) -> None:
    error = failure(assignment)
    assert error.happened == assignment
    assert expected in error.expected
    name = assignment.partition("=")[0]
    assert error.fix.startswith(f"the recipe has {name}=")


def test_a_group_that_was_taken_out_has_no_settings() -> None:
    assert changed("extra=null").extra is None
    error = failure("extra=null", "extra.low=1")
    assert error.happened == "extra.low=1 after extra was set to null"


def test_the_fix_shows_the_present_value_as_one_would_type_it() -> None:
    assert "training.epochs=8;" in failure("training.epochs=many").fix
    assert "cell=lstm;" in failure("cell=rnn").fix
    assert "sizes=[7];" in failure("sizes=7").fix


def test_an_assignment_without_equals_is_refused() -> None:
    assert str(failure("training.epochs")).splitlines() == [
        "'training.epochs' sets nothing",
        "  expected: name=value",
        "  fix: write it like training.batch_size=32",
    ]
