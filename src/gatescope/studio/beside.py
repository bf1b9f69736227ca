"""The studio beside a program or a notebook: in a process of its own, which ends with theirs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self, final

from gatescope.errors import GatescopeError, UsageError
from gatescope.report.html import element, escape

_LAST_SECONDS = 5.0


def studio(
    runs: str | Path = "runs",
    *,
    port: int = 8600,
    host: str = "127.0.0.1",
    open_browser: bool = True,
) -> Beside:
    """Opens the studio, and goes on: `gs.studio()`.

    It runs in a process of its own, so that nothing of this one slows it down or stands in its
    way, such as the event loop of a notebook. It ends with `stop()`, or with this process.

    Args:
        runs: The folder that runs are in.
        port: Where to listen; the next free one where it is busy.
        host: Who may connect: this machine alone, or, as "0.0.0.0", whoever has the address.
        open_browser: Whether to open the first page.

    Returns:
        The studio, which knows its `address`.

    Raises:
        UsageError: It cannot listen there, or the folder is a file.

    Example:
        >>> pages = gs.studio("runs", open_browser=False)  # doctest: +SKIP
        >>> pages.address  # doctest: +SKIP
        'http://127.0.0.1:8600/'
        >>> pages.stop()  # doctest: +SKIP
    """
    if Path(runs).is_file():
        raise UsageError(f"{str(runs)!r} is a file", "a folder of runs", 'gs.studio("runs")')
    pages = Beside(Path(runs), host, port)
    if open_browser:
        webbrowser.open(pages.address)
    return pages


@final
class Beside:
    """A studio in a process of its own; `with` it, it ends at the end of the block.

    Args:
        runs: The folder that runs are in.
        host: Where it listens.
        port: Where it listens.
    """

    def __init__(self, runs: Path, host: str, port: int) -> None:
        asked = json.dumps([str(runs.absolute()), host, port])
        source = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")]))
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__, asked],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        self.address = _heard(self._process.stdout or ())

    def __repr__(self) -> str:
        state = "" if self._process.poll() is None else ", stopped"
        return f"<Gatescope studio: {self.address}{state}>"

    def _repr_html_(self) -> str:
        link = element("a", escape(self.address), href=self.address, target="_blank")
        return f"Gatescope studio: {link}"

    def stop(self) -> None:
        """Ends it; on a second call, does nothing."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _heard(lines: Iterable[str]) -> str:
    """The address, once the other process has told it."""
    for line in lines:
        kind, told = json.loads(line)
        if kind == "address":
            return str(told)
        raise UsageError(*told)
    raise UsageError(
        "the studio ended before it had begun", "a studio that starts", "gatescope studio"
    )


def _main(asked: str) -> None:
    """What the other process does."""
    from gatescope.studio.server import serve

    threading.Thread(target=_end_with_parent, daemon=True).start()
    folder, host, port = json.loads(asked)
    try:
        serve(Path(folder), host=host, port=port, say=str,
              opened=lambda address: _tell("address", address))  # fmt: skip
    except GatescopeError as error:
        _tell("error", [error.happened, error.expected, error.fix])


def _end_with_parent() -> None:
    """Its end of the pipe is closed when it ends, however it does."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _tell(kind: str, told: Any) -> None:
    sys.stdout.write(json.dumps([kind, told]) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _main(sys.argv[1])
