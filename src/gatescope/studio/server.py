"""Starts the studio: a socket, the pages, and the guard in front of them."""

from __future__ import annotations

import errno
import ipaddress
import secrets
import socket
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from gatescope.errors import UsageError
from gatescope.studio.frame import Studio, prepare
from gatescope.studio.rooms import captions, gates, mechanisms, network, playground, run, runs
from gatescope.studio.safety import Application, Guard

PORT = 8600
_PORTS_TRIED = 20
_ROOMS = (gates, mechanisms, playground, runs, run, network, captions)


def serve(
    folder: Path, *, host: str, port: int, open_browser: bool, say: Callable[[str], None]
) -> None:
    """Serves the pages until it is interrupted.

    Args:
        folder: Where runs are.
        host: Where to listen; other machines reach it where it is no address of the loopback, and
            have to show a token then.
        port: Where to listen; of the next ones the first that is free, where it is not.
        open_browser: Whether to open the first page.
        say: Gets the address, and what else should be known.

    Raises:
        UsageError: The host cannot be listened at, or there is no free port.
    """
    listening = bound(host, port)
    found = listening.getsockname()[1]
    if port and found != port:
        say(f"port {port} is busy, so this is {found}")
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{found}/" + (f"?token={token}" if token else "")
    say(f"Gatescope studio: {address}")
    if token:
        say("whoever has this address can use it; it is printed this once")
    if open_browser:
        webbrowser.open(address)
    config = uvicorn.Config(
        application(Studio(folder), host, token), log_level="warning", ws="wsproto",
        server_header=False,
    )  # fmt: skip
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
    for number in range(port, port + _PORTS_TRIED if port else 1):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, number))
        except OSError as cause:
            listening.close()
            if cause.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise UsageError(
                    f"cannot listen at {host!r}: {cause.strerror or cause}",
                    "an address of this machine, or a name of it",
                    "--host 127.0.0.1",
                ) from cause
        else:
            return listening
    raise UsageError(
        f"no port from {port} to {port + _PORTS_TRIED - 1} is free",
        "a free port",
        "name one: --port 9000",
    )


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can connect there.

    Args:
        host: A name or an address.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
