"""A server that knows when it really answered, to hold a prober's times against.

A request counts from the moment at which the kernel received it, and the answer's last bytes say how long after that its
first bytes were sent, and how long after those its last: two hundred requests in one instant are not answered at one.
"""

from __future__ import annotations

import contextlib
import heapq
import re
import select
import socket
import time
from collections.abc import Callable

SO_TIMESTAMPNS = 35
_SAID = re.compile(rb'"took": (\d+\.\d{9}), "gap": (\d+\.\d{9})}')
_LAST = b'"took": %.9f, "gap": %.9f}'
_SIZE = len(_LAST % (0.0, 0.0))


def said(body: bytes) -> tuple[float, float] | None:
    """Seconds to the first byte and from there to the last, as the server had them."""
    found = _SAID.search(body)
    return (float(found[1]), float(found[2])) if found else None


def answer(port: int, body: bytes, delay: float, gap: float) -> None:
    """For ever: the first bytes `delay` seconds after the request reached the machine, the last `gap` after those."""
    first = body.rstrip(b"}") + b", "
    length = len(first) + _SIZE
    first = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % length + first
    server = _Server(port)
    while True:
        for sock, arrived in server.requests():
            server.at(arrived + delay, lambda sock=sock, arrived=arrived: _begin(server, sock, arrived, first, gap))


def _begin(server: _Server, sock: socket.socket, arrived: float, first: bytes, gap: float) -> None:
    begun = time.time()
    with contextlib.suppress(OSError):
        sock.send(first)
    server.at(begun + gap, lambda: _end(sock, begun - arrived, begun))


def _end(sock: socket.socket, took: float, begun: float) -> None:
    with sock, contextlib.suppress(OSError):
        sock.send(_LAST % (took, time.time() - begun))


class _Server:
    def __init__(self, port: int) -> None:
        self._listening = socket.create_server(("127.0.0.1", port), backlog=4096)
        # What is accepted inherits it.
        self._listening.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._listening.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listening, select.EPOLLIN)
        self._open: dict[int, socket.socket] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, moment: float, do: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (moment, self._count, do))

    def requests(self) -> list[tuple[socket.socket, float]]:
        """Those that came, after what was due was done."""
        wait = max(0.0, self._due[0][0] - time.time()) if self._due else 1.0
        events = self._epoll.poll(wait)
        while self._due and self._due[0][0] <= time.time():
            heapq.heappop(self._due)[2]()
        found = []
        for fd, _ in events:
            if fd == self._listening.fileno():
                self._accept()
            elif (sock := self._open.pop(fd, None)) is not None:
                self._epoll.unregister(fd)
                found += [(sock, arrived)] if (arrived := _arrival(sock)) else []
        return found

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except BlockingIOError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open[sock.fileno()] = sock
            self._epoll.register(sock, select.EPOLLIN)


def _arrival(sock: socket.socket) -> float:
    """When the request reached the machine; 0 where none did."""
    try:
        asked, ancillary, _, _ = sock.recvmsg(65536, 64)
    except OSError:
        asked, ancillary = b"", []
    for _, kind, content in ancillary:
        if asked and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = (int.from_bytes(content[n : n + 8], "little") for n in (0, 8))
            return seconds + nanoseconds / 1e9
    sock.close()
    return 0.0
