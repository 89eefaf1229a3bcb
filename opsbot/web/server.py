"""uvicorn in a thread of its own: the daemon's signals stay the daemon's."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from threading import Thread

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from opsbot.errors import OpsbotError

_BACKLOG = 128
# Enough for a team and its dashboards; more at once are told to come again.
_AT_ONCE = 64


class Server:
    """A page that answers until `stop`. `port` is the one it got, where 0 was asked for."""

    def __init__(self, app: ASGIApp, listener: socket.socket, patience: float) -> None:
        self._listener = listener
        self.host, self.port = listener.getsockname()[:2]
        self._uvicorn = uvicorn.Server(_config(app, patience))
        self._thread = Thread(target=self._serve, name="web", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def stop(self, grace: float = 5.0) -> None:
        """Take no more visitors, finish what is being answered, and end within `grace` seconds."""
        self._uvicorn.should_exit = True
        self._thread.join(grace / 2)
        self._uvicorn.force_exit = True
        self._thread.join(grace / 2)
        self._listener.close()

    def _serve(self) -> None:
        self._uvicorn.run(sockets=[self._listener])


def start(app: ASGIApp, host: str, port: int, *, patience: float = 10.0) -> Server:
    """Serve at this address; port 0 takes a free one. Raises OpsbotError if it cannot be had.

    Who has not asked anything whole within `patience` seconds is sent away: else a few dozen silent connections would
    keep everybody out, and the one that looks after the daemon's health first.
    """
    try:
        listener = _listen(host, port)
    except OSError as error:
        shown = f"[{host}]" if ":" in host else host
        raise OpsbotError(
            f"web.listen: {shown}:{port} cannot be listened on: {error.strerror or error}",
            hint="stop what listens there (perhaps another opsbot), or set web.listen to another address",
        ) from error
    # What is loaded by now lives as long as the daemon: without this, looking through all of it for garbage every few
    # hundred pages takes as long as ten of them.
    gc.freeze()
    return Server(app, listener, patience)


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # The protocol must be named: asyncio sends small answers at once (TCP_NODELAY) only where it knows that it is TCP,
    # and without that each answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, kind, protocol or socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address[0] != "::"))
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _impatient(patience: float) -> type[H11Protocol]:
    class Impatient(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.loop.call_later(patience, self._look, None)

        def _look(self, before: RequestResponseCycle | None) -> None:
            """Closes where nothing was asked since the last look and nothing is being answered."""
            if self.transport.is_closing():
                return
            cycle: RequestResponseCycle | None = self.cycle
            if cycle is before and (cycle is None or cycle.response_complete):
                self.transport.close()
            else:
                self.loop.call_later(patience, self._look, cycle)

    return Impatient


def _config(app: ASGIApp, patience: float) -> uvicorn.Config:
    # uvicorn's own log says nothing that opsbot's does not; whom to trust with forwarded headers is the guard's matter.
    quiet = {"version": 1, "disable_existing_loggers": False, "loggers": {"uvicorn": {"level": logging.ERROR}}}
    return uvicorn.Config(
        app, loop="asyncio", http=_impatient(patience), ws="none", lifespan="off", log_config=quiet, access_log=False,
        proxy_headers=False, server_header=False, limit_concurrency=_AT_ONCE, backlog=_BACKLOG,
        timeout_keep_alive=15, timeout_graceful_shutdown=3, h11_max_incomplete_event_size=16 * 1024,
    )  # fmt: skip
