"""What is shown, and kept off, while something takes its time."""

from __future__ import annotations

import os

import pytest

from gatescope.cli.terminal import engine_starting, printable, progress_bars

NOTICES = b"""WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1.6 2981 port.cc:153] oneDNN custom operations are on. You may see differences.
"""


def test_the_engines_notices_are_kept_off_and_nothing_else(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with engine_starting():
        os.write(2, NOTICES + b"F0000 no AVX on this machine\n")
    os.write(2, b"after\n")
    assert capfd.readouterr() == ("", "F0000 no AVX on this machine\nafter\n")


def test_standard_error_is_whole_again_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModuleNotFoundError), engine_starting():
        raise ModuleNotFoundError("tensorflow")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_bars_count_each_piece_of_work(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars() as report:
        report("opening photos", 1, 3)
        report("[looking]", 2, 2)
        report("opening photos", 3, 3)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "opening photos" in shown.err
    assert "3/3" in shown.err
    assert "[looking]" in shown.err


def test_line_feeds_and_tabs_are_left_of_control_characters() -> None:
    assert printable("a\x1b[2Jb\n\tc\r\x07é…") == "a\ufffd[2Jb\n\tc\ufffd\ufffdé…"


def test_colours_are_left_out() -> None:
    assert printable("\x1b[1mInput \x1b[38;5;34m0\x1b[0m") == "Input 0"
