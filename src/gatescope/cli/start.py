"""Where the `gatescope` script begins: the command, errors as text, exit codes."""

from __future__ import annotations

import io
import os
import sys

from gatescope.cli.failures import EXPECTED, report_failure


def main() -> None:
    """Runs the command line; the entry point of the `gatescope` script.

    Errors that are the user's to solve end as text on standard error: exit code 2 for what
    cannot mean anything, 1 for what failed, 130 for an interruption from the keyboard. An error
    of Gatescope's own keeps its traceback, which a bug report needs.
    """
    if sys.argv[1:2] == ["run"]:
        # Outside of the `try`, for the script's errors are its own, and its streams too.
        from gatescope.cli.run import run

        run(sys.argv[2:])
        return
    _let_any_text_out()
    try:
        _run()
    except BrokenPipeError:
        # A reader that leaves early, such as `head`, is no error; Python's last flush would be.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except EXPECTED as error:
        sys.exit(report_failure(error))


def _run() -> None:
    if sys.argv[1:2] != ["gates"]:
        from gatescope.cli.app import run_app

        sys.exit(run_app())
    # Loading typer, and the pydantic that it parses with, takes longer than this answer.
    from gatescope.cli.gates import gates

    try:
        sys.exit(gates(sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(130)


def _let_any_text_out() -> None:
    """A file name that the terminal cannot encode is shown escaped instead of ending the run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
