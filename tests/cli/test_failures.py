"""Errors of the system, said in three parts."""

from __future__ import annotations

import errno

import pytest

from gatescope.cli.failures import explain, report_failure
from gatescope.errors import DataError


@pytest.mark.parametrize(
    ("error", "happened", "fix"),
    [
        (OSError(errno.ENOSPC, "No space left"), "the disk is full", "free some space"),
        (OSError(errno.EDQUOT, "Quota", "a"), "the disk is full at 'a'", "free some space"),
        (PermissionError(errno.EACCES, "Denied", "a"), "Denied: 'a'", "permissions"),
        (IsADirectoryError(errno.EISDIR, "Is a directory"), "Is a directory", "check the path"),
        (OSError("file signature not found"), "file signature not found", "check the path"),
        (MemoryError(), "the memory of this machine is used up", "make the batch smaller"),
    ],
)
def test_errors_of_the_system_are_explained(error: Exception, happened: str, fix: str) -> None:
    explained = explain(error)
    assert explained.happened == happened
    assert fix in explained.fix
    assert explained.exit_code == 1


def test_our_own_errors_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    error = DataError("no photo", "one", "add one")
    assert report_failure(error) == 1
    assert capsys.readouterr() == ("", f"Error: {error}\n")
