"""Real servers on loopback for the probe tests: one event loop on a thread, any number of ports."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Net:
    """Servers by the dozen. `connections` counts who came to a port."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.connections: dict[int, int] = {}
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._datagrams: list[asyncio.DatagramTransport] = []
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.loop.set_exception_handler(lambda loop, context: None)

    def tcp(self, talk: Talk, *, context: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0) -> int:
        """A server; its port."""

        async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            here = writer.get_extra_info("sockname")[1]
            self.connections[here] = self.connections.get(here, 0) + 1
            try:
                await talk(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                pass
            finally:
                writer.close()

        async def start() -> asyncio.Server:
            return await asyncio.start_server(met, host, port, ssl=context, backlog=512)

        server = asyncio.run_coroutine_threadsafe(start(), self.loop).result(5)
        self._servers.append(server)
        found: int = server.sockets[0].getsockname()[1]
        self.connections[found] = 0
        return found

    def udp(
        self, reply: Callable[[bytes], bytes | tuple[bytes, ...] | None], *, host: str = "127.0.0.1", port: int = 0
    ) -> int:
        """A server that answers each datagram with what `reply` makes of it, if anything."""

        class Answers(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                said = reply(data)
                for answer in said if isinstance(said, tuple) else (said,):
                    if answer is not None:
                        self.transport.sendto(answer, addr)  # type: ignore[attr-defined]

        async def start() -> asyncio.DatagramTransport:
            transport, _ = await self.loop.create_datagram_endpoint(Answers, local_addr=(host, port))
            return transport

        transport = asyncio.run_coroutine_threadsafe(start(), self.loop).result(5)
        self._datagrams.append(transport)
        found: int = transport.get_extra_info("sockname")[1]
        return found

    def blocking_tls(self, context: ssl.SSLContext, answer: bytes) -> int:
        """A TLS server on a thread of its own: unlike asyncio's it sends the alert that says why it refuses."""
        sock = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(sock)

        def serve() -> None:
            while True:
                try:
                    plain, _ = sock.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError), plain, context.wrap_socket(plain, server_side=True) as sealed:
                    sealed.recv(65536)
                    sealed.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        port: int = sock.getsockname()[1]
        return port

    def black_hole(self) -> int:
        """A port that never answers a connection request: its queue is full and stays so."""
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        self._sockets.append(sock)
        port: int = sock.getsockname()[1]
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.0.0.1", port))
            self._sockets.append(filler)
        return port

    def closed_port(self) -> int:
        """A port that nothing listens on."""
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port: int = sock.getsockname()[1]
        return port

    def close(self) -> None:
        async def stop() -> None:
            for server in self._servers:
                server.close()
            for transport in self._datagrams:
                transport.close()
            rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@contextlib.contextmanager
def a_net() -> Iterator[Net]:
    net = Net()
    try:
        yield net
    finally:
        net.close()


async def head_of(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def says(answer: bytes) -> Talk:
    """Reads a request's head, says this, hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(answer)
        await writer.drain()

    return talk


def page(
    body: bytes = b'{"status": "ok"}', *, status: str = "200 OK", headers: tuple[str, ...] = (), length: bool = True
) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, *([f"Content-Length: {len(body)}"] if length else []), "", ""]
    return "\r\n".join(lines).encode() + body


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Slowly:
    """Says a page in two parts, and keeps the moments at which it did: what a phase truly took, however busy the machine.

    The first part comes `wait` seconds after the request, the second `gap` seconds later.
    """

    def __init__(self, wait: float, gap: float = 0.0) -> None:
        self._wait, self._gap = wait, gap
        self._asked = 0.0
        self._said: list[tuple[float, float]] = []
        self._done = threading.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._done.clear()
        await head_of(reader)
        self._asked, self._said = time.monotonic(), []
        await self._say(writer, self._wait, page()[:-3])
        await self._say(writer, self._gap, page()[-3:])
        self._done.set()

    async def _say(self, writer: asyncio.StreamWriter, pause: float, words: bytes) -> None:
        await asyncio.sleep(pause)
        before = time.monotonic()
        writer.write(words)
        self._said.append((before, time.monotonic()))

    def _moments(self) -> list[tuple[float, float]]:
        # The client may have read what the server has not noted yet.
        assert self._done.wait(20)
        return self._said

    def was_first_byte(self, seconds: float | None, began: float, seen_by: float | None = None) -> bool:
        """Whether that is how long the first byte took of a request sent after `began` (monotonic). A client with a clock
        of its own saw it by `seen_by` at the latest."""
        (before, after), _ = self._moments()
        return _within(seconds, before - self._asked, (seen_by or after) - began)

    def was_transfer(self, seconds: float | None, seen_by: float | None = None) -> bool:
        """Whether that is how long the rest took. A client that saw the first byte late found the rest quicker."""
        first, last = self._moments()
        return _within(seconds, 0.0 if seen_by else last[0] - first[1], (seen_by or last[1]) - first[0])


_CLOCKS = 0.003


def _within(seconds: float | None, least: float, most: float) -> bool:
    # The kernel's clock is not ours: the distance of the two is known to a millisecond.
    return seconds is not None and least - _CLOCKS <= seconds <= most + _CLOCKS


async def for_ever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads and says nothing."""
    while await reader.read(4096):
        pass


def accept_key(head: bytes) -> str:
    key = next(
        line.split(b":")[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
