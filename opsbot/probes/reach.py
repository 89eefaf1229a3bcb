"""From a host's name to an open connection: resolve, choose the address, connect to it, TLS; or the same by a proxy."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass

from opsbot.model.probe import Reason, Trust
from opsbot.probes import guard, stream
from opsbot.probes.failure import PROXY, Failure
from opsbot.probes.resolve import Resolver
from opsbot.probes.stream import Plain, Stream
from opsbot.probes.trace import Trace
from opsbot.probes.trust import Contexts
from opsbot.probes.urls import Place, ascii_host, parse
from opsbot.probes.verdicts import Verdicts
from opsbot.probes.wait import Steps

_LARGEST_HEAD = 16384


@dataclass(frozen=True, slots=True)
class Ways:
    """What every probe needs to get out: the resolver, the TLS contexts and the chains verified so far of the engine."""

    resolver: Resolver
    contexts: Contexts
    verdicts: Verdicts


def plain(trace: Trace, ways: Ways, host: str, port: int) -> Steps[Plain]:
    """A TCP connection to the first address of a host, or to the one the trace is pinned to. Raises Failure."""
    if trace.pinned and not trace.hops:
        address, trace.dns = trace.pinned
        return stream.connect(trace, address, port)
    spelled = guard.literal(host)
    return stream.connect(trace, spelled, port) if spelled else _resolved(trace, ways, host, port)


def _resolved(trace: Trace, ways: Ways, host: str, port: int) -> Steps[Plain]:
    addresses = yield from ways.resolver.addresses(trace, host)
    return (yield from stream.connect(trace, addresses[0], port))


def secure(
    trace: Trace, ways: Ways, connection: Plain, host: str, port: int, trust: Trust, alpn: str = ""
) -> Steps[Stream]:
    """TLS on a connection, for `trust.server_name` or the host. Raises Failure; the connection is then closed."""
    try:
        context = ways.contexts.get(trust, alpn)
        unverified = ways.contexts.unverified(trust, alpn) if trust.verify else None
        name = ascii_host((trust.server_name or host).partition("%")[0].rstrip("."))
    except (Failure, ValueError) as error:
        connection.close()
        if isinstance(error, Failure):
            raise
        raise Failure(Reason.SELF_TARGET, str(error)) from error
    if unverified is None or trace.proxy is not None:
        return (yield from stream.seal(connection, context, name))
    address = trace.address or ""
    place = (id(context), name, address, port)
    known = ways.verdicts.known(place, context, trace.at)
    if known:
        sealed = yield from stream.seal(connection, context, name, known)
        if trace.secured:
            return sealed
        # Another chain than last time, and this connection did not verify it: one that does.
        sealed.close()
        ways.verdicts.forget(place)
        connection = yield from stream.connect(trace, address, port)
    sealed = yield from stream.seal(connection, context, name)
    ways.verdicts.learn(place, sealed.tls, trace.secured, unverified)
    return sealed


def by_proxy(trace: Trace, proxy: Place, place: Place, resolver: Ways) -> Steps[Plain]:
    """A connection through an HTTP proxy: for https a tunnel to the place, for http to the proxy itself."""
    guard.check_name(place.host, allow_private=trace.target.allow_private)
    try:
        connection = yield from plain(trace, resolver, proxy.host, proxy.port)
    except Failure as failure:
        if failure.reason.phase not in ("dns", "tcp"):
            raise
        raise Failure(Reason.PROXY_UNREACHABLE, f"the proxy {proxy.host}: {failure.why}") from failure
    if place.secure:
        try:
            yield from _tunnel(trace, connection, proxy, place)
        except BaseException:
            connection.close()
            raise
    return connection


def _tunnel(trace: Trace, connection: Plain, proxy: Place, place: Place) -> Steps[None]:
    host = f"[{place.host}]" if ":" in place.host else ascii_host(place.host)
    credentials = "".join(f"{name}: {value}\r\n" for name, value in proxy_headers(proxy))
    began = time.monotonic()
    request = f"CONNECT {host}:{place.port} HTTP/1.1\r\nHost: {host}:{place.port}\r\n{credentials}\r\n"
    yield from connection.flush(connection.post(request.encode("latin-1"), PROXY), PROXY)
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = yield from connection.receive(PROXY)
        head += chunk
        if not chunk or len(head) > _LARGEST_HEAD:
            raise Failure(Reason.PROXY_REFUSED, f"the proxy {proxy.host} hung up instead of connecting to {host}")
    trace.proxy = max(connection.stamp - began, 0.0)
    version, _, rest = head.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest.startswith(b"2"):
        said = "".join(mark if mark.isprintable() else "?" for mark in rest[:60].split(b"\r\n")[0].decode("latin-1"))
        raise Failure(
            Reason.PROXY_REFUSED, f"the proxy {proxy.host} would not connect to {host}: {said or 'no status'}"
        )


def proxy_place(text: str) -> Place:
    """Raises Failure(self.target)."""
    try:
        return parse(text, ("http",))
    except ValueError as error:
        raise Failure(Reason.SELF_TARGET, f"proxy: {error}") from error


def proxy_headers(proxy: Place) -> tuple[tuple[str, str], ...]:
    if not proxy.user:
        return ()
    return (("Proxy-Authorization", f"Basic {basic(proxy.user, proxy.password)}"),)


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
