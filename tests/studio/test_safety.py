"""Who may talk to the studio, asked of the guard itself and of a server over the wire."""

from __future__ import annotations

import base64
import http.client
import os
import re
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from gatescope.errors import UsageError
from gatescope.studio.safety import MOST_BYTES, Guard, cookie_name
from gatescope.studio.server import bound, is_loopback

TOKEN = "secret-token"


def asked(
    host: str | None = "127.0.0.1:8600",
    *,
    kind: str = "http",
    method: str = "GET",
    path: str = "/",
    query: str = "",
    token: str | None = None,
    listens: str = "127.0.0.1",
    **headers: str,
) -> tuple[int, dict[str, str]]:
    """What the guard answers: a status, 200 where the application behind it does; and headers."""
    sent: list[dict[str, Any]] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    given = {name.replace("_", "-"): value for name, value in headers.items()}
    named = [] if host is None else [(b"host", host.encode("latin-1"))]
    scope = {
        "type": kind, "path": path, "query_string": query.encode(), "server": ("127.0.0.1", 8600),
        "headers": named + [(n.encode(), v.encode("latin-1")) for n, v in given.items()],
    }  # fmt: skip
    if kind == "http":
        scope["method"] = method
    guard = Guard(behind, host=listens, token=token)
    finish(guard(scope, None, send))
    if sent[0]["type"] == "websocket.close":
        return 403, {}
    return sent[0]["status"], {n.decode(): v.decode() for n, v in sent[0]["headers"]}


def finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Runs what waits for nothing to its end, without a loop: Playwright may have one here."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


KINDS = pytest.mark.parametrize("kind", ["http", "websocket"])


@KINDS
@pytest.mark.parametrize(
    "host", ["127.0.0.1:8600", "localhost:8600", "LOCALHOST", "[::1]:8600", "127.0.0.2:1"]
)
def test_its_own_names_are_let_in(kind: str, host: str) -> None:
    assert asked(host, kind=kind)[0] == 200


@KINDS
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8600", "127.0.0.1.evil.example", "10.0.0.7:8600", "", None,
     "[::1", "[", "127.0.0.1@evil.example", "localhost.", "0x7f.1"],
)  # fmt: skip
def test_a_name_that_was_pointed_here_is_refused(kind: str, host: str | None) -> None:
    assert asked(host, kind=kind)[0] in (400, 403)


@KINDS
@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://127.0.0.1:9999", "http://localhost:8600", "null", "http://[",
     "http://127.0.0.1:8600@evil.example", "http://127.0.0.1:8600.evil.example", ""],
)  # fmt: skip
def test_a_page_of_another_site_is_refused(kind: str, origin: str) -> None:
    assert asked(kind=kind, origin=origin)[0] == 403
    assert asked(kind=kind, origin=origin, method="POST", content_length="0")[0] == 403


@KINDS
def test_its_own_page_is_let_in(kind: str) -> None:
    assert asked(kind=kind, origin="http://127.0.0.1:8600", sec_fetch_site="same-origin")[0] == 200


def test_what_another_page_embeds_is_refused_and_a_link_is_followed() -> None:
    for site in ("cross-site", "same-site"):
        assert asked(sec_fetch_site=site, sec_fetch_mode="no-cors")[0] == 403
        assert asked(sec_fetch_site=site, sec_fetch_mode="navigate")[0] == 200
        posted = {"method": "POST", "content_length": "0", "sec_fetch_mode": "navigate"}
        assert asked(sec_fetch_site=site, **posted)[0] == 403
        assert asked(kind="websocket", sec_fetch_site=site)[0] == 403


def test_two_hosts_are_refused() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    names = [(b"host", b"127.0.0.1:8600"), (b"host", b"evil.example")]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": names}
    finish(Guard(None, host="127.0.0.1", token=None)(scope, None, send))
    assert sent[0]["status"] == 400


@KINDS
def test_without_the_token_nothing_is_shown(kind: str) -> None:
    given = {"kind": kind, "token": TOKEN, "listens": "0.0.0.0"}
    for wrong in ({}, {"query": "token="}, {"query": "token=secret-tokem"},
                  {"query": f"token={TOKEN}&token={TOKEN}"}, {"query": "token=%FF%00"},
                  {"cookie": "gatescope_studio_8600=wrong"}, {"cookie": ";;=\x00\xff"},
                  {"cookie": f"gatescope_studio_9999={TOKEN}"}):  # fmt: skip
        assert asked("10.0.0.7:8600", **given, **wrong)[0] in (401, 403)
    cookie = f"other=1; gatescope_studio_8600={TOKEN}"
    assert asked("10.0.0.7:8600", **given, cookie=cookie)[0] == 200


def test_the_token_goes_from_the_address_into_a_cookie() -> None:
    status, headers = asked(
        "studio.example:8600", token=TOKEN, listens="studio.example", path="/runs/a b",
        query=f"step=3&token={TOKEN}",
    )  # fmt: skip
    assert (status, headers["location"]) == (303, "/runs/a%20b?step=3")
    cookie = headers["set-cookie"]
    assert cookie.startswith(f"gatescope_studio_8600={TOKEN};")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert headers["referrer-policy"] == "no-referrer"


def test_the_way_back_leads_to_no_other_server() -> None:
    for path in ("//evil.example/", "///evil.example", "/\\evil.example"):
        _, headers = asked(path=path, token=TOKEN, query=f"token={TOKEN}")
        assert re.match(r"/[^/\\]", headers["location"])


def test_names_of_this_machine_are_let_in_with_a_token_alone() -> None:
    name = f"{socket.gethostname()}:8600"
    assert asked(name, token=TOKEN, cookie=f"gatescope_studio_8600={TOKEN}")[0] == 200
    assert asked(name)[0] == 400


@pytest.mark.parametrize(
    ("length", "status"),
    [("10", 200), (str(MOST_BYTES), 200), (str(MOST_BYTES + 1), 413), ("9" * 5000, 411),
     ("-1", 411), ("²", 411), ("", 411), (None, 411)],
)  # fmt: skip
def test_what_is_sent_has_a_length(length: str | None, status: int) -> None:
    headers = {} if length is None else {"content_length": length}
    assert asked(method="POST", **headers)[0] == status


def test_pages_may_ask_no_other_host_and_stand_in_no_frame() -> None:
    policy = asked()[1]["content-security-policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert not re.search(r"https?:|\*", policy)


def test_cookies_of_two_studios_on_one_machine_stand_beside_each_other() -> None:
    assert cookie_name({"server": ("::1", 1)}) != cookie_name({"server": ("::1", 2)})


def test_a_busy_port_is_passed_over() -> None:
    with bound("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with bound("127.0.0.1", port) as second:
            assert port < second.getsockname()[1] <= port + 20


def test_where_it_cannot_listen_is_told() -> None:
    for host in ("", "203.0.113.7", "no such host", "a" * 300, "é" * 70):
        with pytest.raises(UsageError, match="cannot listen at"):
            bound(host, 0)


def test_the_last_port_has_none_after_it() -> None:
    with bound("127.0.0.1", 65_535), pytest.raises(UsageError, match="no port from 65535"):
        bound("127.0.0.1", 65_535)


def test_loopback_is_known_by_name_and_address() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.8.8.8", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.7", "studio.example", "")))


# Over the wire.


def fetched(address: str, path: str, **headers: str) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", path, headers=given)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers


def upgraded(address: str, path: str, **headers: str) -> int:
    """The status that a WebSocket handshake is answered with."""
    given = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }  # fmt: skip
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    connection.request("GET", path, headers=given | headers)
    return connection.getresponse().status


POLL = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"


def test_over_the_wire_pages_polls_and_sockets_pass_one_guard(
    studio: Any,
) -> None:
    address = studio.address
    for path in ("/", POLL, "/runs"):
        assert fetched(address, path)[0] == 200
        assert fetched(address, path, Host="evil.example")[0] == 400
        assert fetched(address, path, Origin="http://evil.example")[0] == 403
        assert fetched(address, path, Origin=address)[0] == 200
    assert upgraded(address, SOCKET, Origin=address) == 101
    assert upgraded(address, SOCKET) == 101
    assert upgraded(address, SOCKET, Origin="http://evil.example") == 403
    assert upgraded(address, SOCKET, Host="evil.example", Origin="http://evil.example") == 403


def test_over_the_wire_the_token_is_asked_for(
    server_at: Callable[..., Any], tmp_path: Path
) -> None:
    server = server_at(tmp_path, "--host", "0.0.0.0")
    address, token = server.address, server.printed.partition("token=")[2]
    assert len(token) >= 32 and server.said.count(token) == 1
    for path in ("/", POLL, "/_nicegui/"):
        status, body, _ = fetched(address, path)
        assert status == 401 and "token" in body
    assert upgraded(address, SOCKET) == 403
    status, _, headers = fetched(address, f"/runs?token={token}")
    assert (status, headers["location"]) == (303, "/runs")
    cookie = headers["set-cookie"].partition(";")[0]
    assert fetched(address, "/runs", Cookie=cookie)[0] == 200
    assert upgraded(address, SOCKET, Cookie=cookie) == 101
    assert upgraded(address, SOCKET, Cookie=cookie, Origin="http://evil.example") == 403


def test_over_the_wire_no_file_outside_is_reached(studio: Any) -> None:
    for path in ("/..%2f..%2fetc%2fpasswd", "/runs/..%2f..%2fetc", "/runs/%2fetc", "/runs/%00",
                 "/runs/" + "a" * 5000, "/runs/.hidden", "/runs/a%0d%0ab",
                 "/network/..%2f..%2fetc%2fpasswd", "/network/%2fetc", "/network/.hidden",
                 "/captions?captioner=..%2f..%2fetc"):  # fmt: skip
        status, body, _ = fetched(studio.address, path)
        assert status in (200, 404) and "root:" not in body and "Traceback" not in body


def test_an_address_that_does_not_exist_is_told(studio: Any) -> None:
    status, body, headers = fetched(studio.address, "/nothing-here")
    assert status == 404 and "Traceback" not in body
    assert "content-security-policy" in headers
