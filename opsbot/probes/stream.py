"""One fresh connection, plain or under TLS, that knows when its bytes reached the machine.

Nothing is reused between probes: a connection kept alive, or a TLS session resumed, would not see a dead listener, a
changed DNS record or a renewed certificate.
"""

from __future__ import annotations

import errno
import socket
import ssl
from time import monotonic
from typing import Protocol

from opsbot.model.probe import Reason
from opsbot.probes import guard, stamps
from opsbot.probes.failure import CONNECT, HANDSHAKE, Failure, Step, broken, late, own, unconnected
from opsbot.probes.secure import oversized, refused_later, secured, unsecured
from opsbot.probes.trace import Trace
from opsbot.probes.verdicts import Verdict, recognised
from opsbot.probes.wait import IN, OUT, Steps

SIZE = 65536
_RECORD_HEADER = 5

_SEGMENT = 1200
_V4, _V6 = socket.AF_INET, socket.AF_INET6
_STREAM = socket.SOCK_STREAM | getattr(socket, "SOCK_NONBLOCK", 0) | getattr(socket, "SOCK_CLOEXEC", 0)


class Stream(Protocol):
    """A connection: `stamp` is when the last byte that `receive` or `first` gave had arrived, `first_stamp` when the
    first byte that `first` gave had (monotonic seconds)."""

    stamp: float
    first_stamp: float

    def post(self, message: bytes, step: Step) -> bytes:
        """Send what can be sent at once; what is left is for `flush`. Raises Failure."""

    def flush(self, rest: bytes, step: Step) -> Steps[None]:
        """Send what `post` left. Raises Failure."""

    def first(self, step: Step) -> Steps[bytes]:
        """The first bytes of an answer, stamped exactly even if the prober looks late."""

    def receive(self, step: Step) -> Steps[bytes]:
        """What there is, waiting for it; b"" at the end. Raises Failure."""

    def close(self) -> None:
        """Drop the connection; what the peer still sends is refused."""


class Plain:
    """TCP as it is."""

    __slots__ = ("_full", "_offset", "first_stamp", "sock", "stamp", "stamped", "trace")

    def __init__(self, trace: Trace, sock: socket.SocketType) -> None:
        self.trace = trace
        self.sock = sock
        self.stamped = stamps.ask_for_stamps(sock)
        self.stamp = self.first_stamp = 0.0
        self._offset = trace.pulse.offset
        self._full = False

    def post(self, message: bytes, step: Step) -> bytes:
        try:
            if len(message) > _SEGMENT:
                self.hurry()
            return message[self.sock.send(message) :]
        except BlockingIOError:
            return message
        except OSError as error:
            raise broken(step, error) from error

    def flush(self, rest: bytes, step: Step) -> Steps[None]:
        while rest:
            if not (yield self.sock, OUT, self.trace.until):
                raise late(step, self.trace.elapsed()) from None
            rest = self.post(rest, step)

    def hurry(self) -> None:
        """Let the kernel send a short segment although another is not acknowledged yet."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def first(self, step: Step) -> Steps[bytes]:
        """The first byte alone, then the rest: TCP gives the stamp of the last byte read, and if the prober woke late
        there is more than one segment to read."""
        trace = self.trace
        chunk = None
        while chunk is None:
            if not (yield self.sock, IN, trace.until):
                raise late(step, trace.elapsed())
            chunk = self.take(1 if self.stamped else SIZE, step)
        self.first_stamp = self.stamp
        return chunk + (self.take(SIZE, step) or b"") if chunk and self.stamped else chunk

    def receive(self, step: Step, size: int = SIZE) -> Steps[bytes]:
        while True:
            if not self._full and not (yield self.sock, IN, self.trace.until):
                raise late(step, self.trace.elapsed())
            chunk = self.take(size, step)
            if chunk is not None:
                return chunk

    def expect_more(self) -> None:
        """Let the next `receive` look before it waits."""
        self._full = True

    def take(self, size: int, step: Step) -> bytes | None:
        """What is there now, at most `size` bytes; None if nothing is. Raises Failure."""
        try:
            chunk, ancillary, _, _ = self.sock.recvmsg(size, stamps.ANCILLARY)
        except BlockingIOError:
            self._full = False
            return None
        except OSError as error:
            raise broken(step, error) from error
        self._full = len(chunk) == size
        if chunk:
            self._note(ancillary)
        return chunk

    def _note(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        now = monotonic()
        trace = self.trace
        stamp = stamps.arrival(ancillary, self._offset, now)
        if stamp is None or abs(trace.pulse.offset - self._offset) > stamps.STEADY:
            self.stamp = now
            trace.kernel = False
            return
        self.stamp = stamp
        if trace.kernel is None:
            trace.kernel = True
        if now - stamp > trace.lag:
            trace.lag = now - stamp

    def close(self) -> None:
        trace = self.trace
        trace.rtt, trace.retransmits = stamps.tcp_facts(self.sock)
        self.sock.close()


class Sealed:
    """TLS on a connection, through memory, so that the bytes still come with their stamps."""

    __slots__ = ("_incoming", "_outgoing", "_plain", "first_stamp", "stamp", "tls")

    def __init__(self, plain: Plain, context: ssl.SSLContext, name: str) -> None:
        self._plain = plain
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self.stamp = self.first_stamp = 0.0

    def handshake(self, known: Verdict | None) -> Steps[None]:
        """Raises Failure; what the peer showed is noted in the trace either way. It is None after a handshake that showed
        another chain than the `known` one."""
        plain, trace, tls = self._plain, self._plain.trace, self.tls
        began, hello, heard = monotonic(), 0, False
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                if self._outgoing.pending:
                    hello = hello or self._outgoing.pending
                    yield from plain.flush(plain.post(self._outgoing.read(), HANDSHAKE), HANDSHAKE)
            except ssl.SSLError as error:
                failure = unsecured(error, tls, trace)
                self._say_goodbye()
                raise failure from error
            try:
                chunk = yield from plain.receive(HANDSHAKE)
            except Failure as failure:
                if heard or not (hint := oversized(hello)):
                    raise
                raise Failure(failure.reason, f"{failure.why}{hint}") from failure
            if not chunk:
                hint = "" if heard else oversized(hello)
                raise Failure(Reason.TLS_RESET, f"the server hung up in the TLS handshake{hint}")
            heard = True
            self._incoming.write(chunk)
        trace.tls = max(plain.stamp - began, 0.0)
        # A server may speak with its last handshake bytes, before it is asked.
        self.stamp = plain.stamp
        if known is None:
            trace.secured = secured(tls, verified=tls.context.verify_mode is ssl.CERT_REQUIRED)
        else:
            trace.secured = recognised(tls, known)

    def post(self, message: bytes, step: Step) -> bytes:
        self.tls.write(message)
        return self._plain.post(self._outgoing.read(), step)

    def flush(self, rest: bytes, step: Step) -> Steps[None]:
        yield from self._plain.flush(rest, step)

    def first(self, step: Step) -> Steps[bytes]:
        """Record by record until one holds something for us, so that it is stamped by itself."""
        plain = self._plain
        chunk = self._read(step)
        while chunk is None:
            if not (yield plain.sock, IN, plain.trace.until):
                raise late(step, plain.trace.elapsed())
            chunk = self._by_record(step) if plain.stamped else None
            if chunk is None and (self._incoming.pending or not plain.stamped):
                plain.expect_more()
                chunk = yield from self.receive(step)
        self.first_stamp = self.stamp
        return chunk

    def receive(self, step: Step) -> Steps[bytes]:
        while True:
            chunk = self._read(step)
            if chunk is not None:
                return chunk
            received = yield from self._plain.receive(step)
            if not received:
                return b""
            self._incoming.write(received)
            self.stamp = self._plain.stamp

    def close(self) -> None:
        self._plain.close()

    def _read(self, step: Step) -> bytes | None:
        """Decrypted bytes; None if more must be received, b"" after the peer's goodbye."""
        if not self._incoming.pending and not self.tls.pending():
            return None
        try:
            return self.tls.read(SIZE)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        except ssl.SSLError as error:
            raise refused_later(error, step) from error

    def _by_record(self, step: Step) -> bytes | None:
        """The first record there is that holds something for us, alone; b"" at the end, None if none is there whole.

        Session tickets come first, as records of their own.
        """
        chunk = None
        while chunk is None:
            header = self._plain.take(_RECORD_HEADER, step)
            if not header:
                return header
            size = int.from_bytes(header[3:], "big")
            body = self._plain.take(size, step) if len(header) == _RECORD_HEADER else None
            self._incoming.write(header + (body or b""))
            self.stamp = self._plain.stamp
            if body is None or len(body) < size:
                return None
            chunk = self._read(step)
        return chunk

    def _say_goodbye(self) -> None:
        """Tell the peer which check failed: its own log then names the cause."""
        if self._outgoing.pending:
            try:
                self._plain.sock.send(self._outgoing.read())
            except OSError:
                return


def connect(trace: Trace, address: str, port: int) -> Steps[Plain]:
    """A TCP connection to exactly this address. Raises Failure, also if the guard forbids the address."""
    guard.check(address, allow_private=trace.target.allow_private)
    if not 0 < port < 65536:
        raise Failure(Reason.SELF_TARGET, f"port: expected a number between 1 and 65535, got {port}")
    trace.address = address
    try:
        # The bare type: what Python's own class adds, files and closing, is not used here and costs two microseconds.
        sock = socket.SocketType(_V6 if ":" in address else _V4, _STREAM)
    except OSError as error:
        raise own(error.errno) from error
    try:
        plain = Plain(trace, sock)
        began = monotonic()
        code = _begin(sock, address, port)
        while code == errno.EINPROGRESS:
            if not (yield sock, OUT, trace.until):
                raise late(CONNECT, trace.elapsed())
            code = _outcome(trace, sock)
        if code:
            raise unconnected(code, f"[{address}]:{port}" if ":" in address else f"{address}:{port}")
        trace.connect = _connect_time(plain, monotonic() - began)
    except BaseException:
        sock.close()
        raise
    return plain


def _begin(sock: socket.SocketType, address: str, port: int) -> int:
    try:
        return sock.connect_ex((address, port))
    except socket.gaierror as error:
        raise Failure(Reason.SELF_TARGET, f"{address} names a network interface that this machine lacks") from error


def _outcome(trace: Trace, sock: socket.SocketType) -> int:
    """The errno that a connection attempt ended with: 0 for success, EINPROGRESS if it has not ended."""
    established, trace.rtt = stamps.connected(sock)
    if established:
        return 0
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        return code
    try:
        sock.getpeername()
    except OSError:
        return errno.EINPROGRESS
    return 0


def _connect_time(plain: Plain, measured: float) -> float:
    """The kernel's time from SYN to SYN-ACK if it has one (it has none after a retransmission), else the prober's."""
    trace = plain.trace
    if plain.stamped and trace.rtt and trace.rtt < measured:
        trace.kernel = trace.kernel is not False
        return trace.rtt
    return measured


def seal(plain: Plain, context: ssl.SSLContext, name: str, known: Verdict | None = None) -> Steps[Sealed]:
    """TLS on an open connection, verified as `context` says, or by being the `known` chain. Raises Failure; the connection
    is then closed."""
    try:
        plain.hurry()
        sealed = Sealed(plain, known.unverified if known else context, name)
        yield from sealed.handshake(known)
    except BaseException:
        plain.close()
        raise
    return sealed
