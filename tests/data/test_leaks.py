"""Columns made from the target, against columns that only go with it."""

import numpy as np
import pytest

from gatescope.data.leaks import leaking_columns


def random(rows=400, seed=0):
    return np.random.default_rng(seed).normal(size=rows)


@pytest.mark.parametrize("rows", [40, 400])
def test_a_class_made_by_a_threshold_is_found(rows):
    grams = random(rows)
    found = leaking_columns({"grams": grams, "age": random(rows, 1)}, grams < 0.4, classes=True)
    assert found == {"grams": 1.0}


def test_a_class_under_another_name_is_found():
    codes = np.arange(400) % 7
    assert list(leaking_columns({"code": (codes * 3) % 7}, codes, classes=True)) == ["code"]


def test_a_number_in_other_units_is_found():
    metres = random()
    columns = {"feet": 3.28 * metres + 1, "noisy": metres + 0.3 * random(seed=1)}
    assert list(leaking_columns(columns, metres, classes=False)) == ["feet"]


def test_columns_that_go_with_the_target_are_left_alone():
    signal = random()
    target = signal + 0.2 * random(seed=1) > 0
    columns = {"signal": signal, "noise": random(seed=2), "row": np.arange(400)}
    assert leaking_columns(columns, target, classes=True) == {}


def test_too_few_rows_say_nothing():
    grams = random(20)
    assert leaking_columns({"grams": grams}, grams < 0, classes=True) == {}


def test_classes_too_rare_to_be_in_every_fold_do_not_count():
    codes = np.array([0, 1] * 50 + [2])
    assert list(leaking_columns({"code": codes}, codes, classes=True)) == ["code"]
