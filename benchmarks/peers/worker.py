"""Talks to a process, most often one with PyTorch, that does one round of work a line.

The process prints one JSON object a line. What it prints first says that it is ready.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Self


class Worker:
    """A script that runs under another interpreter, most often in an environment with PyTorch.

    Args:
        python: That interpreter.
        script: A file beside this one.
        settings: Sent as the first line.
    """

    def __init__(self, python: Path, script: str, settings: dict[str, object]) -> None:
        path = Path(__file__).parent / script
        self.process = subprocess.Popen(
            [str(python), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.about = self.ask(settings)

    def ask(self, request: object) -> dict[str, Any]:
        """Sends one line and waits for the answer."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args[-1]} ended with {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
