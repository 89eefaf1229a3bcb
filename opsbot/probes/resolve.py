"""Host names to addresses on the loop, asked afresh each time: a dead DNS server delays nobody but who asks it.

A cache would hide the outage that a probe is there to see, so there is none. A and AAAA are asked together over UDP,
over TCP if an answer is cut; servers in turn, each try waiting twice as long as the one before.
"""

from __future__ import annotations

import secrets
import socket
import time
from dataclasses import dataclass

from opsbot.model.probe import Reach, Reason, Record
from opsbot.probes import dnswire, guard
from opsbot.probes.dnswire import NOERROR, NXDOMAIN, REFUSED, SERVFAIL, Malformed, Reply
from opsbot.probes.failure import Failure, own
from opsbot.probes.resolvconf import Machine, Resolving, server
from opsbot.probes.trace import Trace
from opsbot.probes.urls import check_host
from opsbot.probes.wait import IN, OUT, Steps

_GRACE = 0.05
"""Seconds that the other family's answer may come later when one is there (RFC 8305, resolution delay)."""
_ALIASES = 8
_FAMILIES = {Reach.V4: (dnswire.A,), Reach.V6: (dnswire.AAAA,)}


@dataclass(slots=True)
class Resolver:
    """Asks the machine's servers, or a target's own. `machine` is where resolv.conf and hosts are."""

    machine: Machine

    def addresses(self, trace: Trace, host: str) -> Steps[tuple[str, ...]]:
        """Every address of a host that the target's reach can use, IPv4 first. Raises Failure."""
        spelled = guard.literal(host)
        if spelled:
            return (spelled,)
        try:
            check_host(host)
        except ValueError as error:
            raise Failure(Reason.SELF_TARGET, str(error)) from error
        began = time.monotonic()
        try:
            found = self._of_reach(self.machine.host(host), trace.target.reach)
            if not found:
                found = yield from self._search(trace, host)
        finally:
            trace.dns = time.monotonic() - began
        trace.addresses = found
        return found

    def ask(self, trace: Trace, name: str, types: tuple[int, ...]) -> Steps[dict[int, Reply]]:
        """The first usable reply to each question, from the servers in turn. Raises Failure if no server gives one."""
        how = self._how(trace)
        failure = Failure(Reason.DNS_TIMEOUT, f"no DNS server answered for {name} ({_listed(how.servers)})")
        for attempt in range(how.attempts):
            for address in how.servers:
                until = min(trace.until, time.monotonic() + how.timeout * 2**attempt)
                try:
                    replies = yield from _exchange(trace, address, name, types, until)
                except Failure as error:
                    failure = error
                    if error.reason.phase != "dns":
                        raise
                else:
                    usable = {type: reply for type, reply in replies.items() if reply.rcode in (NOERROR, NXDOMAIN)}
                    # A server that answers for one family and fails for the other has told us an address.
                    if len(usable) == len(replies) or any(reply.records for reply in usable.values()):
                        return usable
                    failure = _unusable(
                        next(r for r in replies.values() if r.rcode not in (NOERROR, NXDOMAIN)), address
                    )
                if time.monotonic() >= trace.until:
                    raise failure
            if failure.reason in (Reason.DNS_REFUSED, Reason.DNS_MALFORMED):
                break
        raise failure

    def _how(self, trace: Trace) -> Resolving:
        how = self.machine.resolving()
        if not trace.target.dns_servers:
            return how
        servers = []
        for text in trace.target.dns_servers:
            try:
                address, port = server(text)
            except ValueError as error:
                raise Failure(Reason.SELF_TARGET, f"dns_servers: {error}") from error
            guard.check(address, allow_private=trace.target.allow_private)
            servers.append((address, port))
        return Resolving(servers=tuple(servers), search=how.search, ndots=how.ndots)

    def _search(self, trace: Trace, host: str) -> Steps[tuple[str, ...]]:
        """As resolv.conf says: a name with fewer dots than ndots is first tried in each domain of the search list."""
        how = self.machine.resolving()
        inside = [] if host.endswith(".") else [f"{host}.{domain}" for domain in how.search]
        names = [*inside, host] if host.count(".") < how.ndots else [host, *inside]
        failure = None
        for name in names:
            try:
                return (yield from self._lookup(trace, name))
            except Failure as error:
                if error.reason not in (Reason.DNS_NXDOMAIN, Reason.DNS_NODATA):
                    raise
                failure = error if failure is None or name == host else failure
        raise failure or Failure(Reason.DNS_NXDOMAIN, f"{host}: no such name")

    def _lookup(self, trace: Trace, name: str) -> Steps[tuple[str, ...]]:
        types = _FAMILIES.get(trace.target.reach, (dnswire.A, dnswire.AAAA))
        asked = name
        for _ in range(_ALIASES):
            replies = yield from self.ask(trace, asked, types)
            records = [record for type in types if type in replies for record in replies[type].records]
            trace.records = tuple(records)
            found = tuple(dict.fromkeys(record.value for record in records if record.type in ("A", "AAAA")))
            if found:
                return found
            alias = follow_aliases(asked, records)
            if alias == asked.rstrip(".").lower():
                raise _absent(name, replies)
            asked = alias
        raise Failure(Reason.DNS_LOOP, f"{name}: more than {_ALIASES} aliases in a row, or a circle of them")

    @staticmethod
    def _of_reach(addresses: tuple[str, ...], reach: Reach) -> tuple[str, ...]:
        v6 = [address for address in addresses if ":" in address]
        v4 = [address for address in addresses if ":" not in address]
        return tuple(v4 if reach is Reach.V4 else v6 if reach is Reach.V6 else v4 + v6)


def follow_aliases(name: str, records: list[Record]) -> str:
    """Where the CNAMEs of an answer lead; the name itself without one."""
    aliases = {record.name.lower(): record.value.rstrip(".").lower() for record in records if record.type == "CNAME"}
    at = name.rstrip(".").lower()
    for _ in range(len(aliases)):
        at = aliases.get(at, at)
    return at


def _absent(name: str, replies: dict[int, Reply]) -> Failure:
    if any(reply.rcode == NXDOMAIN for reply in replies.values()):
        return Failure(Reason.DNS_NXDOMAIN, f"{name}: no such name")
    kinds = " or ".join("A" if type == dnswire.A else "AAAA" for type in replies)
    return Failure(Reason.DNS_NODATA, f"{name} exists but has no {kinds} record")


def _unusable(reply: Reply, address: tuple[str, int]) -> Failure:
    reason = {SERVFAIL: Reason.DNS_SERVFAIL, REFUSED: Reason.DNS_REFUSED}.get(reply.rcode, Reason.DNS_MALFORMED)
    return Failure(reason, f"the DNS server {address[0]} answered {reply.code} for {reply.question[0]}")


def _listed(servers: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(host if port == 53 else f"{host} port {port}" for host, port in servers)


def _exchange(
    trace: Trace, address: tuple[str, int], name: str, types: tuple[int, ...], until: float
) -> Steps[dict[int, Reply]]:
    """All questions to one server: over UDP, the truncated ones again over TCP."""
    questions = {secrets.randbelow(1 << 16): type for type in types}
    while len(questions) < len(types):
        questions = {secrets.randbelow(1 << 16): type for type in types}
    try:
        messages = {id: dnswire.ask(id, name, type) for id, type in questions.items()}
    except ValueError as error:
        raise Failure(Reason.SELF_TARGET, str(error)) from error
    replies = yield from _over_udp(address, messages, until)
    for id, reply in replies.items():
        if reply.truncated:
            replies[id] = yield from _over_tcp(address, id, messages[id], until)
    return {questions[id]: reply for id, reply in replies.items()}


def _over_udp(address: tuple[str, int], messages: dict[int, bytes], until: float) -> Steps[dict[int, Reply]]:
    sock = _open(address, socket.SOCK_DGRAM)
    replies: dict[int, Reply] = {}
    malformed = None
    try:
        sock.connect(address)
        for message in messages.values():
            sock.send(message)
        while len(replies) < len(messages):
            if replies and any(reply.records for reply in replies.values()):
                until = min(until, time.monotonic() + _GRACE)
            if not (yield sock, IN, until):
                break
            malformed = _take(sock, messages, replies) or malformed
    except OSError as error:
        words = error.strerror or "unreachable"
        raise Failure(
            Reason.DNS_UNREACHABLE, f"the DNS server {address[0]} cannot be asked: {words.lower()}"
        ) from error
    finally:
        sock.close()
    if len(replies) < len(messages) and not any(r.records or r.rcode for r in replies.values()):
        raise malformed or Failure(Reason.DNS_TIMEOUT, f"the DNS server {address[0]} did not answer in time")
    return replies


def _take(sock: socket.socket, messages: dict[int, bytes], replies: dict[int, Reply]) -> Failure | None:
    """One datagram. What does not answer our question (a forgery, or a late one) is passed over."""
    try:
        datagram = sock.recv(65535)
        reply = dnswire.read(datagram)
    except BlockingIOError:
        return None
    except Malformed as error:
        return Failure(Reason.DNS_MALFORMED, str(error))
    if reply.id in messages and reply.question == dnswire.read_question(messages[reply.id]):
        replies[reply.id] = reply
    return None


def _over_tcp(address: tuple[str, int], id: int, message: bytes, until: float) -> Steps[Reply]:
    sock = _open(address, socket.SOCK_STREAM)
    late = Failure(Reason.DNS_TIMEOUT, f"the DNS server {address[0]} did not answer over TCP in time")
    try:
        sock.connect_ex(address)
        if not (yield sock, OUT, until):
            raise late
        sock.send(len(message).to_bytes(2, "big") + message)
        received = bytearray()
        while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2], "big"):
            if not (yield sock, IN, until):
                raise late
            try:
                chunk = sock.recv(65535)
            except BlockingIOError:
                continue
            if not chunk:
                raise Failure(Reason.DNS_MALFORMED, f"the DNS server {address[0]} hung up in its answer")
            received += chunk
        reply = dnswire.read(bytes(received[2:]))
    except OSError as error:
        words = (error.strerror or "unreachable").lower()
        raise Failure(Reason.DNS_UNREACHABLE, f"the DNS server {address[0]} refuses TCP: {words}") from error
    except Malformed as error:
        raise Failure(Reason.DNS_MALFORMED, str(error)) from error
    finally:
        sock.close()
    if reply.id != id or reply.question != dnswire.read_question(message):
        raise Failure(Reason.DNS_MALFORMED, f"the DNS server {address[0]} answered another question")
    return reply


def _open(address: tuple[str, int], kind: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        return socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError as error:
        raise own(error.errno) from error
