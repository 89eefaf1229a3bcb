"""HTTP/2 over a connection whose TLS handshake agreed on it: one request, and its answer as HTTP/1's reader has it.

The `h2` library knows the protocol. In front of it stands `_Frames`: whatever a server may send for ever, or all at
once, is counted and bounded there before anything is made of it. Imported when the first such probe runs: h2 weighs
5 MB, which a prober without HTTP/2 probes need not carry.
"""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator
from time import monotonic

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import DenialOfServiceError, H2Error, ProtocolError
from h2.settings import SettingCodes, Settings

from opsbot.model.probe import Answer, Pairs, Reason
from opsbot.probes import evidence
from opsbot.probes.answer import LARGEST_HEAD, Reader
from opsbot.probes.der import printable
from opsbot.probes.failure import BODY, FIRST, HEAD, REQUEST, Failure, Step, late
from opsbot.probes.stream import Stream
from opsbot.probes.trace import Trace
from opsbot.probes.urls import Place
from opsbot.probes.wait import Steps

Fields = tuple[tuple[bytes, bytes], ...]

_STREAM = 1
_DATA, _HEADERS, _SETTINGS, _PUSH, _GOAWAY, _CONTINUATION = 0, 1, 4, 5, 7, 9
_ACK = _END_STREAM = 1
_FRAME_HEAD = 9
_LARGEST_FRAME = 16384
_EMPTY_END = b"\0\0\0\0\1\0\0\0\1"
_MOST_FRAMES = 20_000
_MOST_CONTROL = 1_000
_A_TURN = 256
"""Frames after which the other probes have their turn."""
_WINDOW = 1 << 20
_WITHOUT_BODY = (204, 304)
_SHOWN = 160
_KEPT = 4096

# RFC 9113, 8.2.2: what is about the connection has no place in a message.
_OF_CONNECTION = frozenset(
    {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings"}
)
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_BAD_VALUE = re.compile(rb"[\r\n\0]")
_STATUS = re.compile(rb"[1-5][0-9][0-9]")
# Values are checked here instead: h2 refuses a blank at the end of one, which every client out there forgives.
_CONFIG = H2Configuration(client_side=True, header_encoding=None, validate_inbound_headers=False)
_UPLOAD = Step(Reason.HTTP_TIMEOUT, Reason.HTTP_RESET, "waiting for the server to take the request's body")


def fields(place: Place, method: str, headers: Pairs) -> Fields:
    """A request's headers as HTTP/2 has them, from those of HTTP/1: names in lower case, the host as `:authority`, and
    nothing about the connection."""
    authority = next((value for name, value in headers if name.lower() == "host"), place.authority)
    pseudo = ((":method", method), (":scheme", place.scheme), (":authority", authority), (":path", place.path))
    kept = ((name.lower(), value.strip(" \t")) for name, value in headers)
    return tuple(
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in (*pseudo, *kept) if _sent(name, value)
    )


def _sent(name: str, value: str) -> bool:
    return name != "host" and name not in _OF_CONNECTION and (name != "te" or value.lower() == "trailers")


def talk(trace: Trace, stream: Stream, reader: Reader, headers: Fields, body: bytes) -> Steps[None]:
    """Send the request and read its answer into `reader`. Raises Failure."""
    try:
        yield from _talk(trace, stream, reader, headers, body)
    except Failure as failure:
        # Much of it is in the server's words, and a server may quote what it was sent.
        why = evidence.safe(failure.why, evidence.own_secrets(trace.target))
        raise Failure(failure.reason, why) from failure


def _talk(trace: Trace, stream: Stream, reader: Reader, headers: Fields, body: bytes) -> Steps[None]:
    exchange = _Exchange(trace, reader, headers, body)
    try:
        yield from _exchanged(trace, stream, reader, exchange)
    finally:
        exchange.close()


def _exchanged(trace: Trace, stream: Stream, reader: Reader, exchange: _Exchange) -> Steps[None]:
    began = monotonic()
    rest = stream.post(exchange.unsent(), REQUEST)
    if rest:
        yield from stream.flush(rest, REQUEST)
    first = 0.0
    while not reader.done:
        step = exchange.step
        chunk = yield from (stream.receive(step) if first else stream.first(step))
        if not chunk:
            raise exchange.cut_off()
        yield from _take(trace, stream, exchange, chunk)
        if exchange.answered and not first:
            first = stream.first_stamp
            trace.first_byte = max(first - began, 0.0)
    trace.ended = ended = stream.stamp
    trace.transfer = ended - first


def _take(trace: Trace, stream: Stream, exchange: _Exchange, chunk: bytes) -> Steps[None]:
    """Every frame there is, up to the answer's end; then what is to be said to it."""
    try:
        for count, frame in enumerate(exchange.frames.cut(chunk), 1):
            exchange.take(frame)
            if exchange.reader.done:
                return
            if not count % _A_TURN:
                if monotonic() > trace.until:
                    raise late(exchange.step, trace.elapsed())
                yield None, 0, monotonic()
    except _Foreign:
        raise exchange.foreign() from None
    except Failure:
        # Tell the peer what was wrong: its own log then names the cause.
        _say(stream, exchange)
        raise
    rest = _say(stream, exchange)
    if rest:
        yield from stream.flush(rest, exchange.step)


def _say(stream: Stream, exchange: _Exchange) -> bytes:
    """A peer that does not listen any more may have said all the same what we wait for: reading tells."""
    words = exchange.unsent()
    with contextlib.suppress(Failure, ssl.SSLError):
        return stream.post(words, exchange.step) if words else b""
    return b""


class _Frames:
    """The bytes that came, cut into frames: at most so many, so large, and so much of headers. Raises Failure."""

    def __init__(self) -> None:
        self.settled = False
        self.held = bytearray()
        self._frames = self._control = self._head = 0

    def cut(self, chunk: bytes) -> Iterator[bytes]:
        held = self.held
        held += chunk
        while len(held) >= _FRAME_HEAD:
            size, kind = int.from_bytes(held[:3], "big"), held[3]
            if not self.settled:
                self._settle(kind, held)
            if size > _LARGEST_FRAME:
                raise _wrong(f"a frame of {size} bytes, where {_LARGEST_FRAME} were allowed")
            if len(held) < _FRAME_HEAD + size:
                return
            self._count(kind, size)
            frame = bytes(held[: _FRAME_HEAD + size])
            del held[: _FRAME_HEAD + size]
            yield frame

    def _settle(self, kind: int, held: bytearray) -> None:
        """A server's first frame are its settings: whatever else is not HTTP/2."""
        if kind != _SETTINGS or held[4] & _ACK or any(held[5:9]):
            raise _Foreign(Reason.HTTP_PROTOCOL, "")
        self.settled = True

    def _count(self, kind: int, size: int) -> None:
        self._frames += 1
        self._control += kind != _DATA
        self._head += size if kind in (_HEADERS, _PUSH, _CONTINUATION) else 0
        if self._head > LARGEST_HEAD:
            raise Failure(Reason.HTTP_TOO_LARGE, f"the headers of the answer are longer than {LARGEST_HEAD} bytes")
        if self._control > _MOST_CONTROL:
            raise _wrong(f"more than {_MOST_CONTROL:,} frames that hold nothing of the answer")
        if self._frames > _MOST_FRAMES:
            raise _wrong(f"an answer in more than {_MOST_FRAMES:,} frames")


class _Foreign(Failure):
    """What came is no HTTP/2 at all; `_Exchange.foreign` has the words."""


class _Exchange:
    """One request and its answer; `answered` once headers have come, be they of an interim answer."""

    def __init__(self, trace: Trace, reader: Reader, headers: Fields, body: bytes) -> None:
        self.frames = _Frames()
        self.reader = reader
        self.answered = False
        self._trace = trace
        self._left = body
        self._last = False
        self._goodbye = ""
        self._h2 = connection = H2Connection(_CONFIG)
        connection.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: LARGEST_HEAD,
            },
        )
        connection.initiate_connection()
        connection.increment_flow_control_window(_WINDOW)
        try:
            connection.send_headers(_STREAM, headers, end_stream=not body)
            self._upload()
        except H2Error as error:
            raise Failure(Reason.SELF_TARGET, f"headers: not allowed in HTTP/2: {_words(error)}") from error

    def close(self) -> None:
        """Let go of what h2 holds, which holds itself in turn: otherwise only the garbage collector could."""
        self._h2.__dict__.clear()

    @property
    def step(self) -> Step:
        if self.reader.complete_head:
            return BODY
        if self._left:
            return _UPLOAD
        return HEAD if self.answered else FIRST

    def unsent(self) -> bytes:
        return bytes(self._h2.data_to_send())

    def take(self, frame: bytes) -> None:
        """Raises Failure."""
        if frame[3] == _GOAWAY:
            self._leave(frame[_FRAME_HEAD:])
            return
        if frame[3] == _HEADERS and frame[4] & _END_STREAM and not self.reader.complete_head:
            # The end is handed on below: of an answer without a body h2 would refuse the length that it has elsewhere.
            frame = frame[:4] + bytes([frame[4] & ~_END_STREAM]) + frame[5:]
            self._last = True
        self._receive(frame)
        if self._last and self.reader.complete_head and not self.reader.done:
            self._receive(_EMPTY_END)
        self._upload()

    def _receive(self, frame: bytes) -> None:
        try:
            for event in self._h2.receive_data(frame):
                self._hear(event)
        except DenialOfServiceError as error:
            raise Failure(
                Reason.HTTP_TOO_LARGE, f"the headers of the answer are longer than {LARGEST_HEAD} bytes"
            ) from error
        except ProtocolError as error:
            raise _wrong(_words(error)) from error

    def _hear(self, event: Event) -> None:
        reader = self.reader
        match event:
            case DataReceived():
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, _STREAM)
                reader.on_body(event.data or b"")
            case ResponseReceived():
                self.answered = True
                status, head = _head(event.headers or ())
                reader.begin(status, head)
                reader.done = reader.done or status in _WITHOUT_BODY
            case InformationalResponseReceived():
                self.answered = True
                if self._last:
                    raise _wrong("an interim answer that is to be the last")
            case StreamEnded():
                reader.done = True
            case StreamReset() if not reader.done:
                raise self._reset(int(event.error_code or 0))
            case _:
                pass

    def _upload(self) -> None:
        """As much of the request's body as the server takes now."""
        while self._left and not self.reader.done:
            room = min(self._h2.local_flow_control_window(_STREAM), self._h2.max_outbound_frame_size, len(self._left))
            if room <= 0:
                return
            piece, self._left = self._left[:room], self._left[room:]
            self._h2.send_data(_STREAM, piece, end_stream=not self._left)

    def _leave(self, payload: bytes) -> None:
        """A server that says goodbye still answers what it took, says the number of the last stream."""
        if len(payload) < 8:
            raise _wrong("a goodbye (GOAWAY) of less than 8 bytes")
        last, code = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF, int.from_bytes(payload[4:8], "big")
        note = printable(payload[8 : 8 + _SHOWN].decode("latin-1"))
        self._goodbye = f"GOAWAY: {_code(code)}{f', {note!r}' if note else ''}"
        if code == ErrorCodes.HTTP_1_1_REQUIRED:
            raise _wants_http_1()
        if last < _STREAM:
            raise Failure(Reason.HTTP_CLOSED, f"the server said goodbye without taking the request ({self._goodbye})")

    def _reset(self, code: int) -> Failure:
        if code == ErrorCodes.HTTP_1_1_REQUIRED:
            return _wants_http_1()
        return Failure(Reason.HTTP_RESET, f"the server reset the request ({_code(code)}) {self.step.words}")

    def cut_off(self) -> Failure:
        """The connection ended, and the answer had not."""
        if not self.frames.settled and self.frames.held:
            return self.foreign()
        after = f" after its goodbye ({self._goodbye})" if self._goodbye else ""
        if self.reader.complete_head:
            return Failure(
                Reason.HTTP_CLOSED, f"the server hung up after {self.reader.size} bytes, before the body's end{after}"
            )
        return Failure(Reason.HTTP_CLOSED, f"the server hung up without an answer{after}")

    def foreign(self) -> Failure:
        """What came is no HTTP/2; it is kept, to be shown."""
        came = bytes(self.frames.held[:_KEPT])
        said = repr(printable(came.partition(b"\r\n")[0][:60].decode("latin-1")))
        if not came.startswith(b"HTTP/1."):
            self._trace.answer = Answer(b"", came)
            return _wrong(f"{said} instead of its settings")
        with contextlib.suppress(Failure):
            self.reader.feed(came)
        return Failure(Reason.HTTP_PROTOCOL, f"the server agreed on HTTP/2 in the TLS handshake, and then said {said}")


def _head(headers: list[tuple[bytes, bytes]] | tuple[tuple[bytes, bytes], ...]) -> tuple[int, bytes]:
    """The status, and status line and headers as HTTP/1 writes them. Raises Failure for what is malformed."""
    statuses = [value for name, value in headers if name == b":status"]
    if len(statuses) != 1 or not _STATUS.fullmatch(statuses[0]):
        raise _wrong("an answer without a status" if not statuses else f"the status {_shown(statuses[0])}")
    lines = [b"HTTP/2.0 " + statuses[0]]
    for name, value in headers:
        if name == b":status":
            continue
        if not _NAME.fullmatch(name) or name.decode("latin-1") in _OF_CONNECTION:
            raise _wrong(f"the header {_shown(name)}, which has no place in it")
        if _BAD_VALUE.search(value):
            raise _wrong(f"a line's end in the header {_shown(name)}")
        lines.append(b"%b: %b" % (name, value))
    return int(statuses[0]), b"\r\n".join(lines)


def _wrong(what: str) -> Failure:
    return Failure(Reason.HTTP_PROTOCOL, f"the server breaks the rules of HTTP/2: {what}")


def _wants_http_1() -> Failure:
    return Failure(
        Reason.HTTP_PROTOCOL, "the server agreed on HTTP/2 and then asked for HTTP/1.1 instead (HTTP_1_1_REQUIRED)"
    )


def _code(number: int) -> str:
    try:
        return ErrorCodes(number).name
    except ValueError:
        return f"error {number:#x}"


def _words(error: Exception) -> str:
    return printable(str(error))[:_SHOWN].rstrip(".").lower() or type(error).__name__


def _shown(text: bytes) -> str:
    return repr(printable(text[:40].decode("latin-1")))
