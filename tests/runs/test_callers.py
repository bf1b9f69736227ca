"""Warnings at the line of the user's."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import pytest

from gatescope.runs.callers import is_the_users, warn


def test_a_warning_shows_the_users_line() -> None:
    with pytest.warns(RuntimeWarning, match="the disk is full") as caught:
        warn("the disk is full")
    assert Path(caught[0].filename) == Path(__file__)


def test_a_warning_of_a_thread_without_such_a_line_shows_the_main_threads() -> None:
    with pytest.warns(RuntimeWarning, match="late") as caught:
        thread = threading.Thread(target=warn, args=("late",))
        thread.start()
        thread.join()
    assert Path(caught[0].filename) == Path(__file__)


def test_where_warnings_are_errors_nothing_is_raised() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn("the disk is full")


def test_pythons_installed_and_our_own_files_are_not_the_users() -> None:
    assert is_the_users(__file__)
    for file in (threading.__file__, pytest.__file__, warn.__code__.co_filename, "<stdin>"):
        assert not is_the_users(file)
