"""Starting and ending: from the terminal, from Python, and again while a page is open."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from studio_runs import written
from typer.testing import CliRunner

import gatescope as gs
from gatescope.cli.app import app
from gatescope.errors import UsageError


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.status == 200
    except urllib.error.URLError:
        return False


def test_a_page_comes_back_when_the_server_is_started_again(
    page: Any, server_at: Callable[..., Any], tmp_path: Path, complaints: list[str]
) -> None:
    name = written(tmp_path, steps=20)
    first = server_at(tmp_path)
    page.goto(f"{first.address}/runs/{name}?step=7")
    page.get_by_label("batch_loss at each step").wait_for()
    page.evaluate("window.before = true")
    first.stop()
    server_at(tmp_path, "--port", str(first.port))
    page.wait_for_function("!window.before && document.querySelector('.gs-moment')")
    page.locator(".gs-moment .value", has_text="7").first.wait_for()
    page.get_by_role("link", name="Mechanisms").click()
    page.locator(".nicegui-echart svg").first.wait_for()
    gone = ("ERR_CONNECTION_REFUSED", "WebSocket", "ERR_EMPTY_RESPONSE", "400")
    complaints[:] = [one for one in complaints if not any(word in one for word in gone)]


def test_a_busy_port_is_said_and_it_ends_without_a_word(
    server_at: Callable[..., Any], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        server = server_at(tmp_path, "--port", str(port))
    assert port < server.port <= port + 20
    assert f"port {port} is busy, so this is {server.port}" in server.said
    server.stop()
    assert server.complained == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["{file}"], "is a file"), (["--host", "203.0.113.9"], "cannot listen at"),
     (["--port", "99999"], "65535")],
)  # fmt: skip
def test_what_cannot_be_is_told(tmp_path: Path, arguments: list[str], told: str) -> None:
    file = tmp_path / "file"
    file.touch()
    words = [word.format(file=file) for word in arguments]
    done = CliRunner().invoke(app, ["studio", "--no-open", *words])
    assert done.exit_code != 0 and told in f"{done.exception}{done.output}"


def test_from_python_it_runs_until_it_is_stopped(tmp_path: Path) -> None:
    """In a notebook, whose loop is running; and two stand beside each other."""

    async def cell() -> None:
        with gs.studio(tmp_path, port=0, open_browser=False) as pages:
            assert await asyncio.to_thread(answers, pages.address)
            assert pages.address in repr(pages)
            assert f'href="{pages.address}"' in pages._repr_html_()
            port = int(pages.address.rpartition(":")[2].strip("/"))
            with gs.studio(tmp_path, port=port, open_browser=False) as other:
                assert pages.address != other.address
                assert await asyncio.to_thread(answers, other.address)
        assert not answers(pages.address)
        assert "stopped" in repr(pages)
        pages.stop()

    with ThreadPoolExecutor() as pool:  # for Playwright has a loop in this thread
        pool.submit(asyncio.run, cell()).result()


def test_it_ends_with_the_process_that_opened_it(tmp_path: Path) -> None:
    code = ("import gatescope as gs, os, signal; pages = gs.studio(open_browser=False, port=0);"
            "print(pages.address, flush=True); os.kill(os.getpid(), signal.SIGKILL)")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True,
                          text=True, env=None)  # fmt: skip
    address = done.stdout.strip()
    ends = time.monotonic() + 60
    while answers(address):
        assert time.monotonic() < ends, "it goes on"
        time.sleep(0.05)


def test_from_python_what_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        gs.studio(tmp_path / "file", open_browser=False)
    with pytest.raises(UsageError, match="cannot listen at"):
        gs.studio(tmp_path, host="203.0.113.9", open_browser=False)


@pytest.mark.parametrize(
    "first", ["import gatescope.studio.safety", "import gatescope.studio.server", "pass"]
)
def test_the_name_is_the_function_whatever_was_imported_before(first: str) -> None:
    code = f"{first}\nimport gatescope as gs\nassert callable(gs.studio), gs.studio"
    subprocess.run([sys.executable, "-c", code], check=True)
