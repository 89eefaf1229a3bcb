"""An HTTP answer as it comes in: llhttp finds the parts of HTTP/1, and nothing is kept beyond the limits.

The limit on the body counts what comes out of decompression, a little at a time, so a small bomb stays small.
"""

from __future__ import annotations

import re
import zlib

import httptools

from opsbot.model.probe import Answer, Reason
from opsbot.probes.failure import Failure
from opsbot.secrets import redact

LARGEST_HEAD = 65536
_GZIP_OR_ZLIB = 47
_CODINGS = {"gzip": _GZIP_OR_ZLIB, "x-gzip": _GZIP_OR_ZLIB, "deflate": _GZIP_OR_ZLIB}
_VERSIONS = {b"HTTP/1.1": "HTTP/1.1", b"HTTP/1.0": "HTTP/1.0", b"HTTP/2.0": "h2"}
_FRAMED = re.compile(rb"\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)
_ENCODED = re.compile(rb"\ncontent-encoding[ \t]*:", re.IGNORECASE)


class Reader:
    """Takes bytes until `done`; `size` and `truncated` are of the decompressed body."""

    __slots__ = (
        "_bodiless",
        "_body",
        "_head",
        "_inflate",
        "_limit",
        "_parser",
        "complete_head",
        "done",
        "size",
        "status",
        "truncated",
    )

    def __init__(self, *, bodiless: bool, limit: int) -> None:
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._bodiless = bodiless
        self._limit = limit
        self._body: bytes | bytearray = b""
        self._inflate: zlib._Decompress | None = None
        self._head = b""
        self.complete_head = False
        self.done = False
        self.size = 0
        self.status = 0
        self.truncated = False

    def feed(self, chunk: bytes) -> None:
        """Raises Failure for what is not HTTP."""
        if not chunk:
            return
        if not self.complete_head:
            self._head += chunk
        parser = self._parser
        if parser is None:
            return
        try:
            parser.feed_data(chunk)
        except httptools.HttpParserUpgrade:
            self.done = True
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, Failure):
                raise error.__context__ from None
            raise
        except httptools.HttpParserError as error:
            if not self.done:
                raise Failure(Reason.HTTP_PROTOCOL, f"what came is not HTTP: {_complaint(error, chunk)}") from error
        if len(self._head) > LARGEST_HEAD:
            raise Failure(Reason.HTTP_TOO_LARGE, f"the headers of the answer are longer than {LARGEST_HEAD} bytes")

    def close(self) -> None:
        """Let go of the parser, which holds us in turn: otherwise only the garbage collector could."""
        self._parser = None

    def end(self) -> None:
        """The connection ended. Raises Failure if the answer had not."""
        if not self.complete_head:
            said = "in the middle of the headers" if self._head else "without an answer"
            raise Failure(Reason.HTTP_CLOSED, f"the server hung up {said}")
        if not self.done and _FRAMED.search(self._head):
            raise Failure(Reason.HTTP_CLOSED, f"the server hung up after {self.size} bytes, before the body's end")
        self.done = True

    @property
    def version(self) -> str:
        return _VERSIONS.get(self._head[:8], "HTTP/1.x")

    @property
    def answer(self) -> Answer:
        """What has come so far."""
        return Answer(self._head, bytes(self._body))

    # What llhttp calls; it looks for all of these, and finding None is quicker than not finding.
    on_header = on_status = on_message_begin = on_chunk_header = on_chunk_complete = None

    def on_headers_complete(self) -> None:
        self.status = status = self._parser.get_status_code() if self._parser else 0
        if 100 <= status < 200 and status != 101:
            return
        self.begin(status, self._head.partition(b"\r\n\r\n")[0])

    def begin(self, status: int, head: bytes) -> None:
        """The head of the answer is there, written as HTTP/1 writes it; `on_body` takes what follows."""
        self.status, self.complete_head, self._head = status, True, head
        if _ENCODED.search(head) and (coding := _CODINGS.get((self._encoding() or "").lower())):
            self._inflate = zlib.decompressobj(coding)
        if self._bodiless:
            self.done = True

    def on_body(self, chunk: bytes) -> None:
        if self.done:
            return
        if self._inflate:
            chunk = self._inflated(chunk)
        self.size += len(chunk)
        if self.size > self._limit:
            chunk = chunk[: self._limit - self.size]
            self.size = self._limit
            self.truncated = self.done = True
        if not self._body:
            self._body = chunk
        elif isinstance(self._body, bytearray):
            self._body += chunk
        else:
            self._body = bytearray(self._body + chunk)

    def on_message_complete(self) -> None:
        if self.complete_head:
            self.done = True
        else:
            # An interim answer (100, 103): the real one follows.
            self._head = self._head.partition(b"\r\n\r\n")[2]

    def _encoding(self) -> str | None:
        return Answer(self._head).header("content-encoding")

    def _inflated(self, chunk: bytes) -> bytes:
        inflate = self._inflate
        try:
            return inflate.decompress(chunk, self._limit - self.size + 1) if inflate else chunk
        except zlib.error as error:
            raw = self._raw_deflate(chunk)
            if raw is None:
                raise Failure(Reason.HTTP_PROTOCOL, f"the body cannot be decompressed: {error}") from error
            return raw

    def _raw_deflate(self, chunk: bytes) -> bytes | None:
        """Some servers mean raw deflate when they say `deflate`; only the first chunk can tell."""
        if self.size or (self._encoding() or "").lower() != "deflate":
            return None
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            return self._inflate.decompress(chunk, self._limit + 1)
        except zlib.error:
            return None


def _complaint(error: httptools.HttpParserError, chunk: bytes) -> str:
    """The parser's, or what came instead where it is another protocol altogether."""
    told = str(error).lower()
    if "rtsp" not in told:
        return told
    began = "".join(mark if mark.isprintable() else "?" for mark in chunk[:40].decode("latin-1"))
    return f"it begins {redact(began)!r}"
