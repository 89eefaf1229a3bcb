"""What is probed (Target) and what one probe found (ProbeResult): state, typed reason, phases, certificates, evidence.

Seconds are floats. A phase that was not reached is None, never zero. Nothing here is unsafe to print: answers that may
hold secrets travel apart, as `Answer`, and end with the probe.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

Pairs = tuple[tuple[str, str], ...]

BODY_LIMIT = 1 << 20


class ProbeState(StrEnum):
    """What a probe says of its target. UNSURE: the prober itself was in the way, so it says nothing of the target."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNSURE = "unsure"


class Reason(StrEnum):
    """Why a target is not up: the part before the dot is the phase that failed.

    `self.*` blames the prober (state UNSURE), `guard.*` is a refusal to connect, `assert.*` an expectation not met by a
    complete answer, `heartbeat.*` a push that did not come or said that it failed.
    """

    DNS_TIMEOUT = "dns.timeout"
    DNS_NXDOMAIN = "dns.nxdomain"
    DNS_NODATA = "dns.nodata"
    DNS_REFUSED = "dns.refused"
    DNS_SERVFAIL = "dns.servfail"
    DNS_MALFORMED = "dns.malformed"
    DNS_UNREACHABLE = "dns.unreachable"
    DNS_LOOP = "dns.loop"
    TCP_REFUSED = "tcp.refused"
    TCP_TIMEOUT = "tcp.timeout"
    TCP_RESET = "tcp.reset"
    TCP_UNREACHABLE = "tcp.unreachable"
    TCP_CLOSED = "tcp.closed"
    TCP_EXPECT = "tcp.expect"
    TLS_EXPIRED = "tls.expired"
    TLS_NOT_YET_VALID = "tls.not_yet_valid"
    TLS_NAME = "tls.name"
    TLS_UNTRUSTED = "tls.untrusted"
    TLS_SELF_SIGNED = "tls.self_signed"
    TLS_PROTOCOL = "tls.protocol"
    TLS_WEAK = "tls.weak"
    TLS_CLIENT = "tls.client_certificate"
    TLS_RESET = "tls.reset"
    TLS_TIMEOUT = "tls.timeout"
    HTTP_TIMEOUT = "http.timeout"
    HTTP_PROTOCOL = "http.protocol"
    HTTP_RESET = "http.reset"
    HTTP_CLOSED = "http.closed"
    HTTP_TOO_LARGE = "http.too_large"
    HTTP_REDIRECTS = "http.redirects"
    HTTP_STATUS = "http.status"
    PROXY_UNREACHABLE = "proxy.unreachable"
    PROXY_REFUSED = "proxy.refused"
    WS_HANDSHAKE = "ws.handshake"
    WS_PROTOCOL = "ws.protocol"
    WS_TIMEOUT = "ws.timeout"
    WS_RESET = "ws.reset"
    WS_CLOSED = "ws.closed"
    WS_REPLY = "ws.reply"
    GUARD_ADDRESS = "guard.address"
    GUARD_SCHEME = "guard.scheme"
    ASSERT_STATUS = "assert.status"
    ASSERT_HEADER = "assert.header"
    ASSERT_BODY = "assert.body"
    ASSERT_JSON = "assert.json"
    ASSERT_LATENCY = "assert.latency"
    ASSERT_CERTIFICATE = "assert.certificate"
    ASSERT_ADDRESS = "assert.address"
    ASSERT_PROTOCOL = "assert.protocol"
    ASSERT_DNS = "assert.dns"
    ASSERT_EXTRACT = "assert.extract"
    HEARTBEAT_LATE = "heartbeat.late"
    HEARTBEAT_FAILED = "heartbeat.failed"
    SELF_STALLED = "self.stalled"
    SELF_NETWORK = "self.network"
    SELF_RESOURCES = "self.resources"
    SELF_TARGET = "self.target"
    SELF_STOPPED = "self.stopped"
    SELF_ERROR = "self.error"

    @property
    def phase(self) -> str:
        return self.value.partition(".")[0]


class Reach(StrEnum):
    """Which of a name's addresses are probed: the first (IPv4 before IPv6), of one family, one of each, or every one."""

    ANY = "any"
    V4 = "v4"
    V6 = "v6"
    BOTH = "both"
    EVERY = "every"


class Redirects(StrEnum):
    """What a 3xx answer means: follow it, take it as the answer, or follow it on the same host only."""

    FOLLOW = "follow"
    NONE = "none"
    SAME_HOST = "same-host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How the server's certificate is judged. `ca_file` replaces the system's store; `server_name` replaces the host's
    name, for SNI and for the check. Files are PEM. `minimum` is the oldest TLS version accepted: "1.2" or "1.3"."""

    verify: bool = True
    ca_file: str = ""
    server_name: str = ""
    client_certificate: str = ""
    client_key: str = ""
    minimum: str = "1.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """One HTTP request, a fresh connection each time. A body over `body_limit` bytes after decompression is cut there,
    and is a failure only with `strict_limit`. `proxy` is `http://[user:password@]host:port`. `secrets` are values in the
    other fields that nobody may read, wherever they come back. `http2` offers HTTP/2 as well in the TLS handshake; the
    server chooses."""

    kind: ClassVar[str] = "http"

    url: str
    method: str = "GET"
    headers: Pairs = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    redirects: Redirects = Redirects.FOLLOW
    proxy: str = field(default="", repr=False)
    trust: Trust = Trust()
    body_limit: int = BODY_LIMIT
    strict_limit: bool = False
    http2: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocket:
    """A handshake, then optionally a text to send and a text the first reply must contain. `url` is ws:// or wss://.
    `secrets` as in `Http`."""

    kind: ClassVar[str] = "websocket"

    url: str
    send: str = field(default="", repr=False)
    expect: str | None = None
    headers: Pairs = field(default=(), repr=False)
    subprotocol: str = ""
    trust: Trust = Trust()
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """A handshake and nothing more: the certificate probe."""

    kind: ClassVar[str] = "tls"

    host: str
    port: int = 443
    trust: Trust = Trust()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tcp:
    """A connection; then optionally bytes to send and what must come back: bytes, or a regular expression over the
    first 4 KiB (not both)."""

    kind: ClassVar[str] = "tcp"

    host: str
    port: int
    send: bytes = field(default=b"", repr=False)
    expect: bytes = b""
    pattern: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """One question to a DNS server: the target's own `dns_servers`, else the machine's. `record` is a type such as MX."""

    kind: ClassVar[str] = "dns"

    name: str
    record: str = "A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request of a flow. `{name}` in its URL, headers and body stands for what an earlier step extracted: (name, path
    into the JSON answer) or (name, `header.NAME`). `expect` are the lines that its own answer must meet."""

    name: str
    http: Http
    expect: tuple[str, ...] = ()
    extract: Pairs = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Requests one after another, each on a connection of its own, within the target's one time-out."""

    kind: ClassVar[str] = "flow"

    steps: tuple[Step, ...]


Spec = Http | WebSocket | Tls | Tcp | Dns | Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to probe and within which limits. `timeout` is for the whole probe, redirects and all.

    `dns_servers` are addresses with an optional port: `10.0.0.2`, `10.0.0.2:5353`, `[fd00::2]:53`. Addresses of private
    and loopback networks are connected to only with `allow_private`; metadata services never are.
    `keep_evidence` keeps headers and the beginning of the body also of a probe that is up.
    """

    name: str
    spec: Spec
    timeout: float = 10.0
    reach: Reach = Reach.ANY
    allow_private: bool = False
    dns_servers: tuple[str, ...] = ()
    keep_evidence: bool = False

    @property
    def kind(self) -> str:
        return self.spec.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """Where the time went, in seconds. `tls` ends with the server's last handshake byte, `first_byte` begins when the
    request is sent, `transfer` ends with the last byte of the body. `proxy` is the CONNECT exchange."""

    dns: float | None = None
    connect: float | None = None
    proxy: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    transfer: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Facts of one certificate. `names` are its DNS names and addresses; `serial` and `fingerprint` (SHA-256) are hex."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key: str
    signature: str
    serial: str
    fingerprint: str
    self_signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """What the TLS handshake showed, also of one that failed.

    `path` runs from the leaf to the root: the verified one if `verified`, else the chain as it was sent. `extras` were
    sent and are not on the verified path: an expired one there harms nobody.
    """

    version: str | None = None
    cipher: str | None = None
    alpn: str | None = None
    verified: bool = False
    path: tuple[Certificate, ...] = ()
    extras: tuple[Certificate, ...] = ()

    @property
    def not_after(self) -> datetime | None:
        """When the first certificate of the path expires; None if none was shown."""
        return min((certificate.not_after for certificate in self.path), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One DNS record of an answer; `value` as a zone file writes it, `ttl` in seconds."""

    name: str
    type: str
    ttl: int
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One request of a chain of redirects, or of a flow, whose step it then names."""

    url: str
    address: str | None
    status: int | None
    phases: Phases
    step: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer as it came, up to the body limit: for expectations and extraction, never for storing or printing.

    `head` is the status line and the headers of an HTTP answer; `body` is decompressed; of a TCP probe it is the bytes
    received, of a WebSocket probe the reply, of a DNS probe the records' values, one a line. `hidden` are texts that
    nobody may read wherever they stand: what a flow extracted.
    """

    head: bytes = b""
    body: bytes = b""
    hidden: tuple[str, ...] = field(default=(), repr=False)

    @property
    def headers(self) -> Pairs:
        """Names in lower case, in the order sent; repeated ones repeated."""
        lines = self.head.decode("latin-1").replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n")[1:]
        return tuple(
            (name.lower(), value.strip(" \t"))
            for name, colon, value in (line.partition(":") for line in lines)
            if colon
        )

    def header(self, name: str) -> str | None:
        """The first header of that name, given in lower case."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What one probe found. `why` is a sentence for a person, empty if up; `seconds` the whole probe's time.

    `phases` sums all hops; `hops` has each. `addresses` is everything the name resolved to, `address` the one connected
    to last. `headers` and `excerpt` are evidence: redacted, capped, kept of failures (or with `keep_evidence`).
    `queued` is the time before the probe began, `lag` the longest time an event waited for the prober itself; neither is
    the target's. `kernel_stamps`: phases come from the kernel's receive stamps and not from the prober's clock.
    `rtt` (seconds) and `retransmits` are of the last connection. `parts` are the probes of single addresses where the
    target's reach asks for several.
    """

    target: str
    kind: str
    state: ProbeState
    at: datetime
    seconds: float
    reason: Reason | None = None
    why: str = ""
    phases: Phases = Phases()
    address: str | None = None
    addresses: tuple[str, ...] = ()
    protocol: str | None = None
    secured: Secured | None = None
    status: int | None = None
    headers: Pairs = ()
    excerpt: str = ""
    body_size: int | None = None
    truncated: bool = False
    rcode: str | None = None
    records: tuple[Record, ...] = ()
    hops: tuple[Hop, ...] = ()
    parts: tuple[ProbeResult, ...] = ()
    kernel_stamps: bool = False
    rtt: float | None = None
    retransmits: int | None = None
    queued: float = 0.0
    lag: float = 0.0
