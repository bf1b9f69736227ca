"""The studio as a visitor meets it: the real server, and a real browser that is watched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import gatescope

_SECONDS = 180.0  # for a server to answer, on a machine that does much else
_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Without a sandbox, for that is refused to root and in containers; with no request of its own.
_SWITCHES = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--no-first-run",
)
_SAYS = "Gatescope studio: "


class Server:
    """`gatescope studio` in a process of its own.

    Args:
        folder: Of the runs.
        arguments: What else stands on its command line.
        logs: A folder for what it writes.
    """

    def __init__(self, folder: Path, arguments: tuple[str, ...], logs: Path) -> None:
        self.folder = folder
        self._out, self._err = logs / "out.txt", logs / "err.txt"
        port = () if "--port" in arguments else ("--port", "0")
        command = [sys.executable, "-m", "gatescope", "studio", str(folder), "--no-open"]
        source = str(Path(gatescope.__file__).parents[1])
        path = os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen(
                [*command, *port, *arguments], stdout=out, stderr=err,
                env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
        try:
            self.printed = self._started()  # the address as it was printed, with its token
        except BaseException:
            self.stop()
            raise
        parts = urlsplit(self.printed)
        self.port = parts.port
        name = "127.0.0.1" if parts.hostname == "0.0.0.0" else parts.netloc.rpartition(":")[0]
        self.address = f"http://{name}:{self.port}"

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self._out.read_text()

    @property
    def complained(self) -> str:
        """All that it has written on standard error."""
        return self._err.read_text()

    def _started(self) -> str:
        ends = time.monotonic() + _SECONDS
        while time.monotonic() < ends:
            if self._process.poll() is not None:
                pytest.fail(f"the studio did not start:\n{self.said}\n{self.complained}")
            lines = [line for line in self.said.splitlines() if line.startswith(_SAYS)]
            if lines and _answers(lines[0].removeprefix(_SAYS)):
                return lines[0].removeprefix(_SAYS)
            time.sleep(0.05)
        pytest.fail(f"the studio did not answer:\n{self.said}\n{self.complained}")

    def stop(self) -> None:
        """Ends it as a supervisor does; on a second call, does nothing."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address.replace("//0.0.0.0", "//127.0.0.1"), timeout=10):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def server_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts a studio for a folder of runs, with more arguments if there are any.

    All are stopped at the end, and none may have written a traceback meanwhile.
    """
    started: list[Server] = []

    def start(folder: Path, *arguments: str) -> Server:
        started.append(Server(folder, arguments, tmp_path_factory.mktemp("studio")))
        return started[-1]

    yield start
    for server in started:
        server.stop()
    for server in started:
        assert "Traceback" not in server.complained, server.complained


@pytest.fixture(scope="module")
def studio_at(server_at: Callable[..., Server]) -> Callable[..., str]:
    """The address, without a slash at its end, of a studio for a folder of runs.

    It is started when it is first asked for, and is the same within a file of tests.
    """
    running: dict[tuple[object, ...], str] = {}

    def at(folder: Path, *arguments: str) -> str:
        asked = (folder, *arguments)
        if asked not in running:
            running[asked] = server_at(folder, *arguments).address
        return running[asked]

    return at


# One a file of tests: while Playwright's loop lives, asyncio.run() is refused in its thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        own = driver.chromium.executable_path
        found = next(filter(None, map(shutil.which, _CHROMIUMS)), own)
        if not Path(found).exists():
            pytest.skip("no Chromium is installed: apt-get install chromium")
        launched = driver.chromium.launch(executable_path=found, args=list(_SWITCHES))
        playwright.expect.set_options(timeout=45_000)
        yield launched
        launched.close()


@pytest.fixture
def complaints() -> list[str]:
    """What `page` has been found guilty of; a test that provokes some takes them away."""
    return []


@pytest.fixture
def page(browser: Any, complaints: list[str]) -> Iterator[Any]:
    """A page of 1280 × 720; an error in its console or a request to elsewhere fails the test.

    So do those of other pages of `page.context`.
    """
    context = browser.new_context(
        viewport={"width": 1280, "height": 720}, reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"], service_workers="block",
    )  # fmt: skip
    context.set_default_timeout(45_000)  # for machines that do much else
    _watch(context, complaints)
    yield context.new_page()
    context.close()
    assert not complaints, "\n".join(complaints)


def _watch(context: Any, complaints: list[str]) -> None:
    def asked(address: str) -> None:
        parts = urlsplit(address)
        local = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if not local and parts.scheme not in ("data", "blob", "about", "file"):
            complaints.append(f"asked another host: {address}")

    def logged(message: Any) -> None:
        if message.type == "error":
            where = message.location.get("url", "")
            complaints.append(f"console: {message.text} ({where}) at {message.page.url}")

    context.on("request", lambda request: asked(request.url))
    context.on("page", lambda page: page.on("websocket", lambda socket: asked(socket.url)))
    context.on("console", logged)
    context.on("weberror", lambda error: complaints.append(f"uncaught: {error.error}"))


@pytest.fixture
def accessible() -> Callable[[Any], None]:
    """Checks that axe-core finds nothing serious or critical on a page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def check(page: Any) -> None:
        found = axe.run(page).response["violations"]
        bad = [
            f"{one['id']} ({one['impact']}): {one['help']}\n  "
            + "\n  ".join(node["html"][:300] for node in one["nodes"][:5])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert not bad, "\n".join(bad)

    return check


@pytest.fixture
def fits() -> Callable[[Any], None]:
    """Checks that a page does not scroll sideways on a phone of 390 × 844; leaves it so."""

    def check(page: Any) -> None:
        page.set_viewport_size({"width": 390, "height": 844})
        page.wait_for_timeout(300)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, f"{wide} px wide: {page.evaluate(_TOO_WIDE)}"

    return check


_TOO_WIDE = """() => [...document.querySelectorAll('body *')]
  .filter(each => each.getBoundingClientRect().right > 391)
  .map(each => each.outerHTML.slice(0, 120)).slice(0, 8)"""


@pytest.fixture
def options_of() -> Callable[[Any, str], Any]:
    """What ECharts was given for the chart of a page that is labelled so."""

    def read(page: Any, label: str) -> Any:
        return page.get_by_label(label, exact=True).evaluate(_OPTIONS)

    return read


_OPTIONS = "element => getElement(Number(element.id.slice(1))).options"
