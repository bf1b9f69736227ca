"""Names in any spelling; wrong ones are answered with what is near."""

from __future__ import annotations

import pytest

from gatescope.catalog.lookup import CATALOG, find, plural
from gatescope.catalog.pairs import PAIRS, pairs_of
from gatescope.catalog.rows import Interval
from gatescope.catalog.view import facts, legend, listing, overview
from gatescope.errors import UsageError


@pytest.mark.parametrize("name", ["mse", "MSE", "MeanSquaredError", "mean-squared-error"])
def test_a_name_may_be_spelled_as_keras_does_anywhere(name: str) -> None:
    assert find("loss", name) is find("losses", "mean_squared_error")


@pytest.mark.parametrize("kind", ["losses", "loss", "LOSS"])
def test_a_kind_may_be_one_or_many(kind: str) -> None:
    assert plural(kind) == "losses"


@pytest.mark.parametrize(
    ("kind", "name", "happened", "fix"),
    [
        ("loss", "hubert", "there is no loss 'hubert'", "did you mean 'huber'?"),
        ("activations", "Gelo", "there is no activation 'Gelo'", "did you mean 'gelu' or"),
        (
            "loss",
            "ReLU",
            "there is no loss 'ReLU'",
            "it is one of the activations: gatescope catalog activation relu",
        ),
        ("optimizer", "zzz", "there is no optimizer 'zzz'", "gatescope catalog optimizers"),
        ("lossses", "mse", "the catalog has no 'lossses'", "did you mean 'losses'?"),
        ("zzz", "mse", "the catalog has no 'zzz'", "gatescope catalog"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(
    kind: str, name: str, happened: str, fix: str
) -> None:
    with pytest.raises(UsageError) as caught:
        find(kind, name)
    assert caught.value.happened == happened
    assert caught.value.expected.startswith("one of ")
    assert caught.value.fix.startswith(fix)


def test_an_interval_reads_as_text() -> None:
    assert str(Interval(float("-inf"), 0.5)) == "−∞ to 0.5"


def test_pairs_are_found_from_both_sides() -> None:
    assert {pair.loss for pair in pairs_of("softmax")} >= {"categorical_crossentropy"}
    assert {pair.activation for pair in pairs_of("poisson")} == {"exponential", "softplus"}
    assert pairs_of("relu") == ()
    assert all(pair in pairs_of(pair.loss) for pair in PAIRS)


@pytest.mark.parametrize("many", CATALOG)
def test_a_listing_has_a_full_row_for_every_entry(many: str) -> None:
    columns, rows = listing(many)
    assert [row[0] for row in rows] == list(CATALOG[many])
    assert all(len(row) == len(columns) and all(row) for row in rows)
    assert legend(many)


def test_the_overview_counts_every_kind() -> None:
    _, rows = overview()
    assert [row[:2] for row in rows] == [(many, len(of)) for many, of in CATALOG.items()]


def test_facts_have_a_text_each_and_repeat_no_label() -> None:
    for rows in CATALOG.values():
        for entry in rows.values():
            told = facts(entry)
            labels = [label for label, _ in told if label]
            assert len(labels) == len(set(labels))
            assert all(text for _, text in told)
            assert {"formula", "advice"} <= set(labels)
