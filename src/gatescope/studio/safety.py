"""Who may talk to the studio: the guard in front of every page, poll and socket.

A page of another site can make a browser send requests to 127.0.0.1 (cross-site requests), or point
a name of its own there (DNS rebinding). So a request has to name this server in `Host`, and where a
browser says which page it comes from, in `Origin` or `Sec-Fetch-Site`, that has to be a page of
this server; a link that is followed may stand elsewhere. NiceGUI's socket accepts any origin by
itself; here pages, polling and WebSocket pass one guard.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, final
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BYTES = 64 * 2**20
"""Of what is sent to the server at once, files among it."""

_MOST_DIGITS = 18  # of a length
_ASKED = "token"
_REFUSED = {
    400: "The studio is not known by this name: open the address that was printed.",
    401: "This studio asks for its token: open the address that was printed when it was started.",
    403: "This request comes from another site.",
    411: "This request does not say how long it is.",
    413: f"This is too large: the studio takes {MOST_BYTES // 2**20} MiB at once.",
}
# NiceGUI runs what it gets over its socket by `eval`, and styles elements inline.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


@final
class Guard:
    """An ASGI application that lets through what is meant for the one behind it.

    Args:
        application: The one behind it.
        host: Where the server listens; an address of the loopback, or one that others reach.
        token: What has to be shown once, as `?token=`, and is then kept in a cookie that scripts
            cannot read; None where only this machine can connect.
    """

    def __init__(self, application: Application, *, host: str, token: str | None) -> None:
        self._application, self._token = application, token
        self._names = {"localhost", host.lower()}
        if token is not None:  # others reach this machine by its name, too
            name = socket.gethostname().lower()
            self._names |= {name, f"{name}.local"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or hands it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused:
            await _refuse(scope, send, refused)
        elif self._shown(scope) and scope["type"] == "http":
            await self._welcome(scope, send)
        else:
            await self._hand_on(scope, receive, send)

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._application(scope, receive, _with_headers(send))
        except RuntimeError as error:
            # Starlette's word for a browser that left before its answer was there: no fault.
            if str(error) != "No response returned.":
                raise

    def _refused(self, scope: Scope) -> int | None:
        """The status that a request is refused with."""
        hosts = _all(scope, b"host")
        if len(hosts) != 1 or not self._ours(hosts[0]):
            return 400
        if _is_foreign(scope, hosts[0]):
            return 403
        return _too_long(scope) if self._allowed(scope) else 401

    def _ours(self, named: str) -> bool:
        """Whether a `Host` names this server, which a rebound name of another site does not."""
        try:
            name = urlsplit(f"//{named}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or self._token is not None

    def _allowed(self, scope: Scope) -> bool:
        return self._token is None or self._shown(scope) or self._same(_cookie(scope))

    def _shown(self, scope: Scope) -> bool:
        """Whether the token is in the address."""
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        return self._token is not None and self._same("".join(asked.get(_ASKED, [])))

    def _same(self, given: str) -> bool:
        # Compared in a time that does not tell how much of it is right.
        return hmac.compare_digest(given.encode(), (self._token or "").encode())

    async def _welcome(self, scope: Scope, send: Send) -> None:
        """Keeps the token in a cookie and takes it out of the address, which gets shared."""
        cookie = f"{cookie_name(scope)}={self._token}; HttpOnly; SameSite=Strict; Path=/"
        asked = parse_qsl(scope["query_string"].decode("latin-1"))
        rest = urlencode([(name, value) for name, value in asked if name != _ASKED])
        there = quote(scope["path"]) + (f"?{rest}" if rest else "")
        # Two slashes at the start would be the name of another server.
        headers = [
            (b"location", b"/" + there.lstrip("/").encode()),
            (b"set-cookie", cookie.encode()),
            *_HEADERS,
        ]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def cookie_name(scope: Scope) -> str:
    """Of the cookie that keeps the token; browsers do not tell servers apart by their ports.

    Args:
        scope: Of a request.
    """
    _, port = scope.get("server") or ("", 0)
    return f"gatescope_studio_{port}"


def _is_foreign(scope: Scope, host: str) -> bool:
    """Whether a browser says that a page of another server sends this."""
    if any(_place(origin) != host.lower() for origin in _all(scope, b"origin")):
        return True
    # What a page of another site embeds carries no Origin; a link that is followed is welcome.
    followed = scope.get("method") == "GET" and _all(scope, b"sec-fetch-mode") == ["navigate"]
    sites = set(_all(scope, b"sec-fetch-site"))
    return not followed and not sites <= {"same-origin", "none"}


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _too_long(scope: Scope) -> int | None:
    """The status for what would fill memory or disk before anybody looks at it."""
    if scope["type"] != "http" or scope.get("method") in ("GET", "HEAD", "OPTIONS"):
        return None
    lengths = _all(scope, b"content-length")
    if len(lengths) != 1 or not lengths[0].isdecimal() or len(lengths[0]) > _MOST_DIGITS:
        return 411
    return 413 if int(lengths[0]) > MOST_BYTES else None


def _all(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _cookie(scope: Scope) -> str:
    try:
        found = SimpleCookie("; ".join(_all(scope, b"cookie"))).get(cookie_name(scope))
    except CookieError:
        return ""
    return found.value if found else ""


async def _refuse(scope: Scope, send: Send, status: int) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": _REFUSED[status].encode()})


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *_HEADERS]
        await send(message)

    return sending
