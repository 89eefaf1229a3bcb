"""WebSocket probes (RFC 6455): the handshake, and if asked a text sent and a reply that must contain another."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time

from opsbot.model.probe import Answer, Reason, WebSocket
from opsbot.probes import reach, urls
from opsbot.probes.answer import Reader
from opsbot.probes.failure import REPLY, UPGRADE, Failure
from opsbot.probes.http import USER_AGENT, rendered
from opsbot.probes.reach import Ways
from opsbot.probes.stream import Stream
from opsbot.probes.trace import Trace
from opsbot.probes.urls import Place
from opsbot.probes.wait import Steps

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LARGEST = 1 << 20
_MOST_FRAMES = 1000
_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10


def probe(trace: Trace, spec: WebSocket, ways: Ways) -> Steps[Answer]:
    """Raises Failure."""
    place = _place(spec.url)
    plain = yield from reach.plain(trace, ways, place.host, place.port)
    stream: Stream = plain
    if place.secure:
        stream = yield from reach.secure(trace, ways, plain, place.host, place.port, spec.trust, "http/1.1")
    try:
        rest = yield from _upgrade(trace, stream, spec, place)
        began = stream.stamp
        frames = Frames(stream, rest)
        if spec.send:
            yield from stream.flush(stream.post(framed(_TEXT, spec.send.encode()), REPLY), REPLY)
        if spec.expect is not None:
            yield from _reply(trace, frames, spec.expect)
            trace.transfer = max(stream.stamp - began, 0.0)
        trace.ended = stream.stamp
        yield from stream.flush(stream.post(framed(_CLOSE, (1000).to_bytes(2, "big")), REPLY), REPLY)
    finally:
        stream.close()
    return trace.answer


def _place(url: str) -> Place:
    try:
        return urls.parse(url, ("ws", "wss"))
    except urls.UnknownScheme as error:
        raise Failure(Reason.GUARD_SCHEME, str(error)) from error
    except ValueError as error:
        raise Failure(Reason.SELF_TARGET, str(error)) from error


def _upgrade(trace: Trace, stream: Stream, spec: WebSocket, place: Place) -> Steps[bytes]:
    """The opening handshake; what the server sent after it."""
    key = base64.b64encode(secrets.token_bytes(16))
    began = time.monotonic()
    yield from stream.flush(stream.post(_opening(spec, place, key.decode()), UPGRADE), UPGRADE)
    received = b""
    chunk = yield from stream.first(UPGRADE)
    trace.first_byte = max(stream.first_stamp - began, 0.0)
    reader = Reader(bodiless=True, limit=0)
    while chunk:
        received += chunk
        reader.feed(chunk)
        if reader.complete_head and b"\r\n\r\n" in received:
            break
        chunk = yield from stream.receive(UPGRADE)
    else:
        reader.end()
    reader.close()
    trace.status, trace.protocol, trace.answer = reader.status, "websocket", reader.answer
    _accepted(reader, key)
    return received.partition(b"\r\n\r\n")[2]


def _opening(spec: WebSocket, place: Place, key: str) -> bytes:
    given = {name.lower() for name, _ in spec.headers}
    headers = [("Host", place.authority), ("User-Agent", USER_AGENT)]
    headers = [pair for pair in headers if pair[0].lower() not in given]
    headers += [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")]
    headers.append(("Sec-WebSocket-Key", key))
    if spec.subprotocol:
        headers.append(("Sec-WebSocket-Protocol", spec.subprotocol))
    return rendered(place, "GET", (*headers, *spec.headers))


def _accepted(reader: Reader, key: bytes) -> None:
    if reader.status != 101:
        raise Failure(Reason.WS_HANDSHAKE, f"the server answered {reader.status} instead of changing to WebSocket")
    proof = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    if (reader.answer.header("sec-websocket-accept") or "") != proof.decode():
        raise Failure(
            Reason.WS_HANDSHAKE, "the server's Sec-WebSocket-Accept does not answer our key: no WebSocket server"
        )


def _reply(trace: Trace, frames: Frames, expect: str) -> Steps[None]:
    message = yield from frames.message()
    trace.answer = Answer(trace.answer.head, message)
    trace.body_size = len(message)
    if expect.encode() not in message:
        raise Failure(Reason.WS_REPLY, f"the reply does not contain {expect!r}")


def framed(opcode: int, payload: bytes) -> bytes:
    """One final frame, masked as a client's must be."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b""
    if not length:
        length = b"\xfe" + size.to_bytes(2, "big") if size < 65536 else b"\xff" + size.to_bytes(8, "big")
    mask = secrets.token_bytes(4)
    stretched = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(size, "big")
    return bytes([0x80 | opcode]) + length + mask + masked


class Frames:
    """The server's frames, put together to messages; pings are answered on the way."""

    __slots__ = ("_buffer", "_stream")

    def __init__(self, stream: Stream, buffer: bytes) -> None:
        self._stream = stream
        self._buffer = bytearray(buffer)

    def message(self) -> Steps[bytes]:
        """The next whole message. Raises Failure."""
        whole = b""
        for _ in range(_MOST_FRAMES):
            final, opcode, payload = yield from self._frame()
            if opcode == _PING:
                yield from self._stream.flush(self._stream.post(framed(_PONG, payload), REPLY), REPLY)
            elif opcode == _CLOSE:
                raise Failure(Reason.WS_CLOSED, f"the server closed the WebSocket{_code(payload)} before it replied")
            elif opcode in (_TEXT, _BINARY, _CONTINUED):
                whole += payload
                if len(whole) > _LARGEST:
                    raise Failure(Reason.WS_PROTOCOL, f"a reply of more than {_LARGEST} bytes")
                if final:
                    return whole
            elif opcode != _PONG:
                raise Failure(Reason.WS_PROTOCOL, f"the server sent a frame of unknown kind {opcode}")
        raise Failure(Reason.WS_PROTOCOL, f"no complete reply in {_MOST_FRAMES} frames")

    def _frame(self) -> Steps[tuple[bool, int, bytes]]:
        first, second = yield from self._take(2)
        size = second & 0x7F
        if second & 0x80 or first & 0x70:
            raise Failure(Reason.WS_PROTOCOL, "the server sent a masked frame or one with reserved bits")
        if size >= 126:
            size = int.from_bytes((yield from self._take(2 if size == 126 else 8)), "big")
        if size > _LARGEST or (first & 0x08 and size > 125):
            raise Failure(Reason.WS_PROTOCOL, f"the server announced a frame of {size} bytes")
        return bool(first & 0x80), first & 0x0F, (yield from self._take(size))

    def _take(self, size: int) -> Steps[bytes]:
        while len(self._buffer) < size:
            chunk = yield from self._stream.receive(REPLY)
            if not chunk:
                raise Failure(Reason.WS_CLOSED, "the server hung up before it replied")
            self._buffer += chunk
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def _code(payload: bytes) -> str:
    return f" ({int.from_bytes(payload[:2], 'big')})" if len(payload) >= 2 else ""
