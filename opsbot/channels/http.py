"""One POST to a peer of ours: judged addresses alone, TLS verified, no redirect followed, and over within its time."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import SplitResult, urlsplit

from opsbot.channels.proxies import Proxy, proxy_of
from opsbot.channels.settings import printable, unsecret
from opsbot.errors import DeliveryError

Guard = Callable[[str], tuple[str, bool]]
"""What is special about an address ("" if nothing), and whether nobody may ever connect to it."""

LONGEST_ANSWER = 65_536
HEADER = 1_000


def open_guard(_address: str) -> tuple[str, bool]:
    """Judges nothing: for peers whose address is not anybody's choice."""
    return "", False


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How a peer may be reached. `seconds` is for the whole exchange. Without `private` only addresses of the public
    internet are connected to; what the guard forbids always is never. `ca_file` is trusted besides the system's."""

    url: str
    seconds: float
    private: bool = False
    ca_file: str = ""
    guard: Guard = open_guard

    @property
    def host(self) -> str:
        """Whom people see in an error: never the path, which may be a secret."""
        return _parts(self.url).netloc.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: header names in lower case, and as much of the body as anybody reads."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def said(self) -> str:
        """The body for one line of an error."""
        return printable(self.body[:HEADER].decode("utf-8", "replace"))


def checked_url(value: str) -> str:
    """For settings. Raises ValueError: https anywhere, http on this machine alone, no name or password in it."""
    wrong = f"expected a URL such as https://hooks.example.org/opsbot, got {unsecret(value)}"
    try:
        parts = _parts(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(wrong) from error
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0 or not value.isascii() or " " in value:
        raise ValueError(wrong)
    if parts.username or parts.password:
        raise ValueError("expected a URL without a name and password in it; a signature says who we are")
    if parts.scheme == "http" and not _loopback(parts.hostname):
        raise ValueError(f"expected https://: what is sent to {parts.hostname} would go in clear")
    return value


def post(door: Door, body: bytes, headers: Mapping[str, str]) -> Answer:
    """One attempt. Raises DeliveryError for what comes before an answer; every answer, good or bad, is the caller's."""
    parts = _parts(door.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        proxy = proxy_of(door.url)
        with closing(_connected(door, parts, proxy)) as connection, _over_in_time(connection, door.seconds):
            if proxy is not None:
                proxy.tunnel(connection.sock, parts.hostname or "", _port(parts))
            if parts.scheme == "https":
                _secure(door, connection)
            return _exchanged(door, connection, path, body, headers)
    except ssl.SSLCertVerificationError as error:
        what = f"{door.host}: its certificate was refused: {error.verify_message}"
        hint = "check the host in the url; for an own authority set channels.<name>.ca_file"
        raise DeliveryError(what, permanent=True, peer=True, hint=hint) from error
    except (OSError, UnicodeError) as error:
        what = printable(getattr(error, "strerror", None) or error) or type(error).__name__
        raise DeliveryError(f"{door.host}: not reached: {what}", permanent=False, peer=True) from error


def seconds(value: str | None, now: float | None = None) -> float:
    """`Retry-After`, in seconds; a date only where the time is given. 30 for what cannot be read."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(min(max(int(text[:9]), 1), 3600))
    with suppress(ValueError, TypeError, OverflowError):
        moment = parsedate_to_datetime(text).timestamp()
        return min(max(moment - now, 1.0), 3600.0) if now is not None else 30.0
    return 30.0


def _parts(url: str) -> SplitResult:
    return urlsplit(url)


def _loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _connected(door: Door, parts: SplitResult, proxy: Proxy | None) -> HTTPConnection:
    """To an address that was judged itself: what a name means a moment later does not matter. Raises OSError.

    Where a proxy is to connect, what the name means here is judged, if it means anything; what it means there, nobody
    knows, and TLS lets nobody read anything who cannot prove the name.
    """
    host, port = parts.hostname or "", _port(parts)
    connection = HTTPConnection(host, port, timeout=door.seconds)
    if proxy is None:
        connection.sock = _dialled(_judged(door, host, port), host, port, door.seconds)
    else:
        with suppress(OSError):
            list(_judged(door, host, port))
        connection.sock = _through(proxy, door)
    connection.sock.settimeout(door.seconds)
    if parts.scheme == "https":
        # The Host header leaves out the port that goes without saying.
        connection.default_port = 443
    return connection


def _secure(door: Door, connection: HTTPConnection) -> None:
    """Within the time of the whole exchange, so that a slow hand does not hold us."""
    waiting = _trust(door).wrap_socket(connection.sock, server_hostname=connection.host, do_handshake_on_connect=False)
    connection.sock = waiting
    waiting.do_handshake()


def _through(proxy: Proxy, door: Door) -> socket.socket:
    try:
        return _dialled(_addresses(proxy.host, proxy.port), proxy.host, proxy.port, door.seconds)
    except OSError as error:
        what = f"{door.host}: {proxy} was not reached: {printable(error.strerror or error)}"
        raise DeliveryError(what, permanent=False, peer=True) from error


def _dialled(addresses: Iterable[str], host: str, port: int, seconds: float) -> socket.socket:
    """To the first address that answers; all of them together have the time of one."""
    failed: OSError = ConnectionError(f"no address is known for {host}")
    ends = time.monotonic() + seconds
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=max(ends - time.monotonic(), 0.01))
        except OSError as error:
            failed = error
    raise failed


def _judged(door: Door, host: str, port: int) -> Iterator[str]:
    """What the name means, one after the other. Raises DeliveryError for what must not be reached, OSError for no name."""
    for address in _addresses(host, port):
        _judge(door, address)
        yield address


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _judge(door: Door, address: str) -> None:
    """Raises DeliveryError for an address that must not be connected to."""
    what, always = door.guard(address)
    if what and (always or not door.private):
        hint = "" if always else "set channels.<name>.allow_private = true if that is meant"
        raise DeliveryError(f"{door.host}: {address} is {what}: nothing was sent", permanent=True, peer=True, hint=hint)


def _trust(door: Door) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        if door.ca_file:
            context.load_verify_locations(door.ca_file)
    except OSError as error:
        what = f"{door.ca_file}: cannot be used: {printable(error.strerror or error)}"
        hint = "expected a file with PEM certificates; set channels.<name>.ca_file to one"
        raise DeliveryError(what, permanent=True, peer=True, hint=hint) from error
    return context


class _over_in_time:  # noqa: N801  reads as what it does where it is used
    """Hangs up when the time is over: a peer that answers a byte a second would otherwise hold us for ever."""

    def __init__(self, connection: HTTPConnection, seconds: float) -> None:
        self._timer = threading.Timer(seconds, _hang_up, (connection,))
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _hang_up(connection: HTTPConnection) -> None:
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _exchanged(door: Door, connection: HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """From the first byte on only an answer says whether it was taken. Raises DeliveryError."""
    try:
        connection.request("POST", path, body=body, headers={**headers, "Connection": "close"})
        response = connection.getresponse()
    except (OSError, HTTPException, ValueError) as error:
        what = printable(error) or type(error).__name__
        raise DeliveryError(f"{door.host}: no answer: {what}", permanent=False, ambiguous=True, peer=True) from error
    told = {name.lower(): value[:HEADER] for name, value in response.getheaders()}
    return Answer(status=response.status, headers=told, body=_read(response))


def _read(response: HTTPResponse) -> bytes:
    """The status has decided already: an answer that breaks off after it costs only words."""
    try:
        return response.read(LONGEST_ANSWER)
    except (OSError, HTTPException, ValueError):
        return b""
