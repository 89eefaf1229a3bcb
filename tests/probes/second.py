"""HTTP/2 servers for the probe tests: one that behaves, by the h2 library; and frames to write those that do not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import hpack
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

from tests.probes import pki
from tests.probes.servers import Talk

Headers = list[tuple[str, str]]
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM = ACK = 1
END_HEADERS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Site:
    """Answers every request with `status`, `headers` and `body`, as fast as the client's windows let it; `asked` has the
    requests, names and values as they came, and their bodies."""

    def __init__(self, body: bytes = b'{"status": "ok"}', *headers: tuple[str, str], status: int = 200) -> None:
        self.body, self.headers, self.status = body, headers, status
        self.asked: list[tuple[Headers, bytes]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conn = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        conn.initiate_connection()
        writer.write(conn.data_to_send())
        headers: Headers = []
        body = b""
        left: bytes | None = None
        while chunk := await reader.read(65536):
            for event in conn.receive_data(chunk):
                if isinstance(event, RequestReceived):
                    headers = [(str(name), str(value)) for name, value in event.headers or ()]
                elif isinstance(event, DataReceived):
                    body += event.data or b""
                    conn.acknowledge_received_data(event.flow_controlled_length or 0, 1)
                elif isinstance(event, StreamEnded):
                    self.asked.append((headers, body))
                    left = self._begin(conn, dict(headers)[":method"])
            if left is not None:
                left = self._send(conn, left)
            writer.write(conn.data_to_send())
            await writer.drain()

    def _begin(self, conn: H2Connection, method: str) -> bytes | None:
        bare = method == "HEAD" or self.status in (204, 304)
        conn.send_headers(1, [(":status", str(self.status)), *self.headers], end_stream=bare)
        return None if bare else self.body

    def _send(self, conn: H2Connection, left: bytes) -> bytes | None:
        while room := min(conn.local_flow_control_window(1), conn.max_outbound_frame_size, len(left)):
            conn.send_data(1, left[:room])
            left = left[room:]
        if left:
            return left
        conn.end_stream(1)
        return None


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


HELLO = frame(SETTINGS, 0, 0) + frame(SETTINGS, ACK, 0)


def block(*headers: tuple[str, str], status: str = "200") -> bytes:
    return bytes(hpack.Encoder().encode([(":status", status), *headers]))


def head(*headers: tuple[str, str], status: str = "200", end: bool = False) -> bytes:
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), 1, block(*headers, status=status))


def data(body: bytes, *, end: bool = True) -> bytes:
    return frame(DATA, END_STREAM if end else 0, 1, body)


def goodbye(last: int, code: int, note: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big") + note)


def rst(code: int) -> bytes:
    return frame(RST, 0, 1, code.to_bytes(4, "big"))


async def request_of(reader: asyncio.StreamReader) -> list[tuple[int, int, bytes]]:
    """The frames (kind, flags, payload) up to the request's headers."""
    assert await reader.readexactly(len(PREFACE)) == PREFACE
    frames = []
    while not frames or frames[-1][0] != HEADERS:
        start = await reader.readexactly(9)
        frames.append((start[3], start[4], await reader.readexactly(int.from_bytes(start[:3], "big"))))
    return frames


def writes(*parts: bytes, then: Callable[[asyncio.StreamWriter], Awaitable[None]] | None = None) -> Talk:
    """Waits for the request, writes these, each by itself, and hangs up; or does what `then` does."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then:
            await then(writer)

    return talk


async def stays(writer: asyncio.StreamWriter) -> None:
    """Says nothing more, and does not hang up either."""
    while not writer.is_closing():
        await asyncio.sleep(0.05)


def serving(folder: Path, *protocols: str) -> ssl.SSLContext:
    """A server's context that takes h2 if it is offered."""
    context = pki.serving(pki.leaf().chain_file(folder))
    context.set_alpn_protocols(list(protocols or ("h2", "http/1.1")))
    return context
