"""The `gatescope` command: parses, calls one function, prints.

Command modules import nothing heavy at their top, so that `--help` and `--version` answer in a
blink; what a command needs, it imports when it runs.
"""

from gatescope.cli.start import main

__all__ = ["main"]
