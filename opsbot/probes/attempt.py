"""One probe of one target, whatever its kind; or of each of its addresses, side by side, and one verdict from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from opsbot.model.probe import (
    Answer,
    Dns,
    Flow,
    Http,
    ProbeResult,
    ProbeState,
    Reach,
    Reason,
    Target,
    Tcp,
    Tls,
    WebSocket,
)
from opsbot.probes import dns, flow, http, tcp, tls, urls, websocket
from opsbot.probes.reach import Ways
from opsbot.probes.trace import Trace
from opsbot.probes.wait import Fork, Steps

KINDS: dict[type, Callable[[Trace, Any, Ways], Steps[Answer]]] = {
    Http: http.probe,
    WebSocket: websocket.probe,
    Tls: tls.probe,
    Tcp: tcp.probe,
    Dns: dns.probe,
    Flow: flow.probe,
}
"""The kinds of probe, by the type of their settings; a new kind is one file and its line here."""

_SEVERAL = (Reach.BOTH, Reach.EVERY)
_MOST_ADDRESSES = 32


def attempt(trace: Trace, ways: Ways) -> Steps[Answer]:
    """Raises Failure; a target probed by several addresses leaves its result in `trace.merged`."""
    target = trace.target
    if (
        target.reach in _SEVERAL
        and not trace.pinned
        and not getattr(target.spec, "proxy", "")
        and target.kind != Dns.kind
    ):
        return _each(trace, ways)
    return KINDS[type(target.spec)](trace, target.spec, ways)


def host_of(target: Target) -> str:
    """The host a target is about, in lower case; what stands there if it is no host."""
    match target.spec:
        case Http(url=url):
            return _host_of_url(url, ("http", "https"))
        case WebSocket(url=url):
            return _host_of_url(url, ("ws", "wss"))
        case Flow(steps=steps):
            return _host_of_url(steps[0].http.url, ("http", "https"))
        case Dns():
            return target.dns_servers[0] if target.dns_servers else "dns"
        case spec:
            return spec.host.lower()


@lru_cache(maxsize=8192)
def _host_of_url(url: str, schemes: tuple[str, ...]) -> str:
    try:
        return urls.parse(url, schemes).host.lower()
    except ValueError:
        return url


def _each(trace: Trace, ways: Ways) -> Steps[Answer]:
    target, host = trace.target, host_of(trace.target)
    found = yield from ways.resolver.addresses(trace, host)
    chosen = _one_of_each(found) if target.reach is Reach.BOTH else found[:_MOST_ADDRESSES]
    traces = tuple(Trace(target, trace.pulse, trace.at, (address, trace.dns)) for address in chosen)
    for each in traces:
        each.until, each.addresses = trace.until, found
    parts: tuple[ProbeResult, ...] = yield Fork(traces)
    lacking = _lacking(host, found) if target.reach is Reach.BOTH else ""
    trace.answer = traces[0].answer
    trace.merged = merge(parts, lacking, trace.elapsed())
    return trace.answer


def merge(parts: tuple[ProbeResult, ...], lacking: str, seconds: float) -> ProbeResult:
    """All up is up, none up is down, some up is degraded ("half up"); `lacking` says which address family has none."""
    bad = [part for part in parts if part.state is not ProbeState.UP]
    if not bad:
        state, reason = (ProbeState.DEGRADED, Reason.DNS_NODATA) if lacking else (ProbeState.UP, None)
        return replace(parts[0], parts=parts, seconds=seconds, state=state, reason=reason, why=lacking)
    worst = next((part for part in bad if part.state is ProbeState.DOWN), bad[0])
    if len(bad) == len(parts):
        return replace(worst, parts=parts, seconds=seconds)
    state = ProbeState.DEGRADED if worst.state is ProbeState.DOWN else worst.state
    why = f"{len(parts) - len(bad)} of {len(parts)} addresses answer; {worst.address}: {worst.why}"
    return replace(worst, parts=parts, seconds=seconds, state=state, why=why)


def _one_of_each(addresses: tuple[str, ...]) -> tuple[str, ...]:
    v4 = [address for address in addresses if ":" not in address]
    v6 = [address for address in addresses if ":" in address]
    return (*v4[:1], *v6[:1])


def _lacking(host: str, addresses: tuple[str, ...]) -> str:
    families = {":" in address for address in addresses}
    return "" if len(families) == 2 else f"{host} has no {'IPv4' if True in families else 'IPv6'} address"
