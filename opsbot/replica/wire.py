"""A small threaded HTTP/1.1 server on loopback: keep-alive, no Nagle delay, little work for each request."""

from __future__ import annotations

import socket
import socketserver
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Protocol

from opsbot.replica.codec import Answer, Call

MAX_LINE = 65_536
MAX_HEADERS = 200
MAX_BODY = 64 * 1024 * 1024
Respond = Callable[[Call], Answer]


class BadRequest(Exception):
    """The bytes are not an HTTP/1.1 request that we take; `status` says why."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Reading(Protocol):
    """What a request is read from."""

    def readline(self, limit: int, /) -> bytes: ...
    def read(self, size: int, /) -> bytes: ...


class Server(socketserver.ThreadingTCPServer):
    """Answers each request by `respond`; a thread for each connection."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, port: int, respond: Respond) -> None:
        self.respond = respond
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Connection)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        if isinstance(request, socket.socket):
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close the idle connections, so that no thread waits for a client that will not come back."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: object, client_address: object) -> None:
        """Silence: a client that went away is no error of ours, and all others are answered before this."""


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    rbufsize = 65_536
    server: Server

    def handle(self) -> None:
        while self._one():
            pass

    def _one(self) -> bool:
        try:
            call = read_call(self.rfile, self.connection.sendall)
        except BadRequest as error:
            self._send(Answer(status=error.status, body=error.status.phrase.encode()), "GET", last=True)
            return False
        if call is None:
            return False
        last = call.headers.get("connection", "").lower() == "close"
        self._send(self.server.respond(call), call.method, last=last)
        return not last

    def _send(self, answer: Answer, method: str, *, last: bool) -> None:
        head = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}"]
        head += [f"{name}: {value}" for name, value in answer.headers.items() if name.lower() != "content-length"]
        # HEAD answers say how long the body would be; the header then comes from who made the answer.
        length = answer.headers.get("Content-Length", len(answer.body)) if method == "HEAD" else len(answer.body)
        if answer.status not in (204, 304):
            head.append(f"Content-Length: {length}")
        head.append(f"Connection: {'close' if last else 'keep-alive'}")
        body = b"" if method == "HEAD" or answer.status in (204, 304) else answer.body
        self.connection.sendall("\r\n".join(head).encode("latin-1", "replace") + b"\r\n\r\n" + body)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "-"


def read_call(stream: Reading, reply: Callable[[bytes], None]) -> Call | None:
    """The next request of a connection; None when the client hung up. Raises BadRequest."""
    line = _line(stream)
    if not line:
        return None
    parts = line.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    headers = _headers(stream)
    if headers.get("expect", "").lower() == "100-continue":
        reply(b"HTTP/1.1 100 Continue\r\n\r\n")
    path, _, query = parts[1].partition("?")
    return Call(method=parts[0], path=path, query=query, headers=headers, body=_body(stream, headers))


def _line(stream: Reading) -> str:
    line = stream.readline(MAX_LINE + 1)
    if len(line) > MAX_LINE:
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    return line.decode("latin-1").rstrip("\r\n")


def _headers(stream: Reading) -> dict[str, str]:
    headers: dict[str, str] = {}
    while line := _line(stream):
        name, colon, value = line.partition(":")
        if not colon or len(headers) >= MAX_HEADERS:
            raise BadRequest(HTTPStatus.BAD_REQUEST)
        headers[name.strip().lower()] = value.strip()
    return headers


def _body(stream: Reading, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _chunks(stream)
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    if int(length) > MAX_BODY:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return stream.read(int(length))


def _chunks(stream: Reading) -> bytes:
    chunks: list[bytes] = []
    while size := _chunk_size(_line(stream)):
        if sum(map(len, chunks)) + size > MAX_BODY:
            raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        chunks.append(stream.read(size))
        stream.readline(MAX_LINE)
    while _line(stream):
        pass
    return b"".join(chunks)


def _chunk_size(line: str) -> int:
    try:
        return int(line.partition(";")[0], 16)
    except ValueError as error:
        raise BadRequest(HTTPStatus.BAD_REQUEST) from error
