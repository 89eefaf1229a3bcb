"""Whether the prober's own network is there: asked only when targets fail in ways that a dead uplink would explain.

The verdict needs both: neither the machine's DNS servers nor its gateway answer, and most of some other targets cannot
be reached either. One alone is a broken target, or a machine that needs neither.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from opsbot.model.probe import Dns, Flow, Http, ProbeResult, ProbeState, Reason, Target, Tcp, WebSocket
from opsbot.probes import Engine, guard
from opsbot.probes.attempt import host_of
from opsbot.probes.resolvconf import Machine

LIKE_NO_NETWORK = frozenset(
    {
        Reason.DNS_TIMEOUT,
        Reason.DNS_UNREACHABLE,
        Reason.DNS_SERVFAIL,
        Reason.TCP_TIMEOUT,
        Reason.TCP_UNREACHABLE,
        Reason.PROXY_UNREACHABLE,
    }
)
"""What a target looks like from a machine that has lost its network."""

PATIENCE = 2.0
# A verdict holds for so long: hundreds fail at once, and one answer is for all of them.
HOLDS = 3.0
_OTHERS = 7
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

Then = Callable[[str], None]


class Uplink:
    """Asks about the own network, one inquiry at a time. `broken` is the last verdict's sentence, "" for well."""

    def __init__(
        self,
        engine: Engine,
        *,
        resolv_conf: Path = Path("/etc/resolv.conf"),
        routes: Path = Path("/proc/net/route"),
        chance: random.Random | None = None,
    ) -> None:
        self._engine, self._routes = engine, routes
        self._machine = Machine(resolv_conf=resolv_conf)
        self._chance = chance or random.Random()  # noqa: S311  which targets are asked is no secret
        self._waiting: list[Then] = []
        self._until = float("-inf")
        self.broken = ""

    def ask(self, failed: Target, others: Callable[[], Iterable[Target]], then: Then) -> None:
        """`then` is told why the own network is to blame for this target's failure, or "" if it is not."""
        if time.monotonic() < self._until:
            then(self.broken)
            return
        self._waiting.append(then)
        if len(self._waiting) == 1:
            self._inquire(failed, others())

    def _inquire(self, failed: Target, others: Iterable[Target]) -> None:
        host = host_of(failed)
        doors = {found for one in others if host_of(one) != host and (found := door(one)) is not None}
        jury = self._chance.sample(sorted(doors), min(_OTHERS, len(doors)))
        _Inquiry(self._engine, self._machine, gateway(self._routes), jury, self._decide)

    def _decide(self, broken: str) -> None:
        self.broken, self._until = broken, time.monotonic() + HOLDS
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then(broken)


class _Inquiry:
    """Everybody who could prove the network alive, asked at once."""

    def __init__(self, engine: Engine, machine: Machine, way_out: str, jury: list[tuple[str, int]], then: Then) -> None:
        servers = machine.resolving().servers
        self._servers = ", ".join(sorted({address for address, _ in servers}))
        self._way_out, self._jury, self._then = way_out, len(jury), then
        self._alive = self._unreached = 0
        # A name that no cache has: an answer from one proves nothing.
        name = f"{secrets.token_hex(8)}.com"
        asked = [(_name_server(address, port, name), self._heard_of_server) for address, port in servers]
        if way_out:
            asked.append((_door(way_out, 53), self._heard_of_gateway))
        asked += [(_door(address, port), self._heard_of_other) for address, port in jury]
        self._open = len(asked)
        for target, heard in asked:
            engine.submit(target, heard)

    def _heard_of_server(self, result: ProbeResult) -> None:
        local = result.target.startswith("127.") or result.target.startswith("[::1")
        # A server on this machine says SERVFAIL when it is the one that reaches nobody.
        failed = {Reason.DNS_REFUSED, Reason.DNS_NXDOMAIN, Reason.DNS_NODATA, Reason.DNS_MALFORMED}
        well = failed if local else failed | {Reason.DNS_SERVFAIL}
        self._count(alive=result.state is ProbeState.UP or result.reason in well)

    def _heard_of_gateway(self, result: ProbeResult) -> None:
        self._count(alive=_reached(result))

    def _heard_of_other(self, result: ProbeResult) -> None:
        self._unreached += not _reached(result)
        self._count(alive=False)

    def _count(self, *, alive: bool) -> None:
        self._alive += alive
        self._open -= 1
        if self._open == 0:
            self._then(self._verdict())

    def _verdict(self) -> str:
        if self._alive or self._unreached * 2 < self._jury:
            return ""
        way_out = f"its gateway {self._way_out}" if self._way_out else "a default route, which it lacks"
        others = f"; {self._unreached} of {self._jury} other targets are out of reach too" if self._jury else ""
        return f"the prober's own network is down: no answer from its DNS servers ({self._servers}) or from {way_out}{others}"


def own_machine(result: ProbeResult) -> bool:
    """Whether the target is on this very machine, so that no network is between."""
    return bool(result.address) and guard.verdict(result.address or "")[0] == "the prober's own machine"


def gateway(routes: Path) -> str:
    """The IPv4 default gateway's address, "" if there is none or the system does not say."""
    try:
        lines = routes.read_text(encoding="ascii", errors="replace").splitlines()[1:]
    except OSError:
        return ""
    for fields in map(str.split, lines):
        if len(fields) > 7 and fields[1] == "00000000" and fields[7] == "00000000":
            number = fields[2]
            return ".".join(str(int(number[at : at + 2], 16)) for at in (6, 4, 2, 0))
    return ""


def door(target: Target) -> tuple[str, int] | None:
    """Where to knock to see whether a target can be reached; None where nobody can say."""
    match target.spec:
        case Http(url=url, proxy="") | WebSocket(url=url):
            return _at(url)
        case Flow(steps=steps):
            return _at(steps[0].http.url)
        case Http() | Dns():
            return None
        case spec:
            return spec.host.lower(), spec.port


def _at(url: str) -> tuple[str, int] | None:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        return (parts.hostname, parts.port or _PORTS[parts.scheme.lower()]) if parts.hostname else None
    except (ValueError, KeyError):
        return None


def _door(host: str, port: int) -> Target:
    return Target(name=host, spec=Tcp(host=host, port=port), timeout=PATIENCE, allow_private=True)


def _name_server(address: str, port: int, name: str) -> Target:
    at = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return Target(name=at, spec=Dns(name=name), timeout=PATIENCE, allow_private=True, dns_servers=(at,))


def _reached(result: ProbeResult) -> bool:
    """An answer of any kind, even a refusal, came over the network."""
    return result.state is ProbeState.UP or result.reason not in LIKE_NO_NETWORK
