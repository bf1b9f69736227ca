"""The studio as a visitor meets it: the real server, and a real browser that is watched.

A server costs two seconds of a processor, a browser two more, a page that is loaded one, and
TensorFlow ten. So all files share one studio, one browser and its cache; and a test walks through
a room and asserts on its way what its docstring names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import gatescope

_SECONDS = 180.0  # for a server to answer, on a machine that does much else
_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Without a sandbox, for that is refused to root and in containers; with no request of its own;
# and without a graphics processor, which would be imitated.
_SWITCHES = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-software-rasterizer",
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
        self.spool = logs / "spool"  # where it may put what is sent to it
        self.spool.mkdir()
        self._out, self._err = logs / "out.txt", logs / "err.txt"
        port = () if "--port" in arguments else ("--port", "0")
        command = [sys.executable, "-m", "gatescope", "studio", str(folder), "--no-open"]
        source = str(Path(gatescope.__file__).parents[1])
        path = os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen(
                [*command, *port, *arguments], stdout=out, stderr=err,
                env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1",
                     "TMPDIR": str(self.spool)},
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


@contextmanager
def _servers(factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """All are stopped at the end, and none may have written a traceback meanwhile."""
    started: list[Server] = []

    def start(folder: Path, *arguments: str) -> Server:
        started.append(Server(folder, arguments, factory.mktemp("studio")))
        return started[-1]

    yield start
    for server in started:
        server.stop()
    for server in started:
        assert "Traceback" not in server.complained, server.complained


@pytest.fixture(scope="module")
def server_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts a studio for a folder of runs, with more arguments if there are any."""
    with _servers(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="package")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The studio that all files share; who needs runs in its folder puts them there."""
    folder = tmp_path_factory.mktemp("shared") / "runs"
    folder.mkdir()
    with _servers(tmp_path_factory) as start:
        yield start(folder)


# While Playwright's loop lives, asyncio.run() is refused in its thread.
@pytest.fixture(scope="package")
def context() -> Iterator[Any]:
    """A Chromium without a window; all of its pages share one cache."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        own = driver.chromium.executable_path
        found = next(filter(None, map(shutil.which, _CHROMIUMS)), own)
        if not Path(found).exists():
            pytest.skip("no Chromium is installed: apt-get install chromium")
        browser = driver.chromium.launch(executable_path=found, args=list(_SWITCHES))
        playwright.expect.set_options(timeout=45_000)
        opened = browser.new_context(
            viewport={"width": 1280, "height": 720}, reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"], service_workers="block",
        )  # fmt: skip
        opened.set_default_timeout(45_000)  # for machines that do much else
        yield opened
        browser.close()


@pytest.fixture(scope="package")
def _watched(context: Any) -> list[str]:
    found: list[str] = []
    _watch(context, found)
    return found


@pytest.fixture
def complaints(_watched: list[str]) -> list[str]:
    """What pages have been found guilty of; a test that provokes some takes them away."""
    _watched.clear()
    return _watched


@pytest.fixture
def page(context: Any, complaints: list[str]) -> Iterator[Any]:
    """A page of 1280 × 720; an error in its console or a request to elsewhere fails the test.

    So do those of other pages of `page.context`.
    """
    yield context.new_page()
    for each in context.pages:
        each.close()
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
def looks_well() -> Callable[[Any], None]:
    """Checks a page: axe-core finds nothing serious by day, nor colours by night; it fits a phone.

    Leaves it on a phone of 390 × 844, by night.
    """
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def check(page: Any) -> None:
        _is_accessible(page, axe)
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        page.locator(".body--light").wait_for(state="detached")
        _is_accessible(page, axe, {"runOnly": {"type": "rule", "values": ["color-contrast"]}})
        page.set_viewport_size({"width": 390, "height": 844})
        page.wait_for_function("innerWidth === 390")
        for _ in range(20):  # a chart takes a moment to follow
            if page.evaluate(_WIDTH) <= 390:
                return
            page.wait_for_timeout(100)
        pytest.fail(f"{page.evaluate(_WIDTH)} px wide: {page.evaluate(_TOO_WIDE)}")

    return check


def _is_accessible(page: Any, axe: Any, options: dict[str, Any] | None = None) -> None:
    page.evaluate(_AT_REST)  # on the way from one colour to another, contrast is another
    bad = [
        f"{one['id']} ({one['impact']}): {one['help']}\n  "
        + "\n  ".join(node["html"][:300] for node in one["nodes"][:5])
        for one in axe.run(page, options=options).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert not bad, "\n".join(bad)


_AT_REST = """() => Promise.allSettled(document.getAnimations()
  .filter(each => Number.isFinite(each.effect.getComputedTiming().endTime))
  .map(each => each.finished))"""
_WIDTH = "document.documentElement.scrollWidth"
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
