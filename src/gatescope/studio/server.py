"""Starts the studio: a socket, the pages, and the guard in front of them."""

from __future__ import annotations

import errno
import ipaddress
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from nicegui import ui

from gatescope.errors import UsageError
from gatescope.studio.frame import Studio, prepare
from gatescope.studio.rooms import captions, gates, mechanisms, network, playground, run, runs
from gatescope.studio.safety import Application, Guard

_PORTS, _PORTS_TRIED = 65_536, 20
_WAITING = 128  # connections, before they are accepted
_LAST_SECONDS = 2  # for what still goes on when the studio ends
_ROOMS = (gates, mechanisms, playground, runs, run, network, captions)


def serve(
    folder: Path,
    *,
    host: str,
    port: int,
    say: Callable[[str], object],
    opened: Callable[[str], object] = lambda address: None,
) -> None:
    """Serves the pages until it is interrupted.

    Args:
        folder: Where runs are.
        host: Where to listen; other machines reach it where it is no address of the loopback, and
            have to show a token then.
        port: Where to listen; of the next ones the first that is free, where it is not.
        say: Gets what should be known.
        opened: Gets the address as soon as it can be opened, with the token if there is one.

    Raises:
        UsageError: The host cannot be listened at, or there is no free port.
    """
    listening = bound(host, port)
    found = listening.getsockname()[1]
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    config = uvicorn.Config(
        application(Studio(folder), host, token), log_level="warning", server_header=False,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )  # fmt: skip
    if port and found != port:
        say(f"port {port} is busy, so this is {found}")
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{found}/" + (f"?token={token}" if token else "")
    say(f"Gatescope studio: {address}")
    if token:
        say("whoever has this address can use it; it is printed this once")
    if _is_unspecified(host):
        say(f"from elsewhere, put the name of this machine in place of {host}")
    opened(address)
    with suppress(KeyboardInterrupt):  # which uvicorn raises again when it has ended
        uvicorn.Server(config).run(sockets=[listening])


def application(studio: Studio, host: str, token: str | None) -> Application:
    """All pages behind their guard.

    Args:
        studio: What they show.
        host: Where the server listens.
        token: What has to be shown; None for nothing.
    """
    pages = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    prepare(studio)
    for room in _ROOMS:
        room.register(studio)
    ui.run_with(
        pages, title="Gatescope", dark=None, language="en-US", tailwind=False,
        reconnect_timeout=10.0, show_welcome_message=False,
        # On one machine, packing two megabytes of scripts takes longer than sending them.
        gzip_middleware_factory=GZipMiddleware if token else None,
    )  # fmt: skip
    return Guard(pages, host=host, token=token)


def bound(host: str, port: int) -> socket.socket:
    """Listens at a port, or at the first free one of those that follow.

    Args:
        host: Where.
        port: 0 for any.

    Raises:
        UsageError: There is no such host here, or no free port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last = min(port + _PORTS_TRIED, _PORTS) if port else 1
    for number in range(port, last):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((_named(host), number))
            listening.listen(_WAITING)  # until then, another process could bind here, too
        except (OSError, UnicodeError) as cause:
            listening.close()
            if getattr(cause, "errno", None) not in (errno.EADDRINUSE, errno.EACCES):
                raise UsageError(
                    f"cannot listen at {host!r}: {getattr(cause, 'strerror', None) or cause}",
                    "an address of this machine, or a name of it",
                    "--host 127.0.0.1",
                ) from cause
        else:
            return listening
    raise UsageError(
        f"no port from {port} to {last - 1} is free", "a free port", "name one: --port 9000"
    )


def _named(host: str) -> str:
    if not host:  # which would be every address of this machine
        raise OSError(errno.EADDRNOTAVAIL, "it is empty")
    return host.encode("idna").decode()  # of what this refuses, a socket complains variously


def _is_unspecified(host: str) -> bool:
    return host in ("0.0.0.0", "::")  # noqa: S104


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can connect there.

    Args:
        host: A name or an address.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
